// `rolling`: an upgrade of the whole cluster. Every node in turn is stopped and started again, and nobody notices.
import { isIPv6 } from 'node:net';
import type { Family } from './echo-socket.ts';
import { countMoves, type Holdings, holdings } from './holdings.ts';
import { type LabNode, sleep, waitFor } from './lab-node.ts';
import { countFollows, watchNeighbours } from './neighbour-watch.ts';
import type { ProbeResult } from './prober.ts';
import {
  type Say,
  type Scenario,
  type ScenarioLine,
  SHORT_DRAIN,
  startProbing,
  toLines,
} from './scenario.ts';
import type { Stage } from './stage.ts';
import { startEcho, startTcpLoad, type TcpResult } from './tcp.ts';

const SERVICE_IPS = [100, 101, 102].flatMap((number) => [`10.99.0.${number}`, `fd99::${number}`]);
const PROMISE =
  'no ping and no new TCP connection is lost; an IP moves once per restart of its owner, and else not';
/** What would move late, or back, has moved by then. */
const AFTERMATH_MS = 500;
const SPREAD_TIMEOUT_MS = 10_000;

/** Each node owns some, so that each restart has something to move. */
const spread = async (stage: Stage): Promise<void> => {
  const owners = await stage.owners();
  const wanted = new Map(
    SERVICE_IPS.map((ip, index) => [ip, stage.nodes[index % stage.nodes.length] as LabNode]),
  );
  for (const [ip, owner] of owners) {
    const to = wanted.get(ip);
    if (to !== undefined && to !== owner) await owner.requestMove(ip, to.host.name);
  }
  await waitFor('every node to own its part', SPREAD_TIMEOUT_MS, async () => {
    const now = await stage.owners();
    return SERVICE_IPS.every((ip) => now.get(ip) === wanted.get(ip)) ? true : null;
  });
};

interface Restart {
  readonly moves: ReadonlyMap<string, number>;
  /** What the promise forbids, in words. */
  readonly faults: readonly string[];
}

const judge = (node: LabNode, code: number | null, before: Holdings, after: Holdings): Restart => {
  const { name } = node.host;
  const moves = new Map([...before.keys()].map((ip) => [ip, countMoves(before, after, ip)]));
  const odd = [...moves].filter(([ip, count]) => count > (before.get(ip)?.node === name ? 1 : 0));
  return {
    moves,
    faults: [
      ...odd.map(
        ([ip, count]) => `${ip} of ${before.get(ip)?.node} moved ${count} times with ${name}'s restart`,
      ),
      ...(code === 0 ? [] : [`${name} ended with exit code ${code}`]),
    ],
  };
};

const restart = async (stage: Stage, node: LabNode, say: Say): Promise<Restart> => {
  const before = await holdings(stage);
  const own = [...before.values()].filter((holding) => holding.node === node.host.name).length;
  say(`${node.host.name}, which owns ${own} of ${before.size} service IPs, is restarted`);
  node.signal('SIGTERM');
  const code = await node.exited();
  await node.start();
  await stage.settled();
  await sleep(AFTERMATH_MS);
  return judge(node, code, before, await holdings(stage));
};

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** The accounts of one family's service IPs as one. */
const ofFamily = (results: readonly ProbeResult[], family: Family): ProbeResult => {
  const own = results.filter((result) => result.family === family);
  const firsts = own.flatMap(({ firstLostAt }) => (firstLostAt === null ? [] : [firstLostAt]));
  return {
    ...(own[0] as ProbeResult),
    sent: sum(own.map(({ sent }) => sent)),
    lost: sum(own.map(({ lost }) => lost)),
    gapMs: Math.max(...own.map(({ gapMs }) => gapMs)),
    firstLostAt: firsts.length === 0 ? null : Math.min(...firsts),
  };
};

const isOf = (family: Family, ip: string): boolean => isIPv6(ip) === (family === 'ipv6');

const tcpOf = (results: readonly TcpResult[], family: Family) => {
  const own = results.filter(({ target }) => isOf(family, target));
  return {
    tcpOpened: sum(own.map(({ opened }) => opened)),
    tcpFailed: sum(own.map(({ failed }) => failed)),
    tcpCut: sum(own.map(({ cut }) => cut)),
  };
};

export const rolling: Scenario = {
  summary: 'every node in turn is stopped (SIGTERM) and started again',
  recorded: 'gapMs',
  leastNodes: 3,
  clients: 1,
  serviceIPs: SERVICE_IPS,
  extra: SHORT_DRAIN,
  play: async (stage, say): Promise<readonly ScenarioLine[]> => {
    const stops = await Promise.all(stage.nodes.map(({ host }) => startEcho(host)));
    await spread(stage);
    await stage.settled();
    const tcp = await startTcpLoad(stage.client, SERVICE_IPS, 0);
    const watch = watchNeighbours(stage.client);
    const stop = await startProbing(stage.client, SERVICE_IPS);
    const macs = new Map<string, string>();
    for (const [ip, { host }] of await stage.owners()) macs.set(ip, host.mac);
    const began = Date.now();
    const restarts: Restart[] = [];
    for (const node of stage.nodes) restarts.push(await restart(stage, node, say));
    const [pings, tcpResults] = await Promise.all([stop(), tcp.stop()]);
    watch.stop();
    for (const end of stops) end();
    const faults = restarts.flatMap((one) => one.faults);
    for (const fault of faults) say(fault);
    const families = (['ipv4', 'ipv6'] as const).map((family) => ofFamily(pings, family));
    return toLines('rolling', PROMISE, families, ({ family, lost, firstLostAt }) => {
      const ips = SERVICE_IPS.filter((ip) => isOf(family, ip));
      const moves = sum(restarts.flatMap((one) => ips.map((ip) => one.moves.get(ip) ?? 0)));
      const follows = sum(ips.map((ip) => countFollows(watch.changes(), ip, macs.get(ip) ?? '')));
      const numbers = tcpOf(tcpResults, family);
      const notes = [
        ...(firstLostAt === null ? [] : [`lost from ${Math.round(firstLostAt - began)} ms after it began`]),
        ...faults,
      ];
      return {
        ok: lost === 0 && numbers.tcpFailed === 0 && faults.length === 0,
        moves,
        ...numbers,
        follows,
        ...(notes.length === 0 ? {} : { note: notes.join('; ') }),
      };
    });
  },
};
