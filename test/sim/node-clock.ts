// A node's logical clock: the wall clock at its start plus monotonic time elapsed, with the offset and the
// drift of its own oscillator. Deadlines come back as simulated time.
import type { EventQueue } from './event-queue.ts';

export interface NodeClock {
  /** Logical milliseconds, whole microseconds. */
  now(): number;
  /** The first simulated time at which `now()` is not before `logical`. */
  toSimulated(logical: number): number;
}

/** The wall clock when every simulated world begins. */
export const WORLD_EPOCH_MS = Date.UTC(2026, 10, 20, 12);

export const createNodeClock = (queue: EventQueue, rate: number, offsetMs: number): NodeClock => {
  const startedAt = queue.now();
  const base = WORLD_EPOCH_MS + startedAt + offsetMs;
  const logicalAt = (simulated: number): number =>
    Math.round((base + (simulated - startedAt) * rate) * 1000) / 1000;
  return {
    now: () => logicalAt(queue.now()),
    toSimulated: (logical) => {
      let simulated = Math.ceil((startedAt + (logical - base) / rate) * 1000) / 1000;
      while (logicalAt(simulated) < logical) simulated += 0.001;
      return simulated;
    },
  };
};
