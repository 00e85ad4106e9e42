// The tour: what `npm run lab` shows to somebody who has just cloned this, in the words of a person.
import { EXIT, type ExitCode, print } from '../command.ts';
import { labDoors } from './enclosure.ts';
import { openLabRecord } from './lab-record.ts';
import { serveNodePage } from './node-page.ts';
import { playground } from './playground.ts';
import { startProbe } from './prober.ts';
import { withRecordedGaps } from './recorded-gaps.ts';
import { type Scenario, type ScenarioLine, SHORT_DRAIN } from './scenario.ts';
import { cut } from './scenario-failover.ts';
import { drain } from './scenario-planned.ts';
import { createStage, LAB_SERVICE_IPS, type Stage } from './stage.ts';

export interface TourOptions {
  readonly nodes: number;
  /** Stay up afterwards until interrupted. */
  readonly keep: boolean;
  /** A directory for the record, or null. */
  readonly into: string | null;
}

const PROBES_MS = 2_000;

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

const say = (line: string): void => print(`  ${line}`);

/** Nodes whose pages can be looked at; each takes a port of this host. */
export const MAX_PAGES = 3;

/** One page a door: each shows the whole segment, as that node sees it. */
const showPages = async (stage: Stage): Promise<void> => {
  const pages: string[] = [];
  for (const [index, { port, socket }] of labDoors().entries()) {
    const node = stage.nodes[index];
    if (node === undefined) continue;
    await serveNodePage(node.socket, { path: socket });
    pages.push(`http://127.0.0.1:${port}/ (${node.host.name})`);
  }
  if (pages.length === 0) return;
  print('To watch it in a browser on this machine, each page as its node sees the segment:');
  for (const page of pages) say(page);
};

const showClaims = async (stage: Stage): Promise<boolean> => {
  const owners = await stage.owners();
  print('');
  for (const [ip, { host }] of owners)
    print(`${ip} is owned by ${host.name}: it answers ARP or NDP for it with its own MAC, ${host.mac}.`);
  print('A client that has never heard of these addresses pings each of them every 2 ms, 1,000 times.');
  const probe = startProbe(stage.client, { targets: LAB_SERVICE_IPS, periodMs: 2, durationMs: PROBES_MS });
  await probe.ready;
  let isKept = true;
  for (const { target, sent, lost, rttP50Us } of await probe.finished) {
    const learned = await stage.segment.neighbour(stage.client, target);
    say(`${target}: ${lost} of ${sent} lost, half of them answered within ${rttP50Us} µs`);
    isKept &&= lost === 0 && learned?.mac === owners.get(target)?.host.mac;
  }
  return isKept;
};

const isKept = (lines: readonly ScenarioLine[]): boolean => lines.every(({ ok }) => ok);

const worst = (lines: readonly ScenarioLine[]): number =>
  Math.round(Math.max(...lines.map(({ gapMs }) => gapMs)));

/** Why the successor says that it owns the address: the words of its own record. */
const reasonOf = async (stage: Stage, ip: string): Promise<string> => {
  const owner = (await stage.owners()).get(ip);
  const service = (await owner?.status())?.serviceIPs.find((candidate) => candidate.ip === ip);
  return `${owner?.host.name} says why: "${service?.reason}"`;
};

/** Plays a scenario and holds what the nodes' journals say against what the client measured. */
const played = async (stage: Stage, scenario: Scenario): Promise<readonly ScenarioLine[]> => {
  const lines = await scenario.play(stage, say);
  const journals = stage.nodes.map(({ journal }) => journal);
  return withRecordedGaps(scenario, lines, journals, say);
};

const showFailover = async (stage: Stage, all: ScenarioLine[]): Promise<boolean> => {
  print('');
  print('A failover nobody planned. The client goes on pinging; the cable of the owner is cut.');
  const lines = await played(stage, cut);
  all.push(...lines);
  say(await reasonOf(stage, LAB_SERVICE_IPS[0]));
  const limit = stage.profile.deadAfterMs + 100;
  print(`For the client the addresses were away for ${worst(lines)} ms; ${limit} ms were promised.`);
  print('The cable is in again. Nothing moves back: an owner stays the owner.');
  return isKept(lines);
};

const sumOf = (lines: readonly ScenarioLine[], key: 'sent' | 'lost' | 'tcpOpened' | 'tcpFailed'): number =>
  lines.reduce((total, line) => total + (line[key] ?? 0), 0);

const showMove = async (stage: Stage, all: ScenarioLine[]): Promise<boolean> => {
  print('');
  print('A planned move. Pings go on, and a new TCP connection to each address is opened every 20 ms.');
  const lines = await played(stage, drain);
  all.push(...lines);
  const connections = `${sumOf(lines, 'tcpFailed')} of ${sumOf(lines, 'tcpOpened')} new connections failed`;
  print(
    `Of ${sumOf(lines, 'sent')} pings ${sumOf(lines, 'lost')} were lost, the longest gap was ${worst(lines)} ms, ${connections}.`,
  );
  return isKept(lines);
};

const showRecord = async (stage: Stage): Promise<boolean> => {
  const difference = await stage.replayed();
  print('');
  print(
    difference === null
      ? 'Every node kept a journal of what it saw and did; replayed, each gives exactly the same decisions.'
      : `A journal replays differently: ${difference}`,
  );
  return difference === null;
};

const recordTour = (into: string, lines: readonly ScenarioLine[], stage: Stage): string => {
  const record = openLabRecord(into);
  record.add('tour', 'claims, a failover and a planned move', lines, stage.nodes);
  return `Journals and a report, for any browser: ${record.finish()}`;
};

export const tour = async ({ nodes, keep, into }: TourOptions): Promise<ExitCode> => {
  print(
    `Building a switch, ${counted(nodes, 'node')} and a client, in network namespaces that vanish with this program.`,
  );
  const stage = await createStage({ nodes, extra: SHORT_DRAIN });
  try {
    const all: ScenarioLine[] = [];
    await showPages(stage);
    const kept = [await showClaims(stage)];
    if (nodes > 1) kept.push(await showFailover(stage, all), await showMove(stage, all));
    else print('With more nodes (--nodes 3) there would be a failover and a planned move to see.');
    kept.push(await showRecord(stage));
    const isAllKept = kept.every((one) => one);
    print(isAllKept ? 'Every promise was kept.' : 'A PROMISE WAS BROKEN: see above.');
    if (into !== null) print(recordTour(into, all, stage));
    if (keep) await playground(stage);
    return isAllKept ? EXIT.yes : EXIT.no;
  } finally {
    await stage.dispose();
  }
};
