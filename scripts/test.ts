// Runs the tests by kind: all of them, or the one named first (`npm run test:wire -- arp` narrows to files
// whose path contains "arp"; arguments that begin with a dash go to Node's test runner). Node's runner does
// the work; this only picks files and adds up the runs, so that the last lines are one closing summary in
// Node's own form over every kind, and a failure in an early kind cannot hide behind a later one.
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Counts } from './test-reporter.ts';

// One process without isolation costs milliseconds where one process a file costs 50 ms each; these kinds
// touch nothing outside the process. Wire tests share kernel resources and CPU time: one file at a time.
const GROUPS = [
  { kinds: ['unit', 'rfc', 'script'], flags: ['--test-isolation=none'] },
  { kinds: ['sim'], flags: [] },
  { kinds: ['kube'], flags: [] },
  { kinds: ['browser'], flags: ['--test-concurrency=1'] },
  { kinds: ['wire'], flags: ['--test-concurrency=1'] },
];

// arping, keepalived and others live there, and a bare environment does not name it.
const SBIN = '/usr/local/sbin:/usr/sbin:/sbin';

const root = join(import.meta.dirname, '..');
const ORDER = ['tests', 'suites', 'passed', 'failed', 'cancelled', 'skipped', 'todo'] as const;
const LABEL: Readonly<Record<string, string>> = { passed: 'pass', failed: 'fail' };

function runFiles(files: readonly string[], flags: readonly string[], counts: string): boolean {
  const reporter = join(import.meta.dirname, 'test-reporter.ts');
  const args = ['--test', ...flags, `--test-reporter=${reporter}`, '--test-reporter-destination=stdout'];
  const child = spawnSync(process.execPath, [...args, ...files], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PATH: `${process.env.PATH ?? ''}:${SBIN}`, HOLDFAST_TEST_COUNTS: counts },
  });
  if (child.signal !== null) console.error(`the test process was ended by ${child.signal}`);
  return child.status === 0;
}

function main(args: readonly string[]): number {
  const known = GROUPS.flatMap((group) => group.kinds);
  const first = args[0] ?? '';
  const only = known.includes(first) ? first : undefined;
  const rest = only === undefined ? args : args.slice(1);
  const flags = rest.filter((arg) => arg.startsWith('-'));
  const words = rest.filter((arg) => !arg.startsWith('-'));

  const started = performance.now();
  const scratch = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  const total = { tests: 0, suites: 0, passed: 0, failed: 0, cancelled: 0, skipped: 0, todo: 0 };
  let ok = true;
  let matched = 0;
  for (const [index, group] of GROUPS.entries()) {
    const kinds = group.kinds.filter((kind) => only === undefined || kind === only);
    const files = kinds
      .flatMap((kind) => globSync(`test/${kind}/**/*.test.ts`, { cwd: root }).sort())
      .filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
    if (files.length === 0) continue;
    matched += files.length;
    const path = join(scratch, `${index}.json`);
    if (!runFiles(files, [...group.flags, ...flags], path)) ok = false;
    const counts = readCounts(path);
    if (counts === undefined) {
      // The process died before it could sum up: that is a failure, whatever the counts of the others say.
      total.failed += 1;
      ok = false;
      continue;
    }
    for (const key of ORDER) total[key] += counts[key];
  }
  rmSync(scratch, { recursive: true, force: true });

  if (words.length > 0 && matched === 0) {
    console.error(`no test file's path contains ${words.map((word) => `"${word}"`).join(' or ')}`);
    ok = false;
  }
  for (const key of ORDER) console.log(`ℹ ${LABEL[key] ?? key} ${total[key]}`);
  console.log(`ℹ duration_ms ${(performance.now() - started).toFixed(3)}`);
  return ok && total.failed === 0 && total.cancelled === 0 ? 0 : 1;
}

function readCounts(path: string): Counts | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Counts;
  } catch {
    return undefined;
  }
}

process.exitCode = main(process.argv.slice(2));
