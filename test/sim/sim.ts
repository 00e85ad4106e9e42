// The simulator's command (sim-arguments.ts has its usage): runs seeds and says what each drew and how it went.
// Exit 1 when a claim was violated, 2 when the arguments are wrong.
import { runRange } from './fresh-seeds.ts';
import { runPlanted, runShrinkPlanted } from './planted.ts';
import { revision } from './revision.ts';
import { describeRun, isViolated, summarise } from './run-summary.ts';
import { readScript, writeScript } from './script.ts';
import { shrinkSeed } from './shrink.ts';
import { parseSimArguments, type SimArguments, USAGE } from './sim-arguments.ts';

const parse = (args: readonly string[]): SimArguments | null => {
  try {
    return parseSimArguments(args, Date.now());
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return null;
  }
};

const say = (line: string): void => console.log(line);

const runShrink = ({ first: seed, wanted, out, maxRuns }: SimArguments): number => {
  const script = shrinkSeed({ options: { ...wanted, seed }, maxRuns, say });
  if (script === null) {
    say(`seed ${seed}: nothing to shrink`);
    return 1;
  }
  const file = out ?? `seed-${seed}.json`;
  writeScript(file, script);
  say(`${file}: ${script.acts.length} acts; again: npm run sim -- --script ${file}`);
  return 0;
};

const runScript = (file: string, isTraced: boolean): number => {
  const script = readScript(file);
  const run = summarise({ seed: script.seed, script }, isTraced ? say : null);
  for (const line of describeRun(run, revision())) say(line);
  return isViolated(run) ? 1 : 0;
};

const main = async (args: readonly string[]): Promise<number> => {
  const wanted = parse(args);
  if (wanted === null) return 2;
  const { only, first, last } = wanted;
  if (wanted.mode === 'planted') {
    const isRight = wanted.isShrunk
      ? await runShrinkPlanted(only, [first, last], wanted.out ?? '.')
      : await runPlanted(only, [first, last]);
    return isRight ? 0 : 1;
  }
  if (wanted.isShrunk) return runShrink(wanted);
  if (wanted.script !== null) return runScript(wanted.script, wanted.isTraced);
  const failed = await runRange(wanted, revision(), say);
  return failed.length === 0 ? 0 : 1;
};

process.exitCode = await main(process.argv.slice(2));
