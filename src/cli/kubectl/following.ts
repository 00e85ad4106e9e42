// Watching service IPs until they are where they are to be: each is printed as it moves, as `holdfast drain` does.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ip } from '../../machines/frames.ts';
import { EXIT, type ExitCode, print } from '../command.ts';
import { type Connection, LOOK_MS } from './connection.ts';
import { listServiceIps, type ServiceIpRow } from './service-ip-rows.ts';

export interface Wanted {
  /** What is to move, to be printed when it has. */
  readonly moving: readonly Ip[];
  /** Also whatever else turns out not to be where it is to be. */
  readonly all: boolean;
  readonly isDone: (row: ServiceIpRow) => boolean;
  readonly timeoutMs: number;
}

/**
 * Looks until every IP is done, `timeoutMs` at most. Who stays is said on stderr, and makes it exit code 1. An IP that
 * is none any more is done.
 */
export const followMoves = async (
  connection: Connection,
  { moving, all, isDone, timeoutMs }: Wanted,
): Promise<ExitCode> => {
  const until = performance.now() + timeoutMs;
  const open = new Set(moving);
  for (;;) {
    const rows = await listServiceIps(connection);
    const wanted = all ? rows : rows.filter(({ ip }) => moving.includes(ip));
    const undone = wanted.filter((row) => !isDone(row));
    for (const { ip } of undone) open.add(ip);
    for (const { ip, holder } of wanted) {
      if (undone.some((row) => row.ip === ip) || !open.delete(ip)) continue;
      print(`${ip} ${holder ?? 'unowned'}`);
    }
    if (undone.length === 0) return EXIT.yes;
    if (performance.now() > until) {
      for (const { ip, holder } of undone)
        process.stderr.write(
          `kubectl-holdfast: ${ip} ${holder === null ? 'has no holder' : `stays on ${holder}`}: not moved within ${timeoutMs} ms; \`holdfast status\` in that node's Pod says why\n`,
        );
      return EXIT.no;
    }
    await sleep(LOOK_MS);
  }
};
