// externalTrafficPolicy Local: on which nodes a Service's own pods accept traffic now, and on which they still
// finish what they have. A node whose last pod is going stays a keeper until a successor has the address, so that
// the move happens before the last local endpoint is gone.
import type { NodeName } from '../claims.ts';
import type { EndpointFact } from './cluster-facts.ts';

export interface LocalNodes {
  /** May hold the address. */
  readonly ready: ReadonlySet<NodeName>;
  /** May keep it until it is handed over; includes `ready`. */
  readonly serving: ReadonlySet<NodeName>;
}

/** Without any ready endpoint the serving ones count: kube-proxy then sends traffic to those as well. */
export const localNodes = (endpoints: Iterable<EndpointFact>): LocalNodes => {
  const ready = new Set<NodeName>();
  const serving = new Set<NodeName>();
  for (const { node, isReady, isServing } of endpoints) {
    if (isReady) ready.add(node);
    if (isReady || isServing) serving.add(node);
  }
  return { ready: ready.size > 0 ? ready : serving, serving };
};

const inAll = (sets: readonly ReadonlySet<NodeName>[]): Set<NodeName> => {
  const [first = new Set<NodeName>(), ...rest] = sets;
  return new Set([...first].filter((node) => rest.every((set) => set.has(node))));
};

const inAny = (sets: readonly ReadonlySet<NodeName>[]): Set<NodeName> =>
  new Set(sets.flatMap((set) => [...set]));

/**
 * Several Services under Local on one address: nodes that are right for all of them. If there is none, those that
 * are right for one: half of the traffic served is better than an address that nobody answers for.
 */
export const sharedLocalNodes = (each: readonly LocalNodes[]): LocalNodes => {
  const ready = each.map((nodes) => nodes.ready);
  const serving = each.map((nodes) => nodes.serving);
  const right = inAll(ready);
  return right.size > 0
    ? { ready: right, serving: new Set([...inAll(serving), ...right]) }
    : { ready: inAny(ready), serving: inAny(serving) };
};
