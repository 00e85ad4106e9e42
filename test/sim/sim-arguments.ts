// The simulator's command line, checked before anything runs: what is wrong is said in a line.
import { parseArgs } from 'node:util';
import type { WantedRun } from './seed-pool.ts';

export const USAGE = `npm run sim -- --seed N | --seeds A..B | --minutes M   runs seeds; of --minutes fresh ones, drawn from the clock
  with [--nodes N] [--ips K] [--seconds S] [--faults a,b] [--segments 1|2] [--versions 1|2] [--kubernetes] [--jobs J] [--trace] [--first]
npm run sim -- --seed N --shrink [--out FILE] [--runs R]  makes a short script of a failing seed, in R runs at most (300)
npm run sim -- --script FILE                            plays it
npm run sim -- --planted [--only TEXT] [--seeds A..B] [--shrink --out FOLDER]   plants bugs, looks for each`;

export interface SimArguments {
  readonly mode: 'seeds' | 'script' | 'planted';
  readonly isShrunk: boolean;
  readonly first: number;
  readonly last: number;
  readonly minutes: number | null;
  readonly jobs: number;
  readonly isTraced: boolean;
  /** Ends at the first finding. */
  readonly isFirstOnly: boolean;
  readonly wanted: WantedRun;
  readonly script: string | null;
  readonly out: string | null;
  /** Of a shrinking. */
  readonly maxRuns: number;
  readonly only: string | null;
}

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const OPTIONS = {
  ...{
    seed: text,
    seeds: text,
    minutes: text,
    nodes: text,
    segments: text,
    versions: text,
    ips: text,
    seconds: text,
    faults: text,
  },
  ...{ jobs: text, script: text, out: text, runs: text, only: text },
  ...{ kubernetes: flag, trace: flag, first: flag, planted: flag, shrink: flag },
} as const;

/** More than any machine has cores. */
const MAX_JOBS = 64;
/** Some minutes, and enough for a few hundred acts. */
const SHRINK_RUNS = 300;
const PLANTED_SEEDS = [1, 200] as const;
const MAX_SEED = 2 ** 31 - 1;

/** Throws with one line that says which argument is wrong, and what would be right. */
export const parseSimArguments = (args: readonly string[], now: number): SimArguments => {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const number = (name: keyof typeof OPTIONS, value: string | undefined, least: number, most: number) => {
    if (value === undefined) return undefined;
    const read = Number(value);
    if (value.trim() === '' || !(read >= least && read <= most))
      throw new Error(`--${name} ${value}: not a number from ${least} to ${most}`);
    return read;
  };
  const range = (): readonly [number, number] => {
    const seed = number('seed', values.seed, 0, MAX_SEED);
    if (seed !== undefined) return [seed, seed];
    if (values.seeds === undefined) return [now % MAX_SEED, Number.POSITIVE_INFINITY];
    const [, first, last] = /^(\d+)\.\.(\d+)$/.exec(values.seeds) ?? [];
    if (first === undefined) throw new Error(`--seeds ${values.seeds}: not two numbers as in 1..200`);
    return [Number(first), Number(last)];
  };
  const minutes = number('minutes', values.minutes, 0, 1e6) ?? null;
  const isPlanted = values.planted === true;
  const isAnySeed = values.seed !== undefined || values.seeds !== undefined || minutes !== null;
  if (!isAnySeed && !isPlanted && values.script === undefined) throw new Error('which seeds?');
  if (values.shrink === true && values.seed === undefined && !isPlanted)
    throw new Error('--shrink needs --seed N');
  const [first, last] = isPlanted && values.seeds === undefined ? PLANTED_SEEDS : range();

  const nodes = number('nodes', values.nodes, 1, 64);
  const ips = number('ips', values.ips, 1, 10_000);
  const segments = number('segments', values.segments, 1, 2);
  const versions = number('versions', values.versions, 1, 2);
  const seconds = number('seconds', values.seconds, 0, 1e6);
  return {
    mode: isPlanted ? 'planted' : values.script !== undefined ? 'script' : 'seeds',
    isShrunk: values.shrink === true,
    ...{ first, last, minutes },
    jobs: number('jobs', values.jobs, 1, MAX_JOBS) ?? 1,
    isTraced: values.trace === true,
    isFirstOnly: values.first === true,
    wanted: {
      ...(nodes === undefined ? {} : { nodes }),
      ...(ips === undefined ? {} : { ips }),
      ...(versions === undefined ? {} : { versions: versions < 2 ? 1 : 2 }),
      ...(segments === undefined ? {} : { segments: segments < 2 ? 1 : 2 }),
      ...(values.kubernetes === true ? { kubernetes: true } : {}),
      ...(seconds === undefined ? {} : { durationMs: seconds * 1000 }),
      ...(values.faults === undefined
        ? {}
        : { faults: values.faults.split(',').filter((name) => name !== '') }),
    },
    script: values.script ?? null,
    out: values.out ?? null,
    maxRuns: number('runs', values.runs, 1, 100_000) ?? SHRINK_RUNS,
    only: values.only ?? null,
  };
};
