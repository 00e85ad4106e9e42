// One segment of the simulated world: its switch, the nodes' ports on it, its clients, who is well there, and who
// watches. The nodes themselves are on several (world.ts).
import { familyOf, type Ip } from '../../src/machines/frames.ts';
import { instanceOn } from '../../src/machines/hello.ts';
import { gratuitousRequest, unsolicitedAdvertisement } from '../../src/machines/neighbor-frames.ts';
import { type Client, type ClientKind, createClient } from './client.ts';
import type { EventQueue } from './event-queue.ts';
import { createHealth, type Health } from './health.ts';
import {
  type ClusterProfile,
  clientAddresses,
  clientMac,
  clientName,
  FOREIGN_MAC,
  INTERFACES,
} from './profile.ts';
import type { Random } from './random.ts';
import { createSegment, type Link, type Port, type Segment } from './segment.ts';
import type { SimHello, WireFrame } from './sim-frames.ts';
import type { SimNode } from './sim-node.ts';
import type { Trace } from './trace.ts';
import type { World } from './world.ts';
import type { WorldObserver } from './world-observer.ts';

export interface SideParts {
  readonly index: number;
  readonly queue: EventQueue;
  readonly trace: Trace;
  readonly random: Random;
  /** With the IPs of this segment. */
  readonly profile: ClusterProfile;
  readonly clients: readonly ClientKind[];
  readonly link: () => Link;
  readonly ageMs: number;
  readonly contested: Set<Ip>;
  readonly foreignIps: Set<Ip>;
  readonly say: (who: string, what: string, ip?: Ip | null) => void;
  readonly isAbsent: (name: string) => boolean;
  readonly isBusy: (name: string) => boolean;
  readonly isLagging: (name: string) => boolean;
  /** Something was done here. */
  readonly onDisturbed: () => void;
}

export interface Side {
  readonly interfaceName: string;
  readonly ips: ReadonlySet<Ip>;
  /** Those that are on this segment. */
  readonly nodes: ReadonlyMap<string, SimNode>;
  readonly segment: Segment;
  readonly health: Health;
  /** What faults and checkers see of this segment. */
  readonly seen: Pick<
    World,
    | 'segment'
    | 'health'
    | 'profile'
    | 'nodes'
    | 'clients'
    | 'lossyUntil'
    | 'joinedAt'
    | 'lateHelloAt'
    | 'observe'
    | 'port'
    | 'use'
    | 'setCarrier'
    | 'setDeaf'
    | 'setOneWay'
    | 'partition'
    | 'setLoss'
    | 'foreignClaim'
    | 'setHushed'
    | 'injectForeign'
  >;
  each<K extends keyof WorldObserver>(hook: K, ...args: Parameters<NonNullable<WorldObserver[K]>>): void;
  port(name: string): Port;
  attach(node: SimNode): void;
  /** A frame leaves the node, whose number is `index`. */
  send(name: string, index: number, frame: WireFrame): void;
  hear(name: string, frame: WireFrame): void;
  /** The node has a new birth. */
  born(name: string, instance: string): void;
}

/** Intervals beyond the hold time in which a hello may be late: those of the wire step, one more for the way. */
const FRESH_INTERVALS = 3;

/** The frame's kind as a number, for the hash. */
const KIND: Readonly<Record<string, number>> = { arp: 1, ns: 2, na: 3, hello: 4, data: 5 };

export const createSide = (parts: SideParts): Side => {
  const { index, queue, trace, random, profile, say, isAbsent, contested, foreignIps } = parts;
  const interfaceName = INTERFACES[index] as string;
  const nodes = new Map<string, SimNode>();
  const observers: WorldObserver[] = [];
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
  let lossChangedAt = Number.NEGATIVE_INFINITY;
  let joinedAt = Number.NEGATIVE_INFINITY;
  let [sentTo, heardBy]: [WorldObserver[], WorldObserver[]] = [[], []];
  const each: Side['each'] = (hook, ...args) => {
    for (const observer of observers)
      (observer[hook] as ((...all: typeof args) => void) | undefined)?.(...args);
  };

  const segment = createSegment({
    queue,
    random: random.split(index === 0 ? 'segment' : `segment ${index}`),
    ageMs: parts.ageMs,
    onLost: (from, to, frame) => each('onLost', from.name, to.name, frame),
  });

  const addClient = (kind: ClientKind, place: number): readonly Client[] => {
    const name = clientName(place, index);
    if (isAbsent(name)) {
      // Those after it keep the links that were drawn for them.
      parts.link();
      return [];
    }
    const port: Port = segment.attach(name, parts.link(), (frame) => client.receive(frame), false);
    const client = createClient({
      name,
      kind,
      mac: clientMac(place, index),
      ...clientAddresses(place, index),
      queue,
      random: random.split(name),
      send: (frame) => segment.send(port, frame),
    });
    return [client];
  };
  const clients = parts.clients.flatMap(addClient);
  const foreign = segment.attach(
    'foreign',
    { delayMs: 0.1, jitterMs: 0, loss: 0, duplication: 0 },
    () => {},
    false,
  );
  const health = createHealth(queue, segment, nodes, parts.isBusy, parts.isLagging);

  const port = (name: string): Port => {
    const found = segment.ports.get(name);
    if (found === undefined)
      throw new Error(`no ${name} on this segment: ${[...segment.ports.keys()].join(', ')}`);
    return found;
  };
  /** Does something to the segment: said, performed, and taken into account. */
  const act = (who: string, what: string, run: () => void): void => {
    say(who, index === 0 ? what : `${what} (${interfaceName})`);
    run();
    parts.onDisturbed();
  };

  const seen: Side['seen'] = {
    segment,
    health,
    profile,
    nodes,
    clients,
    port,
    joinedAt: () => joinedAt,
    lossyUntil: () => {
      for (const name of nodes.keys()) if (port(name).link.loss > 0) return queue.now();
      return lossChangedAt;
    },
    lateHelloAt: () => lateHelloAt,
    observe: (observer) => {
      observers.push(observer);
      sentTo = observers.filter(({ onSent }) => onSent !== undefined);
      heardBy = observers.filter(({ onHeard }) => onHeard !== undefined);
    },
    use: (client, ip) => {
      each('onUse', client.name, ip);
      client.use(ip);
    },
    setCarrier: (name, up) =>
      act(name, up ? 'port up' : 'port down', () => {
        segment.setCarrier(port(name), up);
        nodes.get(name)?.setCarrier(interfaceName, up);
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
  };

  return {
    interfaceName,
    ips: new Set(profile.ips),
    nodes,
    segment,
    health,
    seen,
    each,
    port,
    attach: (node) => {
      nodes.set(node.name, node);
      segment.attach(node.name, parts.link(), (frame) => node.receive(interfaceName, frame));
    },
    send: (name, number, frame) => {
      trace.mix(queue.now() * 1000 + number * 8 + (KIND[frame.kind] ?? 7));
      for (const observer of sentTo) observer.onSent?.(name, frame);
      segment.send(port(name), frame);
    },
    hear: (name, frame) => {
      if (frame.kind === 'hello') believe(births.get(name) ?? '', frame);
      for (const observer of heardBy) observer.onHeard?.(name, frame);
    },
    born: (name, instance) => {
      births.set(name, instanceOn(instance, interfaceName));
      each('onBirth', name, instance);
    },
  };
};
