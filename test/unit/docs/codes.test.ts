// docs/operating.md says something of every code that an operator can meet: what `doctor` finds, what the log names,
// causes of transitions, exit codes. Read off the sources, so that a new code without a word fails here; alerts and
// metrics have the same test in test/unit/deploy/monitoring.test.ts.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../../../scripts/docs-pages.ts';
import { EXIT } from '../../../src/cli/command.ts';

const operating = readFileSync(join(ROOT, 'docs/operating.md'), 'utf8');

/** What stands in backticks in the first column of the tables below a heading. */
const firstColumn = (heading: string): ReadonlySet<string> => {
  const section = operating.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  assert.ok(section !== undefined, `docs/operating.md has no section ${heading}`);
  const cells = section.split('\n').flatMap((line) => /^\|([^|]*)\|/.exec(line)?.[1] ?? []);
  return new Set(cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code as string)));
};

const inSources = (glob: string, pattern: RegExp): readonly string[] => {
  const found = new Set<string>();
  for (const path of globSync(glob, { cwd: ROOT }))
    for (const match of readFileSync(join(ROOT, path), 'utf8').matchAll(pattern))
      found.add(match[1] as string);
  return [...found].sort();
};

const undocumented = (codes: readonly string[], documented: ReadonlySet<string>): readonly string[] =>
  codes.filter((code) => !documented.has(code));

test('every code that doctor gives has a row, and every row is of a code that is in its sources', () => {
  const given = inSources('src/cli/doctor/*.ts', /\b(?:ok|warn|fail|say)\(\s*'([a-z0-9-]+)'/g);
  assert.ok(given.length > 20, given.join(' '));
  const documented = firstColumn('`doctor`');
  assert.deepEqual(undocumented(given, documented), []);
  const sources = globSync('src/cli/doctor/*.ts', { cwd: ROOT })
    .map((path) => readFileSync(join(ROOT, path), 'utf8'))
    .join('\n');
  // Some are made of a kernel setting's name: `arp_ignore`.
  const isThere = (code: string): boolean =>
    sources.includes(`'${code}'`) || sources.includes(code.replace('-', '_'));
  assert.deepEqual(
    [...documented].filter((code) => /^[a-z0-9-]+$/.test(code) && !isThere(code)),
    [],
  );
});

test('every code of a log line has a row', () => {
  const codes = [
    ...inSources('src/cli/daemon/**/*.ts', /\bcode: '([a-z-]+)'/g),
    ...inSources('src/io/wire/*.ts', /type: 'notice', level: '\w+', code: '([a-z-]+)'/g),
  ];
  assert.ok(codes.length > 10, codes.join(' '));
  assert.deepEqual(undocumented(codes, firstColumn('Log')), []);
});

test('every cause of a transition has a row', () => {
  const source = readFileSync(join(ROOT, 'src/machines/effects.ts'), 'utf8');
  const type = /export type Cause =([^;]+);/.exec(source)?.[1] ?? '';
  const causes = [...type.matchAll(/'([a-z-]+)'/g)].map(([, cause]) => cause as string);
  assert.ok(causes.length > 10);
  assert.deepEqual(undocumented(causes, firstColumn('`status`')), []);
});

test('every exit code has a row', () => {
  const section = operating.slice(operating.indexOf('\n## Exit codes'), operating.indexOf('\n## Log'));
  const rows = [...section.matchAll(/^\| (\d+) /gm)].map(([, code]) => Number(code));
  const thrown = inSources('src/**/*.ts', /process\.exit(?:Code)?(?:\(| = )(\d+)/g).map(Number);
  assert.deepEqual(
    [...Object.values(EXIT), ...thrown].filter((code) => !rows.includes(code)),
    [],
  );
});
