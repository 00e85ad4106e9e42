// Who is connected to which service IP: what a dump of sockets or of conntrack fills. Each remote once; bounded, and
// an IP that a bound has cost a remote is named, so that whoever asks can take everybody for connected to it.

import type { Ip } from '../../machines/frames.ts';

/** A node knows 64 clients of an IP by their neighbour entries; behind a router there may be many more. */
export const MAX_REMOTES_PER_IP = 4_096;
/** Of all IPs together: a few MB, and as many as clients are remembered at all (machines/clients.ts). */
export const MAX_REMOTES = 65_536;

export interface RemoteTable {
  /** What is wanted, each once. */
  readonly ips: readonly Ip[];
  readonly isWanted: (ip: Ip) => boolean;
  /** `ip` must be wanted. */
  readonly add: (ip: Ip, remote: Ip) => void;
  /** Every wanted IP with its remotes, in the order in which they were met. */
  readonly connections: () => ReadonlyMap<Ip, readonly Ip[]>;
  /** The IPs that have more remotes than are listed. */
  readonly incomplete: () => ReadonlySet<Ip>;
}

export const createRemoteTable = (ips: readonly Ip[]): RemoteTable => {
  const remotes = new Map(ips.map((ip) => [ip, new Set<Ip>()]));
  const incomplete = new Set<Ip>();
  let total = 0;

  const add = (ip: Ip, remote: Ip): void => {
    const known = remotes.get(ip) as Set<Ip>;
    if (known.has(remote)) return;
    if (known.size >= MAX_REMOTES_PER_IP || total >= MAX_REMOTES) {
      incomplete.add(ip);
      return;
    }
    known.add(remote);
    total += 1;
  };

  return {
    ips: [...remotes.keys()],
    isWanted: (ip) => remotes.has(ip),
    add,
    connections: () => new Map([...remotes].map(([ip, known]) => [ip, [...known]])),
    incomplete: () => incomplete,
  };
};
