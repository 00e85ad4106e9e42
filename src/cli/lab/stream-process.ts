// Long TCP connections and a stream of datagrams to each target, and what became of them. Usage: stream-process.ts
// JSON (a `StreamRequest`). Prints `ready` when every connection is there or has failed, `over` when all have come
// to their end, and after the end of stdin one JSON line a target.
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { createTally, LOST_AFTER_MS } from './probe-tally.ts';
import { openLong } from './stream-connection.ts';
import type {
  ConnectionOutcome,
  ConnectionResult,
  DatagramResult,
  StreamRequest,
  StreamResult,
} from './streams.ts';

/** The answer to the last datagram is waited for. */
const LAST_ANSWERS_MS = LOST_AFTER_MS + 50;
const DATAGRAM_BYTES = 4;

interface DatagramStream {
  /** Sends no more, waits for answers still due. */
  stop(): Promise<DatagramResult>;
}

const wallClock = (at: number | null): number | null =>
  at === null ? null : Math.round(performance.timeOrigin + at);

/** A socket of its own for each target, not connected: it takes answers from that address and port only. */
const streamDatagrams = (target: string, port: number, periodMs: number): DatagramStream => {
  const socket = createSocket(isIPv6(target) ? 'udp6' : 'udp4');
  const tally = createTally(periodMs);
  socket.on('error', () => {}); // No route, no neighbour: that datagram is lost, and counted so.
  socket.on('message', (bytes, from) => {
    if (from.address !== target || from.port !== port || bytes.length !== DATAGRAM_BYTES) return;
    tally.answered(bytes.readUInt32BE(), performance.now());
  });
  const send = (): void => {
    const at = performance.now();
    const bytes = Buffer.alloc(DATAGRAM_BYTES);
    bytes.writeUInt32BE(tally.sent(at));
    socket.send(bytes, port, target, () => {});
    // After the answers that are there have been read: a late process is no loss.
    setImmediate(() => tally.expire(at));
  };
  const sending = setInterval(send, periodMs);
  return {
    stop: async () => {
      clearInterval(sending);
      await new Promise((resolve) => setTimeout(resolve, LAST_ANSWERS_MS));
      socket.close();
      const { sent, lost, gapMs, firstLostAt, lastLostAt } = tally.finish();
      return { sent, lost, gapMs, firstLostAt: wallClock(firstLostAt), lastLostAt: wallClock(lastLostAt) };
    },
  };
};

const summed = (
  target: string,
  connections: readonly ConnectionResult[],
  datagrams: DatagramResult | null,
): StreamResult => {
  const count = (wanted: ConnectionOutcome): number =>
    connections.filter(({ outcome }) => outcome === wanted).length;
  return {
    target,
    completed: count('completed'),
    open: count('open'),
    reset: count('reset'),
    failed: count('failed'),
    longestSilenceMs: Math.max(0, ...connections.map(({ longestSilenceMs }) => longestSilenceMs)),
    datagrams,
    connections,
  };
};

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const main = async ({ targets, port, connections, udpPeriodMs }: StreamRequest): Promise<void> => {
  const streams = targets.map((target) => ({
    target,
    long: connections.map((plan) => openLong(target, port, plan)),
    datagrams: udpPeriodMs === undefined ? null : streamDatagrams(target, port, udpPeriodMs),
  }));
  const all = streams.flatMap(({ long }) => long);
  const stopped = new Promise<void>((resolve) => process.stdin.on('end', resolve).resume());
  await Promise.all(all.map(({ settled }) => settled));
  say('ready');
  const over = Promise.all(all.map(({ ended }) => ended)).then(() => say('over'));
  await stopped;
  for (const { stop } of all) stop();
  await over;
  const results = streams.map(async ({ target, long, datagrams }) => {
    const ends = await Promise.all(long.map(({ ended }) => ended));
    return summed(target, ends, (await datagrams?.stop()) ?? null);
  });
  for (const result of await Promise.all(results)) say(JSON.stringify(result));
  process.exit(0);
};

await main(JSON.parse(process.argv[2] ?? '{}') as StreamRequest);
