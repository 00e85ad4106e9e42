// ServiceIP (holdfast.dev/v1alpha1) → ServiceIpFact. Its name must be that of its address: who creates the name
// has the address, so an object under another name would reserve nothing.
import { z } from 'zod';
import type { ServiceIpFact } from '../../../machines/cluster/cluster-facts.ts';
import { serviceIpName } from '../../../machines/cluster/service-ip-name.ts';
import { readServiceIp } from '../../config/service-address.ts';
import { quote } from '../../config/wrong.ts';
import { list, metadata, optional, type Reading, readObject } from './reading.ts';

const schema = z.object({
  metadata: metadata.extend({ resourceVersion: z.string() }),
  spec: z.object({
    ip: z.string(),
    services: list(z.object({ namespace: z.string(), name: z.string(), uid: z.string(), token: z.string() })),
  }),
  status: optional(
    z.object({
      holder: optional(z.string()),
      epoch: optional(z.int().min(0)),
      weak: optional(z.boolean()),
      state: optional(z.string()),
    }),
  ),
});

export const readServiceIpObject = (raw: unknown): Reading<ServiceIpFact> =>
  readObject('ServiceIP', schema, raw, ({ metadata: { name, resourceVersion }, spec, status }) => {
    const read = readServiceIp(spec.ip);
    if ('wrong' in read) return { wrong: `spec.ip: ${read.wrong}` };
    const ip = read.value;
    const right = serviceIpName(ip);
    if (name !== right) return { wrong: `its name must be ${quote(right)}, since spec.ip is ${ip}` };
    const held =
      status?.epoch == null
        ? null
        : {
            holder: status.holder || null,
            epoch: status.epoch,
            weak: status.weak ?? false,
            state: status.state,
          };
    return { ip, resourceVersion, services: spec.services, held };
  });
