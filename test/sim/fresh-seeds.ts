// Runs seeds until there are no more or the time is over, and says how it went.
import { describeRun, isViolated } from './run-summary.ts';
import { runSeeds, type WantedRun } from './seed-pool.ts';
import { createTally } from './tally.ts';

export interface SeedRange {
  readonly first: number;
  /** Infinity: until the time is over. */
  readonly last: number;
  /** Null: as long as it takes. */
  readonly minutes: number | null;
  readonly jobs: number;
  readonly isFirstOnly: boolean;
  readonly isTraced: boolean;
  readonly wanted: WantedRun;
}

/** Up to so many seeds each is told of, of more only those that found something. */
const TOLD_SEEDS = 50;

/** The seeds that found something. */
export const runRange = async (
  range: SeedRange,
  revision: string,
  say: (line: string) => void,
): Promise<readonly number[]> => {
  const started = performance.now();
  const until = started + (range.minutes ?? Number.POSITIVE_INFINITY) * 60_000;
  const tally = createTally();
  const isEachTold = range.isTraced || range.last - range.first < TOLD_SEEDS;
  if (range.minutes !== null) say(`fresh seeds from ${range.first} on, for ${range.minutes} minutes`);
  let seed = range.first - 1;
  const next = (): number | null => {
    if (range.isFirstOnly && tally.failed().length > 0) return null;
    if (performance.now() >= until) return null;
    seed += 1;
    return seed <= range.last ? seed : null;
  };
  await runSeeds({
    wanted: range.wanted,
    jobs: range.jobs,
    next,
    onRun: (run) => {
      tally.add(run);
      if (isViolated(run) || isEachTold) for (const line of describeRun(run, revision)) say(line);
    },
    onTrace: range.isTraced ? say : null,
  });
  for (const line of tally.lines(range.first, revision, performance.now() - started)) say(line);
  return tally.failed();
};
