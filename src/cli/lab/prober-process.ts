// The prober: echo requests at a fixed rate to several targets, and what became of them. A process of its own, so
// that nothing the lab does delays it. It sleeps until the tick (Atomics.wait: finer than poll's milliseconds) or,
// while replies are out, in poll; the schedule is absolute, so lateness never adds up; ticks missed are counted.
// Usage: prober-process.ts [--period MS] [--duration MS] TARGET... ; SIGTERM or the end of stdin stops it.
import { parseArgs } from 'node:util';
import { POLLIN, poll, SystemError, scheduleRealTime } from '../../io/native/libc.ts';
import { type EchoSocket, type EchoTarget, echoTarget, openEchoSocket } from './echo-socket.ts';
import { createTally, LOST_AFTER_MS, type Tally } from './probe-tally.ts';

const REAL_TIME_PRIORITY = 1;
/** How often the event loop gets a turn, for signals and stdin. */
const BREATH_MS = 50;

const cell = new Int32Array(new SharedArrayBuffer(4));
/** Sleeps with the precision of the kernel's timers (poll's whole milliseconds are too coarse for a 2 ms period). */
const sleep = (ms: number): void => {
  if (ms > 0) Atomics.wait(cell, 0, 0, ms);
};

const now = (): number => performance.now();
const wallClock = (at: number | null): number | null => (at === null ? null : performance.timeOrigin + at);

type Probed = Readonly<{ target: EchoTarget; socket: EchoSocket; index: number; tally: Tally }>;

const openAll = (targets: readonly EchoTarget[], periodMs: number): Probed[] =>
  (['ipv4', 'ipv6'] as const).flatMap((family) => {
    const mine = targets.filter((target) => target.family === family);
    if (mine.length === 0) return [];
    const socket = openEchoSocket(family, mine);
    return mine.map((target, index) => ({ target, socket, index, tally: createTally(periodMs) }));
  });

const pollEntries = (sockets: readonly EchoSocket[]): Uint8Array => {
  const entries = new DataView(new ArrayBuffer(sockets.length * 8));
  for (const [i, { fd }] of sockets.entries()) {
    entries.setInt32(i * 8, fd, true);
    entries.setInt16(i * 8 + 4, POLLIN, true);
  }
  return new Uint8Array(entries.buffer);
};

const createLoop = (probed: readonly Probed[]) => {
  const sockets = [...new Set(probed.map(({ socket }) => socket))];
  const readers = sockets.map((socket) => {
    const tallies = probed.filter((entry) => entry.socket === socket).map(({ tally }) => tally);
    const onReply = (index: number, sequence: number): void => tallies[index]?.answered(sequence, now());
    return () => socket.drain(onReply);
  });
  const entries = pollEntries(sockets);
  const isPending = (): boolean => probed.some(({ tally }) => tally.pending());

  /** Reads what is there; only then may what is older than a second be given up: our own delay is no loss. */
  const look = (): void => {
    const at = now();
    for (const read of readers) read();
    for (const { tally } of probed) tally.expire(at);
  };

  const waitUntil = (due: number): void => {
    while (true) {
      const left = due - now();
      if (left <= 0) break;
      if (left < 1 || !isPending()) {
        sleep(left);
        break;
      }
      if (poll(entries, sockets.length, Math.floor(left)) > 0) look();
    }
    look();
  };

  const sendAll = (): void => {
    for (const { tally, socket, index } of probed) socket.send(index, tally.sent(now()));
  };

  return { waitUntil, sendAll, isPending, sockets };
};

const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const probe = async (targets: readonly EchoTarget[], periodMs: number, durationMs: number): Promise<void> => {
  const probed = openAll(targets, periodMs);
  const loop = createLoop(probed);
  let stopped = false;
  const stop = (): void => {
    stopped = true;
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.stdin.on('end', stop).on('error', stop).resume();
  try {
    scheduleRealTime(REAL_TIME_PRIORITY);
  } catch (failure) {
    if (!(failure instanceof SystemError)) throw failure; // Not permitted: lateMaxMs tells what it cost.
  }
  await breathe();
  process.stderr.write('ready\n');

  const start = now();
  const cpu = process.cpuUsage();
  let tick = 0;
  let skippedTicks = 0;
  let lateMaxMs = 0;
  let nextBreath = start + BREATH_MS;
  while (!stopped && tick * periodMs < durationMs) {
    const due = start + tick * periodMs;
    loop.waitUntil(due);
    const at = now();
    lateMaxMs = Math.max(lateMaxMs, at - due);
    loop.sendAll();
    const missed = Math.floor((at - due) / periodMs);
    skippedTicks += missed;
    tick += 1 + missed;
    if (at >= nextBreath) {
      nextBreath = at + BREATH_MS;
      await breathe();
    }
  }
  const used = process.cpuUsage(cpu);
  const cpuPercent = Number(((used.user + used.system) / 10 / (now() - start)).toFixed(1));
  const end = now() + LOST_AFTER_MS;
  while (loop.isPending() && now() < end) loop.waitUntil(Math.min(end, now() + 2));
  for (const { target, tally } of probed) {
    const sums = tally.finish();
    const line = {
      target: target.address,
      family: target.family,
      ...sums,
      firstSentAt: wallClock(sums.firstSentAt),
      lastSentAt: wallClock(sums.lastSentAt),
      firstLostAt: wallClock(sums.firstLostAt),
      lastLostAt: wallClock(sums.lastLostAt),
      lateMaxMs: Number(lateMaxMs.toFixed(2)),
      skippedTicks,
      cpuPercent,
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
  for (const { close } of loop.sockets) close();
  process.stdin.destroy();
};

const positive = (text: string, name: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name}: '${text}' is not a number of milliseconds above 0`);
  return value;
};

const main = async (): Promise<void> => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { period: { type: 'string', default: '2' }, duration: { type: 'string' } },
  });
  if (positionals.length === 0) throw new Error('no target');
  const durationMs =
    values.duration === undefined ? Number.POSITIVE_INFINITY : positive(values.duration, 'duration');
  await probe(positionals.map(echoTarget), positive(values.period, 'period'), durationMs);
};

try {
  await main();
} catch (failure) {
  process.stderr.write(`prober: ${failure instanceof Error ? failure.message : failure}\n`);
  process.exitCode = failure instanceof SystemError ? 3 : 2;
}
