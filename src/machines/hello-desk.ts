// Hellos of one interface, both ways: composes this node's, takes in those of others, and shuts an answer in the
// very moment a better claim for it is heard. Part of the wire step; pure.
import type { Prefix } from './addresses.ts';
import { isBetter } from './claims.ts';
import type { Ip } from './frames.ts';
import { createFreshness, echoOf, type Freshness } from './freshness.ts';
import {
  BESIDE_TABLE_ROOM,
  claimOctets,
  type HelloFrame,
  type Instance,
  instanceOn,
  MAX_HEARS,
  MAX_SUBNETS,
  type WitnessedClaim,
} from './hello.ts';
import { createHelloEars, type HelloEars } from './hello-ears.ts';
import { createHelloVoice, type HelloVoice } from './hello-voice.ts';
import type { Input, InterfaceFact } from './inputs.ts';
import { effectiveHoldMs, effectiveIntervalMs } from './segments.ts';
import type { WireOutput } from './wire-facts.ts';
import { isSaying, macOf, type WireState } from './wire-state.ts';

export interface HelloDesk {
  readonly name: string;
  readonly ears: HelloEars;
  readonly voice: HelloVoice;
  readonly freshness: Freshness;
  witnessed: readonly WitnessedClaim[];
  sequence: number;
  /** `ears.heardVersion()` that the last hello told. */
  toldVersion: number;
  /** Proven peers by then: a new one is told the whole table. */
  proven: number;
  /** What hellos name of the interface, worked out once for each that is new. */
  subnets: { readonly of: InterfaceFact; readonly named: readonly Prefix[] } | null;
  /** This birth's instance on the interface, likewise. */
  instance: { readonly of: Instance; readonly here: Instance } | null;
}

/** `sequence`: the last that this node said on the interface; listeners refuse what does not grow. */
export const createHelloDesk = (name: string, sequence = 0): HelloDesk => ({
  name,
  ears: createHelloEars(name),
  voice: createHelloVoice(),
  freshness: createFreshness(),
  witnessed: [],
  sequence,
  toldVersion: -1,
  proven: 0,
  subnets: null,
  instance: null,
});

const instanceHere = (state: WireState, desk: HelloDesk): Instance => {
  if (desk.instance?.of !== state.instance)
    desk.instance = { of: state.instance, here: instanceOn(state.instance, desk.name) };
  return desk.instance.here;
};

const namedSubnets = (desk: HelloDesk, fact: InterfaceFact): readonly Prefix[] => {
  if (desk.subnets?.of !== fact) {
    const named = fact.prefixes.filter(({ ip }) => !ip.startsWith('fe80')).slice(0, MAX_SUBNETS);
    desk.subnets = { of: fact, named };
  }
  return desk.subnets.named;
};

/** TLV heads, instances of 8 octets and echoes of 4, prefixes of at most 18 (docs/protocol.md). */
const octetsOf = (hears: number, subnets: number): number => 5 * 3 + hears * (8 + 4) + subnets * 18;
const witnessOctets = ({ ip, node }: WitnessedClaim): number => claimOctets(ip) + 8 + 1 + node.length;

/** As many as fit beside the rest. */
const fitting = (claims: readonly WitnessedClaim[], used: number): readonly WitnessedClaim[] => {
  let left = BESIDE_TABLE_ROOM - used;
  return claims.filter((claim) => {
    left -= witnessOctets(claim);
    return left >= 0;
  });
};

const intervalOf = (state: WireState, desk: HelloDesk): number =>
  effectiveIntervalMs(state.config.heartbeat.intervalMs, desk.ears.provenCount() + 1);

const compose = (state: WireState, desk: HelloDesk, at: number): HelloFrame | null => {
  const mac = macOf(state, desk.name);
  const fact = state.interfaces.get(desk.name);
  if (mac === null || fact === undefined) return null;
  const intervalMs = intervalOf(state, desk);
  const all = desk.ears.heard();
  const hears = all.length <= MAX_HEARS ? all : all.slice(0, MAX_HEARS);
  desk.sequence += 1;
  desk.toldVersion = desk.ears.heardVersion();
  const subnets = namedSubnets(desk, fact);
  const used = octetsOf(hears.length, subnets.length);
  const witnessed = fitting(desk.witnessed, used);
  const besideTable = witnessed.reduce((sum, claim) => sum + witnessOctets(claim), used);
  const { changes, slices } = desk.voice.compose(at, besideTable);
  const timing = {
    intervalMs,
    holdMs: effectiveHoldMs(state.config.heartbeat.deadAfterMs, intervalMs),
  };
  desk.freshness.said(at, desk.sequence, timing);
  return {
    kind: 'hello',
    ethernetSource: mac,
    node: state.config.node,
    instance: instanceHere(state, desk),
    sequence: desk.sequence,
    ...timing,
    flags: state.flags,
    subnets,
    heldCount: desk.voice.heldCount(),
    hears,
    echoes: hears.map((instance) => echoOf(desk.ears.lastSequence(instance))),
    changes,
    slices,
    witnessed,
  };
};

/** When the desk has something to send or to judge. */
export const deskDeadline = (state: WireState, desk: HelloDesk): number | null => {
  const silence = desk.ears.nextDeadline();
  if (macOf(state, desk.name) === null || !isSaying(state)) return silence;
  const due = desk.voice.dueAt(intervalOf(state, desk));
  return silence === null ? due : Math.min(silence, due);
};

/** Judges silence, then sends the hello that is due, if one is. */
export const runDesk = (state: WireState, desk: HelloDesk, at: number): readonly WireOutput[] => {
  const news: Input[] = [];
  desk.ears.runClock(at, news);
  const outputs: WireOutput[] = news.map((input) => ({ type: 'fact', input }));
  if (desk.ears.heardVersion() !== desk.toldVersion) desk.voice.hurry();
  if (!isSaying(state) || at < desk.voice.dueAt(intervalOf(state, desk))) return outputs;
  const frame = compose(state, desk, at);
  if (frame === null) return outputs;
  state.counters.hellosSent += 1;
  outputs.push({ type: 'send', interface: desk.name, frame });
  return outputs;
};

/** Stops answering for an IP and says so in the next hellos. */
export const shutAnswer = (state: WireState, ip: Ip): void => {
  const answer = state.answers.get(ip);
  if (answer === undefined) return;
  state.answers.delete(ip);
  state.announcer.stop(ip);
  state.clients.stop(ip);
  state.desks.get(answer.interface)?.voice.dropClaim(ip);
};

/** A claim of a proven peer meets this node's own. */
const compareWithOwn = (state: WireState, desk: HelloDesk, input: Input): void => {
  if (input.type !== 'claims.heard') return;
  for (const claim of input.claims) {
    const mine = state.answers.get(claim.ip);
    if (mine === undefined || mine.interface !== desk.name) continue;
    const { ip, epoch, weak } = mine;
    // The better claim is heeded here and now; the core draws the conclusions.
    if (isBetter(claim, { ip, epoch, weak, node: state.config.node })) shutAnswer(state, ip);
    else desk.voice.restate(ip);
  }
};

/** Takes in a hello without acting on the time that has passed; null when it was refused. */
export const hearHelloOnly = (
  state: WireState,
  desk: HelloDesk,
  at: number,
  hello: HelloFrame,
): readonly WireOutput[] | null => {
  const news: Input[] = [];
  const verdict = desk.ears.hear(
    at,
    hello,
    {
      node: state.config.node,
      instance: instanceHere(state, desk),
      isFresh: desk.freshness.isFresh,
    },
    news,
  );
  if (verdict !== 'taken') {
    state.counters.hellosRefused[verdict] = (state.counters.hellosRefused[verdict] ?? 0) + 1;
    return null;
  }
  state.counters.hellosHeard += 1;
  const proven = desk.ears.provenCount();
  if (proven > desk.proven) desk.voice.tellAll();
  desk.proven = proven;
  for (const input of news) compareWithOwn(state, desk, input);
  return news.map((input) => ({ type: 'fact', input }));
};

export const hearHello = (
  state: WireState,
  desk: HelloDesk,
  at: number,
  hello: HelloFrame,
): readonly WireOutput[] => {
  const news = hearHelloOnly(state, desk, at, hello);
  return news === null ? [] : [...news, ...runDesk(state, desk, at)];
};
