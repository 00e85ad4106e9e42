// Floods the wire with frames from a file, at a steady rate, in turns: what a hostile or broken network does to
// those who answer on it. To be run in a namespace, with CAP_NET_RAW. Prints one JSON object when it is done.
// Usage: answer-flood.ts [--interface eth0] [--rate 100000] [--duration 10000] FILE
//   FILE: frames, each with its length before it as two octets, high one first.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { interfaceIndex, scheduleRealTime } from '../src/io/native/libc.ts';
import { openPacketSocket } from '../src/io/wire/packet-socket.ts';

/** What a run came to. */
export interface Flood {
  readonly sent: number;
  readonly refused: number;
  readonly framesPerSecond: number;
}

/** Frames that leave back to back before the next look at the clock. */
const BATCH = 50;
/** Below that of the wire thread (10) and of the load (5), which must not be measured against this. */
const REAL_TIME_PRIORITY = 1;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    interface: { type: 'string', default: 'eth0' },
    rate: { type: 'string', default: '100000' },
    duration: { type: 'string', default: '10000' },
  },
});
const [file] = positionals;
if (file === undefined) throw new Error('name the file of frames');

const frames: Uint8Array[] = [];
const bytes = readFileSync(file);
for (let at = 0; at < bytes.length; ) {
  const length = bytes.readUInt16BE(at);
  frames.push(new Uint8Array(bytes.subarray(at + 2, at + 2 + length)));
  at += 2 + length;
}

const socket = openPacketSocket(values.interface, interfaceIndex(values.interface));
try {
  scheduleRealTime(REAL_TIME_PRIORITY);
} catch {
  // Not permitted: the rate that is printed tells what it cost.
}
const perMs = Number(values.rate) / 1_000;
const durationMs = Number(values.duration);
const cell = new Int32Array(new SharedArrayBuffer(4));
const start = performance.now();
let sent = 0;
let refused = 0;
for (let elapsed = 0; elapsed < durationMs; elapsed = performance.now() - start) {
  if (sent + refused >= elapsed * perMs) {
    Atomics.wait(cell, 0, 0, 0.5);
    continue;
  }
  for (let index = 0; index < BATCH; index += 1) {
    if (socket.send(frames[(sent + refused) % frames.length] as Uint8Array) < 0) refused += 1;
    else sent += 1;
  }
}
const tookMs = performance.now() - start;
socket.close();
const result: Flood = { sent, refused, framesPerSecond: Math.round((sent * 1_000) / tookMs) };
process.stdout.write(`${JSON.stringify(result)}\n`);
