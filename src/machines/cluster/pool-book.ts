// The pools that count, ready to be looked into: which pool holds an address, where it is announced, and which
// pools are refused because they overlap another. Of two that overlap the older stays: a new object must never
// take addresses away from Services that have them.
import { addressValue } from '../addresses.ts';
import type { Ip } from '../frames.ts';
import type { AddressRange, AdvertisementFact, Family, LabelSelector, PoolFact } from './cluster-facts.ts';
import { familyOf } from './cluster-facts.ts';
import { matchesOneOf } from './label-selector.ts';

export interface Span {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

export interface Pool {
  readonly fact: PoolFact;
  /** `AddressPool/blue`. */
  readonly key: string;
  /** In the order in which the user wrote them. */
  readonly spans: readonly Span[];
  /** Why nobody announces its addresses; null when somebody may. */
  readonly silent: string | null;
  /** Nodes that match one may hold its addresses; null: any. */
  readonly nodeSelectors: readonly LabelSelector[] | null;
  readonly interfaces: readonly string[] | null;
}

export interface RefusedPool {
  readonly pool: string;
  /** One line: both pools, both ranges. */
  readonly message: string;
}

export interface PoolBook {
  /** Accepted pools, by kind and name. */
  readonly pools: readonly Pool[];
  readonly refused: readonly RefusedPool[];
  poolOf(ip: Ip): Pool | null;
}

interface Placed extends Span {
  readonly pool: string;
  readonly text: string;
}

export const poolKey = ({ kind, name }: Pick<PoolFact, 'kind' | 'name'>): string => `${kind}/${name}`;

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const placedRange = (pool: string, { first, last, text }: AddressRange): Placed => ({
  family: familyOf(first),
  first: addressValue(first),
  last: addressValue(last),
  pool,
  text,
});

const overlap = (a: Span, b: Span): boolean =>
  a.family === b.family && a.first <= b.last && b.first <= a.last;

/** The index of the last span that begins at or before `value`, in a list sorted by `first`; -1 for none. */
const lastAtOrBefore = (spans: readonly Span[], value: bigint): number => {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((spans[middle] as Span).first <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
};

/** A range of `mine` that overlaps another of them or one of `taken` (disjoint, sorted), and that other one. */
const clash = (
  mine: readonly Placed[],
  taken: ReadonlyMap<Family, readonly Placed[]>,
): [Placed, Placed] | null => {
  for (const [index, range] of mine.entries()) {
    const twin = mine.slice(0, index).find((other) => overlap(range, other));
    if (twin !== undefined) return [range, twin];
    const others = taken.get(range.family) ?? [];
    const other = others[lastAtOrBefore(others, range.last)];
    if (other !== undefined && overlap(range, other)) return [range, other];
  }
  return null;
};

interface Announced {
  readonly silent: string | null;
  readonly nodeSelectors: readonly LabelSelector[] | null;
  readonly interfaces: readonly string[] | null;
}

const selectsPool = (advertisement: AdvertisementFact, pool: PoolFact): boolean =>
  (advertisement.pools.length === 0 && advertisement.poolSelectors.length === 0) ||
  advertisement.pools.includes(pool.name) ||
  matchesOneOf(advertisement.poolSelectors, pool.labels);

/** Several advertisements add up; one without node selectors (interfaces) stands for all nodes (interfaces). */
const announced = (pool: PoolFact, advertisements: readonly AdvertisementFact[]): Announced => {
  if (pool.kind === 'AddressPool') {
    const nodeSelectors = pool.nodeSelectors.length === 0 ? null : pool.nodeSelectors;
    return { silent: null, nodeSelectors, interfaces: pool.interfaces };
  }
  const mine = advertisements.filter((each) => selectsPool(each, pool));
  if (mine.length === 0) {
    const silent = `no L2Advertisement selects the pool ${pool.name}`;
    return { silent, nodeSelectors: [], interfaces: null };
  }
  const interfaces = mine.some((each) => each.interfaces === null)
    ? null
    : [...new Set(mine.flatMap((each) => each.interfaces ?? []))].sort();
  const isAnywhere = mine.some(({ nodeSelectors }) => nodeSelectors.length === 0);
  const nodeSelectors = isAnywhere ? null : mine.flatMap((each) => each.nodeSelectors);
  return { silent: null, nodeSelectors, interfaces };
};

/** Judges all pools at once. The same facts give the same book, in whatever order they come. */
export const openPoolBook = (
  facts: Iterable<PoolFact>,
  advertisements: readonly AdvertisementFact[],
): PoolBook => {
  const taken = new Map<Family, Placed[]>();
  const pools = new Map<string, Pool>();
  const refused: RefusedPool[] = [];
  const oldestFirst = [...facts].sort(
    (a, b) => byText(a.created, b.created) || byText(poolKey(a), poolKey(b)),
  );
  for (const fact of oldestFirst) {
    const key = poolKey(fact);
    const mine = fact.ranges.map((range) => placedRange(key, range));
    const found = clash(mine, taken);
    if (found !== null) {
      const [range, other] = found;
      const where = other.pool === key ? 'the same pool' : `the pool ${other.pool}, which is older`;
      const message = `${key}: ${range.text} overlaps ${other.text} of ${where}; the whole pool ${key} is not used`;
      refused.push({ pool: key, message });
      continue;
    }
    for (const range of mine) {
      const list = taken.get(range.family) ?? [];
      list.splice(lastAtOrBefore(list, range.first) + 1, 0, range);
      taken.set(range.family, list);
    }
    pools.set(key, { fact, key, spans: mine, ...announced(fact, advertisements) });
  }
  return {
    pools: [...pools.values()].sort((a, b) => byText(a.key, b.key)),
    refused,
    poolOf: (ip) => {
      const value = addressValue(ip);
      const list = taken.get(familyOf(ip)) ?? [];
      const span = list[lastAtOrBefore(list, value)];
      return span !== undefined && value <= span.last ? (pools.get(span.pool) ?? null) : null;
    },
  };
};
