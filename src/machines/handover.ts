// Planned moves: this node names a successor for an IP it holds, goes on answering until it hears that one's
// claim, then drains. Drains of a whole node, of single IPs, and the way out of a node that is being stopped.
import type { NodeName } from './claims.ts';
import { reconsiderAll, segmentOn } from './contest.ts';
import { type CoreState, endHandover, isDrained, isPatient, send } from './core-state.ts';
import type { Ip } from './frames.ts';
import type { ExcludedNode } from './inputs.ts';
import { intervalOf, type Segment } from './segments.ts';
import { stateOf } from './service-ip.ts';
import type { Service } from './services.ts';
import { successorsFor } from './succession.ts';

/** After so many intervals without the successor's claim another one is named. */
export const INTERVALS_PER_SUCCESSOR = 8;
/**
 * What a drained node could not give is offered again after this, and after twice that …: a successor may have been
 * busy for a moment. Then no more, until there is news of somebody.
 */
const OFFER_AGAIN_MS = 2_000;
const MAX_OFFERS = 5;
/** All nodes stopped together end within 15 s (contract.md); this leaves time for the process itself. */
export const STOP_WITHIN_MS = 12_000;

/** What would become of an IP in a drain: `to` whom it goes, or why it `stays`. */
export interface PlannedHandover {
  readonly ip: Ip;
  readonly to: NodeName | null;
  readonly stays: string | null;
  readonly patient: boolean;
}

/** By interface: how many IPs are on their way to each node, so that a drain spreads those of each segment. */
type Assignments = Map<string, Map<NodeName, number>>;
const NONE: ReadonlyMap<NodeName, number> = new Map();

const assign = (assigned: Assignments, name: string, to: NodeName): void => {
  const nodes = assigned.get(name) ?? new Map<NodeName, number>();
  assigned.set(name, nodes);
  nodes.set(to, (nodes.get(to) ?? 0) + 1);
};

const assignments = (state: CoreState): Assignments => {
  const assigned: Assignments = new Map();
  for (const { handover, snapshot } of state.services.all.values()) {
    const { interface: name } = snapshot.context;
    if (handover?.to && name !== null) assign(assigned, name, handover.to);
  }
  return assigned;
};

/** Whom a planned move names next, or why the IP stays. Changes nothing. */
const nextSuccessor = (
  state: CoreState,
  service: Service,
  segment: Segment,
  { wanted, tried }: { readonly wanted: NodeName | null; readonly tried: readonly NodeName[] },
  assigned: ReadonlyMap<string, ReadonlyMap<NodeName, number>>,
): Pick<PlannedHandover, 'to' | 'stays'> => {
  const able = successorsFor(
    service,
    segment,
    assigned.get(segment.name) ?? NONE,
    state.cluster.excluded,
  ).filter((node) => !tried.includes(node));
  const to = wanted === null ? able[0] : able.find((node) => node === wanted);
  if (to !== undefined) return { to, stays: null };
  if (wanted !== null) return { to: null, stays: `${wanted} cannot take it` };
  return {
    to: null,
    stays: tried.length > 0 ? `${tried.join(', ')} did not take it` : 'no other node can take it now',
  };
};

/** Names the next successor of an IP that this node leads, or says why there is none. */
const nameSuccessor = (state: CoreState, service: Service, assigned: Assignments): void => {
  const { handover, snapshot, ip } = service;
  const { interface: name } = snapshot.context;
  if (handover === null || state.config === null || name === null) return;
  const segment = segmentOn(state, name);
  const { to, stays } = nextSuccessor(state, service, segment, handover, assigned);
  state.timers.cancel(`handover ${ip}`);
  if (to === null) {
    service.handover = { ...handover, to, stays };
    state.emit({ type: 'yield', ip, interface: name, successor: null, patient: false });
    // Nobody able at all: the news that somebody is brings the next offer.
    const offers = handover.offers ?? 0;
    if (!isDrained(state) || handover.tried.length === 0 || offers === MAX_OFFERS) return;
    service.handover = { ...service.handover, offers: offers + 1 };
    state.timers.set(`handover ${ip}`, state.clock + OFFER_AGAIN_MS * 2 ** offers, { kind: 'handover', ip });
    return;
  }
  service.handover = { ...handover, to, stays: null };
  assign(assigned, name, to);
  state.emit({ type: 'yield', ip, interface: name, successor: to, patient: handover.patient });
  const patience = INTERVALS_PER_SUCCESSOR * intervalOf(segment, state.config);
  state.timers.set(`handover ${ip}`, state.clock + patience, { kind: 'handover', ip });
};

/** What a drain of `ips` (null: all of it) would begin now, for each that this node leads. Changes nothing. */
export const plannedHandovers = (
  state: CoreState,
  ips: readonly Ip[] | null,
  wanted: NodeName | null,
  patient?: boolean,
): readonly PlannedHandover[] => {
  const assigned = assignments(state);
  const planned: PlannedHandover[] = [];
  for (const service of state.services.all.values()) {
    const { ip, snapshot } = service;
    const { interface: name } = snapshot.context;
    if ((ips !== null && !ips.includes(ip)) || stateOf(snapshot) !== 'leader' || name === null) continue;
    const next = nextSuccessor(state, service, segmentOn(state, name), { wanted, tried: [] }, assigned);
    if (next.to !== null) assign(assigned, name, next.to);
    planned.push({ ip, ...next, patient: patient ?? isPatient(state, service) });
  }
  return planned;
};

/** Begins planned moves of what this node leads among `ips` (null: all of it). */
export const beginHandovers = (
  state: CoreState,
  ips: readonly Ip[] | null,
  wanted: NodeName | null,
  patient?: boolean,
): void => {
  const assigned = assignments(state);
  for (const service of state.services.all.values()) {
    if (ips !== null && !ips.includes(service.ip)) continue;
    if (stateOf(service.snapshot) !== 'leader') continue;
    service.handover = {
      to: null,
      wanted,
      tried: [],
      stays: null,
      patient: patient ?? isPatient(state, service),
    };
    nameSuccessor(state, service, assigned);
  }
};

/**
 * Somebody may be able to take now what had to stay. A single IP's move to a node that could not take it was refused,
 * and the operator knows: it must not happen later by itself (simulated: seed 21058, a move ten seconds after).
 */
export const retryHandovers = (state: CoreState): void => {
  const assigned = assignments(state);
  for (const service of state.services.all.values()) {
    if (service.handover === null || service.handover.stays === null) continue;
    if (service.handover.wanted !== null && !isDrained(state) && state.stopping === null) continue;
    service.handover = { ...service.handover, tried: [], stays: null };
    nameSuccessor(state, service, assigned);
  }
};

/** The named successor has not claimed in time: another one, or all of them again; the IP stays here meanwhile. */
export const handoverDue = (state: CoreState, service: Service): void => {
  const { handover } = service;
  if (handover === null) return;
  const tried = handover.to === null ? [] : [...handover.tried, handover.to];
  service.handover = { ...handover, to: null, tried };
  nameSuccessor(state, service, assignments(state));
  progressStop(state);
};

export const drain = (
  state: CoreState,
  ips: readonly Ip[] | null,
  to: NodeName | null,
  patient?: boolean,
): void => {
  if (ips === null && !state.drained) {
    state.drained = true;
    state.emit({ type: 'remember.drained', drained: true });
  }
  sayFlags(state);
  beginHandovers(state, ips, to, patient);
};

export const undrain = (state: CoreState): void => {
  if (state.drained) {
    state.drained = false;
    state.emit({ type: 'remember.drained', drained: false });
  }
  stayHere(state);
};

/** Takes back the offer of an IP to others. */
export const keepHere = (state: CoreState, service: Service): void => {
  const { handover, ip, snapshot } = service;
  if (handover === null) return;
  endHandover(state, service);
  const { interface: name } = snapshot.context;
  if (stateOf(snapshot) === 'leader' && name !== null)
    state.emit({ type: 'yield', ip, interface: name, successor: null, patient: false });
};

/** This node may take again, and keeps what it was to give, unless there is another reason to give it. */
const stayHere = (state: CoreState): void => {
  sayFlags(state);
  if (isDrained(state)) return;
  for (const service of state.services.all.values()) keepHere(state, service);
  reconsiderAll(state);
};

/** The cluster's word on which nodes may hold service IPs: this one gives what it has, or may take again. */
export const exclude = (state: CoreState, nodes: readonly ExcludedNode[]): void => {
  const wasDrained = isDrained(state);
  state.cluster.excluded = new Map(nodes.map(({ node, reason }) => [node, reason]));
  const isNow = isDrained(state);
  if (isNow && !wasDrained) {
    sayFlags(state);
    const mine = nodes.find(({ node }) => node === state.config?.node);
    beginHandovers(state, null, null, mine?.patient);
  } else if (!isNow && wasDrained) stayHere(state);
  // Who can take, and in which order, has changed for everybody.
  retryHandovers(state);
  reconsiderAll(state);
};

/** Hellos tell whether this node takes, gives or only listens. */
export const sayFlags = (state: CoreState): void => {
  const leaving = state.stopping !== null;
  const flags = {
    starting: !state.isEligible,
    ready: state.isEligible && !isDrained(state) && !leaving,
    leaving,
  };
  if (JSON.stringify(flags) === JSON.stringify(state.flags)) return;
  state.flags = flags;
  state.emit({ type: 'hello.flags', flags });
};

export const stop = (state: CoreState, reason: string): void => {
  if (state.stopping !== null) return;
  state.stopping = reason;
  sayFlags(state);
  state.timers.set('stop', state.clock + STOP_WITHIN_MS, { kind: 'stop' });
  beginHandovers(state, null, null);
  progressStop(state);
};

const release = (state: CoreState, service: Service): void => {
  state.timers.cancel(`reconsider ${service.ip}`);
  const because = { cause: 'stopping', reason: state.stopping ?? '' } as const;
  send(state, service, { type: 'WITHDRAW' }, because);
};

/** A draining IP is carried on only while somebody else owns it by now. */
const isCarriedFor = (state: CoreState, service: Service): boolean => {
  const { interface: name, policy } = service.snapshot.context;
  if (policy.serve === 'none' || name === null) return false;
  const segment = segmentOn(state, name);
  return segment.register.best(service.ip, segment.standing, '') !== null;
};

/**
 * A stopping node: what nobody can take is released, what has been handed over is carried to the end of its
 * drain, and when nothing is left the process may end.
 */
export const progressStop = (state: CoreState): void => {
  if (state.stopping === null || state.hasExited) return;
  for (const service of state.services.all.values()) {
    const at = stateOf(service.snapshot);
    if (at === 'candidate') release(state, service);
    if (at === 'leader' && service.handover?.to == null) release(state, service);
    if (at === 'draining' && !isCarriedFor(state, service)) release(state, service);
  }
  for (const { snapshot } of state.services.all.values()) if (stateOf(snapshot) !== 'unowned') return;
  state.hasExited = true;
  for (const service of state.services.all.values()) {
    if (service.group !== null) state.emit({ type: 'group.leave', ip: service.ip, interface: service.group });
    service.group = null;
  }
  state.emit({ type: 'exit' });
};

/** Nobody took what was offered: everything still led is released, so that the process can end. */
export const stopDue = (state: CoreState): void => {
  for (const service of state.services.all.values()) {
    if (stateOf(service.snapshot) === 'leader') release(state, service);
  }
  progressStop(state);
};
