// One life of a node as its journal tells it: its transitions, whom it lost from hearing, how it ended, and the
// moments at which it said or heard what other journals tell as well (clock-offsets.ts). Read from inputs and
// recorded effects alone, so it can be told without replaying. Keeps what explains, not what merely happened.
import type { NodeName } from './claims.ts';
import type { CoreCheckpoint } from './core.ts';
import type { Effect } from './effects.ts';
import type { Ip } from './frames.ts';
import { type HelloFlags, type Instance, instanceOn } from './hello.ts';
import type { Input } from './inputs.ts';
import type { ServiceIpState } from './service-ip.ts';
import type { Transition } from './side-by-side.ts';
import { createStations, type Stations } from './stations.ts';

/** A peer that fell silent, as this life heard it. */
export interface Silence {
  readonly node: NodeName;
  readonly instance: Instance;
  readonly lastHeardAt: number;
  /** When it was reported, and where in the journal. */
  readonly at: number;
  readonly ref: string;
  /** When it was heard again; null: not in this life. */
  backAt: number | null;
}

/** An input that may explain something, and what it led to. */
export interface Fact {
  readonly at: number;
  readonly ref: string;
  readonly input: Input;
  readonly effects: readonly Effect[];
}

/** First moments at which something was said or heard, by what it was. */
export type Marks = ReadonlyMap<string, number>;

export interface Chronicle extends Stations {
  readonly node: NodeName;
  readonly instance: Instance;
  readonly version: string;
  readonly from: number;
  readonly to: number;
  readonly lastRef: string;
  /** When the process was done: everything released; null: the record ends without it. */
  readonly exitAt: number | null;
  readonly transitions: readonly Transition[];
  readonly silences: readonly Silence[];
  readonly facts: readonly Fact[];
  /** Every birth of its wire thread on every interface. */
  readonly instances: ReadonlySet<Instance>;
  readonly said: Marks;
  readonly heard: Marks;
  readonly intervalMs: number;
}

export interface Chronicler {
  step(ref: string, at: number, input: Input, effects: readonly Effect[]): void;
  /** A segment begins. `follows`: nothing is missing before it. Only a life's first checkpoint tells anything new. */
  begin(ref: string, checkpoint: CoreCheckpoint, follows: boolean): void;
  end(): Chronicle;
}

/** The newest are kept; more than a person, or a trace viewer, would ever look through. */
const MAX_FACTS = 100_000;
const MAX_SILENCES = 100_000;
/** First moments of each kind; estimates do not get better with more. */
const MAX_MARKS = 100_000;
/** Until a configuration says otherwise. */
const DEFAULT_INTERVAL_MS = 50;

const topState = (value: unknown): ServiceIpState =>
  (typeof value === 'string' ? value : Object.keys(value as object)[0]) as ServiceIpState;

const markFirst = (marks: Map<string, number>, key: string, at: number): void => {
  if (!marks.has(key) && marks.size < MAX_MARKS) marks.set(key, at);
};

const claimKey = (instance: Instance, ip: Ip, epoch: number, weak: boolean): string =>
  `claim ${instance} ${ip} ${epoch}${weak ? ' weak' : ''}`;

/** Half of the oldest go at once, so that keeping within a bound costs nothing on average. */
const keepNewest = <T>(list: T[], bound: number): void => {
  if (list.length > bound) list.splice(0, Math.ceil(bound / 2));
};

export interface Life {
  readonly node: NodeName;
  readonly instance: Instance;
  readonly version: string;
}

/** `isWanted`: which inputs are kept as facts. */
export const createChronicler = (
  { node, instance, version }: Life,
  isWanted: (input: Input, effects: readonly Effect[]) => boolean,
): Chronicler => {
  const transitions: Transition[] = [];
  const silences: Silence[] = [];
  const open = new Map<Instance, Silence>();
  const facts: Fact[] = [];
  const said = new Map<string, number>();
  const heard = new Map<string, number>();
  const instances = new Set<Instance>();
  const stations = createStations(node);
  /** Whose claims are heard: the proven birth of each peer, by interface and name. */
  const peers = new Map<string, Instance>();
  let birth = instance;
  let listening: readonly string[] = [];
  let flags: HelloFlags | null = null;
  /**
   * The record has everything since the life began. Else the first time at which it tells something need not be the
   * first at which it was said, and others may have heard it before.
   */
  let isWhole = true;
  let from: number | null = null;
  let to = 0;
  let lastRef = '';
  let exitAt: number | null = null;
  let intervalMs = DEFAULT_INTERVAL_MS;

  const mine = (name: string): Instance => instanceOn(birth, name);

  const hear = (at: number, input: Input): void => {
    if (input.type === 'peer.heard') {
      const { peer } = input;
      if (peer.proven) peers.set(`${peer.interface} ${peer.node}`, peer.instance);
      markFirst(heard, `birth ${peer.instance}`, at);
      markFirst(heard, `flags ${peer.instance} ${JSON.stringify(peer.flags)}`, at);
      for (const other of peer.hears) markFirst(heard, `hears ${peer.instance} ${other}`, at);
      // Answered at once, by a hello of the wire thread that lists it. The wire thread does so by itself: after a hang
      // of the main thread, which is how births after the first come about, it was said long before this stamp.
      if (isWhole && birth === instance)
        markFirst(said, `hears ${mine(peer.interface)} ${peer.instance}`, at);
    } else if (input.type === 'claims.heard') {
      const speaker = peers.get(`${input.interface} ${input.node}`);
      if (speaker === undefined) return;
      for (const { ip, epoch, weak } of input.claims)
        markFirst(heard, claimKey(speaker, ip, epoch, weak), at);
    }
  };

  const sayFlags = (at: number): void => {
    // That it starts, a new birth of the wire thread says by itself, before the core does.
    if (!isWhole || flags === null || flags.starting) return;
    for (const name of listening) markFirst(said, `flags ${mine(name)} ${JSON.stringify(flags)}`, at);
  };

  const say = (at: number, effects: readonly Effect[]): void => {
    for (const effect of effects) {
      if (effect.type === 'answer.start')
        markFirst(said, claimKey(mine(effect.interface), effect.ip, effect.epoch, effect.weak), at);
      else if (effect.type === 'listen') {
        listening = effect.interfaces;
        for (const name of listening) {
          instances.add(mine(name));
          if (isWhole) markFirst(said, `birth ${mine(name)}`, at);
        }
        sayFlags(at);
      } else if (effect.type === 'hello.flags') {
        flags = effect.flags;
        sayFlags(at);
      }
    }
  };

  const watchSilence = (ref: string, at: number, input: Input): void => {
    if (input.type === 'peer.late') {
      const { node: peer, instance: its, lastHeardAt } = input;
      const silence: Silence = { node: peer, instance: its, lastHeardAt, at, ref, backAt: null };
      open.set(its, silence);
      silences.push(silence);
      keepNewest(silences, MAX_SILENCES);
      return;
    }
    const its =
      input.type === 'peer.back'
        ? input.instance
        : input.type === 'peer.heard'
          ? input.peer.instance
          : undefined;
    const silence = its === undefined ? undefined : open.get(its);
    if (silence === undefined) return;
    silence.backAt = at;
    open.delete(silence.instance);
  };

  return {
    begin: (ref, checkpoint, follows) => {
      if (!follows) isWhole = false;
      if (from !== null) return;
      if (checkpoint.instance !== null) birth = checkpoint.instance;
      if (checkpoint.at > 0) from = checkpoint.at;
      lastRef = ref;
      to = checkpoint.at;
      intervalMs = checkpoint.config?.heartbeat.intervalMs ?? intervalMs;
      listening = checkpoint.listening;
      stations.begin(ref, checkpoint);
      for (const { name, peers: known } of checkpoint.segments) {
        instances.add(mine(name));
        for (const { fact } of known.peers) if (fact.proven) peers.set(`${name} ${fact.node}`, fact.instance);
      }
      for (const { ip, value, context, since, because } of checkpoint.services) {
        const state = topState(value);
        if (state === 'unowned') continue;
        transitions.push({
          at: since,
          ip,
          from: 'unowned',
          to: state,
          epoch: context.epoch,
          ...because,
          ref,
        });
      }
    },
    step: (ref, at, input, effects) => {
      from ??= at;
      to = at;
      lastRef = ref;
      if (input.type === 'wire.reborn' || input.type === 'node.started') birth = input.instance;
      if (input.type === 'config.loaded') intervalMs = input.config.heartbeat.intervalMs;
      if (input.type === 'wire.reborn') for (const name of listening) instances.add(mine(name));
      hear(at, input);
      say(at, effects);
      watchSilence(ref, at, input);
      stations.step(ref, at, input);
      for (const effect of effects) {
        if (effect.type === 'exit') exitAt = at;
        if (effect.type !== 'record') continue;
        const { type: _, ...record } = effect;
        transitions.push({ at, ...record, ref });
      }
      if (!isWanted(input, effects)) return;
      facts.push({ at, ref, input, effects });
      keepNewest(facts, MAX_FACTS);
    },
    end: () => ({
      node,
      instance,
      version,
      from: from ?? to,
      to,
      lastRef,
      exitAt,
      transitions,
      silences,
      facts,
      instances,
      said,
      heard,
      intervalMs,
      ...stations.end(),
    }),
  };
};
