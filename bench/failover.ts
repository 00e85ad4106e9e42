// `npm run bench:failover`: every scenario of the lab many times over, at two profiles, and keepalived from Debian
// in the same namespaces in the same run. Prints one table.
// Usage: failover.ts [--runs N] [--quick] [--scenario NAME]... [--profile default|fast]... [--no-keepalived] [--json]
import { parseArgs } from 'node:util';
import { SCENARIOS } from '../src/cli/commands/lab.ts';
import { enclose } from '../src/cli/lab/enclosure.ts';
import { playOn, type Scenario, type ScenarioLine, stageOptionsFor } from '../src/cli/lab/scenario.ts';
import { createStage, DEFAULT_PROFILE, type Profile, type Stage } from '../src/cli/lab/stage.ts';
import { missingTools } from '../src/cli/lab/tools.ts';
import { createKeepalivedStage, type Harm } from './keepalived.ts';
import { type Series, table } from './statistics.ts';

const PROFILES: Readonly<Record<string, Profile>> = {
  default: DEFAULT_PROFILE,
  fast: { intervalMs: 15, deadAfterMs: 60 },
};
const ADVERTS_S = [1, 0.1, 0.03];
const HARMS: readonly Harm[] = ['cut', 'crash', 'sigterm'];
/** A slow keepalived spends ten seconds a run on waiting; its numbers hardly spread. */
const MAX_SLOW_RUNS = 10;
const DEFAULT_RUNS = 20;
const QUICK_RUNS = 3;

const { values } = parseArgs({
  options: {
    runs: { type: 'string' },
    quick: { type: 'boolean', default: false },
    scenario: { type: 'string', multiple: true },
    profile: { type: 'string', multiple: true },
    'no-keepalived': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

const summary = (lines: readonly ScenarioLine[]): string =>
  lines
    .map(
      ({ family, gapMs, lost, ok }) =>
        `${family} ${Math.round(gapMs)} ms (${lost} lost${ok ? '' : ', BROKEN'})`,
    )
    .join(', ');

const report = (what: string, run: number, lines: readonly ScenarioLine[]): void => {
  say(`${what} ${run}: ${summary(lines)}`);
  for (const line of lines) {
    if (!line.ok) say(`  ${JSON.stringify(line)}`);
    if (values.json) process.stdout.write(`${JSON.stringify({ system: what, ...line })}\n`);
  }
};

/** Plays on `stage` and adds to `found`, so that what was measured is kept when a later run fails. */
const playAll = async (
  what: string,
  scenario: Scenario,
  runs: number,
  stage: Stage,
  found: ScenarioLine[],
): Promise<void> => {
  for (let run = 1; run <= runs; run += 1) {
    const lines = await playOn(stage, scenario, () => {});
    report(what, run, lines);
    found.push(...lines);
  }
  const difference = await stage.replayed();
  say(difference === null ? `${stage.nodes.length} journals replay identically` : `DIVERGED: ${difference}`);
  if (difference !== null) process.exitCode = 1;
};

/** One stage for all runs of a scenario, as in life: nodes that have seen failovers before. */
const measure = async (
  name: string,
  scenario: Scenario,
  profileName: string,
  runs: number,
): Promise<ScenarioLine[]> => {
  const profile = PROFILES[profileName] as Profile;
  const found: ScenarioLine[] = [];
  let stage: Stage | null = null;
  try {
    stage = await createStage(stageOptionsFor(scenario, { profile }));
    await playAll(`holdfast ${profileName} ${name}`, scenario, runs, stage, found);
  } catch (error) {
    const done = found.length / 2;
    say(`holdfast ${profileName} ${name}: GIVEN UP after ${done} runs: ${(error as Error).message}`);
    process.exitCode = 1;
  } finally {
    await stage?.dispose();
  }
  return found;
};

const measureKeepalived = async (advertS: number, runs: number): Promise<ScenarioLine[]> => {
  const found: ScenarioLine[] = [];
  const wanted = HARMS.filter((harm) => values.scenario === undefined || values.scenario.includes(harm));
  for (const harm of wanted) {
    const stage = await createKeepalivedStage(advertS);
    try {
      for (let run = 1; run <= runs; run += 1) {
        const lines = await stage.play(harm);
        report(`keepalived ${advertS} s ${harm}`, run, lines);
        found.push(...lines);
      }
    } finally {
      await stage.dispose();
    }
  }
  return found;
};

const assertKnown = (
  option: string,
  names: readonly string[] | undefined,
  known: readonly string[],
): void => {
  const odd = names?.find((name) => !known.includes(name));
  if (odd === undefined) return;
  say(`--${option} ${odd}: there is none of that name; there are ${known.join(', ')}`);
  process.exit(2);
};

const main = async (): Promise<void> => {
  assertKnown('scenario', values.scenario, Object.keys(SCENARIOS));
  assertKnown('profile', values.profile, Object.keys(PROFILES));
  const runs = Number(values.runs ?? (values.quick ? QUICK_RUNS : DEFAULT_RUNS));
  const series: Series[] = [];
  const chosen = Object.entries(SCENARIOS).filter(
    ([name]) => values.scenario?.includes(name) ?? name !== 'claim',
  );
  for (const profileName of values.profile ?? Object.keys(PROFILES)) {
    const { intervalMs, deadAfterMs } = PROFILES[profileName] as Profile;
    const lines: ScenarioLine[] = [];
    for (const [name, scenario] of chosen) lines.push(...(await measure(name, scenario, profileName, runs)));
    series.push({ system: `holdfast ${intervalMs}/${deadAfterMs} ms`, lines });
  }
  const missing = missingTools(['keepalived']);
  if (values['no-keepalived']) say('keepalived is left out, as asked');
  else if (missing.length > 0) say(`keepalived is SKIPPED: it needs ${missing.join(', ')}`);
  else {
    for (const advertS of ADVERTS_S) {
      const lines = await measureKeepalived(advertS, advertS < 1 ? runs : Math.min(runs, MAX_SLOW_RUNS));
      series.push({ system: `keepalived ${advertS} s`, lines });
    }
  }
  process.stdout.write(`\nTimes in milliseconds; pings every 2 ms.\n\n${table(series)}\n`);
  if (series.some(({ lines }) => lines.some(({ ok }) => !ok))) process.exitCode = 1;
};

await enclose();
await main();
