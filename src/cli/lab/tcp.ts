// An echo server in a node of the lab, and a client that keeps connecting to it: what an application notices.
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
  /** Of the long-lived ones. */
  readonly resets: number;
}

export interface TcpLoad {
  stop(): Promise<readonly TcpResult[]>;
}

export const ECHO_PORT = 7_777;
const LONG_LIVED = 10;
const PROGRAM = fileURLToPath(new URL('./tcp-process.ts', import.meta.url));

const started = (child: ChildProcess, host: Host): Promise<void> =>
  new Promise((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`TCP on ${host.name} ended with exit code ${code}`)));
  });

/** Lets a socket be bound to a service IP before the host has it, and keep it when the host loses it. */
const BIND_ANY = ['ipv4', 'ipv6'].map((family) => `echo 1 >/proc/sys/net/${family}/ip_nonlocal_bind`);

/**
 * Echoes TCP on every address, and datagrams to each of `serviceIPs` (an answer must come from the address that was
 * asked, so each has a socket of its own). Resolves when it listens; it ends with the segment, or by the function
 * returned.
 */
export const startEcho = async (host: Host, serviceIPs: readonly string[] = []): Promise<() => void> => {
  if (serviceIPs.length > 0) await host.exec('sh', ['-ec', BIND_ANY.join('\n')]);
  const child = host.spawn(process.execPath, [PROGRAM, 'serve', String(ECHO_PORT), ...serviceIPs], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await started(child, host);
  return () => child.kill('SIGKILL');
};

/** Connects to each target every 20 ms, and keeps `longLived` connections open and busy beside that. */
export const startTcpLoad = async (
  host: Host,
  targets: readonly string[],
  longLived = LONG_LIVED,
): Promise<TcpLoad> => {
  const numbers = [String(ECHO_PORT), String(longLived)];
  const child = host.spawn(process.execPath, [PROGRAM, 'load', ...numbers, ...targets], {
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
