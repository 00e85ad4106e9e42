// Clients that do not follow as they should, under a prompt drain: how long each was carried by the former owner (or
// left in the dark), and by what it was moved in the end. The judges are the client's kernel, a capture at its port
// and the former owner's log.
import { isIPv6 } from 'node:net';
import { CLIENT_BUGS, type ClientBug, giveBug } from '../src/cli/lab/buggy-clients.ts';
import { analyse, type Capture, type Row, startCapture, timeOf } from '../src/cli/lab/capture.ts';
import { type LabNode, sleep } from '../src/cli/lab/lab-node.ts';
import { followedAfter, type NeighbourWatch, watchNeighbours } from '../src/cli/lab/neighbour-watch.ts';
import type { Host } from '../src/cli/lab/segment.ts';
import { createStage, LAB_SERVICE_IPS, type Stage } from '../src/cli/lab/stage.ts';
import { type StreamResult, type Streams, startStreams } from '../src/cli/lab/streams.ts';
import { serveEcho } from './drain-load.ts';
import { drainNode, drainYaml, settledStage, windowMs } from './drain-movers.ts';
import { told, transitionsSince } from './node-log.ts';

export type Kind = ClientBug | 'healthy';
export const KINDS: readonly Kind[] = ['healthy', ...CLIENT_BUGS];

/** Datagrams alone let an entry age; TCP that gets on confirms it (RFC 4861 §7.3.1), so that it never does. */
export type Traffic = 'datagrams' | 'tcp and datagrams';
export const TRAFFIC: readonly Traffic[] = ['datagrams', 'tcp and datagrams'];

export interface BuggyLine {
  readonly kind: Kind;
  readonly traffic: Traffic;
  readonly family: 'ipv4' | 'ipv6';
  /** From the command to the entry that names the new owner for good; infinite: never, as long as was waited. */
  readonly movedMs: number;
  /** By which frame; `the window's end`: an answer to its own question after the former owner had ended. */
  readonly by: string;
  readonly datagramsSent: number;
  readonly datagramsLost: number;
  readonly datagramGapMs: number;
  /** Of the two connections (one talks, one is idle). */
  readonly reset: number;
  readonly failed: number;
  /** The most that the draining node's status said; null where it does not say it. */
  readonly staleMost: number | null;
  /** What the nodes did, where even a healthy client lost something; else nothing. */
  readonly account: readonly string[];
}

const DATAGRAM_EVERY_MS = 20;
const POLL_MS = 50;
const WARM_UP_MS = 500;
/** Beyond the window: a client's kernel asks three times a second apart, fails, and asks everybody. */
const AGEING_S = 60;
const LEAST_AGEING_MS = 15_000;
const AFTERMATH_MS = 500;
/** What the account of a loss goes back. */
const BEFORE_MS = 2_000;
/** The kernel's defaults, before scaling. */
const REACHABLE_MS = 30_000;
const DELAY_S = 5;
/** Between a frame at the client's port and the stamp that `ip monitor` gives the change. */
const STAMP_MS = 5;

const scaledAgeing = async (client: Host, scale: number): Promise<void> => {
  const lines = ['ipv4', 'ipv6'].flatMap((family) => [
    `echo ${Math.round(REACHABLE_MS * scale)} >/proc/sys/net/${family}/neigh/eth0/base_reachable_time_ms`,
    `echo ${Math.max(1, Math.round(DELAY_S * scale))} >/proc/sys/net/${family}/neigh/eth0/delay_first_probe_time`,
  ]);
  await client.exec('sh', ['-ec', lines.join('\n')]);
};

export interface BuggyStage {
  readonly anyHost: Host;
  play(traffic: Traffic): Promise<readonly BuggyLine[]>;
  dispose(): Promise<void>;
}

interface Watched {
  readonly kind: Kind;
  readonly host: Host;
  readonly watch: NeighbourWatch;
  readonly capture: Capture;
  readonly streams: Streams;
}

const FIELDS = [
  ...['frame.time_epoch', 'eth.src', 'arp.opcode', 'arp.src.proto_ipv4', 'arp.dst.proto_ipv4'],
  ...['icmpv6.type', 'icmpv6.nd.na.target_address', 'icmpv6.nd.na.flag.s', 'ipv6.src'],
];

/** What kind of news a frame is for the owner of `client`'s entry for `ip`; null: none. */
const newsOf = (row: Row, ip: string, from: (mac: string) => string): string | null => {
  const sender = from(row['eth.src'] ?? '');
  if (row['arp.opcode'] !== '') {
    if (row['arp.src.proto_ipv4'] !== ip) return null;
    if (row['arp.dst.proto_ipv4'] === ip) return 'announcement';
    return row['arp.opcode'] === '1' ? `directed request of ${sender}` : 'answer';
  }
  if (row['icmpv6.type'] === '135') return row['ipv6.src'] === ip ? `directed request of ${sender}` : null;
  if (row['icmpv6.nd.na.target_address'] !== ip) return null;
  return ['1', 'True'].includes(row['icmpv6.nd.na.flag.s'] ?? '') ? 'answer' : 'announcement';
};

/** Which news each kind heeds: what it does not can stand before the change without being its cause. */
const heeds = (kind: Kind, news: string): boolean => {
  if (kind === 'ignores-gratuitous') return news !== 'announcement';
  if (kind === 'ignores-unsolicited' || kind === 'answers-unlearned') return news === 'answer';
  return true;
};

/** When the former owner stopped carrying `ip`: milliseconds since 1970; infinite: not yet. */
const carriedUntil = (owner: LabNode, ip: string, since: number): number =>
  transitionsSince([owner], since).find(
    (change) => change.ip === ip && change.from === 'draining' && change.to === 'unowned',
  )?.at ?? Number.POSITIVE_INFINITY;

interface Move {
  readonly stage: Stage;
  readonly formerOwner: LabNode;
  readonly newMacs: ReadonlyMap<string, string>;
  /** Milliseconds since 1970. */
  readonly began: number;
  readonly staleMost: ReadonlyMap<string, number>;
}

const movedAfter = ({ formerOwner, newMacs, began }: Move, { watch }: Watched, ip: string): number =>
  followedAfter(watch.changes(), ip, {
    before: formerOwner.host.mac,
    mac: newMacs.get(ip) ?? '',
    since: began,
  });

const causeOf = async (move: Move, client: Watched, ip: string, movedMs: number): Promise<string> => {
  if (!Number.isFinite(movedMs)) return 'nothing';
  const { stage, formerOwner, newMacs, began } = move;
  const mac = newMacs.get(ip) ?? '';
  const told = `arp.src.hw_mac == ${mac} || icmpv6.opt.linkaddr == ${mac}`;
  const at = began + movedMs;
  const names = new Map([...stage.segment.hosts.values()].map((host) => [host.mac, host.name]));
  const from = (source: string): string => {
    const name = names.get(source) ?? source;
    return source === formerOwner.host.mac ? 'the former owner' : source === mac ? 'the new owner' : name;
  };
  const news = (await analyse(await client.capture.stop(), told, FIELDS))
    .filter((row) => timeOf(row) >= began && timeOf(row) <= at + STAMP_MS)
    .flatMap((row) => newsOf(row, ip, from) ?? [])
    .filter((word) => heeds(client.kind, word));
  // The first that it heeds moves it; what names the same owner later changes nothing.
  const first = news[0] ?? 'a frame that was not seen';
  if (first !== 'answer') return first;
  return at > carriedUntil(formerOwner, ip, began) ? "the window's end" : 'its own ageing';
};

/** A healthy client loses nothing in a planned move: if it did, the nodes' own account belongs beside it. */
const accountOf = ({ stage, began }: Move, { kind }: Watched, lost: number): readonly string[] =>
  kind === 'healthy' && lost > 0 ? told(stage.nodes, began - BEFORE_MS) : [];

const startWatched = async (stage: Stage, kind: Kind, host: Host, traffic: Traffic): Promise<Watched> => {
  // It learns the way anew: some kinds would not have followed the last move.
  for (const ip of LAB_SERVICE_IPS) await stage.segment.setNeighbour(host, ip, '', 'none');
  const capture = await startCapture(stage.segment, { port: host.name }, { filter: 'arp or icmp6' });
  const watch = watchNeighbours(host);
  const lastsMs = 3_600_000;
  const streams = await startStreams(host, {
    targets: LAB_SERVICE_IPS,
    connections: traffic === 'datagrams' ? [] : [{ lastsMs }, { lastsMs, idle: true }],
    udpPeriodMs: DATAGRAM_EVERY_MS,
  });
  return { kind, host, watch, capture, streams };
};

const stopWatched = async ({ watch, capture, streams }: Watched): Promise<readonly StreamResult[]> => {
  const results = await streams.stop();
  watch.stop();
  await capture.stop();
  return results;
};

/** Until every client has moved and the former owner is done, or nothing more is to be expected. */
const waitForEnd = async (
  move: Move,
  clients: readonly Watched[],
  staleMost: Map<string, number>,
  timeoutMs: number,
): Promise<void> => {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const { serviceIPs } = await move.formerOwner.status();
    for (const service of serviceIPs) {
      const { ip, state } = service;
      const { staleClients } = service as { readonly staleClients?: number };
      if (state === 'draining' && staleClients !== undefined)
        staleMost.set(ip, Math.max(staleMost.get(ip) ?? 0, staleClients));
    }
    const isDone = serviceIPs.every(({ state }) => state === 'unowned');
    const haveMoved = clients.every((client) =>
      LAB_SERVICE_IPS.every((ip) => Number.isFinite(movedAfter(move, client, ip))),
    );
    if ((isDone && haveMoved) || performance.now() > until) return;
    await sleep(POLL_MS);
  }
};

const linesOf = async (
  move: Move,
  client: Watched,
  traffic: Traffic,
  results: readonly StreamResult[],
): Promise<readonly BuggyLine[]> => {
  const lines: BuggyLine[] = [];
  for (const { target, datagrams, reset, failed } of results) {
    const movedMs = movedAfter(move, client, target);
    lines.push({
      kind: client.kind,
      traffic,
      family: isIPv6(target) ? 'ipv6' : 'ipv4',
      movedMs,
      by: await causeOf(move, client, target, movedMs),
      datagramsSent: datagrams?.sent ?? 0,
      datagramsLost: datagrams?.lost ?? 0,
      datagramGapMs: datagrams?.gapMs ?? 0,
      reset,
      failed,
      staleMost: move.staleMost.get(target) ?? null,
      account: accountOf(move, client, datagrams?.lost ?? 0),
    });
  }
  return lines;
};

/** Drains the owner under the clients' eyes and waits until nothing more is to be expected. */
const drainWatched = async (
  stage: Stage,
  formerOwner: LabNode,
  clients: readonly Watched[],
  timeoutMs: number,
): Promise<Move> => {
  const began = Date.now();
  await drainNode(formerOwner, []);
  const others = stage.nodes.filter((node) => node !== formerOwner);
  const newMacs = new Map<string, string>();
  for (const [ip, { host }] of await stage.owners(others)) newMacs.set(ip, host.mac);
  const staleMost = new Map<string, number>();
  const move: Move = { stage, formerOwner, newMacs, began, staleMost };
  await waitForEnd(move, clients, staleMost, timeoutMs);
  await sleep(AFTERMATH_MS);
  return move;
};

const playBuggy = async (stage: Stage, scale: number, traffic: Traffic): Promise<readonly BuggyLine[]> => {
  const formerOwner = await settledStage(stage, scale);
  const clients = await Promise.all(
    KINDS.map((kind, index) => startWatched(stage, kind, stage.clients[index] as Host, traffic)),
  );
  await sleep(WARM_UP_MS);
  const timeoutMs = windowMs(scale) + Math.max(LEAST_AGEING_MS, AGEING_S * 1_000 * scale);
  let move: Move | null = null;
  try {
    move = await drainWatched(stage, formerOwner, clients, timeoutMs);
  } finally {
    if (move === null) await Promise.all(clients.map(stopWatched));
    await formerOwner.command('undrain');
  }
  const results = await Promise.all(clients.map(stopWatched));
  const lines: BuggyLine[] = [];
  for (const [index, client] of clients.entries())
    lines.push(...(await linesOf(move, client, traffic, results[index] ?? [])));
  return lines;
};

/** Three nodes and a client of each kind, whose kernels age entries by the same scale as the drain. */
export const createBuggyStage = async (scale: number): Promise<BuggyStage> => {
  const stage = await createStage({ nodes: 3, clients: KINDS.length, extra: drainYaml(scale) });
  await serveEcho(stage.nodes.map(({ host }) => host));
  for (const [index, kind] of KINDS.entries()) {
    const host = stage.clients[index] as Host;
    await scaledAgeing(host, scale);
    if (kind !== 'healthy') await giveBug(host, kind, LAB_SERVICE_IPS);
  }
  return {
    anyHost: stage.client,
    play: (traffic) => playBuggy(stage, scale, traffic),
    dispose: stage.dispose,
  };
};
