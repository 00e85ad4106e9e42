// Logical time: the wall clock at start plus monotonic time elapsed, so that stepping the wall clock moves
// nothing. Every thread of the process shares one origin and so reads the same time.

export interface ClockOrigin {
  /** Wall clock at the origin, milliseconds since 1970. */
  readonly wallMs: number;
  /** CLOCK_MONOTONIC at the origin, nanoseconds. */
  readonly monotonicNs: bigint;
}

export const clockOrigin = (): ClockOrigin => ({ wallMs: Date.now(), monotonicNs: process.hrtime.bigint() });

/** Returns logical milliseconds, in whole microseconds, never backwards. */
export const createClock = (origin: ClockOrigin): (() => number) => {
  const wallUs = origin.wallMs * 1000;
  return () => (wallUs + Math.round(Number(process.hrtime.bigint() - origin.monotonicNs) / 1000)) / 1000;
};
