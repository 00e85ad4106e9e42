// What an application with state notices of a move: TCP connections that live for a while, talking or idle, and a
// stream of datagrams, from a client to the echo service (`startEcho`) behind each service IP.
import { fileURLToPath } from 'node:url';
import type { Host } from './host.ts';
import { ECHO_PORT } from './tcp.ts';

export interface ConnectionPlan {
  /** From its establishment; then one last line there and back, and it closes. */
  readonly lastsMs: number;
  /** Nothing is said between the opening and the last line. */
  readonly idle?: boolean;
  /** A line every so often, unless idle; default 100. The next one waits for the echo of the one before. */
  readonly pausesMs?: number;
}

export interface StreamOptions {
  /** Service IPs of both families. */
  readonly targets: readonly string[];
  /** Opened at once to each target. */
  readonly connections: readonly ConnectionPlan[];
  /** A datagram to each target so often; without it there are none. */
  readonly udpPeriodMs?: number;
}

/**
 * `completed`: its time is over and its last line came back. `open`: so far, and at the stop it still answered.
 * `reset`: by a host that does not know it. `failed`: never established, silent for 10 s, closed from the other side.
 */
export type ConnectionOutcome = 'completed' | 'open' | 'reset' | 'failed';

export interface ConnectionResult extends ConnectionPlan {
  readonly outcome: ConnectionOutcome;
  /** How it was reset or failed: `ECONNRESET`, `EPIPE`, `NOT-ESTABLISHED`, `SILENT`, `ENDED`; else null. */
  readonly code: string | null;
  /** When it ended: milliseconds since 1970. */
  readonly endedAt: number;
  /** How long it was established. */
  readonly livedMs: number;
  /** The longest time for which a line waited for its echo. */
  readonly longestSilenceMs: number;
}

export interface DatagramResult {
  readonly sent: number;
  /** Not answered within a second. */
  readonly lost: number;
  readonly gapMs: number;
  /** Milliseconds since 1970, or null. */
  readonly firstLostAt: number | null;
  readonly lastLostAt: number | null;
}

export interface StreamResult {
  readonly target: string;
  /** In the order of the plan. */
  readonly connections: readonly ConnectionResult[];
  readonly completed: number;
  readonly open: number;
  readonly reset: number;
  readonly failed: number;
  /** Of all its connections. */
  readonly longestSilenceMs: number;
  /** null without `udpPeriodMs`. */
  readonly datagrams: DatagramResult | null;
}

export interface Streams {
  /** Every connection has come to an end. Rejects when the process did before. */
  readonly over: Promise<void>;
  /** Lets each connection that is open say one line more, closes it, gives the results in the targets' order. */
  stop(): Promise<readonly StreamResult[]>;
}

/** What stream-process.ts is told. */
export interface StreamRequest extends StreamOptions {
  readonly port: number;
}

const PROGRAM = fileURLToPath(new URL('./stream-process.ts', import.meta.url));

/** Resolves when every connection is established or has failed to be. */
export const startStreams = async (client: Host, options: StreamOptions): Promise<Streams> => {
  const request: StreamRequest = { ...options, port: ECHO_PORT };
  const child = client.spawn(process.execPath, [PROGRAM, JSON.stringify(request)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin?.on('error', () => {});
  let out = '';
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  /** Resolves when the process has printed `word`. */
  const said = (word: string): Promise<void> =>
    new Promise((resolve, reject) => {
      child.stdout?.on('data', () => {
        if (out.includes(`${word}\n`)) resolve();
      });
      child.once('close', (code) => reject(new Error(`streams of ${client.name}: exit code ${code}`)));
    });
  child.stdout?.on('data', (bytes: Buffer) => {
    out += bytes.toString();
  });
  const [ready, over] = [said('ready'), said('over')];
  // Who only stops must not fall over it.
  over.catch(() => {});
  await ready;
  return {
    over,
    stop: async () => {
      child.stdin?.end();
      await closed;
      return out
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as StreamResult);
    },
  };
};
