// One long TCP connection to the echo service: a line there and back, a pause, and so on until its time is over;
// the last line must come back too, so that an idle connection proves at its end that it was still there.
import { connect } from 'node:net';
import type { ConnectionOutcome, ConnectionPlan, ConnectionResult } from './streams.ts';

export interface LongConnection {
  /** Established, or failed to be. */
  readonly settled: Promise<void>;
  readonly ended: Promise<ConnectionResult>;
  /** Its last line now, if it has not been said. */
  stop(): void;
}

const LINE = Buffer.from('still here\n');
const DEFAULT_PAUSES_MS = 100;
/** The kernel repeats a SYN after 1, 3 and 7 s. */
const CONNECT_LIMIT_MS = 10_000;
/** The kernel repeats a line six times and more within this time: nobody will answer. */
const SILENT_LIMIT_MS = 10_000;
const RESETS = ['ECONNRESET', 'EPIPE'];

/** A timer that holds one appointment at most. */
const createAlarm = (): { set(ms: number, act: () => void): void; clear(): void } => {
  let timer: NodeJS.Timeout | undefined;
  const clear = (): void => clearTimeout(timer);
  return {
    clear,
    set: (ms, act) => {
      clear();
      timer = setTimeout(act, ms);
    },
  };
};

const round = (ms: number): number => Number(ms.toFixed(1));

export const openLong = (target: string, port: number, plan: ConnectionPlan): LongConnection => {
  const { lastsMs, idle = false, pausesMs = DEFAULT_PAUSES_MS } = plan;
  const settled = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<ConnectionResult>();
  const [limit, pause, life] = [createAlarm(), createAlarm(), createAlarm()];
  const socket = connect({ host: target, port, noDelay: true });
  let establishedAt: number | null = null;
  let askedAt: number | null = null;
  let missing = 0;
  let longestSilenceMs = 0;
  /** What the echo that is waited for will mean; null: the next line. */
  let last: 'completed' | 'open' | null = null;
  let isOver = false;

  const end = (outcome: ConnectionOutcome, code: string | null): void => {
    if (isOver) return;
    isOver = true;
    for (const alarm of [limit, pause, life]) alarm.clear();
    const now = performance.now();
    const livedMs = round(establishedAt === null ? 0 : now - establishedAt);
    const silenceMs = round(Math.max(longestSilenceMs, askedAt === null ? 0 : now - askedAt));
    if (code === null) socket.end();
    else socket.destroy();
    ended.resolve({ ...plan, outcome, code, endedAt: Date.now(), livedMs, longestSilenceMs: silenceMs });
    settled.resolve();
  };

  const speak = (): void => {
    if (askedAt !== null) return;
    askedAt = performance.now();
    missing = LINE.length;
    limit.set(SILENT_LIMIT_MS, () => end('failed', 'SILENT'));
    socket.write(LINE);
  };

  /** The echo of a line that is still out will do as the last one. */
  const sayLast = (meaning: 'completed' | 'open'): void => {
    last ??= meaning;
    pause.clear();
    speak();
  };

  limit.set(CONNECT_LIMIT_MS, () => end('failed', 'NOT-ESTABLISHED'));
  socket.on('connect', () => {
    establishedAt = performance.now();
    limit.clear();
    life.set(lastsMs, () => sayLast('completed'));
    if (!idle) speak();
    settled.resolve();
  });
  socket.on('data', (bytes) => {
    missing -= bytes.length;
    if (missing > 0 || askedAt === null) return;
    limit.clear();
    const waitedMs = performance.now() - askedAt;
    longestSilenceMs = Math.max(longestSilenceMs, waitedMs);
    askedAt = null;
    if (last !== null) end(last, null);
    else pause.set(Math.max(0, pausesMs - waitedMs), speak);
  });
  socket.on('error', ({ code = 'UNKNOWN' }: NodeJS.ErrnoException) =>
    end(establishedAt !== null && RESETS.includes(code) ? 'reset' : 'failed', code),
  );
  socket.on('close', () => end('failed', 'ENDED'));

  const stop = (): void => {
    if (establishedAt === null) end('failed', 'NOT-ESTABLISHED');
    else if (!isOver) sayLast('open');
  };
  return { settled: settled.promise, ended: ended.promise, stop };
};
