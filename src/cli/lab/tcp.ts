// A TCP echo server in a node of the lab, and a client that keeps connecting to it: what an application notices.
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Host } from './segment.ts';

export interface TcpResult {
  readonly target: string;
  /** Connections tried, one every 20 ms. */
  readonly opened: number;
  /** Not established within a second. */
  readonly failed: number;
  /** Established, and reset before the one line that they carry had come back. */
  readonly cut: number;
  readonly slowestMs: number;
  /** Of the ten long-lived ones. */
  readonly resets: number;
}

export interface TcpLoad {
  stop(): Promise<readonly TcpResult[]>;
}

const PORT = 7_777;
const PROGRAM = fileURLToPath(new URL('./tcp-process.ts', import.meta.url));

const started = (child: ChildProcess, host: Host): Promise<void> =>
  new Promise((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`TCP on ${host.name} ended with exit code ${code}`)));
  });

/** Resolves when it listens; it ends with the segment, or by the function returned. */
export const startEcho = async (host: Host): Promise<() => void> => {
  const child = host.spawn(process.execPath, [PROGRAM, 'serve', String(PORT)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await started(child, host);
  return () => child.kill('SIGKILL');
};

export const startTcpLoad = async (host: Host, targets: readonly string[]): Promise<TcpLoad> => {
  const child = host.spawn(process.execPath, [PROGRAM, 'load', String(PORT), ...targets], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await started(child, host);
  let out = '';
  child.stdout?.on('data', (bytes: Buffer) => {
    out += bytes.toString();
  });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    stop: async () => {
      child.stdin?.end();
      await closed;
      return out
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as TcpResult);
    },
  };
};
