// What a run is before anything happens in it, drawn from its seed or read from a script: the cluster, its clients
// and how long it lasts. Plain data, so that it can be written down and made smaller.
import type { Ip } from '../../src/machines/frames.ts';
import type { ClientKind } from './client.ts';
import type { FaultPlan } from './faults.ts';
import { type ClusterProfile, DEFAULTS, nodeName, someIps } from './profile.ts';
import type { Random } from './random.ts';
import { createWorld, type SecondSegment, type World } from './world.ts';

export interface RunShape {
  readonly nodes: number;
  readonly ips: readonly Ip[];
  readonly clients: readonly ClientKind[];
  /** Names of nodes and clients that are left out. */
  readonly absent: readonly string[];
  readonly kubernetes: boolean;
  /** Names of nodes of the version before. */
  readonly previous: readonly string[];
  /** Null: one segment. */
  readonly second: SecondSegment | null;
  readonly drain: ClusterProfile['drain'];
  readonly switchAgeMs: number;
  readonly bufferFrames: number;
  /** Of the safety phase. */
  readonly durationMs: number;
  /** Of the liveness phase, in which everything is healed. */
  readonly healedMs: number;
}

/**
 * What a seed may draw grows: `first` has the first kinds of fault and no large tables, `second` operators, attackers
 * and an API server too; what came since is for the newest only.
 */
export type Era = 'first' | 'second' | 'newest';

export interface WantedShape {
  readonly nodes?: number;
  readonly ips?: number;
  readonly clients?: readonly ClientKind[];
  readonly segments?: 1 | 2;
  readonly versions?: 1 | 2;
  readonly durationMs?: number;
  /** For seeds kept from then, which draw nothing that came later; absent: the newest. */
  readonly era?: Era;
}

const DURATION_MS = 30_000;
/** Leases last 30 s. */
const CLUSTERED_MS = 60_000;
/** Long enough for starts, probes and whole tables; or for a client's entry to age and be probed (53 s). */
const HEALED_MS = 9_000;
const HEALED_LONG_MS = 75_000;
/** They take ten times as long as others. */
const LARGE_SHARE = 0.04;
/** Runs with a second segment, and how likely each node is on it. */
const SECOND_SHARE = 0.15;
const MEMBER_SHARE = 0.8;
/** Runs in which about half of the nodes are of the version before. */
const PREVIOUS_SHARE = 0.15;
/** Patient drains come to their end within a run, though the clients talk all the time. */
const SHORT_DRAIN = { windowMs: 8_000, quietMs: 600, style: 'prompt' } as const;

const drawClients = (random: Random, era: Era): ClientKind[] => {
  const kinds: ClientKind[] = Array.from({ length: random.whole(1, 4) }, () => 'linux');
  if (random.chance(0.1))
    kinds.push(random.pick(['ignores-gratuitous', 'ignores-unsolicited', 'never-ages']));
  if (era === 'newest' && random.split('tiny').chance(0.1)) kinds.push('tiny-cache');
  return kinds;
};

const drawSecond = (
  { segments, era }: WantedShape,
  random: Random,
  { nodes, kubernetes }: { readonly nodes: number; readonly kubernetes: boolean },
): SecondSegment | null => {
  // Which segment a Lease speaks for is more than the checkers of Kubernetes' rules know.
  const isDrawn = (era ?? 'newest') === 'newest' && random.chance(SECOND_SHARE);
  if (kubernetes || segments === 1 || !(segments === 2 || isDrawn)) return null;
  const some = random.some(
    Array.from({ length: nodes }, (_, index) => index),
    MEMBER_SHARE,
  );
  return {
    members: some.length === 0 ? [0] : some,
    clients: Array.from({ length: random.whole(1, 2) }, () => 'linux'),
    ips: someIps(random.whole(1, 8), 1),
  };
};

const drawPrevious = ({ era, versions }: WantedShape, random: Random, nodes: number): readonly string[] => {
  const isDrawn = (era ?? 'newest') === 'newest' && random.chance(PREVIOUS_SHARE);
  if (versions === 1 || !(versions === 2 || isDrawn)) return [];
  return random.some(
    Array.from({ length: nodes }, (_, index) => nodeName(index)),
    0.5,
  );
};

/** What is not wanted otherwise is drawn. */
export const drawShape = (
  wanted: WantedShape,
  random: Random,
  plan: FaultPlan,
  kubernetes: boolean,
): RunShape => {
  // A table that takes several hellos now and then; drawn apart, so that all else stays as it was.
  const size = random.split('size');
  const isLarge = wanted.ips === undefined && wanted.era !== 'first' && size.chance(LARGE_SHARE);
  const few = wanted.ips ?? random.whole(1, 20);
  const isPatient = plan.kinds.some(({ name }) => name === 'drain-patient');
  const nodes = wanted.nodes ?? random.whole(2, 5);
  const clients = wanted.clients ?? drawClients(random.split('clients'), wanted.era ?? 'newest');
  const areAllQuick = clients.every((kind) => kind === 'linux' || kind === 'tiny-cache');
  return {
    nodes,
    ips: someIps(isLarge ? size.whole(120, 240) : few),
    clients,
    absent: [],
    kubernetes,
    previous: drawPrevious(wanted, random.split('previous'), nodes),
    second: drawSecond(wanted, random.split('second'), { nodes, kubernetes }),
    drain: isPatient ? SHORT_DRAIN : DEFAULTS.drain,
    switchAgeMs: random.chance(0.2) ? 5_000 : 300_000,
    bufferFrames: random.pick([32, 93, 256]),
    durationMs: wanted.durationMs ?? (kubernetes ? CLUSTERED_MS : DURATION_MS),
    healedMs: plan.mayClientsMiss || isPatient || !areAllQuick ? HEALED_LONG_MS : HEALED_MS,
  };
};

export const shapeWorld = (shape: RunShape, random: Random): World => {
  const links = random.split('links');
  return createWorld({
    random,
    nodes: shape.nodes,
    clients: shape.clients,
    absent: shape.absent,
    second: shape.second ?? null,
    previous: shape.previous ?? [],
    profile: {
      ...DEFAULTS,
      drain: shape.drain,
      ...(shape.kubernetes ? { isClustered: true } : {}),
      ips: shape.ips,
    },
    link: () => ({
      delayMs: links.between(0.01, 0.2),
      jitterMs: links.chance(0.3) ? links.between(0, 2) : links.between(0, 0.05),
      loss: 0,
      duplication: 0,
    }),
    latencies: null,
    driftPpm: 100,
    clockOffsetMs: 60_000,
    switchAgeMs: shape.switchAgeMs,
    bufferFrames: shape.bufferFrames,
  });
};
