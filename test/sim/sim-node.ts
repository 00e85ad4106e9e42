// One simulated node: its kernel, and life after life of its process (the real core and the real wire step in
// their loops). It can be started, killed, paused, stalled and cut; it keeps a record of every life.

import type { Prefix } from '../../src/machines/addresses.ts';
import type { CoreConfig, ServiceIpConfig } from '../../src/machines/config.ts';
import type { Core, CoreCheckpoint } from '../../src/machines/core.ts';
import type { Effect } from '../../src/machines/effects.ts';
import type { Ip, Mac } from '../../src/machines/frames.ts';
import { unsolicitedAdvertisement } from '../../src/machines/neighbor-frames.ts';
import type { RecordedStep } from '../../src/machines/replay.ts';
import type { WireConfig } from '../../src/machines/wire-facts.ts';
import { createSimAgent, type SimAgent } from './api/sim-agent.ts';
import type { SimApi } from './api/sim-api.ts';
import { inPreviousDialect } from './dialect.ts';
import type { EventQueue } from './event-queue.ts';
import type { Latencies } from './latencies.ts';
import { createNodeClock, type NodeClock } from './node-clock.ts';
import type { Random } from './random.ts';
import { createSimDisk } from './sim-disk.ts';
import type { SimFrame, WireFrame } from './sim-frames.ts';
import { createSimKernel } from './sim-kernel.ts';
import { createSimMain, type SimMain } from './sim-main.ts';
import { type Advertise, createSimWire, type SimWire } from './sim-wire.ts';

/** What the world learns of a node. */
export interface NodeObserver {
  onSend(interfaceName: string, frame: WireFrame): void;
  onAnswer(ip: Ip, isAnswering: boolean): void;
  /** `agoMs`: since the logical time of the step. */
  onEffects(agoMs: number, effects: readonly Effect[]): void;
  onFrame(interfaceName: string, frame: WireFrame): void;
  onQueued(interfaceName: string, frame: WireFrame): void;
  onBirth(instance: string): void;
  onData(ip: Ip, client: string, sentAt: number): void;
  onExit(): void;
  /** What it takes for true of the cluster is otherwise now. */
  onLearned(): void;
}

export interface NodeSetup {
  readonly name: string;
  readonly mac: Mac;
  readonly interfaces: readonly { readonly name: string; readonly prefixes: readonly Prefix[] }[];
  /** The configuration file, as it is now. */
  readonly core: () => CoreConfig;
  readonly wireConfig: () => WireConfig;
  readonly queue: EventQueue;
  readonly random: Random;
  readonly latencies: Latencies;
  /** 1 is exact; 1.0001 runs 100 ppm fast. */
  readonly clockRate: number;
  readonly clockOffsetMs: number;
  readonly bufferFrames: number;
  /** Its next life is one of the version before (dialect.ts). */
  readonly isPrevious: () => boolean;
  readonly observer: NodeObserver;
  /** Null: standalone. */
  readonly api: SimApi | null;
}

/** One life of the process, as its journal would tell it. */
export interface Life {
  readonly instance: string;
  readonly from: CoreCheckpoint;
  readonly steps: readonly RecordedStep[];
  readonly core: Core;
}

export interface SimNode {
  readonly name: string;
  readonly mac: Mac;
  readonly lives: readonly Life[];
  isRunning(): boolean;
  isPaused(): boolean;
  isStalled(): boolean;
  /** Remembers over restarts that it is drained. */
  isDrained(): boolean;
  /** The operator lifts the drain of a node that does not run. */
  forgetDrained(): void;
  /** Since the main thread's last sign of life, by the node's own clock; 0 when nothing runs. */
  sinceLifeMs(): number;
  /** Answers ARP and NDP for the IP now: its process runs and its wire step would. */
  isAnswering(ip: Ip): boolean;
  /** The kernel takes packets for it. */
  accepts(ip: Ip): boolean;
  core(): Core | null;
  /** Kubernetes' part of its present life. */
  agent(): SimAgent | null;
  start(): void;
  /** SIGKILL: the process is gone, the kernel keeps what it was given. */
  kill(): void;
  /** The whole host is gone. */
  crash(): void;
  pause(): void;
  resume(): void;
  /** The main thread is busy; the wire thread goes on. */
  stall(milliseconds: number): void;
  /** The wire thread is not scheduled; the main thread goes on. */
  lag(milliseconds: number): void;
  /** What is written to the journal reaches the kernel late. */
  freezeDisk(milliseconds: number): void;
  /** The wall clock is set; a process that runs does not notice (its logical time is monotonic). */
  stepClock(milliseconds: number): void;
  /** Reads the configuration again, if it runs. */
  reload(): void;
  /** SIGTERM, or any other word of the operator that is an input. */
  tell(input: Parameters<SimMain['tell']>[0]): void;
  setCarrier(interfaceName: string, up: boolean): void;
  receive(interfaceName: string, frame: SimFrame): void;
}

const asItIs = <F extends WireFrame>(frame: F): F => frame;

const SOLICITED_NODE_MAC = '33:33:ff';

export const createSimNode = (setup: NodeSetup): SimNode => {
  const { queue, latencies, observer, mac } = setup;
  const kernel = createSimKernel(queue, latencies.address);
  const lives: Life[] = [];
  let main: SimMain | null = null;
  let wire: SimWire | null = null;
  let agent: SimAgent | null = null;
  /** In the journal, which outlives the process. */
  const lastKnown = new Map<Ip, ServiceIpConfig>();
  let { clockOffsetMs } = setup;
  const disk = createSimDisk(queue);
  let clock: NodeClock = createNodeClock(queue, setup.clockRate, clockOffsetMs);
  const links = setup.interfaces.map(({ name, prefixes }, index) => ({
    ...{ name, prefixes, index: index + 2, mac },
    up: true,
  }));
  let isPaused = false;
  /** Interfaces with an open packet socket. */
  let listening: readonly string[] = [];
  let listeningNext: readonly string[] = [];
  let stalledUntil = 0;
  /** Kept over restarts. */
  let isDrained = false;
  /** The instance that the main thread knows of. */
  let birth = '';
  let speak: <F extends WireFrame>(frame: F) => F = asItIs;

  /** A level that is late when its turn comes is read as it is then. */
  const readCarriers = (which: typeof links): void => {
    for (const link of which) wire?.link({ ...link });
  };

  /** raw-socket sends from the main thread, which may have run late: only what is still held is said. */
  const advertise = (items: readonly Advertise[]): void => {
    if (main?.isHeldBack() === true) return;
    for (const { ip, interface: on } of items) {
      if (main?.core.wants({ type: 'announce', ip, interface: on }) !== true) continue;
      observer.onSend(on, unsolicitedAdvertisement(ip, mac));
    }
  };

  const perform = (effects: readonly Effect[]): void => {
    const added: Ip[] = [];
    const removed: Ip[] = [];
    const [life, thread] = [main, wire];
    // As in src/io/wire/wire.ts: whoever posts lives.
    thread?.showLife(clock.now());
    for (const effect of effects) {
      switch (effect.type) {
        case 'address.add':
          added.push(effect.ip);
          break;
        case 'address.remove':
          removed.push(effect.ip);
          break;
        case 'group.join':
          kernel.join(effect.ip);
          break;
        case 'group.leave':
          kernel.leave(effect.ip);
          break;
        case 'listen': {
          thread?.command(effect, birth);
          // Of two orders on their way the newer one counts, whichever latency was drawn for it.
          listeningNext = effect.interfaces;
          queue.after(latencies.command(), () => {
            if (wire === thread) listening = listeningNext;
          });
          break;
        }
        case 'carry':
          thread?.command(effect, birth);
          // Simulated clients have no connections.
          if (effect.patient) thread?.command({ type: 'connections', remotes: [[effect.ip, []]] }, birth);
          break;
        case 'record':
          agent?.changed(effect.ip);
          break;
        case 'reserve':
          agent?.reserve(effect);
          break;
        case 'remember.drained':
          isDrained = effect.drained;
          break;
        case 'refuse':
          queue.after(latencies.mainTurn(), () => {
            if (main === life) endProcess();
          });
          break;
        case 'exit':
          queue.after(latencies.mainTurn(), () => {
            if (main !== life) return;
            agent?.end(true);
            endProcess();
            kernel.clear();
          });
          break;
        case 'answer.start':
          agent?.changed(effect.ip);
          thread?.command(effect, birth);
          break;
        default:
          // All others are the wire step's; a new effect that is not fails to compile here.
          thread?.command(effect, birth);
      }
    }
    if (added.length > 0) {
      kernel.add(added, (ips) => {
        if (main === life) life?.tell({ type: 'addresses.confirmed', ips });
      });
    }
    if (removed.length > 0) kernel.remove(removed);
  };

  const endProcess = (): void => {
    if (main === null) return;
    const thread = wire;
    main.end();
    agent?.end(false);
    agent = null;
    main = null;
    wire = null;
    isPaused = false;
    listening = [];
    kernel.closeSockets();
    // Said before the answers go, so that nobody wonders why they do.
    observer.onExit();
    thread?.end();
  };

  const start = (): void => {
    if (main !== null) return;
    // The next start finds and cleans what the last one left (facts.md).
    kernel.clear();
    clock = createNodeClock(queue, setup.clockRate, clockOffsetMs);
    stalledUntil = 0;
    const random = setup.random.split(`life ${lives.length}`);
    const word = (): string =>
      Math.floor(random.next() * 2 ** 32)
        .toString(16)
        .padStart(8, '0');
    const instance = word() + word();
    birth = instance;
    let pendingAdvertise: Advertise[] = [];
    const config = setup.wireConfig();
    speak = setup.isPrevious() ? inPreviousDialect : asItIs;
    const life = createSimMain({
      queue,
      clock,
      latencies,
      watchdogMs: config.watchdogMs,
      journalWaitMs: disk.waitMs,
      onLife: (at) => wire?.showLife(at),
      perform,
      onStep: (at, effects) => observer.onEffects(clock.now() - at, effects),
    });
    main = life;
    wire = createSimWire({
      queue,
      clock,
      config,
      instance,
      drawInstance: () => word() + word(),
      latencies,
      bufferFrames: setup.bufferFrames,
      onSend: (name, frame) => observer.onSend(name, speak(frame)),
      onFacts: (facts, items) => {
        for (const { input } of facts) {
          if (input.type !== 'wire.reborn') continue;
          birth = input.instance;
          observer.onBirth(birth);
        }
        if (facts.length > 0) life.tellAll(facts);
        if (items.length === 0) return;
        pendingAdvertise.push(...items);
        if (pendingAdvertise.length > items.length) return;
        life.whenFree(() => {
          const due = pendingAdvertise;
          pendingAdvertise = [];
          advertise(due);
        });
      },
      onAnswer: observer.onAnswer,
    });
    lives.push({ instance, from: life.from, steps: life.steps, core: life.core });
    observer.onBirth(instance);
    life.tell({ type: 'node.started', instance, version: 'simulated', drained: isDrained });
    life.tell({ type: 'config.loaded', config: setup.core() });
    queue.after(latencies.carrier(), () => readCarriers(links));
    const { api, name: node } = setup;
    if (api === null) return;
    agent = createSimAgent({ api, node, instance, life, queue, lastKnown, onLearned: observer.onLearned });
  };

  return {
    name: setup.name,
    mac,
    lives,
    isRunning: () => main !== null,
    isPaused: () => isPaused,
    isStalled: () => main !== null && queue.now() < stalledUntil,
    isDrained: () => isDrained,
    forgetDrained: () => {
      isDrained = false;
    },
    sinceLifeMs: () => (wire === null ? 0 : clock.now() - wire.aliveAt()),
    isAnswering: (ip) => wire !== null && !isPaused && wire.answering.has(ip),
    accepts: kernel.accepts,
    core: () => main?.core ?? null,
    agent: () => agent,
    start,
    kill: endProcess,
    crash: () => {
      endProcess();
      kernel.clear();
    },
    pause: () => {
      isPaused = main !== null;
      main?.pause();
      wire?.pause();
    },
    resume: () => {
      if (!isPaused) return;
      isPaused = false;
      // Which thread runs first is the scheduler's choice.
      const first = setup.random.chance(0.5);
      if (first) main?.resume();
      wire?.resume();
      if (!first) main?.resume();
    },
    stall: (milliseconds) => {
      stalledUntil = Math.max(stalledUntil, queue.now() + milliseconds);
      main?.stallUntil(stalledUntil);
    },
    lag: (milliseconds) => wire?.lag(milliseconds),
    freezeDisk: disk.freeze,
    stepClock: (milliseconds) => {
      clockOffsetMs += milliseconds;
    },
    reload: () => {
      wire?.command({ type: 'configure', config: setup.wireConfig() }, birth);
      main?.tell({ type: 'config.loaded', config: setup.core() });
    },
    tell: (input) => main?.tell(input),
    setCarrier: (name, up) => {
      const changed = links.filter((link) => link.name === name);
      for (const link of changed) link.up = up;
      queue.after(latencies.carrier(), () => readCarriers(changed));
    },
    receive: (name, frame) => {
      const destination = frame.ethernetDestination;
      if (frame.kind === 'data') {
        if (destination !== mac) return;
        if (kernel.accepts(frame.ip)) observer.onData(frame.ip, frame.client, frame.sentAt);
        const { ip, ethernetSource, source } = frame;
        if (!isPaused) wire?.seeCarried(name, ip, { mac: ethernetSource, source });
        return;
      }
      if (wire === null || !listening.includes(name)) return;
      if (destination.startsWith(SOLICITED_NODE_MAC) && !kernel.isMember(destination)) return;
      // A full queue drops it: nobody has heard it then.
      if (wire.isFull()) return;
      const heard = speak(frame);
      if (isPaused) observer.onQueued(name, heard);
      else observer.onFrame(name, heard);
      wire.hear(name, heard);
    },
  };
};
