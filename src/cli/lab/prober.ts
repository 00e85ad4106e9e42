// Measures whether and how long a client could not reach an address: starts the prober in the client's namespace
// and hands back its accounts.
import { fileURLToPath } from 'node:url';
import type { Family } from './echo-socket.ts';
import type { Host } from './host.ts';

export type ProbeOptions = Readonly<{
  /** IP addresses of both families (`fe80::1%eth0` works too). */
  targets: readonly string[];
  /** Every target is probed once a period; default 2. */
  periodMs?: number;
  /** Default: until `stop`. */
  durationMs?: number;
}>;

export type ProbeResult = Readonly<{
  target: string;
  family: Family;
  sent: number;
  received: number;
  /** Not answered within a second, or not to be sent at all (no route, no carrier). */
  lost: number;
  /** Second replies to one probe: two machines answer. */
  duplicates: number;
  /** Longest time between the sendings of two successively answered probes, minus the period; 0 if none was lost. */
  gapMs: number;
  /** null when nothing was received. */
  rttP50Us: number | null;
  rttMaxUs: number | null;
  /** When the first and the last probe were sent: milliseconds since 1970. */
  firstSentAt: number | null;
  lastSentAt: number | null;
  /** The same of those that were lost; null: none. */
  firstLostAt: number | null;
  lastLostAt: number | null;
  /** The prober's own worst delay: a gap is only as certain as this is small. */
  lateMaxMs: number;
  /** Ticks it left out because it was late by more than a period. */
  skippedTicks: number;
  /** Of one core. */
  cpuPercent: number;
}>;

export type Probe = Readonly<{
  /** The sockets are open and the first probe leaves now. Rejects with the prober's complaint. */
  ready: Promise<void>;
  /** The results, in the order of the targets: when the duration is over, or after `stop`. */
  finished: Promise<ProbeResult[]>;
  /** Stops sending, waits for replies still due (1 s at most), gives the results. May be called twice. */
  stop(): Promise<ProbeResult[]>;
}>;

const PROGRAM = fileURLToPath(new URL('./prober-process.ts', import.meta.url));

const inOrder = (targets: readonly string[], lines: string): ProbeResult[] => {
  const results = lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ProbeResult);
  return results.sort((a, b) => targets.indexOf(a.target) - targets.indexOf(b.target));
};

/** Starts probing from `host`. Needs CAP_NET_RAW there; errors come through `ready` and `finished`. */
export const startProbe = (host: Host, { targets, periodMs = 2, durationMs }: ProbeOptions): Probe => {
  const duration = durationMs === undefined ? [] : ['--duration', String(durationMs)];
  const child = host.spawn(
    process.execPath,
    [PROGRAM, '--period', String(periodMs), ...duration, ...targets],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  let out = '';
  let complaint = '';
  child.stdout?.on('data', (bytes: Buffer) => {
    out += bytes.toString();
  });
  child.stdin?.on('error', () => {});
  const finished = new Promise<ProbeResult[]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(inOrder(targets, out));
      else
        reject(
          new Error(
            complaint.replace(/^ready\n/, '').trim() || `prober ended by ${signal ?? `exit code ${code}`}`,
          ),
        );
    });
  });
  const ready = new Promise<void>((resolve, reject) => {
    child.stderr?.on('data', (bytes: Buffer) => {
      complaint += bytes.toString();
      if (complaint.startsWith('ready\n')) resolve();
    });
    finished.then(() => resolve(), reject);
  });
  // Whoever waits for one of them only must not fall over the other one's rejection.
  ready.catch(() => {});
  finished.catch(() => {});
  const stop = (): Promise<ProbeResult[]> => {
    child.stdin?.end();
    return finished;
  };
  return { ready, finished, stop };
};
