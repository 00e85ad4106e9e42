// Both ends of a drain on the wire: the old owner asks clients that still send to it to follow the new one; the new
// one keeps quiet about an IP for as long as the old one keeps its clients (patient drain). Part of the wire step;
// pure.
import { holds } from './addresses.ts';
import type { Question } from './carrier.ts';
import type { Client } from './clients.ts';
import type { Ip } from './frames.ts';
import type { Instance } from './hello.ts';
import { askToFollow } from './neighbor-frames.ts';
import type { WireCommand, WireEvent, WireOutput } from './wire-facts.ts';
import { isSending, macOf, type WireState } from './wire-state.ts';

const NOTHING: readonly WireOutput[] = [];
/** How often peers hear again whose clients are kept: they may be new, or have missed it. */
const RESTATE_MS = 1_000;

/** Only while the new owner is heard, and with its MAC in the payload only. */
const ask = (state: WireState, questions: readonly Question[]): readonly WireOutput[] =>
  questions.flatMap(({ ip, interface: name, client }) => {
    const owner = state.desks.get(name)?.ears.holderOf(ip)?.mac ?? null;
    const own = macOf(state, name);
    if (owner === null || own === null || !isSending(state)) return [];
    state.counters.carriedQuestions += 1;
    return [{ type: 'send', interface: name, frame: askToFollow(ip, owner, own, client) }];
  });

export const startCarrying = (
  state: WireState,
  at: number,
  { ip, interface: name, patient, quietMs }: Extract<WireCommand, { type: 'carry' }>,
): void => {
  state.carrier.start(ip, at, { interface: name, patient, quietMs }, state.clients.of(ip));
  if (!patient) state.desks.get(name)?.voice.endKeep(ip);
};

export const stopCarrying = (state: WireState, at: number, ip: Ip): readonly WireOutput[] => {
  const { questions, outcome } = state.carrier.stop(ip, at);
  const outputs = [...ask(state, questions)];
  // After those questions: the new owner announces when it hears this.
  for (const { voice } of state.desks.values()) voice.endKeep(ip);
  if (outcome === null) return outputs;
  const { clients, lastMs, tookMs } = outcome;
  outputs.push({ type: 'fact', input: { type: 'clients.left', ip, clients, lastMs } });
  outputs.push({ type: 'left', tookMs });
  return outputs;
};

/** A packet for a draining IP came in. */
export const hearCarried = (
  state: WireState,
  at: number,
  { interface: name, ip, from }: Extract<WireEvent, { type: 'carried' }>,
): void => {
  if (state.ownMacs.has(from.mac)) return;
  const prefixes = state.interfaces.get(name)?.prefixes ?? [];
  const isOnLink = prefixes.some((prefix) => holds(prefix, from.source));
  state.carrier.seen(ip, at, from, isOnLink);
};

/** A unicast request for an IP that drains here: answered while a patient drain keeps its sender. */
export const isKept = (state: WireState, at: number, ip: Ip, client: Client): boolean =>
  state.carrier.isKept(ip, at, client);

/**
 * The one from whom this node took the IP, while it keeps its clients. Only that one: who took an IP from a dead node,
 * or from one that keeps nobody, must announce it, whoever else still keeps clients of an earlier move.
 */
const keeperOf = (state: WireState, ip: Ip): Instance | null => {
  const name = state.answers.get(ip)?.interface;
  const ears = name === undefined ? undefined : state.desks.get(name)?.ears;
  const keeper = state.deferred.get(ip) ?? ears?.holderOf(ip)?.instance;
  return keeper !== undefined && ears?.keeps(keeper, ip) === true ? keeper : null;
};

/** Announces an IP now, or when its former owner keeps its clients no longer. */
export const announceOrDefer = (state: WireState, at: number, ip: Ip): void => {
  const keeper = keeperOf(state, ip);
  if (keeper !== null) {
    state.deferred.set(ip, keeper);
    return;
  }
  state.deferred.delete(ip);
  state.announcer.announce(ip, at, state.clients.isKnown(ip));
  state.clients.ask(ip, at);
};

const announceDeferred = (state: WireState, at: number): void => {
  for (const ip of [...state.deferred.keys()]) {
    if (!state.answers.has(ip)) state.deferred.delete(ip);
    else if (keeperOf(state, ip) === null) announceOrDefer(state, at, ip);
  }
};

/** What is due: questions, news for the core, announcements that waited. */
export const runCarrying = (state: WireState, at: number): readonly WireOutput[] => {
  if (state.deferred.size > 0) announceDeferred(state, at);
  if (state.carrier.version() === 0) return NOTHING;
  if (at >= state.restateAt) {
    state.restateAt = at + RESTATE_MS;
    if (state.carrier.hasPatient()) for (const { voice } of state.desks.values()) voice.restateKept();
  }
  const { questions, news } = state.carrier.takeDue(
    at,
    (ip, name) => state.desks.get(name)?.ears.holderOf(ip) != null,
  );
  const outputs = [...ask(state, questions)];
  for (const { ip, stale } of news)
    outputs.push({ type: 'fact', input: { type: 'clients.carried', ip, stale } });
  return outputs;
};
