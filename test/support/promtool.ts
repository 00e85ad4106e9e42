// The alert rules of deploy/monitoring, evaluated by Prometheus' own promtool on series as daemons expose them.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { stringify } from 'yaml';
import { renderDeploy } from '../../scripts/render-deploy.ts';

export interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Group {
  readonly name: string;
  readonly rules: readonly Rule[];
}

const FOLDER = join(import.meta.dirname, '../../deploy/monitoring');

const groups = (): readonly Group[] => {
  const rules = renderDeploy(FOLDER).find(({ kind }) => kind === 'PrometheusRule');
  return rules?.spec.groups as readonly Group[];
};

export const alertRules = (): readonly Rule[] => groups().flatMap(({ rules }) => rules);

/** Where promtool is: PROMTOOL names it, or PATH has it (Debian: prometheus); null: not here. */
export const promtoolPath = (): string | null => {
  const { PROMTOOL, PATH = '' } = process.env;
  if (PROMTOOL !== undefined && PROMTOOL !== '') return PROMTOOL;
  return (
    PATH.split(delimiter)
      .map((folder) => join(folder, 'promtool'))
      .find((path) => existsSync(path)) ?? null
  );
};

/** What a target says at one scrape, with the labels that Prometheus adds. */
export interface Scrape {
  readonly node: string;
  /** The exposition; null: it does not answer. */
  readonly text: string | null;
}

export interface Watch {
  readonly name: string;
  /** Scrapes in order, one step apart. */
  readonly steps: readonly (readonly Scrape[])[];
  readonly stepMinutes: number;
  /** The alerts that fire at the last step, and no others; sorted. */
  readonly firing: readonly string[];
}

const JOB = 'holdfast-system/holdfast';

/** `name{labels} value` lines of an exposition, with the target's own labels. */
const samplesOf = ({ node, text }: Scrape): readonly (readonly [series: string, value: string])[] => {
  const target = `job="${JOB}",node="${node}"`;
  const lines = (text ?? '').split('\n').flatMap((line): (readonly [string, string])[] => {
    const [, name, labels, value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return [];
    return [[`${name}{${labels === undefined ? '' : `${labels},`}${target}}`, value]];
  });
  return [...lines, [`up{${target}}`, text === null ? '0' : '1']];
};

/**
 * promtool's notation of a series: a value for each step, or `_`. Where it was and is no more Prometheus puts a stale
 * marker; without one it would count as there for five minutes.
 */
const inputSeries = (steps: Watch['steps']): readonly { series: string; values: string }[] => {
  const all = new Map<string, string[]>();
  for (const [index, scrapes] of steps.entries())
    for (const [series, value] of scrapes.flatMap(samplesOf)) {
      const values = all.get(series) ?? Array.from({ length: steps.length }, () => '_');
      values[index] = value;
      all.set(series, values);
    }
  return [...all].map(([series, values]) => {
    const marked = values.map((value, index) =>
      value === '_' && (values[index - 1] ?? '_') !== '_' ? 'stale' : value,
    );
    return { series, values: marked.join(' ') };
  });
};

const testOf = ({ name, steps, stepMinutes, firing }: Watch) => ({
  name,
  interval: `${stepMinutes}m`,
  input_series: inputSeries(steps),
  promql_expr_test: [
    {
      // Rules are evaluated once a minute, and Prometheus writes what fires as a series.
      expr: 'count by (alertname) (count by (alertname, severity) (ALERTS{alertstate="firing"}))',
      eval_time: `${(steps.length - 1) * stepMinutes}m`,
      exp_samples: firing.map((alertname) => ({ labels: `{alertname="${alertname}"}`, value: 1 })),
    },
  ],
});

const run = (file: string, args: readonly string[]): Promise<string | null> =>
  new Promise((resolve) => {
    execFile(file, [...args], { maxBuffer: 64 * 1_048_576 }, (failure, out, err) =>
      resolve(failure === null ? null : `${out}${err}`),
    );
  });

const inFolder = async <T>(files: Readonly<Record<string, unknown>>, use: (folder: string) => Promise<T>) => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-rules-'));
  try {
    for (const [name, content] of Object.entries(files))
      writeFileSync(join(folder, name), stringify(content));
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** What promtool finds wrong with the rules, or with `expressions` taken for rules; null: nothing. */
export const checkRules = (
  promtool: string,
  expressions: readonly string[] | null,
): Promise<string | null> => {
  const recorded = expressions?.map((expr, index) => ({ record: `dashboard:expr:${index}`, expr }));
  const checked = recorded === undefined ? groups() : [{ name: 'dashboard', rules: recorded }];
  return inFolder({ 'rules.yaml': { groups: checked } }, (folder) =>
    run(promtool, ['check', 'rules', '--lint=all', '--lint-fatal', join(folder, 'rules.yaml')]),
  );
};

/** What fires otherwise than expected, in promtool's words; null: nothing. */
export const watchRules = (promtool: string, watches: readonly Watch[]): Promise<string | null> => {
  const tests = {
    rule_files: ['rules.yaml'],
    evaluation_interval: '1m',
    tests: watches.map(testOf),
  };
  return inFolder({ 'rules.yaml': { groups: groups() }, 'tests.yaml': tests }, (folder) =>
    run(promtool, ['test', 'rules', join(folder, 'tests.yaml')]),
  );
};
