// Which nodes hear each other, by the hellos that really arrived: the ground truth of "two nodes that hear each
// other". Not a checker.
import type { Mac } from '../../../src/machines/frames.ts';
import type { World } from '../world.ts';
import type { WorldObserver } from '../world-observer.ts';

export interface Hearing extends Required<Pick<WorldObserver, 'onHeard' | 'onLost'>> {
  /** Since when both have heard hellos of the other without a gap of the hold time, or null. */
  mutualSince(a: string, b: string): number | null;
  /** Hellos lost by chance between the two, either way, ever. */
  lost(a: string, b: string): number;
}

interface Ear {
  since: number;
  last: number;
}

export const createHearing = (world: World, holdMs: number): Hearing => {
  const names = new Map<Mac, string>([...world.nodes.values()].map(({ name, mac }) => [mac, name]));
  /** Listener → speaker → when its hellos came. */
  const ears = new Map<string, Map<string, Ear>>();
  const lost = new Map<string, number>();

  return {
    onHeard: (node, frame) => {
      if (frame.kind !== 'hello') return;
      const speaker = names.get(frame.ethernetSource) ?? '';
      const now = world.queue.now();
      const mine = ears.get(node) ?? new Map<string, Ear>();
      ears.set(node, mine);
      const ear = mine.get(speaker);
      if (ear === undefined) mine.set(speaker, { since: now, last: now });
      else {
        if (now - ear.last > holdMs) ear.since = now;
        ear.last = now;
      }
    },
    onLost: (from, to, frame) => {
      if (frame.kind !== 'hello') return;
      for (const key of [`${from} ${to}`, `${to} ${from}`]) lost.set(key, (lost.get(key) ?? 0) + 1);
    },
    mutualSince: (a, b) => {
      const connected = world.health.connectedSince(a, b);
      const [ab, ba] = [ears.get(a)?.get(b), ears.get(b)?.get(a)];
      if (connected === null || ab === undefined || ba === undefined) return null;
      const now = world.queue.now();
      if (now - ab.last > holdMs || now - ba.last > holdMs) return null;
      // A hello heard before the break proves nothing: the first after it may be a whole interval later.
      if (ab.last < connected || ba.last < connected) return null;
      return Math.max(ab.since, ba.since, connected);
    },
    lost: (a, b) => lost.get(`${a} ${b}`) ?? 0,
  };
};
