// How late things run on a host: drawn for fault runs, constant for scripts, whose recorded output must not
// change with each draw. Milliseconds.
import type { Random } from './random.ts';

export interface Latencies {
  /** From the wire thread's message to the turn of the main thread. */
  mainTurn(): number;
  /** Past the deadline of a main-thread timer (Node rounds to whole milliseconds). */
  mainTimer(): number;
  /** From the end of a stall to the sign of life: the turn may come first (microtasks before timers). */
  signAfterStall(): number;
  /** From the main thread's post to the wire thread's obeying (facts.md: 56 to 209 µs). */
  command(): number;
  /** Past the deadline of the wire thread's poll (rounded up to whole milliseconds). */
  wireTimer(): number;
  /** From `address.add` to the kernel's confirmation (facts.md: 5,000 in 336 ms), per batch. */
  address(): number;
  /** From a carrier change to the netlink message. */
  carrier(): number;
}

/** A busy host now and then: a garbage collection, a neighbour's burst. */
const RARE = 0.005;

export const drawnLatencies = (random: Random): Latencies => {
  const mostly = (low: number, high: number, worst: number) => (): number =>
    random.chance(RARE) ? random.between(high, worst) : random.between(low, high);
  return {
    mainTurn: mostly(0.05, 0.8, 25),
    mainTimer: mostly(0.05, 1.2, 25),
    signAfterStall: () => (random.chance(0.5) ? 0 : random.between(0.05, 1.2)),
    command: mostly(0.03, 0.25, 5),
    wireTimer: mostly(0.02, 1.05, 8),
    address: mostly(0.1, 2, 20),
    carrier: mostly(0.2, 4, 30),
  };
};

export const steadyLatencies: Latencies = {
  mainTurn: () => 0.2,
  mainTimer: () => 0.5,
  signAfterStall: () => 0,
  command: () => 0.1,
  wireTimer: () => 0.5,
  address: () => 0.5,
  carrier: () => 1,
};
