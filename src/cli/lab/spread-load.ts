// Six service IPs of which each node owns some, and clients that ping and open TCP connections to all of them while
// something planned happens: what `rolling` and `upgrade` have in common.
import { isIPv6 } from 'node:net';
import type { Family } from './echo-socket.ts';
import { type LabNode, waitFor } from './lab-node.ts';
import { countFollows, watchNeighbours } from './neighbour-watch.ts';
import type { ProbeResult } from './prober.ts';
import { startProbing } from './scenario.ts';
import type { Stage } from './stage.ts';
import { startEcho, startTcpLoad, type TcpResult } from './tcp.ts';

export const SPREAD_IPS = [100, 101, 102].flatMap((number) => [`10.99.0.${number}`, `fd99::${number}`]);
const SPREAD_TIMEOUT_MS = 10_000;

/** Each node owns some, so that each restart has something to move. */
export const spread = async (stage: Stage): Promise<void> => {
  await stage.settled();
  const owners = await stage.owners();
  const wanted = new Map(
    SPREAD_IPS.map((ip, index) => [ip, stage.nodes[index % stage.nodes.length] as LabNode]),
  );
  for (const [ip, owner] of owners) {
    const to = wanted.get(ip);
    if (to !== undefined && to !== owner) await owner.requestMove(ip, to.host.name);
  }
  await waitFor('every node to own its part', SPREAD_TIMEOUT_MS, async () => {
    const now = await stage.owners();
    return SPREAD_IPS.every((ip) => now.get(ip) === wanted.get(ip)) ? true : null;
  });
  await stage.settled();
};

export const sum = (numbers: readonly number[]): number =>
  numbers.reduce((total, number) => total + number, 0);

export const isOf = (family: Family, ip: string): boolean => isIPv6(ip) === (family === 'ipv6');

const least = (numbers: readonly (number | null)[]): number | null => {
  const known = numbers.filter((number) => number !== null);
  return known.length === 0 ? null : Math.min(...known);
};

const most = (numbers: readonly (number | null)[]): number | null => {
  const known = numbers.filter((number) => number !== null);
  return known.length === 0 ? null : Math.max(...known);
};

/** The accounts of one family's service IPs, of however many spells, as one. */
export const ofFamily = (results: readonly ProbeResult[], family: Family): ProbeResult => {
  const own = results.filter((result) => result.family === family);
  return {
    ...(own[0] as ProbeResult),
    sent: sum(own.map(({ sent }) => sent)),
    lost: sum(own.map(({ lost }) => lost)),
    gapMs: Math.max(...own.map(({ gapMs }) => gapMs)),
    skippedTicks: sum(own.map(({ skippedTicks }) => skippedTicks)),
    lateMaxMs: Math.max(...own.map(({ lateMaxMs }) => lateMaxMs)),
    firstLostAt: least(own.map(({ firstLostAt }) => firstLostAt)),
    firstSentAt: least(own.map(({ firstSentAt }) => firstSentAt)),
    lastSentAt: most(own.map(({ lastSentAt }) => lastSentAt)),
  };
};

/** What the clients saw of a spell. */
export interface Spell {
  /** Milliseconds since 1970. */
  readonly began: number;
  readonly pings: readonly ProbeResult[];
  readonly tcp: readonly TcpResult[];
  /** By IP: how often the client's kernel went from one MAC to another. */
  readonly follows: ReadonlyMap<string, number>;
}

/** Does `act` while the client pings every service IP every 2 ms and opens one TCP connection after the other. */
export const underLoad = async <T>(
  stage: Stage,
  act: () => Promise<T>,
): Promise<{ readonly spell: Spell; readonly done: T }> => {
  const stops = await Promise.all(stage.nodes.map(({ host }) => startEcho(host)));
  const tcp = await startTcpLoad(stage.client, SPREAD_IPS, 0);
  const watch = watchNeighbours(stage.client);
  const stop = await startProbing(stage.client, SPREAD_IPS);
  const macs = new Map<string, string>();
  for (const [ip, { host }] of await stage.owners()) macs.set(ip, host.mac);
  const began = Date.now();
  const done = await act();
  const [pings, tcpResults] = await Promise.all([stop(), tcp.stop()]);
  watch.stop();
  for (const end of stops) end();
  const follows = new Map(
    SPREAD_IPS.map((ip) => [ip, countFollows(watch.changes(), ip, macs.get(ip) ?? '')]),
  );
  return { spell: { began, pings, tcp: tcpResults, follows }, done };
};

/** The numbers of one family over all spells, as a line of `lab --json` has them. */
export const loadOf = (spells: readonly Spell[], family: Family) => {
  const tcp = spells.flatMap((spell) => spell.tcp).filter(({ target }) => isOf(family, target));
  const follows = spells.flatMap((spell) => [...spell.follows]).filter(([ip]) => isOf(family, ip));
  return {
    tcpOpened: sum(tcp.map(({ opened }) => opened)),
    tcpFailed: sum(tcp.map(({ failed }) => failed)),
    tcpCut: sum(tcp.map(({ cut }) => cut)),
    follows: sum(follows.map(([, count]) => count)),
  };
};
