// Makes a failing run small: drops acts (delta debugging: halves, quarters, ... single ones), then nodes, clients, IPs
// and time, for as long as the same checker still fails. What is left is written as a script. Every candidate is a whole
// run, so their number is bounded.
import type { Act } from './acts.ts';
import { clientName, nodeName } from './profile.ts';
import { runSimulation, type SimulationResult } from './run.ts';
import type { RunShape } from './run-shape.ts';
import { FORMAT, type SimScript } from './script.ts';

/** What is made small: both together are a run. */
export interface Recorded {
  readonly shape: RunShape;
  readonly acts: readonly Act[];
}

export interface ShrinkOptions {
  readonly seed: number;
  readonly from: Recorded;
  /** The checker that failed. */
  readonly checker: string;
  readonly maxRuns: number;
  readonly say: (line: string) => void;
}

export interface Shrunk extends Recorded {
  readonly runs: number;
  /** False: the bound was reached before nothing more could be dropped. */
  readonly isMinimal: boolean;
}

/** An exception is a finding as well, under this name. */
export const EXCEPTION = 'exception';
/** After the violation: what was on its way then may explain it. */
const TAIL_MS = 500;
/** Times are cut to these grains while it still fails, coarsest first. */
const GRAINS_MS = [1_000, 100, 10, 1] as const;

/** Plays it until the checker has failed; null if it does not, else when it did. */
export const failsAt = (seed: number, script: Recorded, checker: string): number | null => {
  let result: SimulationResult;
  try {
    result = runSimulation({ seed, script, until: checker });
  } catch {
    return checker === EXCEPTION ? 0 : null;
  }
  return result.violations.find((violation) => violation.checker === checker)?.at ?? null;
};

/**
 * The shortest part of `items` that `stillFails` holds for, as far as dropping one part after the other finds it
 * (Zeller's ddmin, complements only). `stillFails` is never called with all of them.
 */
export const shrinkList = <T>(
  items: readonly T[],
  stillFails: (some: readonly T[]) => boolean,
): readonly T[] => {
  let kept = items;
  let size = Math.ceil(kept.length / 2);
  while (kept.length > 0 && size >= 1) {
    let isShorter = false;
    for (let from = 0; from < kept.length; ) {
      const rest = [...kept.slice(0, from), ...kept.slice(from + size)];
      if (stillFails(rest)) {
        kept = rest;
        isShorter = true;
      } else from += size;
    }
    if (size === 1 && !isShorter) break;
    if (!isShorter || size > kept.length) size = Math.max(1, Math.floor(Math.min(size, kept.length) / 2));
  }
  return kept;
};

const mentions = (act: Act, name: string): boolean =>
  [...act.begin, ...act.end].some(({ with: args }) => args.includes(name));

const without = ({ shape, acts }: Recorded, name: string): Recorded => ({
  shape: { ...shape, absent: [...shape.absent, name] },
  acts: acts.filter((act) => !mentions(act, name)),
});

const onGrain = ({ shape, acts }: Recorded, grainMs: number): Recorded => {
  const round = (ms: number): number => Math.max(grainMs, Math.round(ms / grainMs) * grainMs);
  return { shape, acts: acts.map((act) => ({ ...act, at: round(act.at), lastsMs: round(act.lastsMs) })) };
};

export const shrink = ({ seed, from, checker, maxRuns, say }: ShrinkOptions): Shrunk => {
  let runs = 0;
  let best = from;
  /** Takes the candidate if it still fails. */
  const tries = (candidate: Recorded): boolean => {
    if (runs >= maxRuns) return false;
    runs += 1;
    if (failsAt(seed, candidate, checker) === null) return false;
    best = candidate;
    return true;
  };
  const told = (what: string): void => {
    const { shape, acts } = best;
    const hosts = shape.nodes + shape.clients.length - shape.absent.length;
    const ms = shape.durationMs + shape.healedMs;
    say(
      `${what}: ${acts.length} acts, ${hosts} hosts, ${shape.ips.length} IPs, ${ms / 1_000} s (${runs} runs)`,
    );
  };

  const dropActs = (): void => {
    shrinkList(best.acts, (acts) => tries({ ...best, acts }));
    told('acts dropped');
  };
  const dropHosts = (): void => {
    const { shape } = best;
    const names = [
      ...Array.from({ length: shape.nodes }, (_, index) => nodeName(index)),
      ...Array.from({ length: shape.clients.length }, (_, index) => clientName(index)),
    ].filter((name) => !shape.absent.includes(name));
    for (const name of names.reverse()) tries(without(best, name));
    told('hosts dropped');
  };
  const dropIps = (): void => {
    const keep = (ips: RunShape['ips']): boolean =>
      ips.length > 0 && tries({ ...best, shape: { ...best.shape, ips } });
    shrinkList(best.shape.ips, keep);
    told('IPs dropped');
  };
  const cutTime = (): void => {
    const at = failsAt(seed, best, checker);
    if (at === null) return;
    runs += 1;
    const { shape } = best;
    const end = Math.ceil(at + TAIL_MS);
    if (end <= shape.durationMs) tries({ ...best, shape: { ...shape, durationMs: end, healedMs: 0 } });
    else {
      const lastAt = Math.max(0, ...best.acts.map(({ at: began }) => began));
      for (const durationMs of [Math.ceil(lastAt + TAIL_MS), Math.ceil(lastAt + 10 * TAIL_MS)])
        if (durationMs < shape.durationMs && tries({ ...best, shape: { ...shape, durationMs } })) break;
      const left = Math.ceil((failsAt(seed, best, checker) ?? at) - best.shape.durationMs + TAIL_MS);
      if (left < best.shape.healedMs) tries({ ...best, shape: { ...best.shape, healedMs: left } });
    }
    told('time cut');
  };

  dropActs();
  dropHosts();
  dropIps();
  dropActs();
  cutTime();
  for (const grainMs of GRAINS_MS) if (tries(onGrain(best, grainMs))) break;
  told('times rounded');
  return { ...best, runs, isMinimal: runs < maxRuns };
};

export interface ShrinkSeedOptions {
  readonly options: Parameters<typeof runSimulation>[0];
  readonly maxRuns: number;
  readonly say: (line: string) => void;
}

/** Runs a seed and shrinks what fails first; null when nothing does. */
export const shrinkSeed = ({ options, maxRuns, say }: ShrinkSeedOptions): SimScript | null => {
  const { seed } = options;
  const { violations, shape, acts } = runSimulation(options);
  const [first] = violations;
  if (first === undefined) return null;
  const { checker, claim, what } = first;
  say(`seed ${seed} violates ${checker} (${claim}): ${what}`);
  if (failsAt(seed, { shape, acts }, checker) === null) {
    say('played from its acts it does not: a matter of a microsecond; the seed alone shows it');
    return null;
  }
  const { isMinimal, runs, ...small } = shrink({
    seed,
    from: { shape, acts },
    checker,
    maxRuns,
    say,
  });
  say(isMinimal ? `nothing more can go (${runs} runs)` : `stopped at its bound of ${maxRuns} runs`);
  return { format: FORMAT, shows: what, finds: checker, planted: null, seed, ...small };
};
