// How far the clocks of two lives were apart, from what one said and the other heard: a thing is heard after it was
// said, so each pair bounds the difference from one side, and pairs both ways bound it from both. What is in
// between is unknown and stated as the error. Bounds widen with the distance in time, since clocks drift.
import type { Chronicle, Marks } from './chronicle.ts';

/** An assumption, said in the output: two undisciplined crystals differ by less than this (50 ppm). */
export const DRIFT = 50e-6;
/** A stamp may have been raised to the logical clock by a busy main thread: bounds that cross by less are one. */
const STAMP_MS = 0.5;
/** Of each direction the tightest of so many stretches of time are kept. */
const MAX_BOUNDS = 512;

interface Bound {
  readonly at: number;
  readonly ms: number;
  /** Said by the wire thread on its own: the stamp of the saying may be late, if the main thread was. */
  readonly isSoft: boolean;
}

/** clock(b) − clock(a), milliseconds, and how far off that may be; null: nothing says. */
export interface Offset {
  readonly ms: number;
  readonly errorMs: number;
}

/** Hearing less saying, for everything that one said and the other heard; `whose` clock tells when. */
const delays = (said: Marks, heard: Marks, whose: 'speaker' | 'listener'): readonly Bound[] => {
  const bounds: Bound[] = [];
  for (const [key, at] of said) {
    const heardAt = heard.get(key);
    if (heardAt === undefined) continue;
    bounds.push({
      at: whose === 'speaker' ? at : heardAt,
      ms: heardAt - at,
      isSoft: key.startsWith('hears '),
    });
  }
  if (bounds.length <= MAX_BOUNDS) return bounds;
  const stretch = Math.ceil(bounds.length / MAX_BOUNDS);
  const kept: Bound[] = [];
  const sorted = bounds.sort((x, y) => x.at - y.at);
  for (let from = 0; from < sorted.length; from += stretch) {
    const part = sorted.slice(from, from + stretch);
    kept.push(part.reduce((least, bound) => (bound.ms < least.ms ? bound : least)));
  }
  return kept;
};

/** The least delay at `at`; of soft ones only those that are not below `floor`. */
const tightest = (bounds: readonly Bound[], at: number, floor: number | null): number => {
  let least = Number.POSITIVE_INFINITY;
  for (const { ms, at: when, isSoft } of bounds) {
    const delay = ms + DRIFT * Math.abs(at - when);
    if (isSoft && (floor === null || delay < floor)) continue;
    least = Math.min(least, delay);
  }
  return least;
};

/** The offset of `b` to `a` at any time of `a`; null where nothing was heard in one of the directions. */
const pairOf = (a: Chronicle, b: Chronicle): ((at: number) => Offset | null) => {
  const there = delays(a.said, b.heard, 'speaker');
  const back = delays(b.said, a.heard, 'listener');
  if (there.length === 0 || back.length === 0) return () => null;
  return (at) => {
    // What is certain first; what is soft only sharpens it, and is wrong where it contradicts it.
    const [most, least] = [tightest(there, at, null), -tightest(back, at, null)];
    const upper = Math.min(most, tightest(there, at, least));
    const lower = Math.max(least, -tightest(back, at, -most));
    if (!Number.isFinite(upper) || !Number.isFinite(lower)) return null;
    return { ms: (upper + lower) / 2, errorMs: Math.max(Math.abs(upper - lower) / 2, STAMP_MS) };
  };
};

/** The clock of one life, as told in the time of the reference. */
export interface LifeClock {
  /** The life's clock less the reference's, in the middle of the life; errorMs null: nothing says. */
  readonly offsetMs: number;
  readonly errorMs: number | null;
  /** Time of the reference for a time of this life. */
  toCommon(at: number): number;
  /** Time of this life for one of the reference. */
  fromCommon(at: number): number;
}

const unknownClock: LifeClock = {
  offsetMs: 0,
  errorMs: null,
  toCommon: (at) => at,
  fromCommon: (at) => at,
};

type Hop = (at: number) => Offset | null;

/** `middle` of the life, by its own clock; `nearby`: a time of the reference at which something is known. */
const clockOf = (hops: readonly Hop[], middle: number, nearby: number): LifeClock => {
  const at = (time: number): Offset =>
    hops.reduce<Offset>(
      (sum, hop) => {
        // Each pair is asked in the time of its own first life.
        const offset = hop(time + sum.ms);
        return offset === null ? sum : { ms: sum.ms + offset.ms, errorMs: sum.errorMs + offset.errorMs };
      },
      { ms: 0, errorMs: 0 },
    );
  // The middle is told by the life's own clock, which may be days off: first roughly, then there.
  const { ms: offsetMs, errorMs } = at(middle - at(nearby).ms);
  const toCommon = (time: number): number => time - at(time - offsetMs).ms;
  return { offsetMs, errorMs, toCommon, fromCommon: (time) => time + at(time).ms };
};

/**
 * The clocks of all lives against that of the first one, each by the chain of pairs with the least error. Lives
 * that nothing connects keep their own time, with `errorMs` null.
 */
export const estimateClocks = (lives: readonly Chronicle[]): readonly LifeClock[] => {
  const chains: ({ readonly hops: readonly Hop[]; readonly errorMs: number } | null)[] = lives.map(
    (_, index) => (index === 0 ? { hops: [], errorMs: 0 } : null),
  );
  const middle = ({ from, to }: Chronicle): number => (from + to) / 2;
  const done = new Set<number>();
  for (;;) {
    // The nearest life that has not been gone on from: there are few lives, so no heap.
    let nearest: number | null = null;
    for (const [index, chain] of chains.entries()) {
      if (chain === null || done.has(index)) continue;
      if (nearest === null || chain.errorMs < (chains[nearest]?.errorMs ?? 0)) nearest = index;
    }
    if (nearest === null) break;
    done.add(nearest);
    const [from, life] = [chains[nearest], lives[nearest] as Chronicle];
    for (const [index, other] of lives.entries()) {
      if (done.has(index) || from == null) continue;
      const hop = pairOf(life, other);
      const offset = hop(Math.min(Math.max(middle(other), life.from), life.to));
      if (offset === null) continue;
      const errorMs = from.errorMs + offset.errorMs;
      if (errorMs < (chains[index]?.errorMs ?? Number.POSITIVE_INFINITY))
        chains[index] = { hops: [...from.hops, hop], errorMs };
    }
  }
  const [reference] = lives;
  const nearby = reference === undefined ? 0 : middle(reference);
  return chains.map((chain, index) =>
    chain === null ? unknownClock : clockOf(chain.hops, middle(lives[index] as Chronicle), nearby),
  );
};
