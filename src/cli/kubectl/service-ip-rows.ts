// ServiceIP objects as people read them. Lenient: what a newer or older daemon wrote is shown as far as it is known.
import { z } from 'zod';
import { list, metadata, optional } from '../../io/kubernetes/objects/reading.ts';
import { SERVICE_IPS } from '../../io/kubernetes/resource.ts';
import { serviceIpName } from '../../machines/cluster/service-ip-name.ts';
import type { Ip } from '../../machines/frames.ts';
import type { Connection } from './connection.ts';

const text = optional(z.string());

const schema = z.object({
  metadata,
  spec: z.object({ ip: z.string(), services: list(z.object({ namespace: z.string(), name: z.string() })) }),
  status: optional(
    z.object({
      ...{ holder: text, state: text, since: text, cause: text, reason: text, interface: text, mac: text },
      epoch: optional(z.number()),
      weak: optional(z.boolean()),
      draining: list(z.string()),
    }),
  ),
});

/** What is not known, or nobody's, is null. */
export interface ServiceIpRow {
  readonly ip: Ip;
  readonly services: readonly { readonly namespace: string; readonly name: string }[];
  readonly state: string;
  readonly holder: string | null;
  readonly epoch: number | null;
  readonly weak: boolean;
  /** RFC 3339. */
  readonly since: string | null;
  readonly cause: string | null;
  readonly reason: string | null;
  readonly interface: string | null;
  readonly mac: string | null;
  readonly draining: readonly string[];
}

const rowOf = (raw: unknown): ServiceIpRow | null => {
  const { data } = schema.safeParse(raw);
  if (data === undefined) return null;
  const { spec, status } = data;
  return {
    ip: spec.ip,
    services: spec.services.map(({ namespace, name }) => ({ namespace, name })),
    state: status?.state ?? 'unowned',
    holder: status?.holder || null,
    epoch: status?.epoch ?? null,
    weak: status?.weak ?? false,
    since: status?.since ?? null,
    cause: status?.cause ?? null,
    reason: status?.reason ?? null,
    interface: status?.interface ?? null,
    mac: status?.mac ?? null,
    draining: status?.draining ?? [],
  };
};

/** By family, then by number. */
const byAddress = (a: ServiceIpRow, b: ServiceIpRow): number =>
  Number(a.ip.includes(':')) - Number(b.ip.includes(':')) ||
  a.ip.localeCompare(b.ip, 'en', { numeric: true });

export const listServiceIps = async (connection: Connection): Promise<readonly ServiceIpRow[]> =>
  (await connection.list(SERVICE_IPS)).flatMap((raw) => rowOf(raw) ?? []).sort(byAddress);

/** Null: no Service has, or had, this address. */
export const readServiceIpRow = async (connection: Connection, ip: Ip): Promise<ServiceIpRow | null> => {
  const raw = await connection.read(SERVICE_IPS, serviceIpName(ip));
  return raw === null ? null : rowOf(raw);
};

export const serviceName = ({ namespace, name }: ServiceIpRow['services'][number]): string =>
  `${namespace}/${name}`;
