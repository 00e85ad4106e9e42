// Two nodes that cannot hear each other do not both go on answering for an IP while a third one hears both, and both hear
// it: what it repeats has the worse one give way (design.md, Witness). Judged while few IPs are in question, since a hello
// repeats only so many.
import type { Ip } from '../../../src/machines/frames.ts';
import type { CreateChecker } from './checker.ts';

const LOOK_EVERY_MS = 100;
/** As in peer-news.ts. */
const MAX_WITNESSED = 16;
/** Its news, the repetition, and what is drawn from it. */
const INTERVALS = 8;

export const witnessed: CreateChecker = ({ world, answerers, intervalMs, holdMs, report }) => {
  const boundMs = holdMs + INTERVALS * intervalMs;

  const inTouch = (a: string, b: string): boolean => {
    const since = world.health.connectedSince(a, b);
    return since !== null && world.queue.now() - since > boundMs;
  };

  /** A pair that both answer, out of each other's hearing, and who hears both. */
  const lookAt = (ip: Ip): readonly [string, string, string] | null => {
    const awake = answerers.awake(ip);
    const now = world.queue.now();
    for (const [index, a] of awake.entries()) {
      for (const b of awake.slice(index + 1)) {
        const since = Math.max(answerers.of(ip).get(a) ?? now, answerers.of(ip).get(b) ?? now);
        const hung = Math.max(...[a, b].map((name) => hungAt.get(name) ?? Number.NEGATIVE_INFINITY));
        if (now - Math.max(since, hung) <= boundMs || world.health.connectedSince(a, b) !== null) continue;
        const third = [...world.nodes.keys()].find(
          (name) =>
            name !== a &&
            name !== b &&
            world.health.fitSince(name) !== null &&
            // The version before repeats nothing, and believes no repetition.
            ![a, b, name].some((each) => world.isPrevious(each)) &&
            inTouch(a, name) &&
            inTouch(b, name),
        );
        if (third !== undefined) return [a, b, third];
      }
    }
    return null;
  };

  /** Whose main thread hung lately draws its conclusions later. */
  const hungAt = new Map<string, number>();

  const lookAll = (): void => {
    world.queue.after(LOOK_EVERY_MS, lookAll);
    for (const { name, isPaused, isStalled } of world.nodes.values())
      if (isPaused() || isStalled()) hungAt.set(name, world.queue.now());
    const doubled = world.profile.ips.filter((ip) => answerers.of(ip).size > 1);
    if (
      doubled.length === 0 ||
      doubled.length > MAX_WITNESSED ||
      world.lossyUntil() > world.queue.now() - boundMs
    )
      return;
    for (const ip of doubled) {
      const found = world.contested.has(ip) ? null : lookAt(ip);
      if (found !== null)
        report(ip, `${found[0]} and ${found[1]} both answer, and ${found[2]} hears both and is heard`);
    }
  };
  world.queue.after(LOOK_EVERY_MS, lookAll);

  return { claim: 'two owners that a third node hears do not both go on' };
};
