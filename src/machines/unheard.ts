// Kubernetes' second opinion on peers that the wire does not hear: their Leases say that they live, ServiceIP objects
// what they hold (design.md, "Kubernetes"). While such a peer lives, an IP is taken only after its object is: the
// write that only one node can win. With the API server away the Leases run out by this node's clock.
import { type Claim, isBetter, type NodeName } from './claims.ts';
import { type CoreState, myName } from './core-state.ts';
import type { Ip } from './frames.ts';
import type { PeerClaim } from './inputs.ts';
import { stateOf } from './service-ip.ts';

/** What a ServiceIP object says; `holder` null: nobody holds it, or there is no object. */
export interface ObjectClaim {
  readonly ip: Ip;
  readonly holder: NodeName | null;
  readonly epoch: number;
  readonly weak: boolean;
}

export interface ClusterCheckpoint {
  readonly excluded: readonly (readonly [NodeName, string])[];
  readonly leases: readonly (readonly [NodeName, number])[];
  readonly objects: readonly ObjectClaim[];
}

/** The cluster's word, where there is a cluster. */
export interface Cluster {
  /** Nodes that may not hold service IPs, and why. */
  excluded: ReadonlyMap<NodeName, string>;
  /** Until when each peer that is not heard lives at least, logical milliseconds. */
  readonly leases: Map<NodeName, number>;
  readonly objects: Map<Ip, ObjectClaim>;
}

/** A Lease is valid for so long after it was renewed (design.md). */
export const LEASE_MS = 30_000;
/** A reservation that was refused, or not answered, is asked for again. */
const RESERVE_AGAIN_MS = 1_000;

export const restoreCluster = (from?: ClusterCheckpoint): Cluster => ({
  excluded: new Map(from?.excluded ?? []),
  leases: new Map(from?.leases ?? []),
  objects: new Map((from?.objects ?? []).map((object) => [object.ip, object])),
});

export const checkpointCluster = ({ excluded, leases, objects }: Cluster): ClusterCheckpoint => ({
  excluded: [...excluded],
  leases: [...leases],
  objects: [...objects.values()],
});

/** Heard on some segment, or vouched for there. */
export const isHeard = (state: CoreState, node: NodeName): boolean => {
  for (const { standing } of state.segments.values()) if (standing.counts(node)) return true;
  return false;
};

/** When it was alive on the wire last; 0: never, as far as is remembered. */
const lastAliveAt = (state: CoreState, node: NodeName): number => {
  let last = 0;
  for (const { peers } of state.segments.values())
    last = Math.max(last, peers.all.get(node)?.lastAliveAt ?? 0);
  return last;
};

/** Its Lease moved on after it fell silent. What was read before it was heard says nothing of its life since. */
const isSpokenFor = (state: CoreState, node: NodeName): boolean => {
  const until = state.cluster.leases.get(node);
  return until !== undefined && until - LEASE_MS > lastAliveAt(state, node) && !isHeard(state, node);
};

/** Not heard, and not dead before its Lease ends. */
const isUnheard = (state: CoreState, node: NodeName): boolean =>
  (state.cluster.leases.get(node) ?? 0) > state.clock && isSpokenFor(state, node);

/** Does a peer live that cannot be asked over the wire? */
const isAnyUnheard = (state: CoreState): boolean => {
  for (const node of state.cluster.leases.keys()) if (isUnheard(state, node)) return true;
  return false;
};

const isLeader = (state: CoreState, ip: Ip): boolean => {
  const service = state.services.all.get(ip);
  return service !== undefined && stateOf(service.snapshot) === 'leader';
};

/** What an unheard peer holds, as its object says; null: nobody unheard holds it. */
export const unheardClaim = (state: CoreState, ip: Ip): PeerClaim | null => {
  const object = state.cluster.objects.get(ip);
  if (object === undefined || object.holder === null || object.holder === myName(state)) return null;
  if (!isUnheard(state, object.holder)) return null;
  return { ip, node: object.holder, epoch: object.epoch, weak: object.weak, successor: null };
};

/** The better of two claims, either of which may be missing. */
export const betterClaim = (a: PeerClaim | null, b: PeerClaim | null): PeerClaim | null => {
  if (a === null || b === null) return a ?? b;
  return isBetter(b as Claim, a as Claim) ? b : a;
};

/** Sets the one timer of all Leases. */
const setLeaseTimer = (state: CoreState): void => {
  const next = Math.min(...state.cluster.leases.values());
  if (next === Number.POSITIVE_INFINITY) state.timers.cancel('leases');
  else state.timers.set('leases', next, { kind: 'leases' });
};

/** A peer that is not heard gave a sign of life. Returns whether that is news. */
export const renewLease = (state: CoreState, node: NodeName): boolean => {
  if (node === myName(state) || isHeard(state, node)) return false;
  const wasUnheard = isUnheard(state, node);
  state.cluster.leases.set(node, state.clock + LEASE_MS);
  setLeaseTimer(state);
  return !wasUnheard;
};

/** Forgets the Leases that are over, and those of peers that are heard: the wire speaks for these. Returns the dead. */
export const endLeases = (state: CoreState): readonly NodeName[] => {
  const dead: NodeName[] = [];
  for (const [node, until] of state.cluster.leases) {
    const isOver = until <= state.clock;
    if (!isOver && !isHeard(state, node)) continue;
    if (isOver && isSpokenFor(state, node)) dead.push(node);
    state.cluster.leases.delete(node);
  }
  setLeaseTimer(state);
  return dead;
};

/** Takes over what objects say; returns those whose makers thereby showed that they live. */
export const seeObjects = (
  state: CoreState,
  objects: readonly ObjectClaim[],
  isNews: boolean,
): readonly NodeName[] => {
  const alive = new Set<NodeName>();
  for (const object of objects) {
    const { ip, holder, epoch } = object;
    const isOurs = holder === myName(state);
    const isSaidByOther = (state.cluster.objects.get(ip)?.holder ?? null) !== null;
    // Who gave way to what the object said, and hears of its own late write over it, has not become its owner by that.
    if (isOurs && isSaidByOther && !isLeader(state, ip)) continue;
    state.cluster.objects.set(ip, object);
    const service = state.services.all.get(ip);
    // Its own reservation must not outdate the epoch that it reserved.
    if (service !== undefined && !isOurs) service.highestEpoch = Math.max(service.highestEpoch, epoch);
    // Who writes an object lives as much as who renews a Lease.
    if (isNews && holder !== null) alive.add(holder);
  }
  return [...alive];
};

/**
 * May `ip` be taken at `epoch` now? Where a peer is unheard its object must be won first: asks for that, and says when
 * to look again.
 */
export const mayTake = (
  state: CoreState,
  service: { readonly ip: Ip; reservedEpoch?: number; reserveAgainAt?: number },
  claim: { readonly epoch: number; readonly weak: boolean },
): { readonly may: boolean; readonly lookAgainAt: number } => {
  if (service.reservedEpoch === claim.epoch || !isAnyUnheard(state)) return { may: true, lookAgainAt: 0 };
  const due = service.reserveAgainAt ?? 0;
  if (state.clock < due) return { may: false, lookAgainAt: due };
  service.reserveAgainAt = state.clock + RESERVE_AGAIN_MS;
  state.emit({ type: 'reserve', ip: service.ip, ...claim });
  return { may: false, lookAgainAt: service.reserveAgainAt };
};
