// One simulated run: a cluster, clients, a fault plan, the checkers. First the safety phase with faults, then
// everything is healed and the liveness phase follows. The same seed gives the same run, to the last frame.
import type { Ip } from '../../src/machines/frames.ts';
import { announcesOwn } from './checkers/announces-own.ts';
import { createAnswerers } from './checkers/answerers.ts';
import { bornAgain } from './checkers/born-again.ts';
import { type Checker, type CheckerContext, type CreateChecker, protocolTimes } from './checkers/checker.ts';
import { claimOrder } from './checkers/claim-order.ts';
import { drainEnds } from './checkers/drain-ends.ts';
import { drained } from './checkers/drained.ts';
import { healed } from './checkers/healed.ts';
import { neverDark } from './checkers/never-dark.ts';
import { noStorm } from './checkers/no-storm.ts';
import { objectsAgree } from './checkers/objects-agree.ts';
import { objectsDecide } from './checkers/objects-decide.ts';
import { plannedMove } from './checkers/planned-move.ts';
import { replayIdentical } from './checkers/replay-identical.ts';
import { singleAnswerer } from './checkers/single-answerer.ts';
import { sticky } from './checkers/sticky.ts';
import { timersWanted } from './checkers/timers-wanted.ts';
import { watchdog } from './checkers/watchdog.ts';
import { weakClaims } from './checkers/weak-claims.ts';
import type { ClientKind } from './client.ts';
import { drawFaultPlan, type FaultPlan } from './faults.ts';
import { type ClusterProfile, DEFAULTS, someIps } from './profile.ts';
import { createRandom, type Random } from './random.ts';
import { createWorld, type World } from './world.ts';

export const CHECKERS: Readonly<Record<string, CreateChecker>> = {
  'single-answerer': singleAnswerer,
  'never-dark': neverDark,
  healed,
  'no-storm': noStorm,
  'planned-move': plannedMove,
  'replay-identical': replayIdentical,
  sticky,
  'claim-order': claimOrder,
  drained,
  'born-again': bornAgain,
  watchdog,
  'weak-claims': weakClaims,
  'timers-wanted': timersWanted,
  'drain-ends': drainEnds,
  'announces-own': announcesOwn,
  'objects-decide': objectsDecide,
  'objects-agree': objectsAgree,
};

export interface SimulationOptions {
  readonly seed: number;
  /** Absent: drawn, 2 to 5. */
  readonly nodes?: number;
  /** Absent: drawn, 1 to 20. */
  readonly ips?: number;
  /** Of the safety phase. Absent: 30 s. */
  readonly durationMs?: number;
  /** Fault kinds by name, instead of drawn ones; empty: no faults. */
  readonly faults?: readonly string[];
  /** Only the kinds of fault that there were first, and no large tables: for seeds kept from then. */
  readonly isEarly?: boolean;
  /** With a simulated API server; absent: drawn. */
  readonly kubernetes?: boolean;
  readonly clients?: readonly ClientKind[];
  /** Lets a test do its own deeds before the run begins. */
  readonly prepare?: (world: World) => void;
}

export interface Violation {
  readonly checker: string;
  readonly claim: string;
  /** Simulated milliseconds. */
  readonly at: number;
  readonly ip: Ip | null;
  readonly what: string;
  readonly excerpt: readonly string[];
}

export interface SimulationResult {
  readonly seed: number;
  readonly verdict: 'ok' | 'violated';
  readonly violations: readonly Violation[];
  readonly faults: FaultPlan['kinds'];
  readonly nodes: number;
  readonly ips: number;
  readonly clients: readonly ClientKind[];
  readonly simulatedMs: number;
  readonly wallMs: number;
  readonly events: number;
  /** Over every frame, transition and fault of the run. */
  readonly traceHash: string;
  readonly world: World;
}

const DURATION_MS = 30_000;
/** Leases last 30 s. */
const CLUSTERED_MS = 60_000;
/** Long enough for starts, probes and whole tables; or for a client's entry to age and be probed (53 s). */
const HEALED_MS = 9_000;
const HEALED_LONG_MS = 75_000;
/** The first report of a fault says most; more of them only hide it. */
const MAX_VIOLATIONS = 5;
const EXCERPT_LINES = 30;
/** Packets a second of all clients together, in the safety phase. */
const MAX_PACKETS = 200;

/** Runs with an API server; drawn apart, so that all others stay as they were. */
const CLUSTERED_SHARE = 0.1;
/** Not where somebody asks for a certain run. */
const drawsKubernetes = ({ isEarly, faults }: SimulationOptions, random: Random): boolean =>
  isEarly !== true && faults === undefined && random.split('kubernetes').chance(CLUSTERED_SHARE);

/** They take ten times as long as others. */
const LARGE_SHARE = 0.04;

const drawClients = (random: Random): ClientKind[] => {
  const kinds: ClientKind[] = Array.from({ length: random.whole(1, 4) }, () => 'linux');
  if (random.chance(0.1))
    kinds.push(random.pick(['ignores-gratuitous', 'ignores-unsolicited', 'never-ages']));
  return kinds;
};

/** Each client sends to one IP after the other, for as long as the run lasts. */
const letClientsTalk = (world: World, random: Random, until: number): void => {
  for (const client of world.clients) {
    const mine = random.split(client.name);
    const periodMs = Math.max(mine.between(5, 60), (1_000 * world.clients.length) / MAX_PACKETS);
    const talk = (): void => {
      if (world.queue.now() >= until) return;
      world.use(client, mine.pick(world.profile.ips));
      world.queue.after(periodMs, talk);
    };
    world.queue.after(mine.between(0, periodMs), talk);
  }
};

/** What comes after the last violation that is kept would only cost time. */
const runWhileClean = (world: World, milliseconds: number, violations: readonly Violation[]): void => {
  const until = world.queue.now() + milliseconds;
  while (world.queue.now() < until && violations.length < MAX_VIOLATIONS) {
    world.run(Math.min(500, until - world.queue.now()));
  }
};

/** Patient drains come to their end within a run, though the clients talk all the time. */
const SHORT_DRAIN = { windowMs: 8_000, quietMs: 600, style: 'prompt' } as const;

const drawWorld = (
  options: SimulationOptions,
  random: Random,
  plan: FaultPlan,
  isClustered: boolean,
): World => {
  const links = random.split('links');
  // A table that takes several hellos now and then; drawn apart, so that all else stays as it was.
  const size = random.split('size');
  const isLarge = options.ips === undefined && options.isEarly !== true && size.chance(LARGE_SHARE);
  const few = options.ips ?? random.whole(1, 20);
  const isPatient = plan.kinds.some(({ name }) => name === 'drain-patient');
  const profile: ClusterProfile = {
    ...DEFAULTS,
    ...(isPatient ? { drain: SHORT_DRAIN } : {}),
    ...(isClustered ? { isClustered } : {}),
    ips: someIps(isLarge ? size.whole(120, 240) : few),
  };
  return createWorld({
    random,
    nodes: options.nodes ?? random.whole(2, 5),
    clients: options.clients ?? drawClients(random.split('clients')),
    profile,
    link: () => ({
      delayMs: links.between(0.01, 0.2),
      jitterMs: links.chance(0.3) ? links.between(0, 2) : links.between(0, 0.05),
      loss: 0,
      duplication: 0,
    }),
    latencies: null,
    driftPpm: 100,
    clockOffsetMs: 60_000,
    switchAgeMs: random.chance(0.2) ? 5_000 : 300_000,
    bufferFrames: random.pick([32, 93, 256]),
  });
};

export const runSimulation = (options: SimulationOptions): SimulationResult => {
  const started = performance.now();
  const random = createRandom(options.seed);
  const isClustered = options.kubernetes ?? drawsKubernetes(options, random);
  const plan = drawFaultPlan(
    random.split('faults'),
    options.faults ?? null,
    options.isEarly === true,
    isClustered,
  );
  const world = drawWorld(options, random.split('world'), plan, isClustered);
  const violations: Violation[] = [];
  const answerers = createAnswerers(world);
  world.observe(answerers);

  const checkers: Checker[] = Object.entries(CHECKERS).map(([name, create]) => {
    const context: CheckerContext = {
      world,
      answerers,
      ...protocolTimes(world),
      report: (ip, what) => {
        if (violations.length >= MAX_VIOLATIONS) return;
        const at = world.queue.now();
        violations.push({
          checker: name,
          claim: checker.claim,
          at,
          ip,
          what,
          excerpt: world.trace.excerpt(at, ip, EXCERPT_LINES),
        });
      },
    };
    const checker = create(context);
    world.observe(checker);
    return checker;
  });

  const durationMs = options.durationMs ?? (isClustered ? CLUSTERED_MS : DURATION_MS);
  const starts = random.split('starts');
  for (const name of world.nodes.keys()) world.queue.at(starts.between(0, 1_500), () => world.start(name));
  options.prepare?.(world);
  const healedMs =
    plan.mayClientsMiss ||
    plan.kinds.some(({ name }) => name === 'drain-patient') ||
    world.clients.some(({ kind }) => kind !== 'linux')
      ? HEALED_LONG_MS
      : HEALED_MS;
  letClientsTalk(world, random.split('talk'), durationMs + healedMs);
  plan.unleash(world, durationMs);
  runWhileClean(world, durationMs, violations);
  plan.heal();
  for (const { name } of world.nodes.values()) if (!world.node(name).isRunning()) world.start(name);
  world.trace.add(world.queue.now(), 'all', null, 'healed');
  for (const checker of checkers) checker.onHealed?.();
  runWhileClean(world, healedMs, violations);
  for (const checker of checkers) checker.atEnd?.();

  return {
    seed: options.seed,
    verdict: violations.length === 0 ? 'ok' : 'violated',
    violations,
    faults: plan.kinds,
    nodes: world.nodes.size,
    ips: world.profile.ips.length,
    clients: world.clients.map(({ kind }) => kind),
    simulatedMs: world.queue.now(),
    wallMs: performance.now() - started,
    events: world.queue.events,
    traceHash: world.trace.hash(),
    world,
  };
};
