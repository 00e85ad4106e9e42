// How old a hello is, told without clocks: it repeats the sequence of the last hello that its sender had heard of
// this node. One that repeats a sequence which this node said longer than its own hold time ago was held back on
// the way, or recorded and played again (docs/protocol.md, Who is there). Part of the wire step; pure.

/** Beyond the hold time: the way here and back, and a hello that was just being composed. */
const SLACK_INTERVALS = 2;

const LOW_32_BITS = 2 ** 32;
/** What a hello repeats of a sequence: its low 32 bits. */
export const echoOf = (sequence: number): number => sequence % LOW_32_BITS;

/** Of two echoes that were fresh not long ago: does the first repeat a later hello? */
export const isLaterEcho = (a: number, b: number): boolean => {
  const ahead = echoOf(a - b + LOW_32_BITS);
  return ahead > 0 && ahead < LOW_32_BITS / 2;
};

export interface Freshness {
  /** This node says hello now, with its present interval and hold time, milliseconds. */
  said(at: number, sequence: number, timing: { readonly intervalMs: number; readonly holdMs: number }): void;
  /** Was a hello made lately that repeats this? False where it repeats nothing. */
  isFresh(at: number, echo: number | undefined): boolean;
  /** Time in which neither this node nor its peers ran counts for nobody. */
  excuse(byMs: number): void;
}

export const createFreshness = (): Freshness => {
  /** When the hellos `first`, `first` + 1 … were said, those within the window. */
  let saidAt: number[] = [];
  let first = 0;
  let windowMs = 0;

  const dropOld = (at: number): void => {
    const kept = saidAt.findIndex((time) => time >= at - windowMs);
    const old = kept < 0 ? saidAt.length : kept;
    saidAt = saidAt.slice(old);
    first += old;
  };

  return {
    said: (at, sequence, { intervalMs, holdMs }) => {
      windowMs = holdMs + SLACK_INTERVALS * intervalMs;
      dropOld(at);
      if (saidAt.length === 0) first = sequence;
      saidAt.push(at);
    },
    isFresh: (at, echo) => {
      if (echo === undefined) return false;
      dropOld(at);
      return echoOf(echo - echoOf(first) + LOW_32_BITS) < saidAt.length;
    },
    excuse: (byMs) => {
      saidAt = saidAt.map((at) => at + byMs);
    },
  };
};
