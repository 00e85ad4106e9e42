// What the daemon tells a page (GET /api/v1/events, /api/v1/ips/IP), as shapes, and the rows as a table in memory.
import { addressKey } from '../machines/address-key.ts';
import type { Taking } from '../machines/explain-candidates.ts';
import type { ServiceIpState } from '../machines/service-ip.ts';
import type { ServiceView } from '../machines/view.ts';
import { reasonOf } from './words.ts';

export interface ServiceRow extends Omit<ServiceView, 'since'> {
  /** ISO 8601. */
  readonly since: string;
  readonly clients: number;
  readonly clientsConfirmed: number;
  readonly staleClients: number;
}

export interface NodeRow {
  readonly kind: 'node';
  readonly node: string;
  readonly ready: boolean;
  readonly drained: boolean;
  /** Whether whoever has the token may operate it from here. */
  readonly operable: boolean;
  readonly version: string;
  readonly interfaces: readonly { readonly name: string; readonly mac: string; readonly up: boolean }[];
  readonly peers: readonly { readonly node: string; readonly interface: string; readonly state: string }[];
  readonly findings: readonly string[];
}

export type ToldRow = NodeRow | ServiceRow | { readonly gone: string };

export interface ToldMove {
  /** Logical milliseconds: the daemon's wall clock. */
  readonly at: number;
  readonly ip: string;
  readonly from: ServiceIpState;
  readonly to: ServiceIpState;
  readonly epoch: number;
  readonly cause: string;
  readonly reason: string;
}

export interface OneIp extends ServiceRow {
  readonly taking: Taking | null;
}

/** What `explain` says, as far as the page shows it. */
export interface History {
  readonly at: string;
  readonly chain: readonly {
    readonly at: string;
    readonly node: string;
    readonly text: string;
    readonly ref: string | null;
  }[];
  readonly earlier: number;
  readonly unknown: readonly string[];
}

/** A row as the list keeps it: what is sorted and searched again and again is made once. */
export interface ListedIp {
  readonly row: ServiceRow;
  /** IPv4 before IPv6, each in the order of numbers. */
  readonly order: string;
  readonly text: string;
}

export const listed = (row: ServiceRow): ListedIp => ({
  row,
  order: addressKey(row.ip),
  text: [row.ip, row.state, row.holder ?? 'nobody', row.cause, reasonOf(row), row.interface ?? '']
    .join(' ')
    .toLowerCase(),
});

export interface Told {
  readonly node: NodeRow | null;
  readonly ips: ReadonlyMap<string, ListedIp>;
}

export interface Rows {
  /** Everything is told anew: what was known stays in sight until the new is whole. */
  reset(): void;
  take(rows: readonly ToldRow[]): void;
  /** All that there is for now has been told. */
  whole(): void;
  told(): Told;
}

export const createRows = (): Rows => {
  let shown: { node: NodeRow | null; ips: Map<string, ListedIp> } = { node: null, ips: new Map() };
  let coming: typeof shown | null = null;
  return {
    reset: () => {
      coming = { node: null, ips: new Map() };
    },
    take: (rows) => {
      const into = coming ?? shown;
      for (const row of rows) {
        if ('kind' in row) into.node = row;
        else if ('gone' in row) into.ips.delete(row.gone);
        else into.ips.set(row.ip, listed(row));
      }
    },
    whole: () => {
      // A daemon that has just begun to listen tells its own row last; until then the old picture is the better one.
      if (coming === null || coming.node === null) return;
      shown = coming;
      coming = null;
    },
    told: () => shown,
  };
};
