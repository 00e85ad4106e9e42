// From what the cluster says, one object at a time, to what each service IP needs. Levels come in, differences go
// out. Indexed both ways, so that one changed Service, EndpointSlice or Node makes only those addresses be looked
// at again that depend on it; a node that is not Ready concerns no address at all, but `excluded`.
import type { NodeName } from '../claims.ts';
import type { Ip } from '../frames.ts';
import {
  type AdvertisementFact,
  type ClassRule,
  type EndpointSliceFact,
  isOurs,
  type NodeFact,
  type PoolFact,
  type ServiceFact,
  type ServiceKey,
} from './cluster-facts.ts';
import { type LocalNodes, localNodes } from './local-endpoints.ts';
import { exclusionOf } from './node-eligibility.ts';
import { openPoolBook, type PoolBook } from './pool-book.ts';
import { nodesOfPool, type PoolNodes, sameNodes } from './pool-nodes.ts';
import { type ServiceIpView, type Surroundings, viewServiceIp, whyNot } from './service-ip-view.ts';

export interface ClusterDelta {
  /** New or different, by address text. */
  readonly changed: readonly ServiceIpView[];
  readonly gone: readonly Ip[];
  /** Nodes that may hold nothing, and why; null when that did not change. */
  readonly excluded: ReadonlyMap<NodeName, string> | null;
  /** Nodes that an annotation drains; null when that did not change. */
  readonly drained: ReadonlyMap<NodeName, NonNullable<NodeFact['drain']>> | null;
  /** How many addresses were looked at. */
  readonly looked: number;
}

/** In each, null as fact: the object is gone. `take` returns what all changes since the last one led to. */
export interface ServiceIps {
  service(key: ServiceKey, fact: ServiceFact | null): void;
  node(name: NodeName, fact: NodeFact | null): void;
  slice(key: string, fact: EndpointSliceFact | null): void;
  pool(key: string, fact: PoolFact | null): void;
  advertisement(name: string, fact: AdvertisementFact | null): void;
  take(): ClusterDelta;
  views(): Iterable<ServiceIpView>;
  /** Pools that are refused, as of the last `take`. */
  book(): PoolBook;
  /** Why a node may not hold an address; null when it may, or when nobody has the address. */
  whyNot(ip: Ip, node: NodeName): string | null;
}

/** Many-to-many, without empty sets. */
const addTo = <K, V>(index: Map<K, Set<V>>, key: K, value: V): void => {
  const set = index.get(key);
  if (set === undefined) index.set(key, new Set([value]));
  else set.add(value);
};
const removeFrom = <K, V>(index: Map<K, Set<V>>, key: K, value: V): void => {
  const set = index.get(key);
  set?.delete(value);
  if (set?.size === 0) index.delete(key);
};
const put = <K, V>(map: Map<K, V>, key: K, value: V | null): V | undefined => {
  const before = map.get(key);
  if (value === null) map.delete(key);
  else map.set(key, value);
  return before;
};

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

const NO_ENDPOINTS: LocalNodes = localNodes([]);

export const createServiceIps = (rule: ClassRule): ServiceIps => {
  const services = new Map<ServiceKey, ServiceFact>();
  const nodes = new Map<NodeName, NodeFact>();
  const slices = new Map<string, EndpointSliceFact>();
  const pools = new Map<string, PoolFact>();
  const advertisements = new Map<string, AdvertisementFact>();
  const servicesOn = new Map<Ip, Set<ServiceKey>>();
  const slicesOf = new Map<ServiceKey, Set<string>>();
  const ipsOfPool = new Map<string, Set<Ip>>();
  const poolNodes = new Map<string, PoolNodes>();
  const locals = new Map<ServiceKey, LocalNodes>();
  const views = new Map<Ip, ServiceIpView>();
  const dirty = new Set<Ip>();
  const excluded = new Map<NodeName, string>();
  const drained = new Map<NodeName, NonNullable<NodeFact['drain']>>();
  const stale = { book: false, labels: false, excluded: false, drained: false };
  let book = openPoolBook([], []);

  const localNodesOf = (key: ServiceKey): LocalNodes => {
    const known = locals.get(key);
    if (known !== undefined) return known;
    const keys = slicesOf.get(key);
    if (keys === undefined) return NO_ENDPOINTS;
    const found = localNodes([...keys].flatMap((slice) => slices.get(slice)?.endpoints ?? []));
    locals.set(key, found);
    return found;
  };

  const endpointsChanged = (key: ServiceKey): void => {
    locals.delete(key);
    const fact = services.get(key);
    if (fact?.externalTrafficPolicy === 'Local') for (const ip of fact.ingressIps) dirty.add(ip);
  };

  const surroundings = (ip: Ip): Surroundings | null => {
    const keys = servicesOn.get(ip);
    if (keys === undefined) return null;
    const pool = book.poolOf(ip);
    return {
      services: [...keys].sort().map((key) => services.get(key) as ServiceFact),
      pool,
      poolNodes: pool === null ? null : (poolNodes.get(pool.key) ?? null),
      localNodesOf,
    };
  };

  const refreshPools = (): void => {
    if (stale.book) {
      book = openPoolBook(pools.values(), [...advertisements.values()]);
      poolNodes.clear();
      for (const ip of servicesOn.keys()) dirty.add(ip);
    }
    if (stale.book || stale.labels) {
      const all = [...nodes.values()];
      for (const pool of book.pools) {
        const chosen = nodesOfPool(pool, all);
        if (sameNodes(poolNodes.get(pool.key), chosen)) continue;
        poolNodes.set(pool.key, chosen);
        for (const ip of ipsOfPool.get(pool.key) ?? []) dirty.add(ip);
      }
    }
    stale.book = false;
    stale.labels = false;
  };

  /** The new view when it differs, null when it does not, undefined when the address is gone. */
  const look = (ip: Ip): ServiceIpView | null | undefined => {
    const before = views.get(ip);
    const around = surroundings(ip);
    const view = around === null ? null : viewServiceIp(ip, around);
    if (before?.pool && before.pool !== view?.pool) removeFrom(ipsOfPool, before.pool, ip);
    put(views, ip, view);
    if (view === null) return before === undefined ? null : undefined;
    if (view.pool !== null) addTo(ipsOfPool, view.pool, ip);
    return same(before, view) ? null : view;
  };

  const level = <V>(map: Map<NodeName, V>, name: NodeName, value: V | null): boolean =>
    (put(map, name, value) ?? null) !== value;

  return {
    service: (key, fact) => {
      const ours = fact !== null && isOurs(fact, rule) ? fact : null;
      const before = put(services, key, ours);
      for (const ip of before?.ingressIps ?? []) {
        removeFrom(servicesOn, ip, key);
        dirty.add(ip);
      }
      for (const ip of ours?.ingressIps ?? []) {
        addTo(servicesOn, ip, key);
        dirty.add(ip);
      }
    },
    node: (name, fact) => {
      const before = put(nodes, name, fact);
      if (!same(before?.labels, fact?.labels)) stale.labels = true;
      if (level(excluded, name, fact && exclusionOf(fact))) stale.excluded = true;
      if (level(drained, name, fact?.drain ?? null)) stale.drained = true;
    },
    slice: (key, fact) => {
      const before = put(slices, key, fact);
      if (before !== undefined) removeFrom(slicesOf, before.service, key);
      if (fact !== null) addTo(slicesOf, fact.service, key);
      if (before !== undefined && before.service !== fact?.service) endpointsChanged(before.service);
      if (fact !== null) endpointsChanged(fact.service);
    },
    pool: (key, fact) => {
      // A list that is read again says the same of every pool; that must not make all addresses be looked at.
      if (!same(put(pools, key, fact), fact)) stale.book = true;
    },
    advertisement: (name, fact) => {
      if (!same(put(advertisements, name, fact), fact)) stale.book = true;
    },
    take: () => {
      refreshPools();
      const changed: ServiceIpView[] = [];
      const gone: Ip[] = [];
      for (const ip of [...dirty].sort()) {
        const view = look(ip);
        if (view === undefined) gone.push(ip);
        else if (view !== null) changed.push(view);
      }
      const delta: ClusterDelta = {
        changed,
        gone,
        excluded: stale.excluded ? new Map(excluded) : null,
        drained: stale.drained ? new Map(drained) : null,
        looked: dirty.size,
      };
      dirty.clear();
      stale.excluded = false;
      stale.drained = false;
      return delta;
    },
    views: () => views.values(),
    book: () => book,
    whyNot: (ip, node) => {
      const view = views.get(ip);
      const around = surroundings(ip);
      return view === undefined || around === null ? null : whyNot(node, view, around);
    },
  };
};
