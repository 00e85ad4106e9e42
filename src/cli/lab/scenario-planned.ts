// `drain` and `sigterm`: the owner gives its service IPs away before it goes, and nobody notices.
import { type LabNode, sleep } from './lab-node.ts';
import { countFollows, type NeighbourWatch, watchNeighbours } from './neighbour-watch.ts';
import {
  type Say,
  type Scenario,
  type ScenarioLine,
  SHORT_DRAIN,
  startProbing,
  toLines,
} from './scenario.ts';
import { LAB_SERVICE_IPS, type Stage } from './stage.ts';
import { startEcho, startTcpLoad, type TcpResult } from './tcp.ts';

/** The probes go on until the former owner serves nothing any more, and for this long. */
const AFTERMATH_MS = 300;
const PROMISE = 'no ping and no new TCP connection is lost';

interface Account {
  readonly pings: Parameters<typeof toLines>[2];
  readonly tcp: readonly TcpResult[];
  readonly watch: NeighbourWatch;
  readonly formerMac: string;
  /** Milliseconds since 1970. */
  readonly began: number;
}

const toPlannedLines = (scenario: string, account: Account): readonly ScenarioLine[] =>
  toLines(scenario, PROMISE, account.pings, ({ target, lost, firstLostAt }) => {
    const found = account.tcp.find((result) => result.target === target);
    if (found === undefined) return { ok: false, note: 'there is no account of the TCP connections' };
    const { opened, failed, cut, resets } = found;
    const follows = countFollows(account.watch.changes(), target, account.formerMac);
    const numbers = { tcpOpened: opened, tcpFailed: failed, tcpCut: cut, resets, follows };
    const after = Math.round((firstLostAt ?? 0) - account.began);
    const lossy = firstLostAt === null ? {} : { note: `lost from ${after} ms after it began` };
    return { ok: lost === 0 && failed === 0, ...numbers, ...lossy };
  });

/** Plays a planned move: `leave` makes the owner give everything away and resolves when it serves nothing more. */
const playMove = async (
  scenario: string,
  stage: Stage,
  say: Say,
  leave: (owner: LabNode) => Promise<void>,
): Promise<readonly ScenarioLine[]> => {
  const stops = await Promise.all(stage.nodes.map(({ host }) => startEcho(host)));
  const owner = await stage.gathered();
  await stage.settled();
  const tcp = await startTcpLoad(stage.client, LAB_SERVICE_IPS);
  const watch = watchNeighbours(stage.client);
  const stop = await startProbing(stage.client);
  const began = Date.now();
  await leave(owner);
  await sleep(AFTERMATH_MS);
  const [pings, tcpResults] = await Promise.all([stop(), tcp.stop()]);
  watch.stop();
  for (const end of stops) end();
  const others = stage.nodes.filter((node) => node !== owner && node.isRunning());
  for (const [ip, { host }] of await stage.owners(others)) say(`${ip} is owned by ${host.name} now`);
  return toPlannedLines(scenario, { pings, tcp: tcpResults, watch, formerMac: owner.host.mac, began });
};

const isIdle = async (node: LabNode): Promise<boolean> =>
  (await node.status()).serviceIPs.every(({ state }) => state === 'unowned');

const IDLE_TIMEOUT_MS = 15_000;

export const drain: Scenario = {
  summary: '`holdfast drain` on the owner',
  recorded: 'gapMs',
  leastNodes: 2,
  clients: 1,
  extra: SHORT_DRAIN,
  play: async (stage, say) => {
    let drained: LabNode | null = null;
    const lines = await playMove('drain', stage, say, async (owner) => {
      drained = owner;
      say(`holdfast drain on ${owner.host.name}, which owns both service IPs`);
      const { code, out, err } = await owner.command('drain');
      for (const line of out.trim().split('\n')) say(`  ${line}`);
      if (code !== 0) throw new Error(`holdfast drain: exit code ${code}: ${err.trim()}`);
      const until = performance.now() + IDLE_TIMEOUT_MS;
      while (!(await isIdle(owner)) && performance.now() < until) await sleep(50);
    });
    await (drained as LabNode | null)?.command('undrain');
    await stage.settled();
    return lines;
  },
};

export const sigterm: Scenario = {
  summary: "the owner's daemon is stopped (SIGTERM)",
  recorded: 'gapMs',
  leastNodes: 2,
  clients: 1,
  extra: SHORT_DRAIN,
  play: async (stage, say) => {
    let code: number | null = null;
    const lines = await playMove('sigterm', stage, say, async (owner) => {
      say(`the daemon of ${owner.host.name}, which owns both service IPs, is told to stop`);
      owner.signal('SIGTERM');
      code = await owner.exited();
      say(`it ended with exit code ${code}`);
    });
    for (const node of stage.nodes.filter((candidate) => !candidate.isRunning())) await node.start();
    await stage.settled();
    return code === 0 ? lines : lines.map((line) => ({ ...line, ok: false, note: `exit code ${code}` }));
  },
};
