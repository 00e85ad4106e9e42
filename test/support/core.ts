// A node for tests: the core, and the world as its effects make it (what is answered, which addresses the host
// has, which groups are joined). Time is told in milliseconds since START, so that scripts read as stories.

import type { NodeName } from '../../src/machines/claims.ts';
import type { CoreConfig } from '../../src/machines/config.ts';
import { type Core, type CoreCheckpoint, createCore } from '../../src/machines/core.ts';
import type { Effect } from '../../src/machines/effects.ts';
import type { Ip } from '../../src/machines/frames.ts';
import type { HelloFlags, WitnessedClaim } from '../../src/machines/hello.ts';
import type { Input, InterfaceFact } from '../../src/machines/inputs.ts';
import type { ServiceIpState } from '../../src/machines/service-ip.ts';

/** 2026-11-20T12:00:00Z: a real wall clock, so that floating point is as coarse as on a live node. */
export const START = Date.UTC(2026, 10, 20, 12);

export const V4 = '10.99.0.100';
export const V4_OTHER = '10.99.0.101';
export const V6 = 'fd99::100';
export const RIVAL = '02:00:00:00:0f:0f';

export const ETH0: InterfaceFact = {
  name: 'eth0',
  index: 2,
  mac: '02:00:00:00:00:01',
  up: true,
  prefixes: [
    { ip: '10.99.0.1', length: 24 },
    { ip: 'fd99::1', length: 64 },
  ],
};
/** On the same segment; sorts after eth0. */
export const ETH1: InterfaceFact = { ...ETH0, name: 'eth1', index: 3, mac: '02:00:00:00:00:02' };

export const any = (ip: Ip): CoreConfig['serviceIPs'][number] => ({ ip, nodes: null, interfaces: null });

export const coreConfig = (over: Partial<CoreConfig> = {}): CoreConfig => ({
  node: 'n1',
  interfaces: null,
  serviceIPs: [any(V4)],
  serve: 'host',
  probe: 'off',
  heartbeat: { intervalMs: 50, deadAfterMs: 200 },
  drain: { windowMs: 120_000, quietMs: 10_000, style: 'prompt' },
  rebalance: null,
  ...over,
});

/** Start plus listening time of `coreConfig`: when the first IP may be taken. */
export const LISTENED = 250;

export const loaded = (over: Partial<CoreConfig> = {}): Input => ({
  type: 'config.loaded',
  config: coreConfig(over),
});
export const link = (over: Partial<InterfaceFact> = {}): Input => ({
  type: 'interface.changed',
  interface: { ...ETH0, ...over },
});
export const CLOCK: Input = { type: 'clock' };
export const confirmed = (...ips: Ip[]): Input => ({ type: 'addresses.confirmed', ips });
/** A new birth of the wire thread. */
export const reborn = (reason = 'the main thread gave no sign of life for 3000 ms', index = 2): Input => ({
  type: 'wire.reborn',
  reason,
  instance: index.toString(16).padStart(16, '0'),
});
export const rival = (ip: Ip, mac = RIVAL, name = 'eth0'): Input => ({
  type: 'rival.heard',
  ip,
  interface: name,
  mac,
});

/** What the world around a node looks like after its effects. */
export interface World {
  readonly answered: Map<Ip, { readonly interface: string; readonly epoch: number; readonly weak: boolean }>;
  readonly addresses: Set<Ip>;
  readonly groups: Map<Ip, string>;
  /** How often each IP was announced anew. */
  readonly announced: Map<Ip, number>;
  readonly probed: Map<Ip, number>;
  readonly defended: Map<Ip, number>;
  /** When the wire thread will have probed each address that it is probing, logical milliseconds. */
  readonly probing: Map<Ip, number>;
  /** Whom hellos name as the successor in a planned move. */
  readonly yielded: Map<Ip, NodeName>;
  /** The interfaces that the wire thread listens on. */
  listening: readonly string[];
  flags: HelloFlags | null;
  readonly witnessed: Map<string, readonly WitnessedClaim[]>;
  isDrained: boolean;
  refusal: string | null;
  hasExited: boolean;
}

const emptyWorld = (): World => ({
  answered: new Map(),
  addresses: new Set(),
  groups: new Map(),
  announced: new Map(),
  probed: new Map(),
  defended: new Map(),
  probing: new Map(),
  yielded: new Map(),
  listening: [],
  flags: null,
  witnessed: new Map(),
  isDrained: false,
  refusal: null,
  hasExited: false,
});

const count = (table: Map<Ip, number>, ip: Ip): void => {
  table.set(ip, (table.get(ip) ?? 0) + 1);
};

/** Does to the world what an effect asks at `at`, logical milliseconds. */
const perform = (world: World, at: number, effect: Effect): void => {
  switch (effect.type) {
    case 'address.add':
      world.addresses.add(effect.ip);
      return;
    case 'address.remove':
      world.addresses.delete(effect.ip);
      return;
    case 'group.join':
      world.groups.set(effect.ip, effect.interface);
      return;
    case 'group.leave':
      if (world.groups.get(effect.ip) === effect.interface) world.groups.delete(effect.ip);
      return;
    case 'answer.start':
      world.answered.set(effect.ip, {
        interface: effect.interface,
        epoch: effect.epoch,
        weak: effect.weak,
      });
      return;
    case 'answer.stop':
      world.answered.delete(effect.ip);
      world.yielded.delete(effect.ip);
      return;
    case 'announce':
      return count(world.announced, effect.ip);
    case 'probe':
      world.probing.set(effect.ip, at + effect.delayMs + effect.durationMs);
      return count(world.probed, effect.ip);
    case 'probe.stop':
      world.probing.delete(effect.ip);
      return;
    case 'yield':
      if (effect.successor === null) world.yielded.delete(effect.ip);
      else world.yielded.set(effect.ip, effect.successor);
      return;
    case 'hello.flags':
      world.flags = effect.flags;
      return;
    case 'witness':
      world.witnessed.set(effect.interface, effect.claims);
      return;
    case 'remember.drained':
      world.isDrained = effect.drained;
      return;
    case 'refuse':
      world.refusal = effect.reason;
      return;
    case 'defend':
      return count(world.defended, effect.ip);
    case 'listen':
      world.listening = effect.interfaces;
      return;
    case 'exit':
      world.hasExited = true;
      return;
    case 'record':
      return;
  }
};

export interface Node {
  readonly core: Core;
  readonly world: World;
  /** Steps `input` `ms` after START, and performs what the state still wants; returns all effects. */
  at(ms: number, input?: Input): readonly Effect[];
  state(ip: Ip): ServiceIpState;
  /** `unowned>candidate unclaimed`, in order, of every IP or one. */
  transitions(ip?: Ip): readonly string[];
}

/**
 * A node, new or from a checkpoint. With `isHostWilling` the host confirms each address at once, in a step of
 * its own at the same time, as the real one does some milliseconds later. With `isWirePatient` probings end by
 * themselves, unopposed; without, a real wire step says so.
 */
export const createNode = (
  options: {
    readonly isHostWilling?: boolean;
    readonly isWirePatient?: boolean;
    readonly from?: CoreCheckpoint;
  } = {},
): Node => {
  const { isHostWilling = true, isWirePatient = true, from } = options;
  const core = createCore(from);
  const world = emptyWorld();
  const said: { ip: Ip; text: string }[] = [];
  const step = (at: number, input: Input): Effect[] => {
    // A new birth has thrown away what was being probed, and every answer.
    if (input.type === 'wire.reborn') for (const table of [world.probing, world.answered]) table.clear();
    const effects = core.step(at, input);
    for (const effect of effects) {
      if (effect.type === 'record') {
        said.push({ ip: effect.ip, text: `${effect.from}>${effect.to} ${effect.cause}` });
      }
    }
    const wanted = effects.filter(core.wants);
    for (const effect of wanted) perform(world, at, effect);
    const ips = wanted
      .filter(({ type }) => type === 'address.add')
      .map((effect) => (effect as { ip: Ip }).ip);
    if (isHostWilling && ips.length > 0) effects.push(...step(at, confirmed(...ips)));
    return effects;
  };
  /** What the wire thread says of its own accord until `at`. */
  const passProbes = (until: number): void => {
    for (;;) {
      const [first] = [...world.probing].sort(([, a], [, b]) => a - b);
      if (first === undefined || first[1] > until) return;
      world.probing.delete(first[0]);
      step(first[1], { type: 'addresses.probed', ips: [first[0]] });
    }
  };
  return {
    core,
    world,
    at: (ms, input = CLOCK) => {
      if (isWirePatient) passProbes(START + ms);
      return step(START + ms, input);
    },
    state: (ip) => {
      const service = core.view().serviceIPs.find((view) => view.ip === ip);
      return service?.state ?? 'unowned';
    },
    transitions: (ip) => said.filter((line) => ip === undefined || line.ip === ip).map(({ text }) => text),
  };
};

/** A node that has heard of its interface and config, and listened: it leads what it may. */
export const createLeader = (over: Partial<CoreConfig> = {}): Node => {
  const node = createNode();
  node.at(0, link());
  node.at(0, loaded(over));
  node.at(LISTENED);
  return node;
};
