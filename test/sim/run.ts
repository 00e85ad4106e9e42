// One simulated run: a cluster, clients, a fault plan, the checkers. First the safety phase with faults, then
// everything is healed and the liveness phase follows. The same seed gives the same run, to the last frame.
import type { Ip } from '../../src/machines/frames.ts';
import type { Act } from './acts.ts';
import { CHECKERS } from './checkers/all-checkers.ts';
import { createAnswerers } from './checkers/answerers.ts';
import { type Checker, type CheckerContext, protocolTimes } from './checkers/checker.ts';
import { createEars } from './checkers/ears.ts';
import type { Silence } from './checkers/reach.ts';
import type { ClientKind } from './client.ts';
import { drawFaultPlan, type FaultPlan, playedFaultPlan } from './faults.ts';
import { nodeName } from './profile.ts';
import { createRandom, type Random } from './random.ts';
import { drawShape, type RunShape, shapeWorld, type WantedShape } from './run-shape.ts';
import type { SimScript } from './script.ts';
import type { World } from './world.ts';

/** Absent: nodes 2 to 5, IPs 1 to 20, 30 s (with an API server 60 s), 1 to 4 clients. */
export interface SimulationOptions extends WantedShape {
  readonly seed: number;
  /** Fault kinds by name, instead of drawn ones; empty: no faults. */
  readonly faults?: readonly string[];
  /** With a simulated API server; absent: drawn. */
  readonly kubernetes?: boolean;
  /** Plays what was written down instead. */
  readonly script?: Pick<SimScript, 'shape' | 'acts'>;
  /** Ends when this checker has reported something; absent: after five reports of any. */
  readonly until?: string;
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
  readonly shape: RunShape;
  readonly acts: readonly Act[];
  readonly nodes: number;
  /** Of all segments. */
  readonly ips: number;
  readonly clients: readonly ClientKind[];
  /** The longest time for which a client could not reach an IP; null: each packet arrived. */
  readonly worstSilence: Silence | null;
  readonly simulatedMs: number;
  readonly wallMs: number;
  readonly events: number;
  /** Over every frame, transition and fault of the run. */
  readonly traceHash: string;
  readonly world: World;
}

/** The first report of a fault says most; more of them only hide it. */
const MAX_VIOLATIONS = 5;
const EXCERPT_LINES = 30;
/** Packets a second of all clients together, in the safety phase. */
const MAX_PACKETS = 200;

/** Runs with an API server; drawn apart, so that all others stay as they were. */
const CLUSTERED_SHARE = 0.1;
/** Not where somebody asks for a certain run. */
const drawsKubernetes = ({ era, faults }: SimulationOptions, random: Random): boolean =>
  era !== 'first' && faults === undefined && random.split('kubernetes').chance(CLUSTERED_SHARE);

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
const runWhile = (world: World, milliseconds: number, isClean: () => boolean): void => {
  const until = world.queue.now() + milliseconds;
  while (world.queue.now() < until && isClean()) world.run(Math.min(500, until - world.queue.now()));
};

/** Claims about whole nodes, whatever segments they are on: one checker is enough. */
const NODE_WIDE: readonly string[] = ['replay-identical', 'timers-wanted'];

/** Fault plan and shape: from the script if there is one, else drawn. */
const prepareRun = (options: SimulationOptions, random: Random): { plan: FaultPlan; shape: RunShape } => {
  const { script } = options;
  if (script !== undefined) return { plan: playedFaultPlan(script.acts), shape: script.shape };
  const isClustered = options.kubernetes ?? drawsKubernetes(options, random);
  const faults = random.split('faults');
  const plan = drawFaultPlan(faults, options.faults ?? null, options.era ?? 'newest', isClustered);
  return { plan, shape: drawShape(options, random.split('world'), plan, isClustered) };
};

const watch = (world: World, violations: Violation[], onSilence: (silence: Silence) => void): Checker[] => {
  const answerers = createAnswerers(world);
  world.observe(answerers);
  const ears = createEars(world, protocolTimes(world).holdMs);
  world.observe(ears);
  const wanted = Object.entries(CHECKERS).filter(([name]) => world.index === 0 || !NODE_WIDE.includes(name));
  return wanted.map(([name, create]) => {
    const context: CheckerContext = {
      world,
      answerers,
      ears,
      ...protocolTimes(world),
      onSilence,
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
};

export const runSimulation = (options: SimulationOptions): SimulationResult => {
  const started = performance.now();
  const random = createRandom(options.seed);
  const { plan, shape } = prepareRun(options, random);
  const world = shapeWorld(shape, random.split('world'));
  const violations: Violation[] = [];
  let worstSilence: Silence | null = null;
  const onSilence = (silence: Silence): void => {
    if (silence.ms > (worstSilence?.ms ?? 0)) worstSilence = silence;
  };
  const worlds = [world, ...world.others];
  const checkers = worlds.flatMap((each) => watch(each, violations, onSilence));
  const isClean = (): boolean =>
    violations.length < MAX_VIOLATIONS && !violations.some(({ checker }) => checker === options.until);

  const { durationMs, healedMs } = shape;
  const starts = random.split('starts');
  for (let index = 0; index < shape.nodes; index += 1) {
    const [at, name] = [starts.between(0, 1_500), nodeName(index)];
    if (world.nodes.has(name)) world.queue.at(at, () => world.start(name));
  }
  options.prepare?.(world);
  for (const each of worlds) letClientsTalk(each, random.split('talk'), durationMs + healedMs);
  plan.unleash(world, durationMs);
  runWhile(world, durationMs, isClean);
  plan.heal();
  for (const { name } of world.nodes.values()) if (!world.node(name).isRunning()) world.start(name);
  world.trace.add(world.queue.now(), 'all', null, 'healed');
  for (const checker of checkers) checker.onHealed?.();
  runWhile(world, healedMs, isClean);
  for (const checker of checkers) checker.atEnd?.();

  return {
    seed: options.seed,
    verdict: violations.length === 0 ? 'ok' : 'violated',
    violations,
    faults: plan.kinds,
    shape,
    acts: plan.acts,
    nodes: world.nodes.size,
    ips: worlds.reduce((sum, { profile }) => sum + profile.ips.length, 0),
    clients: worlds.flatMap(({ clients }) => clients.map(({ kind }) => kind)),
    worstSilence,
    simulatedMs: world.queue.now(),
    wallMs: performance.now() - started,
    events: world.queue.events,
    traceHash: world.trace.hash(),
    world,
  };
};
