// How long to wait before the next attempt: doubling up to a cap, with jitter so that nodes that failed together do
// not come back together. Pure: the randomness is handed in.

export interface Backoff {
  readonly firstMs: number;
  readonly capMs: number;
}

/** For a server that answers but refuses: it is loaded, or a right is missing. */
export const REFUSED_BACKOFF: Backoff = { firstMs: 500, capMs: 30_000 };
/** For the one small question to a server that does not answer: its return must be known within seconds. */
export const PROBE_BACKOFF: Backoff = { firstMs: 250, capMs: 2_000 };

/** Milliseconds before attempt number `attempts` (from 0): between half of and the whole of the doubled time. */
export const backoffMs = ({ firstMs, capMs }: Backoff, attempts: number, random: () => number): number => {
  const whole = Math.min(capMs, firstMs * 2 ** Math.min(attempts, 30));
  return whole / 2 + (whole / 2) * random();
};
