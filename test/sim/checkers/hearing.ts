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

// Hellos come with the fail-over work: until then no frame has this kind, and nobody hears anybody.
const isHello = ({ kind }: { readonly kind: string }): boolean => kind === 'hello';

export const createHearing = (world: World, holdMs: number): Hearing => {
  const names = new Map<Mac, string>([...world.nodes.values()].map(({ name, mac }) => [mac, name]));
  const ears = new Map<string, Ear>();
  const lost = new Map<string, number>();

  return {
    onHeard: (node, frame) => {
      if (!isHello(frame)) return;
      const key = `${node}<${names.get(frame.ethernetSource) ?? ''}`;
      const now = world.queue.now();
      const ear = ears.get(key);
      if (ear === undefined) ears.set(key, { since: now, last: now });
      else {
        if (now - ear.last > holdMs) ear.since = now;
        ear.last = now;
      }
    },
    onLost: (from, to, frame) => {
      if (!isHello(frame)) return;
      for (const key of [`${from} ${to}`, `${to} ${from}`]) lost.set(key, (lost.get(key) ?? 0) + 1);
    },
    mutualSince: (a, b) => {
      const connected = world.health.connectedSince(a, b);
      const [ab, ba] = [ears.get(`${a}<${b}`), ears.get(`${b}<${a}`)];
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
