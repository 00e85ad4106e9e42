// A node that is stopped as an operator stops it and started again, and what that moved: its own IPs once each and no
// other, or the promise is broken.
import { countMoves, type Holdings, holdings } from './holdings.ts';
import { type LabNode, sleep } from './lab-node.ts';
import type { Say } from './scenario.ts';
import type { Stage } from './stage.ts';

/** What would move late, or back, has moved by then. */
export const AFTERMATH_MS = 500;

export interface Moved {
  /** By IP. */
  readonly moves: ReadonlyMap<string, number>;
  /** What the promise forbids, in words. */
  readonly faults: readonly string[];
}

/** Counts the moves between two accounts; `allowed` says how many of an IP were promised, and `what` moved them. */
export const judgeMoves = (
  before: Holdings,
  after: Holdings,
  what: string,
  allowed: (ip: string) => number,
): Moved => {
  const moves = new Map([...before.keys()].map((ip) => [ip, countMoves(before, after, ip)]));
  const faults = [...moves].flatMap(([ip, count]) =>
    count > allowed(ip) ? [`${ip} of ${before.get(ip)?.node} moved ${count} times with ${what}`] : [],
  );
  return { moves, faults };
};

/** Stops `node` with SIGTERM and starts it again; `between` is called while it is down. */
export const restart = async (
  stage: Stage,
  node: LabNode,
  say: Say,
  between: () => void = () => {},
): Promise<Moved> => {
  const { name } = node.host;
  const before = await holdings(stage);
  const own = [...before.values()].filter((holding) => holding.node === name).length;
  say(`${name}, which owns ${own} of ${before.size} service IPs, is restarted`);
  node.signal('SIGTERM');
  const code = await node.exited();
  between();
  await node.start();
  await stage.settled();
  await sleep(AFTERMATH_MS);
  const isOwn = (ip: string): number => (before.get(ip)?.node === name ? 1 : 0);
  const { moves, faults } = judgeMoves(before, await holdings(stage), `${name}'s restart`, isOwn);
  return { moves, faults: [...faults, ...(code === 0 ? [] : [`${name} ended with exit code ${code}`])] };
};
