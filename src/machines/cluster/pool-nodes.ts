// Which nodes a pool's selectors choose, as lists of names. Worked out once for each pool and set of nodes, and
// shared by all addresses of the pool: 10,000 addresses must not each look at 200 nodes' labels.
import type { NodeName } from '../claims.ts';
import type { NodeFact } from './cluster-facts.ts';
import { matches, matchesOneOf } from './label-selector.ts';
import type { Pool } from './pool-book.ts';

export interface PoolNodes {
  /** Sorted; null: any node, known to the API or not. */
  readonly allowed: readonly NodeName[] | null;
  /** Best first; nodes that one selector chooses are in order of name. */
  readonly preferred: readonly NodeName[];
}

const names = (nodes: readonly NodeFact[]): NodeName[] => nodes.map(({ name }) => name).sort();

/** `silent` pools are held by nobody. */
export const nodesOfPool = (pool: Pool, nodes: readonly NodeFact[]): PoolNodes => {
  const { silent, nodeSelectors } = pool;
  if (silent !== null) return { allowed: [], preferred: [] };
  const preferred = pool.fact.preferredNodes.flatMap((selector) =>
    names(nodes.filter(({ labels }) => matches(selector, labels))),
  );
  const allowed =
    nodeSelectors === null ? null : names(nodes.filter(({ labels }) => matchesOneOf(nodeSelectors, labels)));
  return { allowed, preferred: [...new Set(preferred)] };
};

export const sameNodes = (a: PoolNodes | undefined, b: PoolNodes): boolean =>
  a !== undefined && JSON.stringify(a) === JSON.stringify(b);
