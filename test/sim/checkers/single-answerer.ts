// Two nodes that hear each other never both answer for one IP longer than 2 intervals, or 1 s while more than
// 500 IPs change hands (design.md, What must never happen, 1).
// Allowed besides: one interval after the two can hear each other again (the first hello after a break may be
// that late), one more per hello that chance took from the pair meanwhile (of a large table a lost slice comes again
// when the others have had their turn), and the lateness of a busy host.
import type { Ip } from '../../../src/machines/frames.ts';
import type { CreateChecker } from './checker.ts';
import { createHearing } from './hearing.ts';

const MANY_CHANGES = 500;
const MANY_MS = 1_000;
/** Of the longer IPv6 claims, in one slice. */
const CLAIMS_PER_HELLO = 50;
/** Link delay and the wire thread's wake-up. */
const LATENESS_MS = 12;

export const singleAnswerer: CreateChecker = ({ world, answerers, intervalMs, holdMs, report }) => {
  const hearing = createHearing(world, holdMs);
  /** Hellos lost between a pair when its overlap for an IP was first seen. */
  const overlaps = new Map<string, { since: number; lost: number }>();
  const watched = new Set<Ip>();

  const allowance = (key: string, a: string, b: string): number => {
    const lost = hearing.lost(a, b) - (overlaps.get(key)?.lost ?? 0);
    const base = answerers.recentChanges() > MANY_CHANGES ? MANY_MS : 2 * intervalMs;
    const rotation = Math.ceil(world.profile.ips.length / CLAIMS_PER_HELLO);
    return base + (1 + lost * rotation) * intervalMs + LATENESS_MS;
  };

  /** When to look at the pair again; null: they do not both answer. */
  const judge = (ip: Ip, a: string, b: string): number | null => {
    const key = `${ip} ${a} ${b}`;
    const since = hearing.mutualSince(a, b);
    const now = world.queue.now();
    // A main thread that hangs draws no conclusions; the watchdog ends that.
    if ([a, b].some((name) => world.node(name).isStalled())) return now + intervalMs;
    if (since === null) {
      overlaps.delete(key);
      return now + intervalMs;
    }
    const answers = answerers.of(ip);
    const both = Math.max(since, answers.get(a) ?? now, answers.get(b) ?? now);
    if (overlaps.get(key)?.since !== both) overlaps.set(key, { since: both, lost: hearing.lost(a, b) });
    const limit = both + allowance(key, a, b);
    if (now < limit) return limit;
    report(ip, `${a} and ${b} hear each other and have both answered for ${(now - both).toFixed(1)} ms`);
    return null;
  };

  const look = (ip: Ip): void => {
    watched.delete(ip);
    const awake = answerers.awake(ip);
    if (answerers.of(ip).size < 2) return;
    let next = world.queue.now() + intervalMs;
    for (const [index, a] of awake.entries()) {
      for (const b of awake.slice(index + 1)) {
        const again = judge(ip, a, b);
        if (again === null) return;
        next = Math.min(next, again);
      }
    }
    watch(ip, next);
  };

  const watch = (ip: Ip, at: number): void => {
    if (watched.has(ip)) return;
    watched.add(ip);
    world.queue.at(at, () => look(ip));
  };

  return {
    claim: 'two nodes that hear each other never both answer for one IP longer than 2 intervals',
    onHeard: hearing.onHeard,
    onLost: hearing.onLost,
    onAnswer: (_node, ip, isAnswering) => {
      if (isAnswering && answerers.of(ip).size > 1) watch(ip, world.queue.now());
    },
  };
};
