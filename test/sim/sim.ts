// `npm run sim -- --seed N | --seeds A..B | --minutes M [--nodes M] [--ips K] [--duration 30s] [--faults a,b]
// [--kubernetes]
// [--trace] [--first]`, or `--planted [--only TEXT]`: runs seeds and says what each drew and how it went. Exit 1 when a claim was violated.
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { runPlanted } from './planted.ts';
import { runSimulation, type SimulationOptions, type SimulationResult } from './run.ts';

const USAGE =
  'sim --seed N | --seeds A..B | --minutes M, with [--nodes N] [--ips K] [--seconds S] [--faults a,b] [--kubernetes] [--trace] [--first]';

const commit = (): string => {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'no commit';
  }
};

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

const tell = (result: SimulationResult, revision: string, isTraced: boolean): void => {
  if (isTraced) for (const line of result.world.trace.drain()) console.log(line);
  const faults = result.faults.map(({ name, everyMs }) => `${name}/${seconds(everyMs)}`).join(' ') || 'none';
  const speed = Math.round(result.simulatedMs / result.wallMs);
  console.log(
    `seed ${result.seed} (${revision}): ${result.verdict}; ${result.nodes} nodes, ${result.ips} IPs${result.world.api === null ? '' : ' in Kubernetes'}, ` +
      `${result.clients.length} clients; faults: ${faults}; ${seconds(result.simulatedMs)} simulated, ` +
      `${speed} times real time; trace ${result.traceHash}`,
  );
  for (const { checker, claim, at, ip, what, excerpt } of result.violations) {
    console.log(`  VIOLATED at ${seconds(at)} (${checker}: ${claim})${ip === null ? '' : ` ${ip}`}: ${what}`);
    for (const line of excerpt) console.log(`    ${line}`);
  }
};

/** The seeds asked for, as a sequence that may be endless. */
const seedsOf = (values: {
  seed?: string | undefined;
  seeds?: string | undefined;
}): readonly [number, number] => {
  if (values.seed !== undefined) return [Number(values.seed), Number(values.seed)];
  if (values.seeds !== undefined) {
    const [first, last] = values.seeds.split('..').map(Number);
    return [first ?? Number.NaN, last ?? Number.NaN];
  }
  // Fresh ones; printed, so that they can be run again.
  return [Math.floor(Math.random() * 2 ** 31), Number.POSITIVE_INFINITY];
};

/** A failed assertion of the program, or of the simulator, is a finding like any other. */
const attempt = (options: SimulationOptions): SimulationResult | null => {
  try {
    return runSimulation(options);
  } catch (error) {
    console.log(`seed ${options.seed}: an exception: ${(error as Error).stack ?? error}`);
    return null;
  }
};

const PLANTED_SEEDS = [1, 200] as const;

const main = async (args: readonly string[]): Promise<number> => {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: text,
      seeds: text,
      minutes: text,
      nodes: text,
      ips: text,
      seconds: text,
      faults: text,
      kubernetes: { type: 'boolean' },
      trace: { type: 'boolean' },
      first: { type: 'boolean' },
      planted: { type: 'boolean' },
      only: text,
    },
  });
  if (values.planted === true) {
    const seeds = values.seeds === undefined ? PLANTED_SEEDS : seedsOf(values);
    return (await runPlanted(values.only ?? null, seeds)) ? 0 : 1;
  }
  const [first, last] = seedsOf(values);
  const minutes = values.minutes === undefined ? null : Number(values.minutes);
  const numbers = [first, ...(minutes === null ? [last] : [minutes])];
  if (numbers.some(Number.isNaN) || (minutes === null && last === Number.POSITIVE_INFINITY)) {
    console.error(USAGE);
    return 2;
  }
  const shape: Omit<SimulationOptions, 'seed'> = {
    ...(values.nodes === undefined ? {} : { nodes: Number(values.nodes) }),
    ...(values.ips === undefined ? {} : { ips: Number(values.ips) }),
    ...(values.kubernetes === undefined ? {} : { kubernetes: values.kubernetes }),
    ...(values.seconds === undefined ? {} : { durationMs: Number(values.seconds) * 1000 }),
    ...(values.faults === undefined
      ? {}
      : { faults: values.faults.split(',').filter((name) => name !== '') }),
  };
  const revision = commit();
  const until = performance.now() + (minutes ?? Number.POSITIVE_INFINITY) * 60_000;
  let [runs, simulatedMs] = [0, 0];
  const failed: number[] = [];
  for (let seed = first; seed <= last && performance.now() < until; seed += 1) {
    if (values.first === true && failed.length > 0) break;
    runs += 1;
    const result = attempt({ ...shape, seed });
    if (result === null) {
      failed.push(seed);
      continue;
    }
    simulatedMs += result.simulatedMs * result.nodes;
    if (result.verdict !== 'ok') failed.push(seed);
    if (result.verdict !== 'ok' || values.trace === true || last - first < 50)
      tell(result, revision, values.trace === true);
  }
  console.log(
    `${runs} seeds from ${first}, ${(simulatedMs / 3_600_000).toFixed(1)} simulated node-hours: ` +
      (failed.length === 0 ? 'no violation' : `${failed.length} violated: ${failed.slice(0, 20).join(' ')}`),
  );
  return failed.length === 0 ? 0 : 1;
};

process.exitCode = await main(process.argv.slice(2));
