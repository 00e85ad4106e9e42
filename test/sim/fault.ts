// What a fault is, and how it finds a node to befall.
import type { Random } from './random.ts';
import type { World } from './world.ts';

export interface Fault {
  /** Milliseconds that it lasts, shortest and longest; drawn evenly over the orders of magnitude. */
  readonly lasts: readonly [number, number];
  /** Does it, and returns how it ends. Null: it does not apply now. */
  readonly begin: (world: World, random: Random, lastsMs: number) => (() => void) | null;
}

export const runningOf = (world: World): string[] =>
  [...world.nodes.values()].filter((node) => node.isRunning() && !node.isPaused()).map(({ name }) => name);

const pickRunning = (world: World, random: Random): string | null => {
  const running = runningOf(world);
  return running.length === 0 ? null : random.pick(running);
};

/** A fault of one running node. */
export const ofNode =
  (begin: (world: World, name: string, lastsMs: number) => () => void): Fault['begin'] =>
  (world, random, lastsMs) => {
    const name = pickRunning(world, random);
    return name === null ? null : begin(world, name, lastsMs);
  };
