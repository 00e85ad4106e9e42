// Which nodes answer for which IP, and since when: the ground truth that several checkers share. Not a checker.
import type { Ip } from '../../../src/machines/frames.ts';
import type { World } from '../world.ts';
import type { WorldObserver } from '../world-observer.ts';

export interface Answerers extends WorldObserver {
  /** Nodes whose answer table holds the IP, with the time since when (they may be paused or cut off). */
  of(ip: Ip): ReadonlyMap<string, number>;
  /** Those of them that answer now whoever can reach them. */
  awake(ip: Ip): readonly string[];
  wasEverAnswered(ip: Ip): boolean;
  /** How many answer table entries changed within the last second. */
  recentChanges(): number;
}

const NONE: ReadonlyMap<string, number> = new Map();
/** More than any count that a checker asks about. */
const MAX_REMEMBERED = 2_000;

export const createAnswerers = (world: World): Answerers => {
  const byIp = new Map<Ip, Map<string, number>>();
  let changes: number[] = [];

  return {
    onAnswer: (node, ip, isAnswering) => {
      const nodes = byIp.get(ip) ?? new Map<string, number>();
      byIp.set(ip, nodes);
      if (isAnswering) nodes.set(node, world.queue.now());
      else nodes.delete(node);
      changes.push(world.queue.now());
      if (changes.length > 2 * MAX_REMEMBERED) changes = changes.slice(-MAX_REMEMBERED);
    },
    of: (ip) => byIp.get(ip) ?? NONE,
    awake: (ip) => [...(byIp.get(ip) ?? NONE).keys()].filter((name) => world.node(name).isAnswering(ip)),
    wasEverAnswered: (ip) => byIp.has(ip),
    recentChanges: () => {
      const from = world.queue.now() - 1_000;
      changes = changes.filter((at) => at >= from);
      return changes.length;
    },
  };
};
