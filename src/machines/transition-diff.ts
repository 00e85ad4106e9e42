// How two sequences of transitions differ, IP by IP: what came at another time, for another cause, what did not
// come, and what came in its stead.
import type { Ip } from './frames.ts';
import type { Transition } from './side-by-side.ts';

export interface TransitionDifference {
  readonly ip: Ip;
  readonly kind: 'time' | 'cause' | 'missing' | 'added';
  /** Null when it was added. */
  readonly was: Transition | null;
  /** Null when it is missing. */
  readonly now: Transition | null;
}

/** The table of the longest common subsequence is quadratic; a longer history is compared in pieces of this. */
const PIECE = 500;
/** Microseconds are what stamps have; what is less is arithmetic. */
const SAME_TIME_MS = 0.01;

const isSameMove = (a: Transition | undefined, b: Transition | undefined): boolean =>
  a !== undefined && b !== undefined && a.from === b.from && a.to === b.to;

/** Pairs that correspond, in order; null on one side: it has no counterpart. */
const align = (
  was: readonly Transition[],
  now: readonly Transition[],
): readonly (readonly [Transition | null, Transition | null])[] => {
  const longest = Array.from({ length: was.length + 1 }, () => new Uint16Array(now.length + 1));
  const at = (i: number, j: number): number => longest[i]?.[j] ?? 0;
  for (let i = was.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      const best = isSameMove(was[i], now[j]) ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
      (longest[i] as Uint16Array)[j] = best;
    }
  }
  const pairs: [Transition | null, Transition | null][] = [];
  let [i, j] = [0, 0];
  while (i < was.length || j < now.length) {
    const isBoth = isSameMove(was[i], now[j]) && at(i, j) === at(i + 1, j + 1) + 1;
    const isWas = !isBoth && (j === now.length || (i < was.length && at(i + 1, j) >= at(i, j + 1)));
    pairs.push([isBoth || isWas ? (was[i] ?? null) : null, isBoth || !isWas ? (now[j] ?? null) : null]);
    if (isBoth || isWas) i += 1;
    if (isBoth || !isWas) j += 1;
  }
  return pairs;
};

const differenceOf = (
  was: Transition | null,
  now: Transition | null,
): TransitionDifference['kind'] | null => {
  if (was === null) return 'added';
  if (now === null) return 'missing';
  if (was.cause !== now.cause || was.epoch !== now.epoch) return 'cause';
  return Math.abs(was.at - now.at) > SAME_TIME_MS ? 'time' : null;
};

const byIp = (transitions: readonly Transition[]): ReadonlyMap<Ip, Transition[]> => {
  const table = new Map<Ip, Transition[]>();
  for (const transition of transitions) {
    const list = table.get(transition.ip) ?? [];
    table.set(transition.ip, list);
    list.push(transition);
  }
  return table;
};

/** Every difference, by IP and in time order. */
export const diffTransitions = (
  was: readonly Transition[],
  now: readonly Transition[],
): readonly TransitionDifference[] => {
  const [before, after] = [byIp(was), byIp(now)];
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((ip) => {
    const [a, b] = [before.get(ip) ?? [], after.get(ip) ?? []];
    const found: TransitionDifference[] = [];
    for (let from = 0; from < Math.max(a.length, b.length); from += PIECE) {
      for (const [then, since] of align(a.slice(from, from + PIECE), b.slice(from, from + PIECE))) {
        const kind = differenceOf(then, since);
        if (kind !== null) found.push({ ip, kind, was: then, now: since });
      }
    }
    return found;
  });
};
