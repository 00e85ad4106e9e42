// What a client's kernel believes, as it changes: `ip monitor` with the kernel's news stamped at their arrival, so
// that the judge of "the client follows" is neither our daemon nor a poll.
import type { Host } from './segment.ts';

export interface NeighbourChange {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly ip: string;
  readonly mac: string;
}

export interface NeighbourWatch {
  /** Every change so far, oldest first; a refresh with the same MAC counts as one. */
  changes(): readonly NeighbourChange[];
  stop(): void;
}

/** `[2026-11-20T15:20:02.123456] 10.99.0.100 dev eth0 lladdr 02:00:00:00:01:01 REACHABLE` */
const LINE = /^\[([^\]]+)\] (\S+) dev \S+ lladdr (\S+) /;
const MAX_CHANGES = 10_000;

/** Watches from now on. Needs `ip`. */
export const watchNeighbours = (host: Host): NeighbourWatch => {
  const child = host.spawn('ip', ['-ts', 'monitor', 'neigh'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const found: NeighbourChange[] = [];
  let rest = '';
  child.stdout?.on('data', (bytes: Buffer) => {
    const lines = (rest + bytes.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [, stamp, ip, mac] = LINE.exec(line) ?? [];
      if (stamp === undefined || ip === undefined || mac === undefined || found.length >= MAX_CHANGES)
        continue;
      found.push({ at: Date.parse(stamp), ip, mac });
    }
  });
  return { changes: () => [...found], stop: () => child.kill('SIGKILL') };
};

/** How long after `since` the client's entry for `ip`, which was `before`, came to name `mac` for good; 0: it did all along. */
export const followedAfter = (
  changes: readonly NeighbourChange[],
  ip: string,
  { before, mac, since }: { readonly before: string | null; readonly mac: string; readonly since: number },
): number => {
  let at = 0;
  let last = before;
  for (const change of changes) {
    if (change.ip !== ip || change.mac === last) continue;
    last = change.mac;
    at = Math.max(0, change.at - since);
  }
  return last === mac ? at : Number.POSITIVE_INFINITY;
};

/** How often the client's entry for `ip` went from one MAC to another, of which the first was `mac`. */
export const countFollows = (changes: readonly NeighbourChange[], ip: string, mac: string): number => {
  let last = mac;
  let count = 0;
  for (const change of changes.filter((candidate) => candidate.ip === ip)) {
    if (change.mac !== last) count += 1;
    last = change.mac;
  }
  return count;
};
