// The core: one deterministic step from (time, input) to effects. The same checkpoint and the same inputs give
// the same effects, on a live node, in a replay, in the simulator and in the browser. It reads no clock, no
// random number and no socket; time comes in with the inputs, and every due timer fires at its own due time.

import type { NodeName } from './claims.ts';
import { answerReserve, changeServices, hearObjects, leasesDue } from './cluster-news.ts';
import { type CoreConfig, type ServiceIpConfig, startDelayMs } from './config.ts';
import { listenFirst, reconsider, reconsiderAll } from './contest.ts';
import { applyPolicy, type CoreState, type CoreTimer, send } from './core-state.ts';
import type { Effect } from './effects.ts';
import { explainTaking, type Taking } from './explain-candidates.ts';
import type { Ip } from './frames.ts';
import {
  drain,
  exclude,
  handoverDue,
  progressStop,
  retryHandovers,
  sayFlags,
  stop,
  stopDue,
  undrain,
} from './handover.ts';
import type { HelloFlags, Instance, WitnessedClaim } from './hello.ts';
import type { Input, InterfaceFact } from './inputs.ts';
import {
  forgetPeers,
  hearClaims,
  hearPeer,
  hearSilence,
  hearWhole,
  hearWitness,
  judgeSegment,
  reconsiderUnheld,
} from './peer-news.ts';
import { type OperatorRequest, type Preview, previewOf } from './preview.ts';
import { rebalance, scheduleRebalance } from './rebalance.ts';
import { checkpointSegment, createSegment, type SegmentCheckpoint } from './segments.ts';
import { isProbing, type ServiceIpEvent, stateOf } from './service-ip.ts';
import { type Because, createServices, policyOf, type ServiceCheckpoint } from './services.ts';
import { createTimers, type TimersCheckpoint } from './timers.ts';
import { type ClusterCheckpoint, checkpointCluster, isHeard, renewLease, restoreCluster } from './unheard.ts';
import { type CoreView, type ServiceView, serviceView, viewOf } from './view.ts';

/** Everything the core knows, as JSON: what starts a journal segment, and what a replay starts from. */
export interface CoreCheckpoint {
  readonly at: number;
  readonly instance: Instance | null;
  readonly config: CoreConfig | null;
  readonly interfaces: readonly InterfaceFact[];
  readonly isEligible: boolean;
  readonly drained: boolean;
  readonly stopping: string | null;
  readonly hasExited: boolean;
  readonly listening: readonly string[];
  readonly flags: HelloFlags | null;
  readonly lastProbeFrom: number;
  readonly witnessed: readonly (readonly [string, readonly WitnessedClaim[]])[];
  readonly segments: readonly SegmentCheckpoint[];
  readonly services: readonly ServiceCheckpoint[];
  /** Absent where there is no cluster (`cluster: file`). */
  readonly cluster?: ClusterCheckpoint;
  readonly timers: TimersCheckpoint<CoreTimer>;
}

export interface Core {
  /**
   * Moves the logical clock to `at` (milliseconds, never backwards: a lower stamp is taken as the current
   * time), firing due timers on the way, then takes the input. Returns the effects in the order they arose.
   */
  step(at: number, input: Input): Effect[];
  /** The logical time of the last step. */
  now(): number;
  /** When `step` wants to be called again at the latest, or null. */
  nextDeadline(): number | null;
  /** Does the state still want this effect? Asked right before an effect is performed. */
  wants(effect: Effect): boolean;
  checkpoint(): CoreCheckpoint;
  view(): CoreView;
  /** Is this peer heard on some segment, or vouched for? */
  hears(node: NodeName): boolean;
  /** One service IP's part of the view; null: there is no such service IP. */
  service(ip: Ip): ServiceView | null;
  /** Why this node has an IP or has not, and who could take it; null when it is not configured here. */
  taking(ip: Ip): Taking | null;
  /** What an operator's request would do now; null without a configuration. */
  preview(request: OperatorRequest): Preview | null;
}

/** Causes of the transitions that a machine's own delays make. */
const TIMER_BECAUSE: Readonly<Partial<Record<ServiceIpEvent['type'], Because>>> = {
  QUIET_DUE: { cause: 'drained', reason: 'no client has sent to it here for the quiet time' },
  WINDOW_DUE: { cause: 'drained', reason: 'the drain window is over' },
};

const restore = (from: CoreCheckpoint | undefined, emit: (effect: Effect) => void): CoreState => {
  const timers = createTimers<CoreTimer>(from?.timers);
  return {
    clock: from?.at ?? 0,
    instance: from?.instance ?? null,
    config: from?.config ?? null,
    isEligible: from?.isEligible ?? false,
    drained: from?.drained ?? false,
    stopping: from?.stopping ?? null,
    hasExited: from?.hasExited ?? false,
    listening: from?.listening ?? [],
    flags: from?.flags ?? null,
    lastProbeFrom: from?.lastProbeFrom ?? 0,
    witnessed: new Map(from?.witnessed ?? []),
    placements: new Map(),
    interfaces: new Map((from?.interfaces ?? []).map((fact) => [fact.name, fact])),
    segments: new Map(
      (from?.segments ?? []).map((segment) => [segment.name, createSegment(segment.name, segment)]),
    ),
    services: createServices<CoreTimer>(timers, emit, from?.services),
    cluster: restoreCluster(from?.cluster),
    timers,
    emit,
  };
};

const checkpointOf = (state: CoreState): CoreCheckpoint => ({
  at: state.clock,
  instance: state.instance,
  config: state.config,
  interfaces: [...state.interfaces.values()],
  isEligible: state.isEligible,
  drained: state.drained,
  stopping: state.stopping,
  hasExited: state.hasExited,
  listening: state.listening,
  flags: state.flags,
  lastProbeFrom: state.lastProbeFrom,
  witnessed: [...state.witnessed],
  segments: [...state.segments.values()].map(checkpointSegment),
  services: state.services.checkpoint(),
  ...(state.config?.cluster === 'kubernetes' ? { cluster: checkpointCluster(state.cluster) } : {}),
  timers: state.timers.checkpoint(),
});

/** Begins the listening time of a birth: nothing is taken before it is over. */
const listen = (state: CoreState): void => {
  if (state.config === null) return;
  state.isEligible = false;
  sayFlags(state);
  state.timers.set('start', state.clock + startDelayMs(state.config), { kind: 'start' });
};

const loadConfig = (state: CoreState, loaded: CoreConfig): void => {
  const before = state.config;
  state.config = loaded;
  const { services } = state;
  const wanted = new Map<Ip, ServiceIpConfig>(loaded.serviceIPs.map((service) => [service.ip, service]));
  const isClustered = loaded.cluster === 'kubernetes';
  for (const service of services.all.values())
    if (!isClustered || wanted.has(service.ip)) service.config = wanted.get(service.ip) ?? null;
  for (const service of services.all.values()) applyPolicy(state, service);
  for (const service of loaded.serviceIPs) {
    if (!services.all.has(service.ip)) services.create(service, policyOf(loaded, service), state.clock);
  }
  if (before === null) listen(state);
  else {
    state.placements.clear();
    listenFirst(state, loaded);
  }
  scheduleRebalance(state);
  reconsiderAll(state);
  retryHandovers(state);
};

const changeInterface = (state: CoreState, fact: InterfaceFact): void => {
  let before = state.interfaces.get(fact.name);
  if (before !== undefined && before.index !== fact.index) {
    // Deleted and made again under its name: groups, neighbours and sockets of the old one are gone.
    state.interfaces.delete(fact.name);
    reconsiderAll(state);
    before = undefined;
  }
  const segment = state.segments.get(fact.name);
  const isBack = fact.up && before?.up !== true;
  // Its peers are dead to it because it was deaf: it hears them again before it takes what they hold.
  if (isBack && state.config !== null && segment !== undefined && segment.peers.all.size > 0) {
    segment.listenUntil = state.clock + startDelayMs(state.config);
  }
  state.interfaces.set(fact.name, fact);
  reconsiderAll(state);
  if (before === undefined || before.mac === fact.mac) return;
  for (const service of state.services.all.values()) {
    if (service.snapshot.context.interface !== fact.name) continue;
    send(state, service, { type: 'REANNOUNCE' }, service.because);
  }
};

const hearRival = (state: CoreState, input: Extract<Input, { type: 'rival.heard' }>): void => {
  // The program beside which this one runs in shadow mode: recorded, and compared by `timeline`.
  if (state.config?.shadow === true) return;
  const service = state.services.all.get(input.ip);
  if (service !== undefined) {
    service.isKnownFree = false;
    service.rivalMac = input.mac;
  }
  if (service === undefined || service.snapshot.context.interface !== input.interface) return;
  const reason = `${input.mac} uses the address`;
  send(state, service, { type: 'CONFLICT' }, { cause: 'foreign-use', reason });
};

const rebirth = (state: CoreState, { reason, instance }: Extract<Input, { type: 'wire.reborn' }>): void => {
  state.instance = instance;
  listen(state);
  for (const service of state.services.all.values()) {
    if (stateOf(service.snapshot) === 'candidate') {
      send(state, service, { type: 'WITHDRAW' }, { cause: 'wire-reborn', reason });
    }
    send(state, service, { type: 'OUTBID' }, { cause: 'wire-reborn', reason });
  }
  forgetPeers(state);
};

const confirmAddresses = (state: CoreState, ips: readonly Ip[]): void => {
  for (const ip of ips) {
    const service = state.services.all.get(ip);
    if (service === undefined) continue;
    // Why it became a candidate is also why it leads: the host's word only completes the taking.
    send(state, service, { type: 'ADDRESS_CONFIRMED' }, service.because);
  }
};

const passProbes = (state: CoreState, ips: readonly Ip[]): void => {
  for (const ip of ips) {
    const service = state.services.all.get(ip);
    if (service !== undefined) send(state, service, { type: 'PROBED' }, service.because);
  }
};

/** Clients still send here: the quiet time begins anew. */
const carryOn = (state: CoreState, ip: Ip, stale: number): void => {
  const service = state.services.all.get(ip);
  if (service !== undefined && stale > 0) send(state, service, { type: 'CARRIED' }, service.because);
};

const failAddress = (state: CoreState, { ip, code }: Extract<Input, { type: 'address.failed' }>): void => {
  const service = state.services.all.get(ip);
  if (service === undefined) return;
  const reason = `the host refused the address: ${code}`;
  send(state, service, { type: 'ADDRESS_FAILED' }, { cause: 'address-failed', reason });
};

const takeInput = (state: CoreState, input: Input): void => {
  switch (input.type) {
    case 'node.started':
      state.instance = input.instance;
      state.drained = input.drained;
      return;
    case 'config.loaded':
      return loadConfig(state, input.config);
    case 'interface.changed':
      return changeInterface(state, input.interface);
    case 'interface.gone':
      if (state.interfaces.delete(input.name)) reconsiderAll(state);
      return;
    case 'addresses.confirmed':
      return confirmAddresses(state, input.ips);
    case 'address.failed':
      return failAddress(state, input);
    case 'addresses.probed':
      return passProbes(state, input.ips);
    case 'rival.heard':
      return hearRival(state, input);
    case 'peer.heard':
      return hearPeer(state, input.peer);
    case 'peer.late':
    case 'peer.back':
      return hearSilence(state, input);
    case 'peer.whole':
      return hearWhole(state, input);
    case 'claims.heard':
      return hearClaims(state, input);
    case 'claims.witnessed':
      return hearWitness(state, input);
    case 'wire.reborn':
      return rebirth(state, input);
    case 'drain.requested':
      return drain(state, input.ips, input.to, input.patient);
    case 'undrain.requested':
      return undrain(state);
    case 'stop.requested':
      return stop(state, input.reason);
    case 'clients.carried':
      return carryOn(state, input.ip, input.stale);
    case 'services.changed':
      return changeServices(state, input.changed, input.gone);
    case 'nodes.excluded':
      return exclude(state, input.nodes);
    case 'lease.renewed':
      if (renewLease(state, input.node)) reconsiderAll(state);
      return;
    case 'objects.seen':
      return hearObjects(state, input);
    case 'reserve.answered':
      return answerReserve(state, input.ip, input.epoch, input.won);
    // Recorded for whoever explains later; nothing follows from them here.
    case 'clients.settled':
    case 'clients.left':
    case 'source.failed':
    case 'clock':
      return;
  }
};

const fire = (state: CoreState, timer: CoreTimer): void => {
  switch (timer.kind) {
    case 'start':
      state.isEligible = true;
      sayFlags(state);
      return reconsiderUnheld(state);
    case 'judge': {
      const segment = state.segments.get(timer.segment);
      if (segment === undefined) return;
      judgeSegment(state, segment);
      // Its reasons may be time alone: tables have had their time to become whole.
      return reconsiderUnheld(state);
    }
    case 'rebalance':
      return rebalance(state);
    case 'stop':
      return stopDue(state);
    case 'leases':
      return leasesDue(state);
    default: {
      const service = state.services.all.get(timer.ip);
      if (service === undefined) return;
      if (timer.kind === 'handover') return handoverDue(state, service);
      if (timer.kind === 'machine') {
        send(state, service, timer.event, TIMER_BECAUSE[timer.event.type] ?? service.because);
      }
      reconsider(state, service);
    }
  }
};

/** Fires every timer that is due at `at`, each at its own time, then moves the clock there. */
const advance = (state: CoreState, at: number): void => {
  for (let due = state.timers.takeDue(at); due !== null; due = state.timers.takeDue(at)) {
    state.clock = Math.max(state.clock, due.deadline);
    fire(state, due.payload);
  }
  state.clock = Math.max(state.clock, at);
};

const wants = (state: CoreState, effect: Effect): boolean => {
  const stateOfIp = (ip: Ip) => {
    const service = state.services.all.get(ip);
    return service === undefined ? 'unowned' : stateOf(service.snapshot);
  };
  const isAsking = (ip: Ip): boolean => {
    const service = state.services.all.get(ip);
    return service !== undefined && isProbing(service.snapshot);
  };
  const isServed = (ip: Ip): boolean =>
    state.config?.serve !== 'none' && stateOfIp(ip) !== 'unowned' && !isAsking(ip);
  switch (effect.type) {
    case 'answer.start':
    case 'announce':
    case 'defend':
    case 'yield':
      return stateOfIp(effect.ip) === 'leader';
    case 'answer.stop':
      return stateOfIp(effect.ip) !== 'leader';
    case 'carry':
      return stateOfIp(effect.ip) === 'draining';
    case 'carry.stop':
      return stateOfIp(effect.ip) !== 'draining';
    case 'reserve':
      return stateOfIp(effect.ip) === 'unowned' || stateOfIp(effect.ip) === 'draining';
    case 'probe':
      return isAsking(effect.ip);
    case 'probe.stop':
      return !isAsking(effect.ip);
    // A candidate that still probes has no address yet.
    case 'address.add':
      return isServed(effect.ip);
    case 'address.remove':
      return !isServed(effect.ip);
    default:
      return true;
  }
};

export const createCore = (from?: CoreCheckpoint): Core => {
  let effects: Effect[] = [];
  const state = restore(from, (effect) => {
    effects.push(effect);
  });
  return {
    step: (at, input) => {
      effects = [];
      advance(state, at);
      takeInput(state, input);
      progressStop(state);
      return effects;
    },
    now: () => state.clock,
    nextDeadline: () => state.timers.next(),
    wants: (effect) => wants(state, effect),
    checkpoint: () => checkpointOf(state),
    view: () => viewOf(state),
    hears: (node) => isHeard(state, node),
    service: (ip) => {
      const service = state.services.all.get(ip);
      return service === undefined ? null : serviceView(state, service);
    },
    taking: (ip) => explainTaking(state, ip),
    preview: (request) => previewOf(state, request),
  };
};
