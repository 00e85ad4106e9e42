// Who owns what, and how that changed: the account of moves that a scenario gives, by the daemons' own epochs.
import type { Say } from './scenario.ts';
import type { Stage } from './stage.ts';

export interface Holding {
  readonly node: string;
  readonly epoch: number;
}

export type Holdings = ReadonlyMap<string, Holding>;

/** Who owns what, by IP, at which epoch: a change of either is a move. */
export const holdings = async (stage: Stage): Promise<Holdings> => {
  const found = new Map<string, Holding>();
  for (const [ip, owner] of await stage.owners()) {
    const service = (await owner.status()).serviceIPs.find((candidate) => candidate.ip === ip);
    found.set(ip, { node: owner.host.name, epoch: service?.epoch ?? -1 });
  }
  return found;
};

/** How often `ip` was taken from `before` to `after`: each taking raises the epoch by one. */
export const countMoves = (before: Holdings, after: Holdings, ip: string): number => {
  const [was, is] = [before.get(ip), after.get(ip)];
  return Math.max((is?.epoch ?? 0) - (was?.epoch ?? 0), is?.node === was?.node ? 0 : 1);
};

/** How many IPs are not held as before; each is said. */
export const countChanges = (before: Holdings, after: Holdings, say: Say): number => {
  let changes = 0;
  for (const [ip, was] of before) {
    const is = after.get(ip);
    if (is?.node === was.node && is.epoch === was.epoch) continue;
    changes += 1;
    say(`${ip} moved: ${was.node} (epoch ${was.epoch}) → ${is?.node} (epoch ${is?.epoch})`);
  }
  return changes;
};
