// Asks for service IPs as clients do (ARP requests, multicast Neighbor Solicitations) and measures how late the
// answers come. To be run in a client's namespace, with CAP_NET_RAW. Prints one JSON object when it is done.
// Usage: answer-load.ts [--interface eth0] [--duration 1000] [--rate N | --outstanding N] [--spin] IP...
//   --rate: requests a second, whatever is answered; otherwise a closed loop with N requests out at any time.
//   --spin: never sleep while an answer is out, so that the measurer's own waking up is not measured.
import { networkInterfaces } from 'node:os';
import { parseArgs } from 'node:util';
import { interfaceIndex, POLLIN, poll, SystemError, scheduleRealTime } from '../src/io/native/libc.ts';
import { encodeFrame } from '../src/io/packets/frame.ts';
import { openPacketSocket } from '../src/io/wire/packet-socket.ts';
import { multicastMac, solicitedNodeAddress } from '../src/machines/addresses.ts';
import { BROADCAST_MAC, familyOf, type Ip, type NeighborFrame, ZERO_MAC } from '../src/machines/frames.ts';

/** Not answered within this time: lost. */
const LOST_AFTER_MS = 1_000;
/** Below that of the wire thread (10), which must not be measured against its own measurer. */
const REAL_TIME_PRIORITY = 5;
const MAX_FRAME = 2_048;

/** What one run found; latencies from the sending of a request to the reading of its answer. */
export interface AnswerLoad {
  readonly sent: number;
  readonly answered: number;
  readonly lost: number;
  /** Answers that nobody had asked for (any more). */
  readonly surplus: number;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly maxUs: number | null;
  readonly answersPerSecond: number;
  /** The measurer's own worst delay in sending: with `--rate` a latency is only as certain as this is small. */
  readonly lateMaxUs: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    interface: { type: 'string', default: 'eth0' },
    duration: { type: 'string', default: '1000' },
    rate: { type: 'string' },
    outstanding: { type: 'string', default: '1' },
    spin: { type: 'boolean', default: false },
  },
});
const durationMs = Number(values.duration);
const periodMs = values.rate === undefined ? null : 1_000 / Number(values.rate);
const outstanding = periodMs === null ? Number(values.outstanding) : Number.POSITIVE_INFINITY;
if (positionals.length === 0) throw new Error('name the IPs to ask for');

const own = networkInterfaces()[values.interface] ?? [];
const source = (family: 'IPv4' | 'IPv6'): Ip => {
  const found = own.find((entry) => entry.family === family && !entry.address.startsWith('fe80:'));
  if (found === undefined) throw new Error(`${values.interface} has no ${family} address`);
  return found.address;
};
const mac = own[0]?.mac ?? ZERO_MAC;
const macBytes = Buffer.from(mac.replaceAll(':', ''), 'hex');

const requestFor = (ip: Ip): NeighborFrame => {
  if (familyOf(ip) === 'ipv4') {
    const ends = { ethernetSource: mac, ethernetDestination: BROADCAST_MAC };
    return {
      kind: 'arp',
      ...ends,
      operation: 'request',
      sha: mac,
      spa: source('IPv4'),
      tha: ZERO_MAC,
      tpa: ip,
    };
  }
  const destination = solicitedNodeAddress(ip);
  const ends = { ethernetSource: mac, ethernetDestination: multicastMac(destination) };
  return {
    kind: 'ns',
    ...ends,
    source: source('IPv6'),
    destination,
    target: ip,
    sourceLinkLayerAddress: mac,
  };
};

/** The bytes of the address that an answer is about, as a key; null: the frame is no answer. */
const answeredAddress = (frame: Buffer, length: number): string | null => {
  // Announcements go to groups, answers to whoever asked.
  if (length < 42 || frame.compare(macBytes, 0, 6, 0, 6) !== 0) return null;
  const etherType = frame.readUInt16BE(12);
  if (etherType === 0x0806) return frame.readUInt16BE(20) === 2 ? frame.toString('latin1', 28, 32) : null;
  const isAdvertisement = etherType === 0x86dd && length >= 78 && frame[20] === 58 && frame[54] === 136;
  return isAdvertisement ? frame.toString('latin1', 62, 78) : null;
};

interface Target {
  readonly request: Uint8Array;
  /** When each request that is still unanswered was sent: answers come in the order of the requests. */
  readonly open: number[];
}

const targets: Target[] = [];
const byAddress = new Map<string, Target>();
for (const ip of positionals) {
  const request = encodeFrame(requestFor(ip));
  const target = { request, open: [] };
  targets.push(target);
  const bytes = Buffer.from(request);
  byAddress.set(
    familyOf(ip) === 'ipv4' ? bytes.toString('latin1', 38, 42) : bytes.toString('latin1', 62, 78),
    target,
  );
}

const socket = openPacketSocket(values.interface, interfaceIndex(values.interface));
const pollEntry = new DataView(new ArrayBuffer(8));
pollEntry.setInt32(0, socket.fd, true);
pollEntry.setInt16(4, POLLIN, true);
const pollFds = new Uint8Array(pollEntry.buffer);
const frame = Buffer.alloc(MAX_FRAME);
const cell = new Int32Array(new SharedArrayBuffer(4));
const now = (): number => performance.now();

const latenciesUs: number[] = [];
let sent = 0;
let waiting = 0;
let surplus = 0;
let lost = 0;

const readAnswers = (): void => {
  for (let length = socket.receive(frame); length > 0; length = socket.receive(frame)) {
    const address = answeredAddress(frame, length);
    const target = address === null ? undefined : byAddress.get(address);
    if (target === undefined) continue;
    const sentAt = target.open.shift();
    if (sentAt === undefined) {
      surplus += 1;
      continue;
    }
    waiting -= 1;
    latenciesUs.push((now() - sentAt) * 1_000);
  }
};

/** How often requests are looked through for lost ones: with thousands of IPs a look costs more than an answer. */
const EXPIRE_EVERY_MS = 50;
let expiredAt = 0;
const expire = (at: number): void => {
  if (at - expiredAt < EXPIRE_EVERY_MS) return;
  expiredAt = at;
  for (const { open } of targets) {
    while (open.length > 0 && (open[0] as number) < at - LOST_AFTER_MS) {
      open.shift();
      waiting -= 1;
      lost += 1;
    }
  }
};

const ask = (): void => {
  const target = targets[sent % targets.length] as Target;
  target.open.push(now());
  socket.send(target.request);
  sent += 1;
  waiting += 1;
};

/**
 * Until an answer is there or `until` has come. `spin`: without sleeping, so that the measurer's own waking up, some
 * ten µs, is no part of the latency (the kernel answers before `send` returns, and would be spared it).
 */
const awaitAnswer = (until: number): void => {
  const before = waiting;
  if (!values.spin) {
    poll(pollFds, 1, Math.max(1, Math.floor(until - now())));
    return readAnswers();
  }
  while (waiting === before && now() < until) readAnswers();
};

/** Until `due`: reading while answers are out, else asleep with the precision of the kernel's timers. */
const waitUntil = (due: number): void => {
  for (let left = due - now(); left > 0; left = due - now()) {
    if (waiting === 0) Atomics.wait(cell, 0, 0, left);
    else awaitAnswer(due);
  }
};

try {
  // Who spins at real-time priority keeps the kernel's own ksoftirqd from delivering what it waits for.
  if (!values.spin) scheduleRealTime(REAL_TIME_PRIORITY);
} catch (failure) {
  if (!(failure instanceof SystemError)) throw failure; // Not permitted: lateMaxUs tells what it cost.
}
const start = now();
const end = start + durationMs;
let lateMaxUs = 0;
if (periodMs === null) {
  while (now() < end) {
    while (waiting < outstanding) ask();
    awaitAnswer(now() + EXPIRE_EVERY_MS);
    expire(now());
  }
} else {
  for (let tick = 0; tick * periodMs < durationMs; tick += 1) {
    const due = start + tick * periodMs;
    waitUntil(due);
    lateMaxUs = Math.max(lateMaxUs, (now() - due) * 1_000);
    ask();
    readAnswers();
    expire(now());
  }
}
const tookMs = now() - start;
for (const last = now() + LOST_AFTER_MS; waiting > 0 && now() < last; ) {
  poll(pollFds, 1, 10);
  readAnswers();
}
socket.close();

latenciesUs.sort((a, b) => a - b);
const quantile = (share: number): number | null => {
  const value = latenciesUs[Math.min(latenciesUs.length - 1, Math.floor(latenciesUs.length * share))];
  return value === undefined ? null : Math.round(value);
};
const result: AnswerLoad = {
  sent,
  answered: latenciesUs.length,
  lost: lost + waiting,
  surplus,
  p50Us: quantile(0.5),
  p99Us: quantile(0.99),
  maxUs: quantile(1),
  answersPerSecond: Math.round((latenciesUs.length * 1_000) / tookMs),
  lateMaxUs: Math.round(lateMaxUs),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
