// The wire step: frame, command or clock in; frames and facts out. It holds the answer table, answers from it,
// speaks and hears hellos, paces announcements, and shuts everything when the main thread hangs. Pure like the
// core: the wire thread only moves bytes, and the simulator runs this same code.
import { announceOrDefer, hearCarried, runCarrying, startCarrying, stopCarrying } from './carrying.ts';
import { familyOf, type Ip } from './frames.ts';
import type { Instance } from './hello.ts';
import { createHelloDesk, deskDeadline, hearHello, runDesk, shutAnswer } from './hello-desk.ts';
import type { Input, InterfaceFact } from './inputs.ts';
import { hearNeighbor } from './neighbor-desk.ts';
import {
  arpProbe,
  dadSolicitation,
  directedRequest,
  directedSolicitation,
  gratuitousReply,
  gratuitousRequest,
} from './neighbor-frames.ts';
import { beginLookingBack, lookBackAt, othersWereAwake } from './oversleep.ts';
import { effectiveHoldMs } from './segments.ts';
import type { WireCommand, WireConfig, WireCounters, WireEvent, WireOutput } from './wire-facts.ts';
import { createWireState, isSaying, isSending, macOf, type WireState } from './wire-state.ts';

export interface WireStep {
  /** Takes one event at logical time `at` (milliseconds). Outputs are in the order in which they must leave. */
  step(at: number, event: WireEvent): readonly WireOutput[];
  /** When a `clock` event is wanted at the latest, or null. */
  nextDeadline(): number | null;
  readonly counters: Readonly<WireCounters>;
  /** How many IPs are answered for now. */
  answering(): number;
  isAnswering(ip: Ip): boolean;
  clients(): ReturnType<WireState['clients']['counts']>;
  slowClients(): ReturnType<WireState['clients']['slow']>;
  /** IPs that drain here, by interface. */
  carried(): ReadonlyMap<string, readonly Ip[]>;
  /** Grows with every change of those: cheap to ask again and again. */
  carriedVersion(): number;
  /** Clients that still send to each of those, or are kept by a connection. */
  staleClients(at: number): Readonly<Record<Ip, number>>;
  /** When each peer's instance was last heard, logical milliseconds. */
  lastHeard(): Readonly<Record<Instance, number>>;
}

const NOTHING: readonly WireOutput[] = [];
/** How often a shut thread looks for the main thread's sign of life: on a quiet wire nothing else wakes it. */
const LOOK_AGAIN_MS = 100;

const announcementOf = (state: WireState, ip: Ip): readonly WireOutput[] => {
  const answer = state.answers.get(ip);
  const mac = answer === undefined ? null : macOf(state, answer.interface);
  if (answer === undefined || mac === null || !isSending(state)) return NOTHING;
  const { interface: name } = answer;
  if (familyOf(ip) === 'ipv6') {
    state.counters.announcements.ndp += 1;
    return [{ type: 'advertise', interface: name, ip, mac }];
  }
  state.counters.announcements.arp += 2;
  return [
    { type: 'send', interface: name, frame: gratuitousRequest(ip, mac) },
    { type: 'send', interface: name, frame: gratuitousReply(ip, mac) },
  ];
};

const probeOf = (state: WireState, ip: Ip, name: string): readonly WireOutput[] => {
  const mac = macOf(state, name);
  if (mac === null || !isSending(state)) return NOTHING;
  state.counters.probes += 1;
  const frame = familyOf(ip) === 'ipv4' ? arpProbe(ip, mac) : dadSolicitation(ip, mac);
  return [{ type: 'send', interface: name, frame }];
};

/** Directed requests to the clients that have not shown yet that they learned. */
const askClients = (state: WireState, at: number): readonly WireOutput[] => {
  const outputs: WireOutput[] = [];
  const { questions, settled } = state.clients.takeDue(at);
  for (const { ip, client } of questions) {
    const answer = state.answers.get(ip);
    const mac = answer === undefined ? null : macOf(state, answer.interface);
    if (answer === undefined || mac === null || !isSending(state)) continue;
    state.counters.questions += 1;
    const frame =
      familyOf(ip) === 'ipv4' ? directedRequest(ip, mac, client) : directedSolicitation(ip, mac, client);
    outputs.push({ type: 'send', interface: answer.interface, frame });
  }
  for (const outcome of settled)
    outputs.push({ type: 'fact', input: { type: 'clients.settled', ...outcome } });
  return outputs;
};

/** A hung main thread, or a thread that overslept: nothing more is said under this birth. */
const shutAll = (state: WireState): void => {
  state.isShut = true;
  state.answers.clear();
  state.announcer.stopAll();
  state.probes.stopAll();
  state.clients.stopAll();
  state.carrier.stopAll();
  state.deferred.clear();
};

const runClock = (state: WireState, at: number): readonly WireOutput[] => {
  state.lookAgainAt = at + LOOK_AGAIN_MS;
  if (state.isShut) return NOTHING;
  const outputs: WireOutput[] = [];
  for (const desk of state.desks.values()) outputs.push(...runDesk(state, desk, at));
  for (const ip of state.announcer.takeDue(at)) outputs.push(...announcementOf(state, ip));
  const { probes, passed } = state.probes.takeDue(at);
  for (const { ip, interface: name } of probes) outputs.push(...probeOf(state, ip, name));
  if (passed.length > 0) outputs.push({ type: 'fact', input: { type: 'addresses.probed', ips: passed } });
  outputs.push(...askClients(state, at));
  outputs.push(...runCarrying(state, at));
  return outputs;
};

const startAnswer = (state: WireState, command: Extract<WireCommand, { type: 'answer.start' }>): void => {
  state.probes.stop(command.ip);
  const { ip, interface: name, epoch, weak } = command;
  state.answers.set(ip, { ip, interface: name, epoch, weak });
  state.desks.get(name)?.voice.setClaim({ ip, epoch, weak });
};

const nameSuccessor = (state: WireState, command: Extract<WireCommand, { type: 'yield' }>): void => {
  const answer = state.answers.get(command.ip);
  if (answer === undefined) return;
  const { ip, epoch, weak } = answer;
  const { successor, patient } = command;
  state.desks.get(answer.interface)?.voice.setClaim({ ip, epoch, weak }, successor, patient);
};

const listenOn = (state: WireState, names: readonly string[]): void => {
  for (const [name, desk] of state.desks) {
    if (names.includes(name)) continue;
    state.lastSequences.set(name, desk.sequence);
    state.desks.delete(name);
  }
  for (const name of names)
    if (!state.desks.has(name)) state.desks.set(name, createHelloDesk(name, state.lastSequences.get(name)));
};

const obey = (state: WireState, at: number, command: WireCommand): readonly WireOutput[] => {
  switch (command.type) {
    case 'configure':
      state.config = command.config;
      state.watched = new Set(command.config.watched);
      return NOTHING;
    case 'listen':
      listenOn(state, command.interfaces);
      return runClock(state, at);
    case 'hello.flags':
      state.flags = command.flags;
      for (const { voice } of state.desks.values()) voice.hurry();
      return runClock(state, at);
    case 'retell': {
      const news: Input[] = [];
      state.desks.get(command.interface)?.ears.retell(command.node, news);
      return news.map((input) => ({ type: 'fact', input }));
    }
    case 'witness': {
      const desk = state.desks.get(command.interface);
      if (desk === undefined) return NOTHING;
      desk.witnessed = command.claims;
      desk.voice.hurry();
      return runClock(state, at);
    }
    case 'answer.start':
      startAnswer(state, command);
      return runClock(state, at);
    case 'answer.stop':
      shutAnswer(state, command.ip);
      return runClock(state, at);
    case 'yield':
      nameSuccessor(state, command);
      return runClock(state, at);
    case 'announce':
      if (!state.answers.has(command.ip)) return NOTHING;
      announceOrDefer(state, at, command.ip);
      return runClock(state, at);
    case 'carry':
      startCarrying(state, at, command);
      return runClock(state, at);
    case 'carry.stop': {
      const outputs = stopCarrying(state, at, command.ip);
      return [...outputs, ...runClock(state, at)];
    }
    case 'connections':
      state.carrier.connected(at, new Map(command.remotes));
      return runClock(state, at);
    case 'probe':
      state.rivals.forget(command.ip);
      state.probes.start(command.ip, command.interface, at + command.delayMs, command.durationMs);
      return runClock(state, at);
    case 'probe.stop':
      state.probes.stop(command.ip);
      return NOTHING;
    case 'defend':
      if (!state.answers.has(command.ip)) return NOTHING;
      state.announcer.repeat(command.ip);
      return runClock(state, at);
  }
};

/** What only says how things are holds for every birth; what grants or announces, for the one it was meant for. */
const isHeeded = (state: WireState, { command, birth }: Extract<WireEvent, { type: 'command' }>): boolean => {
  if (command.type === 'configure' || command.type === 'listen') return true;
  return birth === state.instance && !state.isShut;
};

const rememberMacs = ({ ownMacs, interfaces }: WireState): void => {
  ownMacs.clear();
  for (const { mac } of interfaces.values()) ownMacs.add(mac);
};

const changeLink = (state: WireState, fact: InterfaceFact): readonly WireOutput[] => {
  state.interfaces.set(fact.name, fact);
  rememberMacs(state);
  state.desks.get(fact.name)?.voice.hurry();
  return [{ type: 'fact', input: { type: 'interface.changed', interface: fact } }];
};

const dropLink = (state: WireState, name: string): readonly WireOutput[] => {
  if (!state.interfaces.delete(name)) return NOTHING;
  rememberMacs(state);
  return [{ type: 'fact', input: { type: 'interface.gone', name } }];
};

const holdMs = ({ config }: WireState): number =>
  effectiveHoldMs(config.heartbeat.deadAfterMs, config.heartbeat.intervalMs);

/** What is read first after a pause is stale, and peers may have taken over: start anew (design.md, Born again). */
const oversleep = (state: WireState, byMs: number): readonly WireOutput[] => {
  const hasPeers = [...state.desks.values()].some(({ ears }) => ears.provenCount() > 0);
  if (state.isShut || !hasPeers || byMs < holdMs(state)) return NOTHING;
  state.rebirthReason = `the wire thread did not run for ${Math.round(byMs)} ms`;
  return beginLookingBack(state, byMs);
};

const wakeUp = (state: WireState, at: number, frames: number): readonly WireOutput[] => {
  if (state.beforeSleep === null) return NOTHING;
  const { sequences, news } = state.beforeSleep;
  state.beforeSleep = null;
  if (!othersWereAwake(state, sequences, frames)) {
    state.counters.standstills += 1;
    return [...news, ...runClock(state, at)];
  }
  shutAll(state);
  return [{ type: 'rebirth' }];
};

const beBorn = (state: WireState, instance: Instance): readonly WireOutput[] => {
  state.instance = instance;
  state.counters.rebirths += 1;
  state.flags = { starting: true, ready: false, leaving: state.flags.leaving };
  for (const desk of state.desks.values()) {
    desk.ears.forgetAll();
    desk.voice.clear();
    desk.witnessed = [];
    desk.proven = 0;
  }
  state.isShut = false;
  return [{ type: 'fact', input: { type: 'wire.reborn', reason: state.rebirthReason, instance } }];
};

/** A main thread that hung and shows life again gets a new birth: its listening time begins now. */
const hearMain = (state: WireState, at: number, aliveAt: number): readonly WireOutput[] => {
  state.mainAliveAt = aliveAt;
  if (!state.isMainHung || at - aliveAt >= state.config.watchdogMs) return NOTHING;
  state.isMainHung = false;
  return [{ type: 'rebirth' }];
};

/** Checked before anything else: a frame that queued while all was paused must not be answered first. */
const checkMain = (state: WireState, at: number): void => {
  const { mainAliveAt, config } = state;
  if (state.isShut || mainAliveAt === null || at < mainAliveAt + config.watchdogMs) return;
  state.rebirthReason = `the main thread gave no sign of life for ${Math.round(at - mainAliveAt)} ms`;
  state.isMainHung = true;
  state.lookAgainAt = at + LOOK_AGAIN_MS;
  shutAll(state);
};

const dispatch = (state: WireState, at: number, event: WireEvent): readonly WireOutput[] => {
  // A sign of life counts from when it was given: on a quiet wire nothing brought it here sooner.
  checkMain(state, event.type === 'main.alive' ? event.at : at);
  switch (event.type) {
    case 'frame': {
      const { frame, interface: name } = event;
      if (state.isShut) return NOTHING;
      if (state.beforeSleep !== null) {
        lookBackAt(state, at, name, frame);
        return NOTHING;
      }
      if (frame.kind !== 'hello') return hearNeighbor(state, at, name, frame);
      const desk = state.desks.get(name);
      return desk === undefined ? NOTHING : hearHello(state, desk, at, frame);
    }
    case 'command':
      return isHeeded(state, event) ? obey(state, at, event.command) : NOTHING;
    case 'link.changed':
      return changeLink(state, event.interface);
    case 'link.gone':
      return dropLink(state, event.name);
    case 'main.alive':
      return hearMain(state, at, event.at);
    case 'overslept':
      return oversleep(state, event.byMs);
    case 'looked.back':
      return wakeUp(state, at, event.frames);
    case 'born':
      return beBorn(state, event.instance);
    case 'carried':
      if (state.isShut) return NOTHING;
      hearCarried(state, at, event);
      return runClock(state, at);
    case 'clock':
      return runClock(state, at);
  }
};

const earlier = (a: number | null, b: number | null): number | null => {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
};

export const createWireStep = (config: WireConfig, instance: Instance): WireStep => {
  const state = createWireState(config, instance);
  const isMuted = (output: WireOutput): boolean => {
    if (output.type === 'send') return output.frame.kind !== 'hello' || !isSaying(state);
    return output.type === 'advertise';
  };
  return {
    step: (at, event) => {
      const outputs = dispatch(state, at, event);
      if (outputs.length === 0 || isSending(state)) return outputs;
      return outputs.filter((output) => !isMuted(output));
    },
    nextDeadline: () => {
      let next = earlier(state.announcer.nextDeadline(), state.probes.nextDeadline());
      next = earlier(next, state.clients.nextDeadline());
      next = earlier(next, state.carrier.nextDeadline());
      if (state.isMainHung) next = earlier(next, state.lookAgainAt);
      if (state.isShut) return next;
      for (const desk of state.desks.values()) next = earlier(next, deskDeadline(state, desk));
      const { mainAliveAt, config: now } = state;
      return mainAliveAt === null ? next : earlier(next, mainAliveAt + now.watchdogMs);
    },
    counters: state.counters,
    answering: () => state.answers.size,
    isAnswering: (ip) => state.answers.has(ip),
    clients: () => state.clients.counts(),
    slowClients: () => state.clients.slow(),
    carried: () => state.carrier.watched(),
    carriedVersion: () => state.carrier.version(),
    staleClients: (at) => state.carrier.counts(at),
    lastHeard: () => Object.assign({}, ...[...state.desks.values()].map(({ ears }) => ears.lastHeard())),
  };
};
