// A token bucket over logical time: the one bound on frames that this node sends of its own accord.

/** Rounding of millisecond stamps must not make a bucket wait for a time that has come. */
const TOLERANCE = 0.01;

export interface TokenBucket {
  /** Takes `count` tokens if there are so many at `at` (milliseconds). */
  take(count: number, at: number): boolean;
  /** When `count` tokens will be there at the earliest. */
  readyAt(count: number): number;
}

export const createTokenBucket = (perSecond: number, burst: number): TokenBucket => {
  let tokens = burst;
  let filledAt = 0;

  const fill = (at: number): void => {
    if (at <= filledAt) return;
    tokens = Math.min(burst, tokens + ((at - filledAt) * perSecond) / 1000);
    filledAt = at;
  };

  return {
    take: (count, at) => {
      fill(at);
      if (tokens + TOLERANCE < count) return false;
      tokens -= count;
      return true;
    },
    readyAt: (count) => filledAt + Math.max(0, ((count - tokens) * 1000) / perSecond),
  };
};
