// One service IP as the cluster wants it: who may hold it, who may keep it for a while, and why others may not.
// The sentence and the lists are made in one place, so that what `explain` says is what was decided.
import type { NodeName } from '../claims.ts';
import type { Ip } from '../frames.ts';
import type { DrainOverride, ServiceFact, ServiceKey } from './cluster-facts.ts';
import { serviceKey } from './cluster-facts.ts';
import { type LocalNodes, sharedLocalNodes } from './local-endpoints.ts';
import type { Pool } from './pool-book.ts';
import type { PoolNodes } from './pool-nodes.ts';

/** Plain JSON; two that say the same are written the same. */
export interface ServiceIpView {
  readonly ip: Ip;
  /** Sorted; null: any node. */
  readonly nodes: readonly NodeName[] | null;
  /** May keep it until a successor has it, though they are not among `nodes`. Sorted. */
  readonly keep: readonly NodeName[];
  /** Best first; may name nodes that are not among `nodes`. */
  readonly preferred: readonly NodeName[];
  /** Null: by on-link prefix. */
  readonly interfaces: readonly string[] | null;
  /** Null: as configured. */
  readonly drain: DrainOverride | null;
  /** The node that somebody asked for, by an annotation on one of the Services. */
  readonly moveTo: NodeName | null;
  /** Why only `nodes` may hold it; null when any may. Completes "only these may: …". */
  readonly reason: string | null;
  /** `AddressPool/blue`; null when no pool holds the address. */
  readonly pool: string | null;
  /** Sorted, never empty. */
  readonly services: readonly ServiceKey[];
}

export interface Surroundings {
  /** Services with the address, sorted by key; at least one. */
  readonly services: readonly ServiceFact[];
  readonly pool: Pool | null;
  readonly poolNodes: PoolNodes | null;
  localNodesOf(service: ServiceKey): LocalNodes;
}

const isLocal = ({ externalTrafficPolicy }: ServiceFact): boolean => externalTrafficPolicy === 'Local';

const rules = ({ services, pool, poolNodes }: Surroundings): string | null => {
  if (pool?.silent) return pool.silent;
  const found: string[] = [];
  if (poolNodes?.allowed) found.push(`the pool ${pool?.fact.name} selects them`);
  const local = services.filter(isLocal).map(serviceKey);
  if (local.length > 0) found.push(`they have a ready endpoint of ${local.join(' and ')} (Local)`);
  return found.length === 0 ? null : found.join(', and ');
};

export const viewServiceIp = (ip: Ip, around: Surroundings): ServiceIpView => {
  const { services, pool, poolNodes } = around;
  const allowed = poolNodes?.allowed ?? null;
  const local = services.filter(isLocal);
  let nodes = allowed;
  let keep: readonly NodeName[] = [];
  if (local.length > 0) {
    const { ready, serving } = sharedLocalNodes(
      local.map((service) => around.localNodesOf(serviceKey(service))),
    );
    const within = (set: ReadonlySet<NodeName>): NodeName[] =>
      [...set].filter((node) => allowed === null || allowed.includes(node)).sort();
    nodes = within(ready);
    keep = within(serving).filter((node) => !ready.has(node));
  }
  return {
    ip,
    nodes,
    keep,
    preferred: poolNodes?.preferred ?? [],
    interfaces: pool?.interfaces ?? null,
    drain: pool?.fact.drain ?? null,
    moveTo: services.find(({ moveTo }) => moveTo !== null)?.moveTo ?? null,
    reason: rules(around),
    pool: pool?.key ?? null,
    services: services.map(serviceKey),
  };
};

/** Why `node` may not hold the address; null when it may. For people: one node, one sentence. */
export const whyNot = (node: NodeName, view: ServiceIpView, around: Surroundings): string | null => {
  if (view.nodes === null || view.nodes.includes(node)) return null;
  const { pool, poolNodes, services } = around;
  if (pool?.silent) return pool.silent;
  if (poolNodes?.allowed && !poolNodes.allowed.includes(node)) {
    return `the node selectors of the pool ${pool?.fact.name} do not match it`;
  }
  const lacking = services
    .filter(isLocal)
    .map(serviceKey)
    .filter((key) => !around.localNodesOf(key).ready.has(node));
  const wait = view.keep.includes(node) ? '; it may keep the address until a successor has it' : '';
  return `externalTrafficPolicy is Local, and no ready endpoint of ${lacking.join(' or ')} is on it${wait}`;
};
