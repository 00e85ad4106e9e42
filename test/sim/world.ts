// The simulated world: one segment, its nodes and clients, and everything that can be done to them. It tells
// observers (the checkers) what happens; it judges nothing itself.

import type { ServiceIpConfig } from '../../src/machines/config.ts';
import { familyOf, type Ip } from '../../src/machines/frames.ts';
import { instanceOn } from '../../src/machines/hello.ts';
import type { Input } from '../../src/machines/inputs.ts';
import { gratuitousRequest, unsolicitedAdvertisement } from '../../src/machines/neighbor-frames.ts';
import { createSimApi, type SimApi } from './api/sim-api.ts';
import { type Client, type ClientKind, createClient } from './client.ts';
import { createEventQueue, type EventQueue } from './event-queue.ts';
import { createHealth, type Health } from './health.ts';
import { drawnLatencies, type Latencies } from './latencies.ts';
import {
  type ClusterProfile,
  type ConfigChange,
  clientAddresses,
  clientMac,
  clientName,
  coreConfig,
  FOREIGN_MAC,
  NO_CHANGE,
  nodeMac,
  nodeName,
  nodePrefixes,
  wireConfig,
} from './profile.ts';
import type { Random } from './random.ts';
import { createSegment, type Link, type Port, type Segment } from './segment.ts';
import type { SimHello, WireFrame } from './sim-frames.ts';
import { createSimNode, INTERFACE, type SimNode } from './sim-node.ts';
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
}

export interface World {
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
  settle(ip: Ip): void;
  /** A word of the operator; `planned` says which IP (null: all) is to move without loss. */
  /** A frame, sent that long ago, from the port of a host that is none of the nodes or clients. */
  injectForeign(frame: WireFrame, ageMs: number): void;
  /** The operator lifts the drain of a node that does not run. */
  forgetDrained(name: string): void;
  freezeDisk(name: string, milliseconds: number): void;
  stepClock(name: string, milliseconds: number): void;
  /** One node's configuration has this for the IP from now on; null: not this IP. Not judged until `settle`. */
  configure(name: string, ip: Ip, config: ServiceIpConfig | null): void;
  /** Null: as in the profile. */
  configureWindow(name: string, milliseconds: number | null): void;
  /** A line for the trace. */
  note(who: string, what: string): void;
  tell(name: string, input: Input, planned?: { readonly ip: Ip | null }): void;
}

/** Intervals beyond the hold time in which a hello may be late: those of the wire step, one more for the way. */
const FRESH_INTERVALS = 3;

const API_WORDS = {
  setUp: ['is away for', 'is back for'],
  setHeldBack: ['tells again to', 'tells late to'],
  setExcluded: ['says Ready of', 'says not Ready of'],
} as const;

/** The frame's kind as a number, for the hash. */
const KIND: Readonly<Record<string, number>> = { arp: 1, ns: 2, na: 3, hello: 4, data: 5 };

export const createWorld = (options: WorldOptions): World => {
  const { random, profile } = options;
  const queue = createEventQueue();
  const trace = createTrace();
  const observers: WorldObserver[] = [];
  const nodes = new Map<string, SimNode>();
  const contested = new Set<Ip>();
  const busyUntil = new Map<string, number>();
  const toldAt = new Map<string, number>();
  /** The newest instance of each node. */
  const births = new Map<string, string>();
  /** A listener's birth → those of speakers, where a hello of the second listed the first and arrived. */
  const believed = new Map<string, Set<string>>();
  const believe = (listener: string, { instance, hears }: SimHello): void => {
    const speakers = believed.get(listener) ?? new Set<string>();
    believed.set(listener, speakers);
    if (!speakers.has(instance) && hears.includes(listener)) speakers.add(instance);
  };
  let lateHelloAt = Number.NEGATIVE_INFINITY;
  const leaving = new Set<string>();
  const stopping = new Set<string>();
  let lossChangedAt = Number.NEGATIVE_INFINITY;
  /** What the nodes' configuration files say otherwise than the profile. */
  const changes = new Map<string, ConfigChange>();
  const laggingUntil = new Map<string, number>();
  const each = <K extends keyof WorldObserver>(
    hook: K,
    ...args: Parameters<NonNullable<WorldObserver[K]>>
  ): void => {
    for (const observer of observers)
      (observer[hook] as ((...all: typeof args) => void) | undefined)?.(...args);
  };
  let [sentTo, heardBy]: [WorldObserver[], WorldObserver[]] = [[], []];

  let joinedAt = Number.NEGATIVE_INFINITY;
  const segment = createSegment({
    queue,
    random: random.split('segment'),
    ageMs: options.switchAgeMs,
    onLost: (from, to, frame) => each('onLost', from.name, to.name, frame),
  });

  const say = (who: string, what: string, ip: Ip | null = null): void => {
    trace.add(queue.now(), who, ip, what);
    trace.mix(queue.now() * 1000);
    trace.mixText(`${who}${ip ?? ''}${what}`);
  };

  const api =
    profile.isClustered === true
      ? createSimApi({
          queue,
          random: random.split('api'),
          ips: profile.ips,
          onWritten: (fact) => {
            const { ip, held } = fact;
            each('onObject', fact);
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
  const foreignIps = new Set<Ip>();
  /** By the API server's word, or by what a node that runs believes to be that. */
  const isExcluded = (name: string): boolean =>
    api !== null &&
    (api.isExcluded(name) ||
      [...nodes.values()].some((node) => node.agent()?.excluded().includes(name) === true));

  const addNode = (index: number): void => {
    const name = nodeName(index);
    const mine = random.split(name);
    const node = createSimNode({
      name,
      mac: nodeMac(index),
      prefixes: nodePrefixes(index),
      core: () => coreConfig(profile, name, changes.get(name)),
      wireConfig: () => wireConfig(profile, name, changes.get(name)),
      queue,
      random: mine,
      latencies: options.latencies ?? drawnLatencies(mine.split('latencies')),
      clockRate: 1 + mine.between(-options.driftPpm, options.driftPpm) / 1e6,
      clockOffsetMs: Math.round(mine.between(-options.clockOffsetMs, options.clockOffsetMs)),
      bufferFrames: options.bufferFrames,
      api,
      observer: {
        onLearned: () => {
          health.disturb();
          disturbed();
        },
        onSend: (frame) => {
          trace.mix(queue.now() * 1000 + index * 8 + (KIND[frame.kind] ?? 7));
          for (const observer of sentTo) observer.onSent?.(name, frame);
          segment.send(port, frame);
        },
        onAnswer: (ip, isAnswering) => {
          say(name, isAnswering ? 'answers' : 'is silent', ip);
          each('onAnswer', name, ip, isAnswering);
        },
        onEffects: (agoMs, effects) => {
          for (const effect of effects) {
            if (effect.type === 'reserve') say(name, `asks for the object, epoch ${effect.epoch}`, effect.ip);
            if (effect.type !== 'record') continue;
            const { ip, from, to, epoch, cause, reason } = effect;
            say(name, `${from} -> ${to} epoch ${epoch} ${cause}: ${reason}`, ip);
          }
          each('onEffects', name, effects, agoMs);
        },
        onFrame: (frame) => {
          if (frame.kind === 'hello') believe(births.get(name) ?? '', frame);
          for (const observer of heardBy) observer.onHeard?.(name, frame);
        },
        onQueued: (frame) => each('onQueued', name, frame),
        onBirth: (instance) => {
          births.set(name, instanceOn(instance, INTERFACE));
          each('onBirth', name, instance);
        },
        onData: (ip, client, sentAt) => {
          trace.mix(queue.now() * 1000 + index);
          each('onReached', client, ip, name, sentAt);
        },
        onExit: () => {
          say(name, 'its process ended');
          disturbed();
        },
      },
    });
    nodes.set(name, node);
    const port = segment.attach(name, options.link(), node.receive);
  };

  const isAbsent = (name: string): boolean => options.absent?.includes(name) === true;
  /** Those after them keep the links that were drawn for them. */
  const skipLink = (): void => void options.link();

  const addClient = (kind: ClientKind, index: number): readonly Client[] => {
    const name = clientName(index);
    if (isAbsent(name)) {
      skipLink();
      return [];
    }
    const port: Port = segment.attach(name, options.link(), (frame) => client.receive(frame), false);
    const client = createClient({
      name,
      kind,
      mac: clientMac(index),
      ...clientAddresses(index),
      queue,
      random: random.split(name),
      send: (frame) => segment.send(port, frame),
    });
    return [client];
  };
  const clients = options.clients.flatMap(addClient);
  const foreign = segment.attach(
    'foreign',
    { delayMs: 0.1, jitterMs: 0, loss: 0, duplication: 0 },
    () => {},
    false,
  );

  const isBusy = (name: string): boolean => (busyUntil.get(name) ?? 0) > queue.now();
  const health = createHealth(
    queue,
    segment,
    nodes,
    isBusy,
    (name) => (laggingUntil.get(name) ?? 0) > queue.now(),
  );
  for (let index = 0; index < options.nodes; index += 1) {
    if (isAbsent(nodeName(index))) skipLink();
    else addNode(index);
  }

  const named = <T>(from: ReadonlyMap<string, T>, name: string): T => {
    const found = from.get(name);
    if (found === undefined) throw new Error(`no ${name} in this world: ${[...from.keys()].join(', ')}`);
    return found;
  };
  const node = (name: string): SimNode => named(nodes, name);
  const port = (name: string): Port => named(segment.ports, name);

  const disturbed = (): void => {
    health.refresh();
    each('onDisturbed');
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

  return {
    queue,
    segment,
    health,
    trace,
    profile,
    nodes,
    clients,
    api,
    contested,
    joinedAt: () => joinedAt,
    lossyUntil: () => {
      for (const name of nodes.keys()) if (port(name).link.loss > 0) return queue.now();
      return lossChangedAt;
    },
    isLeaving: (name) =>
      leaving.has(name) || stopping.has(name) || node(name).isDrained() || isExcluded(name),
    isStopping: (name) => stopping.has(name),
    lateHelloAt: () => lateHelloAt,
    toldAt: (name) => toldAt.get(name) ?? Number.NEGATIVE_INFINITY,
    observe: (observer) => {
      observers.push(observer);
      sentTo = observers.filter(({ onSent }) => onSent !== undefined);
      heardBy = observers.filter(({ onHeard }) => onHeard !== undefined);
    },
    node,
    port,
    run: (milliseconds) => queue.runUntil(queue.now() + milliseconds),
    use: (client, ip) => {
      each('onUse', client.name, ip);
      client.use(ip);
    },
    start: (name) =>
      act(name, 'starts', () => {
        segment.setCarrier(port(name), true);
        node(name).setCarrier(true);
        if (!node(name).isRunning()) {
          leaving.delete(name);
          stopping.delete(name);
          // What kept the threads of its last life busy is gone with it.
          busyUntil.delete(name);
          laggingUntil.delete(name);
        }
        node(name).start();
      }),
    kill: (name) => act(name, 'is killed', () => node(name).kill()),
    crash: (name) =>
      act(name, 'crashes', () => {
        node(name).crash();
        segment.setCarrier(port(name), false);
      }),
    pause: (name) => act(name, 'is paused', () => node(name).pause()),
    resume: (name) => act(name, 'resumes', () => node(name).resume()),
    stall: (name, milliseconds) =>
      busy(name, 'main thread busy', milliseconds, () => node(name).stall(milliseconds)),
    lag: (name, milliseconds) => {
      laggingUntil.set(name, queue.now() + milliseconds);
      busy(name, 'wire thread not scheduled', milliseconds, () => node(name).lag(milliseconds));
    },
    setCarrier: (name, up) =>
      act(name, up ? 'port up' : 'port down', () => {
        segment.setCarrier(port(name), up);
        node(name).setCarrier(up);
      }),
    setDeaf: (name, way) =>
      act(name, `port ${way.in ? 'drops' : 'passes'} in, ${way.out ? 'drops' : 'passes'} out`, () => {
        port(name).isDeaf = way.in;
        port(name).isMute = way.out;
      }),
    setOneWay: (from, to, isBroken) =>
      act(from, `${isBroken ? 'no longer reaches' : 'reaches again'} ${to}`, () =>
        segment.setOneWay(port(from), port(to), isBroken),
      ),
    partition: (names) =>
      act('switch', names.length === 0 ? 'joined' : `split: ${names.join(' ')} | rest`, () => {
        if (names.length === 0) joinedAt = queue.now();
        segment.partition(names);
      }),
    setLoss: (name, loss, duplication) =>
      act(
        name,
        `link loses ${(loss * 100).toFixed(0)} %, doubles ${(duplication * 100).toFixed(0)} %`,
        () => {
          const { link } = port(name);
          if (nodes.has(name) && (loss > 0 || link.loss > 0)) lossChangedAt = queue.now();
          link.loss = loss;
          link.duplication = duplication;
        },
      ),
    foreignClaim: (ip) => {
      foreignIps.add(ip);
      contested.add(ip);
      say('foreign', 'claims', ip);
      health.disturb();
      const frame = familyOf(ip) === 'ipv4' ? gratuitousRequest : unsolicitedAdvertisement;
      segment.send(foreign, frame(ip, FOREIGN_MAC));
    },
    setHushed: (isHushed) =>
      act('switch', isHushed ? 'drops hellos' : 'passes hellos', () => {
        segment.setHushed(isHushed);
        health.disturb();
      }),
    toApi: (what, name, is) =>
      act('API', `${API_WORDS[what][is ? 1 : 0]} ${name}`, () => {
        api?.[what](name, is);
        health.disturb();
      }),
    forgetDrained: (name) => node(name).forgetDrained(),
    changeService: (ip, config) => {
      say('API', config === null ? 'its Service is gone' : `its Service is ${JSON.stringify(config)}`, ip);
      contested.add(ip);
      health.disturb();
      api?.setService(ip, config);
    },
    freezeDisk: (name, milliseconds) => {
      say(name, `disk frozen for ${milliseconds.toFixed(0)} ms`);
      node(name).freezeDisk(milliseconds);
    },
    stepClock: (name, milliseconds) => {
      say(name, `clock set by ${(milliseconds / 1_000).toFixed(1)} s`);
      node(name).stepClock(milliseconds);
    },
    configure: (name, ip, config) => {
      say(name, config === null ? 'is not configured' : `is configured: ${JSON.stringify(config)}`, ip);
      contested.add(ip);
      health.disturb();
      const { services, drainWindowMs } = changes.get(name) ?? NO_CHANGE;
      changes.set(name, { services: new Map(services).set(ip, config), drainWindowMs });
      node(name).reload();
    },
    configureWindow: (name, milliseconds) => {
      say(name, `drain window ${milliseconds === null ? 'as before' : `${milliseconds} ms`}`);
      changes.set(name, { ...(changes.get(name) ?? NO_CHANGE), drainWindowMs: milliseconds });
      node(name).reload();
    },
    settle: (ip) => {
      if (!foreignIps.has(ip)) contested.delete(ip);
      health.disturb();
      disturbed();
    },
    note: say,
    injectForeign: (frame, ageMs) => {
      if (frame.kind === 'hello') {
        // Held back for a moment only, or of a birth that its listener once believed and not listing it: that is late,
        // not false. All else must do nothing at all (docs/protocol.md, Fresh).
        const present = [...births.values()];
        const windowMs = profile.deadAfterMs + FRESH_INTERVALS * profile.intervalMs;
        const isKnown = [frame.instance, ...frame.hears].some((instance) => present.includes(instance));
        const isUndated = present.some(
          (listener) =>
            believed.get(listener)?.has(frame.instance) === true && !frame.hears.includes(listener),
        );
        if ((isKnown && ageMs <= windowMs) || isUndated) {
          health.disturb();
          lateHelloAt = queue.now();
        }
      }
      segment.send(foreign, { ...frame, ethernetSource: FOREIGN_MAC });
    },
    tell: (name, input, planned) => {
      say(name, `is told ${input.type}`);
      toldAt.set(name, queue.now());
      health.disturb();
      if (input.type === 'stop.requested') stopping.add(name);
      if (input.type === 'drain.requested' && input.ips === null) leaving.add(name);
      if (input.type === 'undrain.requested') leaving.delete(name);
      each('onTold', name, input);
      if (planned !== undefined) each('onPlanned', name, planned.ip);
      node(name).tell(input);
    },
  };
};
