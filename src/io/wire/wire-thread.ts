// The wire thread: a worker that owns the packet sockets and blocks in poll, so that nothing the main thread
// does delays an answer. It only moves bytes; what to do with a frame is the wire step's word (src/machines).
import { randomBytes } from 'node:crypto';
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { Ip } from '../../machines/frames.ts';
import type { WireEvent, WireOutput } from '../../machines/wire-facts.ts';
import { createWireStep } from '../../machines/wire-step.ts';
import { createClock } from '../clock.ts';
import { type InterfaceFact, openLinkMonitor } from '../host/link-monitor.ts';
import { close, lockCode, read, SystemError, scheduleRealTime } from '../native/libc.ts';
import { isLinkLocal } from '../packets/address.ts';
import { writeFrame } from '../packets/frame.ts';
import { LONGEST_HELLO } from '../packets/hello-codec.ts';
import { createCarriedWatch } from './carried-watch.ts';
import { createFrameDecoder } from './frame-decoder.ts';
import { openPacketSocket, type PacketSocket } from './packet-socket.ts';
import { createPollSet } from './poll-set.ts';
import {
  type Advertise,
  type FromWire,
  MAIN_ALIVE_AT,
  QUIT,
  type ToWire,
  type WireThreadData,
} from './wire-protocol.ts';

/** Above ordinary tasks, below the kernel's own threads. */
const REAL_TIME_PRIORITY = 10;
/** Frames read from one socket before others get their turn. */
const FRAMES_PER_TURN = 128;
/** Pauses below this are of no interest to anybody's hold time. */
const OVERSLEPT_MS = 20;
/**
 * How long the thread stays awake after an answer: requests come in flocks, and to be woken takes longer than to
 * answer (measured: p50 24 → 11 µs). Short, since it is time at real-time priority.
 */
const LINGER_MS = 0.05;
/** How often a packet socket that could not be opened (no descriptors, no memory) is tried again. */
const REOPEN_MS = 1_000;
/** How many measurements of lateness are told together when there is no other news. */
const LATENESS_BATCH = 64;
const { origin, config, instance, hello, wakeFd, alive, flags, port } = workerData as WireThreadData;
const now = createClock(origin);
const step = createWireStep(config, instance);
let birth = instance;
const monitor = openLinkMonitor();
const interfaces = new Map<string, InterfaceFact>();
const sockets = new Map<string, PacketSocket>();
let listening: ReadonlySet<string> = new Set();

const dropped: Record<string, number> = {};
const sendErrors: Record<string, number> = {};
let framesRead = 0;
let answeredAt = 0;
let facts: { at: number; input: Extract<WireOutput, { type: 'fact' }>['input'] }[] = [];
let advertise: Advertise[] = [];
let converged: number[] = [];
let left: number[] = [];
let helloLateness: number[] = [];

// One view per length: typed arrays are costly to make, and most frames have one of three lengths.
const sending = new Uint8Array(LONGEST_HELLO);
const views = new Map<number, Uint8Array>();

const say = (message: FromWire): void => port.postMessage(message);
const decoder = createFrameDecoder(hello, (message) =>
  say({ type: 'notice', level: 'warn', code: 'hello-transport', message }),
);
const count = (table: Record<string, number>, key: string): void => {
  table[key] = (table[key] ?? 0) + 1;
};
const codeOf = (error: unknown): string => (error instanceof SystemError ? error.code : String(error));

const raiseRights = (): void => {
  for (const [code, act] of [
    ['real-time', () => scheduleRealTime(REAL_TIME_PRIORITY)],
    ['memory-lock', lockCode],
  ] as const) {
    try {
      act();
    } catch (error) {
      const message = `${(error as Error).message}: answers may be late when the host is busy`;
      say({ type: 'notice', level: 'info', code, message });
    }
  }
};

const transmit = (output: Extract<WireOutput, { type: 'send' }>): void => {
  const socket = sockets.get(output.interface);
  if (socket === undefined) return count(sendErrors, 'no-socket');
  const { frame } = output;
  const length = frame.kind === 'hello' ? decoder.writeHello(frame, sending) : writeFrame(frame, sending);
  let view = views.get(length);
  if (view === undefined) {
    view = sending.subarray(0, length);
    views.set(length, view);
  }
  const result = socket.send(view);
  if (result < 0) count(sendErrors, new SystemError('send', -result).code);
};

/** The thread was meant to run at `wantedAt` and runs at `at`: was it stopped in between? */
const noticePause = (at: number, wantedAt: number): void => {
  lastRunAt = at;
  if (at - wantedAt >= OVERSLEPT_MS) perform(at, { type: 'overslept', byMs: at - wantedAt });
};

let lastRunAt = now();
const perform = (at: number, event: WireEvent): void => {
  // A stop in the midst of work: no single event takes that long.
  if (at - lastRunAt >= OVERSLEPT_MS) noticePause(at, lastRunAt);
  lastRunAt = at;
  for (const output of step.step(at, event)) {
    switch (output.type) {
      case 'send':
        transmit(output);
        if (event.type === 'frame' && event.frame.kind !== 'hello') answeredAt = at;
        break;
      case 'fact':
        facts.push({ at, input: output.input });
        break;
      case 'advertise':
        advertise.push({ interface: output.interface, ip: output.ip, mac: output.mac });
        break;
      case 'converged':
        converged.push(output.afterMs);
        break;
      case 'left':
        left.push(...output.tookMs);
        break;
      case 'look.back':
        lookBack();
        break;
      case 'rebirth':
        beBorn();
        break;
    }
  }
};

/** What is read beyond this many frames would change nothing any more (oversleep.ts). */
const MAX_LOOKED_BACK = 1_024;

/** Steps what queued while this thread did not run. */
const lookBack = (): void => {
  const before = framesRead;
  for (const socket of sockets.values()) {
    for (let last = -1; last !== framesRead && framesRead - before < MAX_LOOKED_BACK; ) {
      last = framesRead;
      readFrames(socket);
    }
  }
  perform(now(), { type: 'looked.back', frames: framesRead - before });
};

/** Throws away what queued under the old birth (what is read first after a pause is stale), then starts anew. */
const beBorn = (): void => {
  for (const socket of sockets.values()) socket.discard();
  birth = randomBytes(8).toString('hex');
  perform(now(), { type: 'born', instance: birth });
};

/** Interfaces on which no packet socket could be opened, and why. */
const unopened: Record<string, string> = {};
let reopenAt = Number.POSITIVE_INFINITY;

const openSocket = (fact: InterfaceFact): void => {
  try {
    sockets.set(fact.name, openPacketSocket(fact.name, fact.index));
    delete unopened[fact.name];
  } catch (error) {
    if (unopened[fact.name] === undefined) {
      const message = `${fact.name}: no packet socket (${codeOf(error)}); tried again every second`;
      say({ type: 'notice', level: 'warn', code: 'packet-socket', message });
    }
    unopened[fact.name] = codeOf(error);
    reopenAt = now() + REOPEN_MS;
  }
};

const closeSocket = (name: string): void => {
  sockets.get(name)?.close();
  sockets.delete(name);
};

/** Opens and closes packet sockets until they match the interfaces that exist and are wanted. */
const matchSockets = (): void => {
  for (const [name, socket] of sockets) {
    if (interfaces.get(name)?.index !== socket.index || !listening.has(name)) closeSocket(name);
  }
  for (const name of listening) {
    const fact = interfaces.get(name);
    if (fact !== undefined && !sockets.has(name)) openSocket(fact);
  }
  listPollFds();
};

const carriedWatch = createCarriedWatch();
let watchedVersion = 0;
let isBlind = false;

/** Opens and closes the sockets that see clients of draining IPs until they match what drains here. */
const matchCarried = (): void => {
  const version = step.carriedVersion();
  if (version === watchedVersion) return;
  watchedVersion = version;
  const wanted = new Map<string, { index: number; ips: readonly Ip[] }>();
  for (const [name, list] of step.carried()) {
    const index = interfaces.get(name)?.index;
    if (index !== undefined) wanted.set(name, { index, ips: list });
  }
  const [failure] = carriedWatch.match(wanted);
  if (failure !== undefined && !isBlind) {
    say({ type: 'notice', level: 'warn', code: 'carried', message: failure });
  }
  isBlind = failure !== undefined;
};

const lookForCarried = (): void => {
  const due = carriedWatch.nextAt();
  const at = now();
  if (due === null || at < due) return;
  carriedWatch.look(at, (name, { mac, source, destination: ip }) =>
    perform(now(), { type: 'carried', interface: name, ip, from: { mac, source } }),
  );
};

const WAKE = 0;
const LINKS = 1;
const FIRST_SOCKET = 2;
let pollSockets: readonly PacketSocket[] = [];
let pollSet = createPollSet([wakeFd, monitor.fd]);

const listPollFds = (): void => {
  pollSockets = [...sockets.values()];
  pollSet = createPollSet([wakeFd, monitor.fd, ...pollSockets.map(({ fd }) => fd)]);
};

/** Pods come and go on a Kubernetes node; only interfaces that could carry a service IP are news. */
const matters = (fact: InterfaceFact): boolean =>
  interfaces.has(fact.name) || listening.has(fact.name) || fact.prefixes.some(({ ip }) => !isLinkLocal(ip));

const readLinks = (): void => {
  const at = now();
  for (const fact of monitor.read()) {
    if (!matters(fact)) continue;
    const { gone, ...rest } = fact;
    if (gone) {
      interfaces.delete(fact.name);
      perform(at, { type: 'link.gone', name: fact.name });
    } else {
      interfaces.set(fact.name, fact);
      perform(at, { type: 'link.changed', interface: rest });
    }
  }
  matchSockets();
};

const report = (id: number): void => {
  const answering = step.answering();
  const clients = step.clients();
  const lastHeard = step.lastHeard();
  const staleClients = step.staleClients(now());
  const counters = structuredClone(step.counters);
  say({
    type: 'report',
    id,
    report: {
      counters,
      dropped,
      sendErrors,
      unopened,
      framesRead,
      otherTransport: decoder.otherTransport(now()),
      answering,
      clients,
      staleClients,
      lastHeard,
    },
  });
};

const obey = ({ command, birth }: Extract<ToWire, { type: 'command' }>): void => {
  if (command.type === 'listen') {
    listening = new Set(command.interfaces);
    matchSockets();
  }
  perform(now(), { type: 'command', command, birth });
};

const observe = (id: number): void => {
  const observed = {
    ...decoder.observed(),
    at: now(),
    birth,
    transport: decoder.transport(),
    listening: [...sockets.keys()],
    slowClients: step.slowClients(),
  };
  say({ type: 'observed', id, observed });
};

const wakeBytes = new Uint8Array(64);
const obeyMain = (): void => {
  while (read(wakeFd, wakeBytes) === wakeBytes.length);
  for (
    let received = receiveMessageOnPort(port);
    received !== undefined;
    received = receiveMessageOnPort(port)
  ) {
    const message = received.message as ToWire;
    if (message.type === 'command') obey(message);
    else if (message.type === 'report') report(message.id);
    else if (message.type === 'observe') observe(message.id);
    else decoder.setSecrets(message.hello);
  }
};

const readFrames = (socket: PacketSocket): void => {
  for (let index = 0; index < FRAMES_PER_TURN; index += 1) {
    const length = socket.receive(decoder.bytes);
    if (length === 0) return;
    if (length < 0) return count(sendErrors, new SystemError('recv', -length).code);
    framesRead += 1;
    const frame = decoder.decode(length);
    const at = now();
    decoder.note(at, socket.name, frame);
    if (frame.kind === 'dropped') count(dropped, frame.reason);
    else perform(at, { type: 'frame', interface: socket.name, frame });
  }
};

const reportNews = (): void => {
  const isQuiet = facts.length + advertise.length + converged.length + left.length === 0;
  if (isQuiet && helloLateness.length < LATENESS_BATCH) return;
  say({ type: 'news', facts, advertise, converged, left, helloLateness });
  facts = [];
  advertise = [];
  converged = [];
  left = [];
  helloLateness = [];
};

let heardMainAt = 0;
const hearMain = (): void => {
  const at = alive[MAIN_ALIVE_AT] as number;
  if (at === heardMainAt) return;
  heardMainAt = at;
  perform(now(), { type: 'main.alive', at });
};

/** Milliseconds until the next deadline, rounded up; -1 to wait for a frame or a wake-up only; 0 to linger. */
const patience = (deadline: number | null): number => {
  const at = now();
  if (at - answeredAt < LINGER_MS) return 0;
  const lookAt = carriedWatch.nextAt() ?? Number.POSITIVE_INFINITY;
  const next = Math.min(deadline ?? Number.POSITIVE_INFINITY, reopenAt, lookAt);
  return next === Number.POSITIVE_INFINITY ? -1 : Math.max(0, Math.ceil(next - at));
};

const run = (): void => {
  for (;;) {
    const wanted = step.nextDeadline();
    // Reading links may open and close sockets: what was polled is what is looked at.
    const [polled, readable] = [pollSet, pollSockets];
    polled.wait(patience(wanted));
    if (Atomics.load(flags, QUIT) !== 0) return;
    const woke = now();
    if (wanted !== null && woke > wanted) helloLateness.push(woke - wanted);
    noticePause(woke, Math.max(lastRunAt, wanted ?? woke));
    hearMain();
    // Commands first: what has been released is not answered for once more.
    if (polled.isReady(WAKE)) obeyMain();
    if (polled.isReady(LINKS)) readLinks();
    for (const [index, socket] of readable.entries()) {
      if (sockets.get(socket.name) === socket && polled.isReady(FIRST_SOCKET + index)) readFrames(socket);
    }
    lookForCarried();
    const deadline = step.nextDeadline();
    if (deadline !== null && deadline <= now()) perform(now(), { type: 'clock' });
    if (reopenAt <= now()) {
      reopenAt = Number.POSITIVE_INFINITY;
      matchSockets();
    }
    matchCarried();
    reportNews();
  }
};

raiseRights();
run();
for (const name of [...sockets.keys()]) closeSocket(name);
carriedWatch.close();
monitor.close();
close(wakeFd);
port.close();
