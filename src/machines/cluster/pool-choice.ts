// Which pools a Service may draw from, in which order. Pools that name namespaces or Services are for those and
// are asked first, then the others; among equals the lower priority number, 0 (unset) last, then the name.
import type { Labels, ServiceFact } from './cluster-facts.ts';
import { matchesOneOf } from './label-selector.ts';
import type { Pool, PoolBook } from './pool-book.ts';

export type NamespaceLabels = ReadonlyMap<string, Labels>;

const isPinned = ({ fact }: Pool): boolean =>
  fact.namespaces.length + fact.namespaceSelectors.length + fact.serviceSelectors.length > 0;

/** True when the pool's namespaces and Services include this one. Namespaces by name or by label, and labels too. */
export const admits = ({ fact }: Pool, service: ServiceFact, namespaces: NamespaceLabels): boolean => {
  const anyNamespace = fact.namespaces.length + fact.namespaceSelectors.length === 0;
  const inNamespace =
    anyNamespace ||
    fact.namespaces.includes(service.namespace) ||
    matchesOneOf(fact.namespaceSelectors, namespaces.get(service.namespace) ?? {});
  return (
    inNamespace && (fact.serviceSelectors.length === 0 || matchesOneOf(fact.serviceSelectors, service.labels))
  );
};

const rank = ({ fact }: Pool): number => (fact.priority === 0 ? Number.POSITIVE_INFINITY : fact.priority);

const inOrder = (a: Pool, b: Pool): number => {
  if (isPinned(a) !== isPinned(b)) return isPinned(a) ? -1 : 1;
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  return a.key < b.key ? -1 : 1;
};

/** All pools in the order in which they are asked. */
export const orderPools = (book: PoolBook): readonly Pool[] => [...book.pools].sort(inOrder);

/** The pool of that name; an AddressPool before an IPAddressPool. Null when there is none. */
export const poolNamed = (book: PoolBook, name: string): Pool | null =>
  book.pools.find(({ fact }) => fact.name === name) ?? null;
