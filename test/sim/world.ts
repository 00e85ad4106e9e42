// The simulated world: nodes, on one segment or two, and everything that can be done to them. It tells observers (the
// checkers) what happens; it judges nothing itself. What belongs to one segment is in side.ts.

import type { ServiceIpConfig } from '../../src/machines/config.ts';
import type { Effect } from '../../src/machines/effects.ts';
import type { Ip } from '../../src/machines/frames.ts';
import type { Input } from '../../src/machines/inputs.ts';
import { createSimApi, type SimApi } from './api/sim-api.ts';
import type { Client, ClientKind } from './client.ts';
import { createEventQueue, type EventQueue } from './event-queue.ts';
import type { Health } from './health.ts';
import { drawnLatencies, type Latencies } from './latencies.ts';
import {
  type ClusterProfile,
  type ConfigChange,
  coreConfig,
  INTERFACES,
  NO_CHANGE,
  nodeMac,
  nodeName,
  nodePrefixes,
  wireConfig,
} from './profile.ts';
import type { Random } from './random.ts';
import type { Link, Port, Segment } from './segment.ts';
import { createSide, type Side } from './side.ts';
import type { WireFrame } from './sim-frames.ts';
import { createSimNode, type SimNode } from './sim-node.ts';
import { createTrace, type Trace } from './trace.ts';
import type { WorldObserver } from './world-observer.ts';

export interface WorldOptions {
  readonly random: Random;
  readonly nodes: number;
  readonly clients: readonly ClientKind[];
  /** Names of nodes and clients that are left out; all others stay as they are with them. */
  readonly absent?: readonly string[];
  readonly profile: ClusterProfile;
  readonly link: () => Link;
  /** Null: drawn per node. */
  readonly latencies: Latencies | null;
  readonly driftPpm: number;
  readonly clockOffsetMs: number;
  readonly switchAgeMs: number;
  readonly bufferFrames: number;
  /** Names of the nodes that are of the version before (dialect.ts). */
  readonly previous?: readonly string[];
  /** A second segment: who is on it (by index), its clients and IPs; null or absent: there is none. */
  readonly second?: SecondSegment | null;
}

export interface SecondSegment {
  readonly members: readonly number[];
  readonly clients: readonly ClientKind[];
  readonly ips: readonly Ip[];
}

/**
 * One segment of the world as faults and checkers see it: its ports, clients, IPs and the nodes on it. What is done to a
 * node by its name is done on all segments.
 */
export interface World {
  /** The other segments that some of the nodes are on; those have none in turn. */
  readonly others: readonly World[];
  /** 0: the segment that every node is on. */
  readonly index: number;
  readonly queue: EventQueue;
  readonly segment: Segment;
  readonly health: Health;
  readonly trace: Trace;
  readonly profile: ClusterProfile;
  readonly nodes: ReadonlyMap<string, SimNode>;
  readonly clients: readonly Client[];
  /** Null: standalone. */
  readonly api: SimApi | null;
  /** When a link of a node last lost frames by chance; -Infinity: never. */
  lossyUntil(): number;
  /** When the halves of the switch were joined last. */
  joinedAt(): number;
  /** When a hello that somebody held back, and that may be believed, was last delivered. */
  lateHelloAt(): number;
  /** When the operator last told the node something. */
  toldAt(name: string): number;
  /** It was told to stop in this life, or to drain and not to undrain: it gives what it has and takes nothing. */
  isLeaving(name: string): boolean;
  /** It was told to stop in this life. */
  isStopping(name: string): boolean;
  /** IPs that a foreign host has claimed. */
  readonly contested: ReadonlySet<Ip>;
  observe(observer: WorldObserver): void;
  node(name: string): SimNode;
  port(name: string): Port;
  run(milliseconds: number): void;
  use(client: Client, ip: Ip): void;
  start(name: string): void;
  kill(name: string): void;
  crash(name: string): void;
  pause(name: string): void;
  resume(name: string): void;
  stall(name: string, milliseconds: number): void;
  lag(name: string, milliseconds: number): void;
  /** The port goes down, or up, on the switch's side. */
  setCarrier(name: string, up: boolean): void;
  setDeaf(name: string, way: { readonly in: boolean; readonly out: boolean }): void;
  setOneWay(from: string, to: string, isBroken: boolean): void;
  partition(names: readonly string[]): void;
  setLoss(name: string, loss: number, duplication: number): void;
  foreignClaim(ip: Ip): void;
  /** Hellos get nowhere; all other frames, and the API, go on. */
  setHushed(isHushed: boolean): void;
  /** Something is done to the API server: to the node's line to it, or to what it says of the node. */
  toApi(what: 'setUp' | 'setHeldBack' | 'setExcluded', name: string, is: boolean): void;
  /** What its Service asks for; null: it is gone. Whether anybody is to answer for it is not judged until `settle`. */
  changeService(ip: Ip, config: ServiceIpConfig | null): void;
  /** Whether anybody is to answer for the IP is not judged until `settle`. */
  contest(ip: Ip): void;
  settle(ip: Ip): void;
  /** A frame, sent that long ago, from the port of a host that is none of the nodes or clients. */
  injectForeign(frame: WireFrame, ageMs: number): void;
  /** The operator lifts the drain of a node that does not run. */
  forgetDrained(name: string): void;
  freezeDisk(name: string, milliseconds: number): void;
  stepClock(name: string, milliseconds: number): void;
  /** Its next life is one of this version. */
  upgrade(name: string): void;
  isPrevious(name: string): boolean;
  /** One node's configuration has this for the IP from now on; null: not this IP. */
  configure(name: string, ip: Ip, config: ServiceIpConfig | null): void;
  /** Null: as in the profile. */
  configureWindow(name: string, milliseconds: number | null): void;
  /** A line for the trace. */
  note(who: string, what: string): void;
  /** A word of the operator; `planned` says which IP (null: all) is to move without loss. */
  tell(name: string, input: Input, planned?: { readonly ip: Ip | null }): void;
}

const API_WORDS = {
  setUp: ['is away for', 'is back for'],
  setHeldBack: ['tells again to', 'tells late to'],
  setExcluded: ['says Ready of', 'says not Ready of'],
} as const;

/** Who knows its IP: an effect of a node belongs to the segment of its IP, if it has one. */
const concerns = (effect: Effect, ips: ReadonlySet<Ip>): boolean => !('ip' in effect) || ips.has(effect.ip);

export const createWorld = (options: WorldOptions): World => {
  const { random, profile } = options;
  const second = options.second ?? null;
  const queue = createEventQueue();
  const trace = createTrace();
  const nodes = new Map<string, SimNode>();
  const contested = new Set<Ip>();
  const foreignIps = new Set<Ip>();
  const busyUntil = new Map<string, number>();
  const toldAt = new Map<string, number>();
  const leaving = new Set<string>();
  const stopping = new Set<string>();
  /** What the nodes' configuration files say otherwise than the profile. */
  const changes = new Map<string, ConfigChange>();
  const previous = new Set(options.previous ?? []);
  const laggingUntil = new Map<string, number>();
  const whole = second === null ? profile : { ...profile, ips: [...profile.ips, ...second.ips] };

  const say = (who: string, what: string, ip: Ip | null = null): void => {
    trace.add(queue.now(), who, ip, what);
    trace.mix(queue.now() * 1000);
    trace.mixText(`${who}${ip ?? ''}${what}`);
  };

  const sides: Side[] = [];
  const sideOf = (ip: Ip): Side | undefined => sides.find(({ ips }) => ips.has(ip));
  const api =
    profile.isClustered === true
      ? createSimApi({
          queue,
          random: random.split('api'),
          ips: profile.ips,
          onWritten: (fact) => {
            const { ip, held } = fact;
            sideOf(ip)?.each('onObject', fact);
            if (held === null) return;
            const { holder, state, epoch, weak } = held;
            say(
              'API',
              `its object says ${holder ?? 'nobody'} ${state} epoch ${epoch}${weak ? ' weak' : ''}`,
              ip,
            );
          },
        })
      : null;
  /** By the API server's word, or by what a node that runs believes to be that. */
  const isExcluded = (name: string): boolean =>
    api !== null &&
    (api.isExcluded(name) ||
      [...nodes.values()].some((node) => node.agent()?.excluded().includes(name) === true));

  const isAbsent = (name: string): boolean => options.absent?.includes(name) === true;
  const shared = {
    ...{ queue, trace, say, contested, foreignIps, ageMs: options.switchAgeMs, link: options.link, isAbsent },
    isBusy: (name: string) => (busyUntil.get(name) ?? 0) > queue.now(),
    isLagging: (name: string) => (laggingUntil.get(name) ?? 0) > queue.now(),
    onDisturbed: () => disturbed(),
  };
  sides.push(createSide({ ...shared, index: 0, random, profile, clients: options.clients }));
  if (second !== null) {
    const { clients, ips } = second;
    sides.push(createSide({ ...shared, index: 1, random, profile: { ...profile, ips }, clients }));
  }
  const main = sides[0] as Side;
  const sideOn = (interfaceName: string): Side =>
    sides.find((side) => side.interfaceName === interfaceName) ?? main;
  const sidesWith = (name: string): readonly Side[] => sides.filter((side) => side.nodes.has(name));

  const addNode = (index: number): void => {
    const name = nodeName(index);
    const mine = random.split(name);
    const on = second?.members.includes(index) === true ? [0, 1] : [0];
    const node = createSimNode({
      name,
      mac: nodeMac(index),
      interfaces: on.map((side) => ({
        name: INTERFACES[side] as string,
        prefixes: nodePrefixes(index, side),
      })),
      core: () => coreConfig(whole, name, changes.get(name)),
      wireConfig: () => wireConfig(whole, name, changes.get(name)),
      queue,
      random: mine,
      latencies: options.latencies ?? drawnLatencies(mine.split('latencies')),
      clockRate: 1 + mine.between(-options.driftPpm, options.driftPpm) / 1e6,
      clockOffsetMs: Math.round(mine.between(-options.clockOffsetMs, options.clockOffsetMs)),
      bufferFrames: options.bufferFrames,
      isPrevious: () => previous.has(name),
      api,
      observer: {
        onLearned: () => {
          disturbAll();
          disturbed();
        },
        onSend: (interfaceName, frame) => sideOn(interfaceName).send(name, index, frame),
        onAnswer: (ip, isAnswering) => {
          say(name, isAnswering ? 'answers' : 'is silent', ip);
          sideOf(ip)?.each('onAnswer', name, ip, isAnswering);
        },
        onEffects: (agoMs, effects) => {
          for (const effect of effects) {
            if (effect.type === 'reserve') say(name, `asks for the object, epoch ${effect.epoch}`, effect.ip);
            if (effect.type !== 'record') continue;
            const { ip, from, to, epoch, cause, reason } = effect;
            say(name, `${from} -> ${to} epoch ${epoch} ${cause}: ${reason}`, ip);
          }
          if (second === null) return main.each('onEffects', name, effects, agoMs);
          for (const side of sidesWith(name)) {
            const own = effects.filter((effect) => concerns(effect, side.ips));
            if (own.length > 0) side.each('onEffects', name, own, agoMs);
          }
        },
        onFrame: (interfaceName, frame) => sideOn(interfaceName).hear(name, frame),
        onQueued: (interfaceName, frame) => sideOn(interfaceName).each('onQueued', name, frame),
        onBirth: (instance) => {
          for (const side of sidesWith(name)) side.born(name, instance);
        },
        onData: (ip, client, sentAt) => {
          trace.mix(queue.now() * 1000 + index);
          sideOf(ip)?.each('onReached', client, ip, name, sentAt);
        },
        onExit: () => {
          say(name, 'its process ended');
          disturbed();
        },
      },
    });
    nodes.set(name, node);
    for (const side of on) sides[side]?.attach(node);
  };

  for (let index = 0; index < options.nodes; index += 1) {
    // Those after it keep the links that were drawn for them.
    if (isAbsent(nodeName(index))) options.link();
    else addNode(index);
  }

  const node = (name: string): SimNode => {
    const found = nodes.get(name);
    if (found === undefined) throw new Error(`no ${name} in this world: ${[...nodes.keys()].join(', ')}`);
    return found;
  };

  const disturbAll = (): void => {
    for (const { health } of sides) health.disturb();
  };
  const disturbed = (): void => {
    for (const side of sides) side.health.refresh();
    for (const side of sides) side.each('onDisturbed');
  };
  /** Does something to the world: said, performed, and taken into account. */
  const act = (who: string, what: string, run: () => void): void => {
    say(who, what);
    run();
    disturbed();
  };
  const busy = (name: string, what: string, milliseconds: number, run: () => void): void => {
    const until = queue.now() + milliseconds;
    busyUntil.set(name, Math.max(busyUntil.get(name) ?? 0, until));
    act(name, `${what} for ${milliseconds.toFixed(0)} ms`, run);
    queue.at(until + 0.001, disturbed);
  };
  const plugAll = (name: string, up: boolean): void => {
    for (const side of sidesWith(name)) {
      side.segment.setCarrier(side.port(name), up);
      if (up) node(name).setCarrier(side.interfaceName, true);
    }
  };

  const common = {
    queue,
    trace,
    api,
    contested,
    isLeaving: (name: string) =>
      leaving.has(name) || stopping.has(name) || node(name).isDrained() || isExcluded(name),
    isStopping: (name: string) => stopping.has(name),
    toldAt: (name: string) => toldAt.get(name) ?? Number.NEGATIVE_INFINITY,
    node,
    run: (milliseconds: number) => queue.runUntil(queue.now() + milliseconds),
    start: (name: string) =>
      act(name, 'starts', () => {
        plugAll(name, true);
        if (!node(name).isRunning()) {
          leaving.delete(name);
          stopping.delete(name);
          // What kept the threads of its last life busy is gone with it.
          busyUntil.delete(name);
          laggingUntil.delete(name);
        }
        node(name).start();
      }),
    kill: (name: string) => act(name, 'is killed', () => node(name).kill()),
    crash: (name: string) =>
      act(name, 'crashes', () => {
        node(name).crash();
        plugAll(name, false);
      }),
    pause: (name: string) => act(name, 'is paused', () => node(name).pause()),
    resume: (name: string) => act(name, 'resumes', () => node(name).resume()),
    stall: (name: string, milliseconds: number) =>
      busy(name, 'main thread busy', milliseconds, () => node(name).stall(milliseconds)),
    lag: (name: string, milliseconds: number) => {
      laggingUntil.set(name, queue.now() + milliseconds);
      busy(name, 'wire thread not scheduled', milliseconds, () => node(name).lag(milliseconds));
    },
    toApi: (what: 'setUp' | 'setHeldBack' | 'setExcluded', name: string, is: boolean) =>
      act('API', `${API_WORDS[what][is ? 1 : 0]} ${name}`, () => {
        api?.[what](name, is);
        disturbAll();
      }),
    forgetDrained: (name: string) => node(name).forgetDrained(),
    changeService: (ip: Ip, config: ServiceIpConfig | null) => {
      say('API', config === null ? 'its Service is gone' : `its Service is ${JSON.stringify(config)}`, ip);
      contested.add(ip);
      disturbAll();
      api?.setService(ip, config);
    },
    freezeDisk: (name: string, milliseconds: number) => {
      say(name, `disk frozen for ${milliseconds.toFixed(0)} ms`);
      node(name).freezeDisk(milliseconds);
    },
    stepClock: (name: string, milliseconds: number) => {
      say(name, `clock set by ${(milliseconds / 1_000).toFixed(1)} s`);
      node(name).stepClock(milliseconds);
    },
    upgrade: (name: string) => {
      say(name, 'is upgraded');
      previous.delete(name);
    },
    isPrevious: (name: string) => previous.has(name),
    configure: (name: string, ip: Ip, config: ServiceIpConfig | null) => {
      say(name, config === null ? 'is not configured' : `is configured: ${JSON.stringify(config)}`, ip);
      disturbAll();
      const { services, drainWindowMs } = changes.get(name) ?? NO_CHANGE;
      changes.set(name, { services: new Map(services).set(ip, config), drainWindowMs });
      node(name).reload();
    },
    configureWindow: (name: string, milliseconds: number | null) => {
      say(name, `drain window ${milliseconds === null ? 'as before' : `${milliseconds} ms`}`);
      changes.set(name, { ...(changes.get(name) ?? NO_CHANGE), drainWindowMs: milliseconds });
      node(name).reload();
    },
    contest: (ip: Ip) => {
      contested.add(ip);
      disturbAll();
    },
    settle: (ip: Ip) => {
      if (!foreignIps.has(ip)) contested.delete(ip);
      disturbAll();
      disturbed();
    },
    note: say,
    tell: (name: string, input: Input, planned?: { readonly ip: Ip | null }) => {
      say(name, `is told ${input.type}`);
      toldAt.set(name, queue.now());
      disturbAll();
      if (input.type === 'stop.requested') stopping.add(name);
      if (input.type === 'drain.requested' && input.ips === null) leaving.add(name);
      if (input.type === 'undrain.requested') leaving.delete(name);
      for (const side of sidesWith(name)) {
        side.each('onTold', name, input);
        if (planned === undefined) continue;
        if (planned.ip === null || side.ips.has(planned.ip)) side.each('onPlanned', name, planned.ip);
      }
      node(name).tell(input);
    },
  };
  const [first, ...rest] = sides.map(
    (side, index): World => ({ ...common, ...side.seen, index, others: [] }),
  ) as [World, ...World[]];
  return { ...first, others: rest };
};
