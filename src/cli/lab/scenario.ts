// A scenario of the lab: something happens to the nodes while clients probe, and a promise is kept or not. A
// scenario leaves the stage as it found it (every daemon running, every port up, nobody drained), so that the
// benchmark can play it many times over.
import { crowdedNote, refusedNeighbours } from './neighbour-tables.ts';
import { type ProbeResult, startProbe } from './prober.ts';
import type { Host } from './segment.ts';
import { LAB_SERVICE_IPS, type Profile, type Stage, type StageOptions } from './stage.ts';

/** One line of `lab --json` (contract.md): one a scenario and address family. */
export interface ScenarioLine {
  readonly scenario: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly sent: number;
  readonly lost: number;
  /** The longest time in which probes went unanswered. */
  readonly gapMs: number;
  readonly ok: boolean;
  /** When the probing began and ended, milliseconds since 1970. */
  readonly probedFrom?: number;
  readonly probedTo?: number;
  /** The prober's own worst delay: a gap is only as certain as this is small. */
  readonly proberLateMs?: number;
  /** The longest gap meanwhile by the nodes' journals, and how far off that may be; see recorded-gaps.ts. */
  readonly recordedGapMs?: number;
  readonly recordedErrorMs?: number;
  /** What was promised, in words. */
  readonly promise: string;
  /** crash: the longest time in which a client without a cache entry went unanswered. */
  readonly newClientMs?: number;
  /** partition: from the healing to exactly one answerer; to the last client's cache naming it. */
  readonly convergedMs?: number;
  readonly clientsMs?: number;
  /** upgrade: `gapMs` is of what was planned, this of the cuts. */
  readonly cutGapMs?: number;
  /** rolling, upgrade: how often an IP of this family changed its owner, in all. */
  readonly moves?: number;
  /** rejoin, deaf: owners other than before, or of another epoch. */
  readonly ownerChanges?: number;
  /** drain, sigterm, rolling, upgrade: TCP connections tried, failed, reset before they were done; long-lived ones that were reset. */
  readonly tcpOpened?: number;
  readonly tcpFailed?: number;
  readonly tcpCut?: number;
  readonly resets?: number;
  /** drain, sigterm, rolling, upgrade: how often the client's kernel went from one MAC to another; more than once is to and fro. */
  readonly follows?: number;
  /** In Kubernetes mode: from the end (or the API server's return) until the ServiceIP objects said who owns what. */
  readonly agreedMs?: number;
  /** Why the promise counts as broken, or anything else worth saying. */
  readonly note?: string;
}

/** Progress for people. */
export type Say = (line: string) => void;

export interface Scenario {
  readonly summary: string;
  /** With fewer it makes no sense. */
  readonly leastNodes: number;
  readonly clients: number;
  /** Default: one of each family. */
  readonly serviceIPs?: readonly string[];
  /** Which number of a line the journals tell as well, within 20 ms; absent: what the client saw is in no journal. */
  readonly recorded?: 'gapMs' | 'newClientMs' | 'cutGapMs';
  /** More YAML for the nodes. */
  readonly extra?: string;
  play(stage: Stage, say: Say): Promise<readonly ScenarioLine[]>;
}

export const PERIOD_MS = 2;
/** A short end of the draining: part of what is watched, and no wait between two plays. */
export const SHORT_DRAIN = 'drain: {window: 5s, quiet: 500ms}';
/** The prober's code is warm, and there is a before to compare with. */
const WARM_UP_MS = 200;

/** A prober that was itself late by more than this, or left out more than this part, cannot be believed about a gap. */
const MAX_PROBER_LATENESS_MS = 50;
const MAX_SKIPPED_PART = 0.02;

const doubt = ({ sent, skippedTicks, lateMaxMs }: ProbeResult): { readonly note?: string } =>
  lateMaxMs > MAX_PROBER_LATENESS_MS || skippedTicks > sent * MAX_SKIPPED_PART
    ? { note: `the prober itself was late by ${lateMaxMs} ms and left out ${skippedTicks} probes` }
    : {};

/** Turns what the prober measured into lines; `judged` adds to the numbers whether the promise was kept. */
export const toLines = (
  scenario: string,
  promise: string,
  results: readonly ProbeResult[],
  judged: (result: ProbeResult) => Partial<ScenarioLine> & { readonly ok: boolean },
): readonly ScenarioLine[] =>
  results.map((result) => {
    const { family, sent, lost, gapMs } = result;
    const { firstSentAt, lastSentAt, lateMaxMs: proberLateMs } = result;
    const probed = { probedFrom: firstSentAt ?? 0, probedTo: lastSentAt ?? 0, proberLateMs };
    return { scenario, family, sent, lost, gapMs, promise, ...probed, ...doubt(result), ...judged(result) };
  });

/** Probes every one of `targets` from `client` until stopped; resolves when it is warm. */
export const startProbing = async (
  client: Host,
  targets: readonly string[] = LAB_SERVICE_IPS,
): Promise<() => Promise<readonly ProbeResult[]>> => {
  const probe = startProbe(client, { targets, periodMs: PERIOD_MS });
  await probe.ready;
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
  return probe.stop;
};

const DEFAULT_NODES = 3;

/** The number of nodes a scenario gets: what was asked for, but never fewer than it needs. */
const nodesFor = ({ leastNodes }: Scenario, asked: number | null): number =>
  Math.max(leastNodes, asked ?? (leastNodes > 1 ? DEFAULT_NODES : 1));

/** The stage that a scenario needs. */
export const stageOptionsFor = (
  scenario: Scenario,
  { nodes = null, profile }: { readonly nodes?: number | null; readonly profile?: Profile | undefined } = {},
): StageOptions => {
  const { clients, extra, serviceIPs } = scenario;
  return {
    nodes: nodesFor(scenario, nodes),
    clients,
    ...(profile === undefined ? {} : { profile }),
    ...(extra === undefined ? {} : { extra }),
    ...(serviceIPs === undefined ? {} : { serviceIPs }),
  };
};

/** Plays on a stage; what kept clients from the nodes without anybody's fault stands in the note. */
export const playOn = async (
  stage: Stage,
  { play }: Scenario,
  say: Say,
): Promise<readonly ScenarioLine[]> => {
  const before = await refusedNeighbours(stage.client);
  const lines = await play(stage, say);
  const crowded = crowdedNote(before, await refusedNeighbours(stage.client));
  if (crowded === null) return lines;
  return lines.map((line) => ({
    ...line,
    note: line.note === undefined ? crowded : `${line.note}; ${crowded}`,
  }));
};
