// One IP, looked at again: compares what is with what should be and sends the machine what follows. Level-based:
// it may be called at any time, for any IP, and does nothing when nothing is due.
import { isBetter } from './claims.ts';
import { type CoreConfig, startDelayMs } from './config.ts';
import { type CoreState, isDrained, myName, send, stay, wholeMicroseconds } from './core-state.ts';
import { instanceOn } from './hello.ts';
import type { InterfaceFact, PeerClaim } from './inputs.ts';
import { type Placement, placeService } from './interfaces.ts';
import {
  alivePeers,
  createSegment,
  hearsNobody,
  holdOf,
  isMinority,
  listsMe,
  type Segment,
} from './segments.ts';
import { isBlocked, stateOf } from './service-ip.ts';
import type { Because, Service } from './services.ts';
import {
  candidatesFor,
  crowdMs,
  DRAINED,
  ownExclusion,
  ownRank,
  successorsFor,
  takeDelayMs,
} from './succession.ts';
import { betterClaim, mayTake, unheardClaim } from './unheard.ts';

/**
 * How long an address is probed before its first claim ever. `full` is RFC 5227 §1.1 at its longest: PROBE_WAIT
 * 1 s, two gaps of PROBE_MAX 2 s, ANNOUNCE_WAIT 2 s.
 */
export const PROBE_MS = { quick: 1_000, full: 7_000, off: 0 } as const;
/**
 * When many addresses are first claimed together, each starts probing this much after the one before: three
 * probes each make 10,000 frames a second, as much again as announcements may (announcer.ts).
 */
const PROBE_SPACING_MS = 0.3;

const joinGroup = (state: CoreState, service: Service, name: string | null): void => {
  if (!service.ip.includes(':') || service.group === name) return;
  if (service.group !== null) state.emit({ type: 'group.leave', ip: service.ip, interface: service.group });
  if (name !== null) state.emit({ type: 'group.join', ip: service.ip, interface: name });
  service.group = name;
};

/** The placement of a configured service; worked out once for each state of config and interfaces. */
export const placementOf = (state: CoreState, service: Service): Placement => {
  const { config, placements, interfaces } = state;
  if (config === null || service.config === null)
    return { on: null, obstacle: 'it is not configured any more' };
  const held = service.snapshot.context.interface;
  const known = placements.get(service.ip);
  if (known !== undefined && known.held === held) return known.placement;
  const placement = placeService(service.config, config, interfaces, held);
  placements.set(service.ip, { held, placement });
  return placement;
};

/**
 * A holder that may not have taken the IP goes on until a successor has it: if there is one, or if it is to keep it
 * meanwhile. Who hears of the reason has the successor named (`retryHandovers`).
 */
const isGivenAway = (state: CoreState, service: Service): boolean => {
  const { interface: name } = service.snapshot.context;
  if (stateOf(service.snapshot) !== 'leader' || name === null) return false;
  if (service.handover !== null) return true;
  const mayKeep = service.config?.keep?.includes(myName(state)) ?? false;
  const successors = successorsFor(service, segmentOn(state, name), new Map(), state.cluster.excluded);
  if (!mayKeep && successors.length === 0) return false;
  stay(state, service);
  return true;
};

/** The config, or the Service, lets this node take it. */
const isNamed = (state: CoreState, { config }: Service): boolean =>
  config !== null && (config.nodes === null || config.nodes.includes(myName(state)));

/** Why this node may not hold the IP, and the interface it would use. */
const judge = (
  state: CoreState,
  service: Service,
): { readonly on: InterfaceFact | null; readonly obstacle: Because | null } => {
  const refuse = (cause: Because['cause'], reason: string) => ({ on: null, obstacle: { cause, reason } });
  const { config } = state;
  if (config === null || service.config === null) {
    return refuse('not-configured', 'it is not configured any more');
  }
  const { nodes } = service.config;
  // Another one owns what drains here: its clients are carried to the end of the drain, whoever may take it.
  const isDraining = stateOf(service.snapshot) === 'draining';
  if (nodes !== null && !isNamed(state, service) && !isDraining && !isGivenAway(state, service)) {
    const whom = nodes.length === 0 ? 'no node can serve it now' : `it is for ${nodes.join(', ')} only`;
    return refuse('not-configured', whom);
  }
  const held = service.snapshot.context.interface;
  const { on, obstacle } = placementOf(state, service);
  if (on === null || obstacle !== null) {
    return { on, obstacle: { cause: 'link-down', reason: obstacle ?? 'it has no interface' } };
  }
  if (stateOf(service.snapshot) !== 'unowned' && held !== null && held !== on.name) {
    const reason = `it belongs to ${on.name} now, not to ${held}`;
    return { on, obstacle: { cause: 'moved-interface', reason } };
  }
  return { on, obstacle: null };
};

/** The segment of an interface; made when first needed, so that facts about peers always find one. */
export const segmentOn = (state: CoreState, name: string): Segment => {
  const segment = state.segments.get(name) ?? createSegment(name);
  if (segment.birth !== state.instance) {
    segment.birth = state.instance;
    segment.instance = state.instance === null ? null : instanceOn(state.instance, name);
  }
  state.segments.set(name, segment);
  return segment;
};

const timerOf = (service: Service): string => `reconsider ${service.ip}`;

/** Looks again when `at` has come; an earlier look replaces it. */
const lookAgainAt = (state: CoreState, service: Service, at: number): void =>
  state.timers.set(timerOf(service), at, { kind: 'reconsider', ip: service.ip });

const take = (
  state: CoreState,
  service: Service,
  segment: Segment,
  claim: { readonly weak: boolean; readonly because: Because },
): void => {
  const { config } = state;
  if (config === null) return;
  const probeMs = service.isKnownFree ? 0 : PROBE_MS[config.probe];
  const probeFrom = Math.max(state.clock, state.lastProbeFrom + PROBE_SPACING_MS);
  if (probeMs > 0) state.lastProbeFrom = probeFrom;
  const epoch = service.highestEpoch + 1;
  send(
    state,
    service,
    {
      type: 'TAKE',
      interface: segment.name,
      epoch,
      weak: claim.weak,
      probeMs,
      probeDelayMs: probeMs > 0 ? wholeMicroseconds(probeFrom - state.clock) : 0,
    },
    claim.because,
  );
  service.highestEpoch = epoch;
  // No peer need appear for it to turn strong: one that was handed over weakly is looked at again.
  if (!claim.weak) return;
  const at = state.clock + holdOf(segment, config);
  state.timers.set(`strengthen ${segment.name}`, at, { kind: 'judge', segment: segment.name });
};

/** Nobody holds it: is it this node's turn? */
const considerTaking = (state: CoreState, service: Service, segment: Segment): void => {
  const { config } = state;
  if (config === null || isBlocked(service.snapshot)) return;
  service.unheldSince ??= state.clock;
  if (!isNamed(state, service)) return;
  if (state.clock < segment.listenUntil) lookAgainAt(state, service, segment.listenUntil);
  const exclusion = ownExclusion(state, segment);
  if (exclusion !== null && exclusion !== DRAINED) return;
  const candidates = candidatesFor(state, service, segment);
  const rank = ownRank(state, candidates);
  if (rank < 0) return;
  const able = candidates.filter(({ excluded }) => excluded === null).map(({ node }) => node);
  // The waiting starts anew with every change of the order: a rank that waited out another's turn has not earned
  // its own (simulated: two nodes took at once when the first of three died).
  if (service.ranking?.able !== able.join(' '))
    service.ranking = { able: able.join(' '), since: state.clock };
  const probeMs = service.isKnownFree ? 0 : PROBE_MS[config.probe];
  const since = Math.max(service.unheldSince, service.ranking.since);
  const busyMs = rank > 0 ? crowdMs(segment, service.unheldSince) : 0;
  const dueAt = since + takeDelayMs(rank, segment, config, probeMs) + busyMs;
  if (state.clock < dueAt) return lookAgainAt(state, service, dueAt);
  const place = able.length === 1 ? 'the only one' : `number ${rank + 1} of ${able.length}`;
  const { cause, reason } = service.vacancy;
  const because = { cause, reason: `${reason}; this node is ${place} that can take it` };
  const weak = isMinority(segment, state.clock);
  const permission = mayTake(state, service, { epoch: service.highestEpoch + 1, weak });
  if (!permission.may) return lookAgainAt(state, service, permission.lookAgainAt);
  take(state, service, segment, { weak, because });
  // A drained node that took back what it carries goes on looking for somebody to give it to.
  if (isDrained(state) && stateOf(service.snapshot) === 'leader') stay(state, service);
};

/** Somebody else holds it. */
const followHolder = (state: CoreState, service: Service, segment: Segment, holder: PeerClaim): void => {
  service.unheldSince = null;
  if (holder.successor !== myName(state) || isBlocked(service.snapshot)) return;
  if (!isNamed(state, service)) return;
  // Named by the holder: the listening time and the tables do not matter, the holder knows what it gives.
  if (!state.isEligible || isDrained(state) || state.stopping !== null) return;
  service.highestEpoch = Math.max(service.highestEpoch, holder.epoch);
  const because = { cause: 'planned', reason: `${holder.node}, the holder, handed it over` } as const;
  take(state, service, segment, { weak: holder.weak, because });
};

/** This node holds it and hears a worse claim: its maker gives way, unless it does not hear this node. */
const outlastRival = (state: CoreState, service: Service, segment: Segment, rival: PeerClaim): void => {
  const { config } = state;
  if (config === null) return;
  service.isContested = true;
  // Who hears nobody at all cannot serve, or nothing of this node gets out: then nobody hears this one's answers,
  // and keeping the IP does no harm. Only a rival that hears others, but not this node, is the better owner.
  // And whoever is not heard, and only vouched for, is told by those who hear both.
  const isHeard = segment.standing.isHeard(rival.node);
  if (!isHeard || listsMe(segment, rival.node) || hearsNobody(segment, rival.node)) {
    service.rivalDeafSince = null;
    return;
  }
  service.rivalDeafSince ??= state.clock;
  const peer = segment.peers.all.get(rival.node);
  const patience = peer?.fact.holdMs ?? holdOf(segment, config);
  // Should it fall silent meanwhile, its death is what counts, and comes first (simulated: seed 420116).
  const deadAt = (peer?.silentSince ?? Number.NEGATIVE_INFINITY) + patience + 1;
  const dueAt = Math.max(service.rivalDeafSince + patience, deadAt);
  if (state.clock < dueAt) return lookAgainAt(state, service, dueAt);
  const reason = `${rival.node} claims it and does not hear this node`;
  send(state, service, { type: 'OUTBID' }, { cause: 'one-way', reason });
};

/** How often a holder announces while a rival that hears nobody, and so never gives way, announces too. */
const REASSERT_MS = 1_000;

/**
 * Its announcements draw clients to where nothing comes in, and it does not hear that it should stop. (Script
 * deaf-port.txt: every client of three IPs was lost for as long as one port dropped what came in.)
 */
const reassert = (state: CoreState, service: Service, segment: Segment): void => {
  const isDrawn = alivePeers(segment).some(
    ({ fact }) => fact.hears.length === 0 && segment.register.claimOf(fact.node, service.ip) !== null,
  );
  if (!isDrawn) return;
  if (state.clock >= service.reassertAt) {
    service.reassertAt = state.clock + REASSERT_MS;
    send(state, service, { type: 'REANNOUNCE' }, service.because);
  }
  lookAgainAt(state, service, service.reassertAt);
};

const defendLead = (state: CoreState, service: Service, segment: Segment, rival: PeerClaim | null): void => {
  const { epoch, weak } = service.snapshot.context;
  if (rival === null) {
    reassert(state, service, segment);
    // Clients may have followed the rival's announcements (facts.md: keepalived learned it in six issues).
    const wasContested = service.isContested;
    service.isContested = false;
    service.rivalDeafSince = null;
    if (wasContested) send(state, service, { type: 'REANNOUNCE' }, service.because);
    return;
  }
  const mine = { ip: service.ip, node: myName(state), epoch, weak };
  if (!isBetter(rival, mine)) return outlastRival(state, service, segment, rival);
  service.isContested = false;
  const isPlanned = service.handover?.to === rival.node;
  const because: Because = isPlanned
    ? { cause: 'planned', reason: `${rival.node} took it over as asked` }
    : {
        cause: 'outbid',
        reason: `${rival.node} has the better claim (epoch ${rival.epoch}${rival.weak ? ', weak' : ''})`,
      };
  send(state, service, { type: 'OUTBID', patient: isPlanned && service.handover?.patient === true }, because);
};

const isTakingOver = (state: CoreState, { snapshot }: Service, rival: PeerClaim): boolean =>
  rival.successor === myName(state) && snapshot.context.epoch > rival.epoch;

/** Of unheard peers only a better claim counts. */
const isWorthy = (state: CoreState, { ip, snapshot }: Service, rival: PeerClaim | null): boolean => {
  const { epoch, weak } = snapshot.context;
  return rival !== null && isBetter(rival, { ip, node: myName(state), epoch, weak });
};

const followRules = (state: CoreState, service: Service, segment: Segment): void => {
  const heard = segment.register.best(service.ip, segment.standing, myName(state));
  const rival = betterClaim(heard, unheardClaim(state, service.ip));
  if (rival !== null) {
    service.highestEpoch = Math.max(service.highestEpoch, rival.epoch);
    service.isKnownFree = true;
  }
  if (stateOf(service.snapshot) !== 'leader') {
    service.isContested = false;
    service.rivalDeafSince = null;
  }
  switch (stateOf(service.snapshot)) {
    case 'leader':
      service.unheldSince = null;
      // Whom an object speaks for is not deaf to this node: its object is written over.
      return defendLead(state, service, segment, isWorthy(state, service, rival) ? rival : heard);
    case 'candidate':
      // One that is named takes with the next epoch; what it was probing for bears an older one.
      if (rival === null || isTakingOver(state, service, rival)) return;
      send(state, service, { type: 'OUTBID' }, { cause: 'outbid', reason: `${rival.node} holds it` });
      return followHolder(state, service, segment, rival);
    default:
      if (rival === null) considerTaking(state, service, segment);
      else followHolder(state, service, segment, rival);
  }
};

const forget = (state: CoreState, service: Service): void => {
  for (const name of ['reconsider', 'handover']) state.timers.cancel(`${name} ${service.ip}`);
  state.timers.cancel(`${service.ip} backoff`);
  state.services.forget(service.ip);
};

/** Compares what is with what should be for one IP. */
export const reconsider = (state: CoreState, service: Service): void => {
  const { on, obstacle } = judge(state, service);
  // Joined on every eligible node from the start, link or no link, so that MLD reports are out long before.
  if (on !== null) joinGroup(state, service, on.name);
  service.obstacle = obstacle;
  state.timers.cancel(timerOf(service));
  if (obstacle !== null) {
    const didLeave = send(state, service, { type: 'WITHDRAW' }, obstacle);
    if (on === null) joinGroup(state, service, null);
    if (service.config === null) forget(state, service);
    else if (didLeave && obstacle.cause === 'moved-interface') reconsider(state, service);
    return;
  }
  if (on !== null) followRules(state, service, segmentOn(state, on.name));
};

/** Config or interfaces changed: nothing that followed from them holds any more. */
export const reconsiderAll = (state: CoreState): void => {
  state.placements.clear();
  listenWhereNeeded(state);
  for (const service of [...state.services.all.values()]) reconsider(state, service);
};

/** Before anything is sent on an interface, the wire thread must be there. */
const listenWhereNeeded = (state: CoreState): void => {
  if (state.config === null) return;
  const names = new Set<string>();
  for (const service of state.services.all.values()) {
    const placed = placementOf(state, service).on;
    if (placed !== null) names.add(placed.name);
  }
  const before = state.listening;
  const sorted = [...names].sort();
  if (sorted.join(' ') === before.join(' ')) return;
  state.listening = sorted;
  state.emit({ type: 'listen', interfaces: sorted });
  for (const name of before) if (!sorted.includes(name)) stopListening(state, name);
};

/**
 * The same after news of what is to be served. Where nothing was listened to, everybody's claims are yet to be heard: a
 * list of Services may come long after the listening time of the start, a last one may have been gone for a while, a
 * reload may bring another interface (simulated: all nodes took at once).
 */
export const listenFirst = (state: CoreState, config: CoreConfig): void => {
  const before = state.listening;
  listenWhereNeeded(state);
  for (const name of state.listening)
    if (!before.includes(name)) segmentOn(state, name).listenUntil = state.clock + startDelayMs(config);
};

/** Whoever was heard there falls silent unnoticed now (simulated: seed 205196, a peer that stayed alive for ever). */
const stopListening = (state: CoreState, name: string): void => {
  const segment = segmentOn(state, name);
  segment.peers.clear();
  segment.register.clear();
  state.witnessed.delete(name);
  for (const timer of ['judge', 'strengthen']) state.timers.cancel(`${timer} ${name}`);
};
