// What news of peers changes: who is judged alive or dead, whose claims stand, which IPs must be looked at
// again, when weak claims turn strong, and what this node repeats for others to hear.
import { isBetter, type NodeName } from './claims.ts';
import { reconsider, reconsiderAll, segmentOn } from './contest.ts';
import { type CoreState, myName, send } from './core-state.ts';
import type { Ip } from './frames.ts';
import { retryHandovers } from './handover.ts';
import { instanceOn, type WitnessedClaim } from './hello.ts';
import type { Input, PeerClaim, PeerFact } from './inputs.ts';
import { WHOLE_WITHIN_MS } from './peers.ts';
import {
  alivePeers,
  areTablesWhole,
  holdOf,
  isHeardBySomeone,
  isMinority,
  type Segment,
} from './segments.ts';
import { isBlocked, stateOf } from './service-ip.ts';
import type { Service } from './services.ts';

/** Claims repeated in one hello: more than ever stay contested for long. */
const MAX_WITNESSED = 16;

const servicesOn = function* (state: CoreState, segment: Segment): Iterable<Service> {
  for (const service of state.services.all.values()) {
    if (service.snapshot.context.interface === segment.name) yield service;
  }
};

const reconsiderIps = (state: CoreState, ips: Iterable<Ip>): void => {
  for (const ip of ips) {
    const service = state.services.all.get(ip);
    if (service !== undefined) reconsider(state, service);
  }
};

/** Nothing can be taken on the segment yet, and whatever ends that has everything looked at again. */
const isWaiting = (state: CoreState, segment: Segment): boolean =>
  !state.isEligible || !isHeardBySomeone(segment) || !areTablesWhole(segment, state.clock);

/** Looks at everything that nobody holds: who may take, and in which order, has changed. */
export const reconsiderUnheld = (state: CoreState): void => {
  // With 10,000 IPs a look takes tens of milliseconds, and peers that appear bring dozens of news.
  const isMoot =
    state.segments.size > 0 && [...state.segments.values()].every((each) => isWaiting(state, each));
  if (isMoot) return;
  for (const service of [...state.services.all.values()]) {
    const at = stateOf(service.snapshot);
    if (at === 'unowned' || at === 'draining') reconsider(state, service);
  }
};

/** The better of two claims heard for one IP is repeated, for those who hear only the worse one. */
const witness = (state: CoreState, segment: Segment): void => {
  const claims: WitnessedClaim[] = [];
  for (const ip of segment.register.contested(segment.standing).slice(0, MAX_WITNESSED)) {
    const best = segment.register.best(ip, segment.standing, myName(state));
    const peer = best === null ? undefined : segment.peers.all.get(best.node);
    if (best === null || peer === undefined) continue;
    const { epoch, weak, node } = best;
    claims.push({ ip, epoch, weak, node, instance: peer.fact.instance });
  }
  const before = state.witnessed.get(segment.name) ?? [];
  if (JSON.stringify(before) === JSON.stringify(claims)) return;
  state.witnessed.set(segment.name, claims);
  state.emit({ type: 'witness', interface: segment.name, claims });
};

/** Weak claims turn strong one hold time after the last peer appeared, if half are alive and nobody objects. */
const strengthen = (state: CoreState, segment: Segment): void => {
  const { config } = state;
  if (config === null || alivePeers(segment).length === 0 || isMinority(segment, state.clock)) return;
  if (state.clock < segment.peers.lastAppearedAt() + holdOf(segment, config)) return;
  if (!areTablesWhole(segment, state.clock)) return;
  for (const service of servicesOn(state, segment)) {
    if (!service.snapshot.context.weak || stateOf(service.snapshot) !== 'leader') continue;
    if (segment.register.best(service.ip, segment.standing, myName(state)) !== null) continue;
    send(state, service, { type: 'STRENGTHEN' }, service.because);
  }
};

/** Sets the segment's one timer to whatever comes first. */
const setJudgeTimer = (state: CoreState, segment: Segment): void => {
  const { config } = state;
  const deadlines: number[] = [];
  const silence = segment.peers.nextDeadline();
  if (silence !== null) deadlines.push(silence);
  const appearedAt = segment.peers.lastAppearedAt();
  if (config !== null && appearedAt > 0) {
    deadlines.push(appearedAt + holdOf(segment, config), appearedAt + WHOLE_WITHIN_MS);
  }
  const next = deadlines.filter((deadline) => deadline > state.clock);
  const id = `judge ${segment.name}`;
  if (next.length === 0) state.timers.cancel(id);
  else state.timers.set(id, Math.min(...next), { kind: 'judge', segment: segment.name });
};

/** Why the IPs of a node will be vacant, should they become so now. */
const noteVacancies = (state: CoreState, segment: Segment, node: NodeName, reason: string): void => {
  for (const ip of segment.register.claimedBy(node)) {
    const service = state.services.all.get(ip);
    if (service !== undefined) service.vacancy = { cause: 'one-way', reason };
  }
};

/** A peer is dead, or born anew: what it claimed is void, and of the dead the epoch is remembered. */
const bury = (state: CoreState, segment: Segment, node: NodeName): readonly Ip[] => {
  const silentSince = segment.peers.all.get(node)?.silentSince ?? null;
  const reason =
    silentSince === null
      ? `${node} is gone`
      : `${node} silent for ${Math.round(state.clock - silentSince)} ms`;
  for (const ip of segment.register.claimedBy(node)) {
    const service = state.services.all.get(ip);
    if (service === undefined) continue;
    service.vacancy = { cause: 'holder-dead', reason };
    service.highestEpoch = Math.max(service.highestEpoch, segment.register.claimOf(node, ip)?.epoch ?? 0);
  }
  return segment.register.forget(node);
};

/** Judges the segment's peers and follows up on what changed. */
export const judgeSegment = (state: CoreState, segment: Segment): void => {
  const { appeared, died, isAny } = segment.peers.judge(state.clock);
  setJudgeTimer(state, segment);
  if (appeared.length + died.length > 0) segment.changedAt = state.clock;
  const concerned = died.flatMap((node) => bury(state, segment, node));
  if (concerned.length > 0) segment.vacated = { at: state.clock, count: concerned.length };
  reconsiderIps(state, concerned);
  if (isAny || appeared.length > 0) reconsiderUnheld(state);
  // Whoever is not heard any more is spoken for by what others repeat, also against a leader (simulated: seed 412386).
  if (isAny) reconsiderIps(state, segment.register.witnessed());
  if (appeared.length > 0) {
    // Clients over there may have missed frames: every holder announces again (paced by the wire step).
    for (const service of servicesOn(state, segment)) {
      if (stateOf(service.snapshot) === 'leader')
        send(state, service, { type: 'REANNOUNCE' }, service.because);
    }
  }
  strengthen(state, segment);
  witness(state, segment);
};

/** My name with another proven instance: the newcomer refuses to start. */
const meetNamesake = (state: CoreState, { instance, flags, mac, interface: name }: PeerFact): void => {
  const mine = instanceOn(state.instance ?? '', name);
  const isNewcomer = !state.isEligible && (!flags.starting || instance < mine);
  if (!isNewcomer) return;
  const reason = `another node is called ${myName(state)} already: its MAC is ${mac}; give this one a name of its own`;
  state.emit({ type: 'refuse', reason });
};

/** What looked like a foreign host was a peer that had not been heard yet: no reason to keep off the address. */
const pardon = (state: CoreState, { mac }: PeerFact): void => {
  for (const service of state.services.all.values()) {
    if (service.rivalMac !== mac) continue;
    service.rivalMac = null;
    if (isBlocked(service.snapshot)) send(state, service, { type: 'BACKOFF_DUE' }, service.because);
  }
};

export const hearPeer = (state: CoreState, fact: PeerFact): void => {
  if (fact.node === myName(state)) {
    if (fact.proven) meetNamesake(state, fact);
    return;
  }
  const segment = segmentOn(state, fact.interface);
  const before = segment.peers.all.get(fact.node)?.fact;
  segment.peers.heard(fact, state.clock);
  const isNewBirth = before !== undefined && before.instance !== fact.instance && fact.proven;
  if (isNewBirth) reconsiderIps(state, bury(state, segment, fact.node));
  pardon(state, fact);
  judgeSegment(state, segment);
  const isReady = before?.flags.ready !== fact.flags.ready || before.flags.leaving !== fact.flags.leaving;
  const hearsOthers = before?.hears.join() !== fact.hears.join();
  if (fact.hears.length === 0) noteVacancies(state, segment, fact.node, `${fact.node} hears nobody`);
  if (isReady) segment.changedAt = state.clock;
  if (isReady || hearsOthers) {
    retryHandovers(state);
    reconsiderUnheld(state);
    reconsiderIps(state, segment.register.claimedBy(fact.node));
    if (hearsOthers) reconsiderIps(state, segment.register.witnessed());
  }
};

export const hearSilence = (
  state: CoreState,
  input: Extract<Input, { type: 'peer.late' | 'peer.back' }>,
): void => {
  const segment = segmentOn(state, input.interface);
  // Its death voids what it had told, also when somebody vouches for it later (simulated: seed 202511).
  const wasGivenUp = !segment.peers.counts(input.node) || segment.peers.all.get(input.node)?.isWhole !== true;
  const retell = (): void => state.emit({ type: 'retell', interface: input.interface, node: input.node });
  if (input.type === 'peer.late') segment.peers.late(input.node, input.instance, input.lastHeardAt);
  else {
    // Heard again in the very moment in which it was given up here: the wire step, which had not, sees no news.
    segment.peers.back(input.node, input.instance);
    if (wasGivenUp) retell();
  }
  judgeSegment(state, segment);
  // Late by less than it seemed, since this node stood still meanwhile: alive again, and no news to the wire step
  // either (oversleep.ts; simulated: seed 105030).
  if (input.type === 'peer.late' && wasGivenUp && segment.peers.counts(input.node)) retell();
};

export const hearWhole = (state: CoreState, input: Extract<Input, { type: 'peer.whole' }>): void => {
  const segment = segmentOn(state, input.interface);
  segment.peers.whole(input.node, input.instance);
  judgeSegment(state, segment);
  reconsiderUnheld(state);
};

export const hearClaims = (state: CoreState, input: Extract<Input, { type: 'claims.heard' }>): void => {
  if (input.node === myName(state)) return;
  const segment = segmentOn(state, input.interface);
  const ips = segment.register.hear(input.node, input.claims, input.released);
  for (const ip of input.released) {
    const service = state.services.all.get(ip);
    if (service !== undefined) service.vacancy = { cause: 'released', reason: `${input.node} gave it up` };
  }
  reconsiderIps(state, ips);
  reopen(state, segment, input.claims);
  witness(state, segment);
};

/**
 * The wire step shuts an answer the moment it hears a better claim. Where that does not stand (its maker is deaf), the
 * leader goes on, and has to say so (simulated: seed 411888).
 */
const reopen = (state: CoreState, segment: Segment, claims: readonly PeerClaim[]): void => {
  for (const claim of claims) {
    const service = state.services.all.get(claim.ip);
    if (service === undefined || stateOf(service.snapshot) !== 'leader') continue;
    const { interface: name, epoch, weak } = service.snapshot.context;
    const { ip } = service;
    if (name !== segment.name || !isBetter(claim, { ip, node: myName(state), epoch, weak })) continue;
    state.emit({ type: 'answer.start', ip, interface: name, epoch, weak });
    send(state, service, { type: 'REANNOUNCE' }, service.because);
  }
};

export const hearWitness = (state: CoreState, input: Extract<Input, { type: 'claims.witnessed' }>): void => {
  const segment = segmentOn(state, input.interface);
  // Whether somebody hears the makers is asked whenever the claims are: that news may come a moment later (seed 422624).
  reconsiderIps(state, segment.register.witness(input.claims, segment.standing, myName(state)));
};

/** A new birth of this node has proven nobody yet and is proven to nobody: all that was heard is void. */
export const forgetPeers = (state: CoreState): void => {
  for (const segment of state.segments.values()) {
    for (const node of [...segment.peers.all.keys()]) bury(state, segment, node);
    segment.peers.clear();
    segment.register.clear();
    state.timers.cancel(`judge ${segment.name}`);
    witness(state, segment);
  }
  reconsiderAll(state);
};
