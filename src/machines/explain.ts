// The chain of causes that brought an IP to where it is at some time, as sentences, out of the chronicles of one or
// more nodes: who owned it, what ended that, what each node's own record says of it, who took it and how its
// clients took it. What the records do not hold is said as such.

import type { Fact, Silence } from './chronicle.ts';
import type { NodeName } from './claims.ts';
import { concerns, isTrouble, settledText, toldOf, troubleText } from './explain-words.ts';
import type { Ip } from './frames.ts';
import type { Lane, Ownership, Tenure } from './ownership.ts';
import type { Transition } from './side-by-side.ts';

/** One link of the chain. `at` is in common time; `ref` names the line of the journal that says so. */
export interface Sentence {
  readonly at: number;
  readonly node: NodeName;
  /** Without time, node and full stop: `took 10.99.0.100 (epoch 4): …`. */
  readonly text: string;
  readonly ref: string | null;
}

export interface Explanation {
  readonly ip: Ip;
  readonly at: number;
  /** Who owns it at `at` by the record; several in an overlap, none in a gap. */
  readonly owners: readonly Tenure[];
  /** In the order of time. */
  readonly chain: readonly Sentence[];
  /** Tenures before those that the chain tells of. */
  readonly earlier: number;
  /** What the records do not tell, a sentence each. */
  readonly unknown: readonly string[];
}

/** Tenures told of in full; those before are counted. */
const MOVES_TOLD = 3;
/** How long before a node was given up something in its own record may be the cause. */
const BEFORE_MS = 10_000;
/** A failure is seen by others within moments, and its host may report it later than they. */
const AFTER_MS = 1_500;

interface Told {
  readonly ownership: Ownership;
  readonly ip: Ip;
  readonly chain: Sentence[];
  readonly unknown: string[];
}

const tell = (told: Told, lane: Lane, at: number, text: string, ref: string | null): void => {
  told.chain.push({ at: lane.clock.toCommon(at), node: lane.life.node, text, ref });
};

const tellFact = (told: Told, lane: Lane, { at, ref }: Fact, text: string): void =>
  tell(told, lane, at, text, ref);

/** The taking itself, with the clients that confirmed it. */
const tellTaking = (told: Told, tenure: Tenure): void => {
  const { lane, began, to, node } = tenure;
  const until = to === null ? Number.POSITIVE_INFINITY : lane.clock.fromCommon(to);
  const settled = lane.life.facts.find(
    ({ input, at }) => input.type === 'clients.settled' && at >= began.at && at <= until,
  );
  const { candidate, weak } = takingOf(tenure);
  const text = `took ${told.ip} (epoch ${began.epoch}${weak ? ', weakly' : ''}): ${toldOf(began.reason, node)}`;
  const took = candidate === null ? 0 : Math.round(began.at - candidate.at);
  const slow = took > 50 ? `; that took ${took} ms from the decision on` : '';
  tell(told, lane, began.at, `${text}${slow}${settled === undefined ? '' : settledText(settled)}`, began.ref);
};

/** The transition to candidate that led to the tenure; was the claim weak? */
const takingOf = ({ lane, began, ip }: Tenure): { candidate: Transition | null; weak: boolean } => {
  const before = lane.life.transitions.filter(
    (transition) => transition.ip === ip && transition.at <= began.at && transition.epoch === began.epoch,
  );
  const candidate = before.findLast(({ to }) => to === 'candidate') ?? null;
  const fact = lane.life.facts.find(({ ref }) => ref === began.ref);
  const start = fact?.effects.find((effect) => effect.type === 'answer.start' && effect.ip === ip);
  return { candidate, weak: start?.type === 'answer.start' && start.weak };
};

/** The silence of `node` that `lane` had heard last at `at`, of its own clock. */
const silenceOf = (lane: Lane, node: NodeName, at: number): Silence | undefined =>
  lane.life.silences.findLast((silence) => silence.node === node && silence.at <= at);

/** What a node's own record says of why others stopped hearing it around `at` (common time). */
const tellSilent = (told: Told, node: NodeName, at: number): void => {
  const lanes = told.ownership.lanes.filter(({ life }) => life.node === node);
  const lane = lanes.findLast(({ from }) => from <= at);
  if (lane === undefined) {
    told.unknown.push(`no journal of ${node} of that time is here: why it fell silent is not known`);
    return;
  }
  const { life, clock } = lane;
  const [from, to] = [clock.fromCommon(at) - BEFORE_MS, clock.fromCommon(at) + AFTER_MS];
  const found = life.facts.filter((fact) => fact.at >= from && fact.at <= to && isTrouble(fact.input));
  const last = found.at(-1);
  if (lane.ending === 'exit' && lane.to >= at - BEFORE_MS && lane.to <= at + AFTER_MS)
    tell(told, lane, life.exitAt ?? life.to, 'was done and exited in order', life.lastRef);
  else if (lane.ending === 'lost' && lane.to <= at + AFTER_MS)
    tell(
      told,
      lane,
      life.to,
      'wrote its last line: its process was killed or hung, or its machine went down, for the record ends without an exit',
      life.lastRef,
    );
  for (const fact of found.slice(-3)) tellFact(told, lane, fact, troubleText(fact.input));
  if (last !== undefined || lane.ending !== 'open') return;
  const deaf = life.silences.findLast((silence) => silence.at >= from && silence.at <= to);
  if (deaf === undefined)
    told.unknown.push(
      `${node}'s own record shows nothing at that time, and it went on hearing others: what it sent got lost on the way (one-way link, overload of its wire thread or of the switch)`,
    );
  else {
    tell(told, lane, deaf.at, `heard nothing of ${deaf.node} either, though its link stayed up`, deaf.ref);
    told.unknown.push(
      `the wire between ${node} and the others carried nothing, by both records; why is not in them`,
    );
  }
};

/** The input that made a transition, in words, where it says more than the transition's reason. */
const tellOrigin = (told: Told, lane: Lane, transition: Transition): void => {
  const fact = lane.life.facts.find(({ ref }) => ref === transition.ref);
  if (fact !== undefined && isTrouble(fact.input)) tellFact(told, lane, fact, troubleText(fact.input));
};

/** Why a planned move began: what made the holder name a successor. */
const tellHandover = (
  told: Told,
  holder: NodeName,
  successor: NodeName,
  at: number,
  tenure: Tenure,
): void => {
  const { ip } = told;
  for (const lane of told.ownership.lanes.filter(({ life }) => life.node === holder)) {
    const until = lane.clock.fromCommon(at) + (lane.clock.errorMs ?? 0) + 1;
    const yielded = lane.life.facts.findLast(
      (fact) =>
        fact.at <= until &&
        fact.effects.some(
          (effect) => effect.type === 'yield' && effect.ip === ip && effect.successor === successor,
        ),
    );
    if (yielded === undefined) continue;
    const { input } = yielded;
    const why = isTrouble(input)
      ? troubleText(input)
      : input.type === 'clock'
        ? 'found that the nodes hold uneven shares, or offered again what had to stay'
        : 'learned that somebody could take what had to stay';
    tellFact(told, lane, yielded, `${why}, and named ${successor} as the successor for ${ip}`);
    return;
  }
  const named = tenure.lane.life.facts.findLast(
    ({ input, at: heardAt }) =>
      heardAt <= tenure.began.at &&
      input.type === 'claims.heard' &&
      input.claims.some((claim) => claim.ip === ip && claim.successor === successor),
  );
  if (named !== undefined)
    tellFact(told, tenure.lane, named, `heard ${holder} name it as the successor for ${ip}`);
  told.unknown.push(`no journal of ${holder} of that time is here: why it handed ${ip} over is not known`);
};

/** What came before a taking, by its cause. */
const tellCause = (told: Told, tenure: Tenure, previous: Tenure | undefined): void => {
  const { began, lane, node, from } = tenure;
  switch (began.cause) {
    case 'holder-dead': {
      const dead = /^(\S+) (?:silent|is gone)/.exec(began.reason)?.[1] ?? previous?.node;
      if (dead === undefined) return;
      const silence = silenceOf(lane, dead, began.at);
      if (silence !== undefined) {
        const heard = lane.clock.toCommon(silence.lastHeardAt);
        const missed = Math.round(silence.at - silence.lastHeardAt);
        tell(told, lane, silence.at, `missed ${dead}: nothing heard from it for ${missed} ms`, silence.ref);
        return tellSilent(told, dead, heard);
      }
      return tellSilent(told, dead, from);
    }
    case 'planned': {
      const holder = /^(\S+), the holder, handed it over$/.exec(began.reason)?.[1];
      return holder === undefined ? undefined : tellHandover(told, holder, node, from, tenure);
    }
    case 'released':
    case 'one-way': {
      if (previous?.ended == null) return;
      const { lane: was, ended } = previous;
      return tellOrigin(told, was, ended);
    }
    default:
      return;
  }
};

/** How a tenure ended. */
const tellEnd = (told: Told, tenure: Tenure): void => {
  const { lane, ended, ip, node, to } = tenure;
  if (ended === null) return;
  tellOrigin(told, lane, ended);
  const successor = /^(\S+) took it over as asked$/.exec(ended.reason)?.[1];
  if (successor !== undefined) tellHandover(told, node, successor, to ?? lane.to, tenure);
  const verb = ended.to === 'draining' ? 'stopped answering for' : 'gave up';
  tell(told, lane, ended.at, `${verb} ${ip}: ${toldOf(ended.reason, node)}`, ended.ref);
};

const unique = (chain: readonly Sentence[]): readonly Sentence[] => {
  const seen = new Set<string>();
  return chain.filter(({ node, text, ref }) => {
    const key = `${node} ${text} ${ref}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
};

/** What befell an owner, or was asked of it, without ending its time; so many of each, the newest. */
const SINCE_TOLD = 3;

/** What an owner met while it went on owning. */
const tellSince = (told: Told, { lane, began, to, ip }: Tenure): void => {
  const until = to === null ? Number.POSITIVE_INFINITY : lane.clock.fromCommon(to);
  const met = lane.life.facts.filter(
    ({ input, at, ref }) =>
      at > began.at &&
      at < until &&
      isTrouble(input) &&
      concerns(input, ip) &&
      !told.chain.some((sentence) => sentence.ref === ref),
  );
  for (const fact of met.slice(-SINCE_TOLD)) {
    const named = fact.effects.find((effect) => effect.type === 'yield' && effect.ip === ip);
    const stays =
      named?.type === 'yield' && named.successor === null ? ', and found nobody to give it to' : '';
    tellFact(told, lane, fact, `${troubleText(fact.input)}${stays}`);
  }
};

/** So much of what was heard of nodes whose journals are not here is told. */
const HEARD_TOLD = 8;

/** What others heard of nodes whose own record is not here: second-hand, but all there is. */
const tellHearsay = (told: Told, at: number): void => {
  const { ownership, ip } = told;
  const recorded = new Set(ownership.lanes.map(({ life }) => life.node));
  const [lane] = ownership.lanes;
  if (lane === undefined) return;
  const heard: Sentence[] = [];
  const add = (when: number, text: string, ref: string): void => {
    const common = lane.clock.toCommon(when);
    if (common <= at) heard.push({ at: common, node: lane.life.node, text, ref });
  };
  for (const { input, at: when, ref } of lane.life.facts) {
    if (input.type !== 'claims.heard' || recorded.has(input.node)) continue;
    for (const { ip: claimed, epoch, weak } of input.claims)
      if (claimed === ip)
        add(when, `heard ${input.node} claim ${ip} (epoch ${epoch}${weak ? ', weakly' : ''})`, ref);
    if (input.released.includes(ip)) add(when, `heard ${input.node} give up ${ip}`, ref);
  }
  const claimants = new Set(heard.map(({ text }) => text.split(' ')[1]));
  for (const { node, at: when, lastHeardAt, ref } of lane.life.silences)
    if (claimants.has(node))
      add(when, `missed ${node}: nothing heard from it for ${Math.round(when - lastHeardAt)} ms`, ref);
  told.chain.push(...heard.sort((a, b) => a.at - b.at).slice(-HEARD_TOLD));
  for (const node of claimants)
    if (!told.unknown.some((text) => text.startsWith(`no journal of ${node} `)))
      told.unknown.push(`no journal of ${node} is here: what it did is known from others only`);
};

/** Why `ip` is where it is at `at` (common time). */
export const explain = (ownership: Ownership, ip: Ip, at: number): Explanation => {
  const told: Told = { ownership, ip, chain: [], unknown: [] };
  const past = ownership.tenures.filter((tenure) => tenure.ip === ip && tenure.from <= at);
  const shown = past.slice(-MOVES_TOLD);
  for (const [index, tenure] of shown.entries()) {
    const previous = past[past.length - shown.length + index - 1];
    tellCause(told, tenure, previous);
    tellTaking(told, tenure);
    if (tenure.to !== null && tenure.to <= at) tellEnd(told, tenure);
  }
  const last = shown.at(-1);
  if (last?.to != null && last.to <= at && last.ended === null) tellSilent(told, last.node, last.to);
  for (const tenure of shown) tellSince(told, tenure);
  tellHearsay(told, at);
  const owners = past.filter(({ to }) => to === null || to > at);
  const chain = unique(told.chain.toSorted((a, b) => a.at - b.at)).filter((sentence) => sentence.at <= at);
  return { ip, at, owners, chain, earlier: past.length - shown.length, unknown: [...new Set(told.unknown)] };
};
