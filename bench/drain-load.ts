// What ten long TCP connections, a stream of datagrams and pings of each client notice while a service IP is moved
// as planned, whoever moves it.
import { isIPv6 } from 'node:net';
import { sleep } from '../src/cli/lab/lab-node.ts';
import { type ProbeResult, startProbe } from '../src/cli/lab/prober.ts';
import type { Host } from '../src/cli/lab/segment.ts';
import { LAB_SERVICE_IPS } from '../src/cli/lab/stage.ts';
import { type ConnectionPlan, type StreamResult, startStreams } from '../src/cli/lab/streams.ts';
import { startEcho } from '../src/cli/lab/tcp.ts';

/** Whoever moves service IPs: one owner, which gives them all away at a word. */
export interface Mover {
  readonly clients: readonly Host[];
  /** Waits until there is one owner that everybody knows. */
  ready(): Promise<void>;
  /** Resolves when the former owner carries nothing any more, or at once where nobody carries. */
  move(): Promise<void>;
  /** What the nodes did since a time (milliseconds since 1970), in words; without it nobody knows. */
  account?(since: number): readonly string[];
  /** Everything as before, or ready for the next move. */
  restore(): Promise<void>;
  dispose(): Promise<void>;
}

/** It cannot do what is to be measured, and says so. */
export class RefusedError extends Error {}

/** What one client noticed of the move of one service IP. */
export interface DrainLine {
  readonly family: 'ipv4' | 'ipv6';
  readonly client: string;
  readonly sent: number;
  readonly lost: number;
  readonly gapMs: number;
  /** Of the ten connections. */
  readonly completed: number;
  readonly reset: number;
  readonly failed: number;
  /** The longest time a line waited for its echo. */
  readonly silenceMs: number;
  readonly datagramsSent: number;
  readonly datagramsLost: number;
  readonly datagramGapMs: number;
  /** From the word to the end of the former owner's part in it. */
  readonly overMs: number;
  /** The prober's own worst delay: a gap is only as certain as this is small. */
  readonly lateMs: number;
  /** What the nodes did, where pings were lost. */
  readonly account: readonly string[];
}

/** In seconds before scaling: three are idle all their life, one pauses for longer than drain.quiet (10 s). */
const LIVES_S: readonly (readonly [lastsS: number, idle: boolean, pausesS?: number])[] = [
  [5, false],
  [8, true],
  [12, false],
  [16, true],
  [20, false],
  [25, false],
  [30, true],
  [40, false, 15],
  [50, false],
  [60, false],
];
const BUSY_EVERY_MS = 50;
const DATAGRAM_EVERY_MS = 10;
const PROBE_EVERY_MS = 2;
/** Before the move, so that there is a before; and after all is over. */
const WARM_UP_MS = 100;
const AFTERMATH_MS = 300;
/** A connection that nobody answers any more fails after 10 s of silence. */
const LATEST_END_MS = 15_000;

const livesFor = (scale: number): readonly ConnectionPlan[] =>
  LIVES_S.map(([lastsS, idle, pausesS]) => ({
    lastsMs: lastsS * 1_000 * scale,
    ...(idle ? { idle } : { pausesMs: pausesS === undefined ? BUSY_EVERY_MS : pausesS * 1_000 * scale }),
  }));

const LONGEST_S = Math.max(...LIVES_S.map(([lastsS]) => lastsS));

interface Client {
  readonly host: Host;
  readonly over: Promise<void>;
  stop(): Promise<{ readonly pings: readonly ProbeResult[]; readonly streams: readonly StreamResult[] }>;
}

const startClient = async (host: Host, scale: number): Promise<Client> => {
  const connections = livesFor(scale);
  const targets = LAB_SERVICE_IPS;
  const probe = startProbe(host, { targets, periodMs: PROBE_EVERY_MS });
  await probe.ready;
  // Last: the shortest lives are to see the move.
  const streams = await startStreams(host, { targets, connections, udpPeriodMs: DATAGRAM_EVERY_MS });
  return {
    host,
    over: streams.over,
    stop: async () => {
      const [pings, ends] = await Promise.all([probe.stop(), streams.stop()]);
      return { pings, streams: ends };
    },
  };
};

const toLine = (
  host: Host,
  ping: ProbeResult,
  stream: StreamResult,
  overMs: number,
): Omit<DrainLine, 'account'> => ({
  family: isIPv6(ping.target) ? 'ipv6' : 'ipv4',
  client: host.name,
  sent: ping.sent,
  lost: ping.lost,
  gapMs: ping.gapMs,
  completed: stream.completed + stream.open,
  reset: stream.reset,
  failed: stream.failed,
  silenceMs: stream.longestSilenceMs,
  datagramsSent: stream.datagrams?.sent ?? 0,
  datagramsLost: stream.datagrams?.lost ?? 0,
  datagramGapMs: stream.datagrams?.gapMs ?? 0,
  overMs,
  lateMs: ping.lateMaxMs,
});

/** Echo servers for all the nodes of a mover; they end with the segment. */
export const serveEcho = async (nodes: readonly Host[]): Promise<void> => {
  await Promise.all(nodes.map((node) => startEcho(node, LAB_SERVICE_IPS)));
};

/** Plays one move under load; a line a client and service IP. Throws what the mover throws, everything stopped. */
export const playMove = async (mover: Mover, scale: number): Promise<readonly DrainLine[]> => {
  await mover.ready();
  const clients = await Promise.all(mover.clients.map((host) => startClient(host, scale)));
  await sleep(WARM_UP_MS);
  const [began, beganAt] = [performance.now(), Date.now()];
  let failure: unknown = null;
  let overMs = Number.NaN;
  try {
    await mover.move();
    overMs = performance.now() - began;
    const ends = Promise.all(clients.map(({ over }) => over));
    await Promise.race([ends, sleep(LONGEST_S * 1_000 * scale + LATEST_END_MS)]);
    await sleep(AFTERMATH_MS);
  } catch (error) {
    failure = error;
  }
  const accounts = await Promise.all(clients.map(async ({ host, stop }) => ({ host, ...(await stop()) })));
  await mover.restore();
  if (failure !== null) throw failure;
  return accounts.flatMap(({ host, pings, streams }) =>
    pings.map((ping, index) => ({
      ...toLine(host, ping, streams[index] as StreamResult, overMs),
      account: ping.lost > 0 ? (mover.account?.(beganAt) ?? []) : [],
    })),
  );
};
