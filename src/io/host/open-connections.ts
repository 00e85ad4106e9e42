// Who has a connection open to a service IP through this host, for a drain that moves a client only when it has none:
// sockets where this host serves, conntrack where something else on it forwards. Level, not news: asked when wanted.

import type { Ip } from '../../machines/frames.ts';
import { findEntries } from './conntrack.ts';
import type { DumpFailure } from './netlink-dump.ts';
import { createRemoteTable } from './remote-table.ts';
import { findSockets } from './socket-diag.ts';

type Serve = 'host' | 'none';

/** What is behind a code, where the code alone would not help. */
const HINTS: Readonly<Record<Serve, Readonly<Record<DumpFailure, string>>>> = {
  host: {
    EPROTONOSUPPORT: 'this kernel has no NETLINK_SOCK_DIAG',
    ENOENT: 'this kernel has no inet_diag or no tcp_diag module',
  },
  none: {
    EPERM: 'conntrack takes CAP_NET_ADMIN',
    EPROTONOSUPPORT: 'this kernel has no nfnetlink module',
    EINVAL: 'this kernel has no nf_conntrack_netlink module',
  },
};

export type OpenConnectionsResult =
  | {
      /** Every IP asked for with its remote addresses, each once. */
      readonly connections: ReadonlyMap<Ip, readonly Ip[]>;
      /** IPs with more remotes than are listed: take everybody for connected to them. */
      readonly incomplete: ReadonlySet<Ip>;
    }
  /** Nobody knows: a code, and words where they help (`EPERM: conntrack takes CAP_NET_ADMIN`). */
  | { readonly failure: string };

export interface OpenConnections {
  /**
   * `ips` in canonical text. The event loop runs every few milliseconds meanwhile, so the answer is of no single
   * moment. A connection can be missed: one in the bucket of the kernel's table at which two parts of the dump meet,
   * when another in that bucket ends at that moment. So believe an absence the second time.
   */
  readonly list: (ips: readonly Ip[]) => Promise<OpenConnectionsResult>;
  /** Lists under way end, and later ones fail, with `closed`. Nothing stays open between lists. */
  readonly close: () => void;
}

/** `serve` as configured. Opens nothing yet: a module that is missing now may be there when `list` asks. */
export const createOpenConnections = (serve: Serve): OpenConnections => {
  const find = serve === 'host' ? findSockets : findEntries;
  let isClosed = false;

  const list = async (ips: readonly Ip[]): Promise<OpenConnectionsResult> => {
    const table = createRemoteTable(ips);
    const code = isClosed ? 'closed' : await find(table, () => isClosed);
    if (code === null) return { connections: table.connections(), incomplete: table.incomplete() };
    const hint = HINTS[serve][code];
    return { failure: hint === undefined ? code : `${code}: ${hint}` };
  };

  return {
    list,
    close: () => {
      isClosed = true;
    },
  };
};
