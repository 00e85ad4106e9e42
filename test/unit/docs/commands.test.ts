// What a stranger types from the pages: every command in a fence is run or excused with a reason
// (test/support/doc-commands.ts), shows what the page shows, and every command, option and script that is mentioned
// anywhere exists. What needs a daemon is run by test/wire/docs.test.ts.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT, readPages } from '../../../scripts/docs-pages.ts';
import { type DocCommand, docCommands, howOf, WAYS } from '../../support/doc-commands.ts';

const pages = readPages();
const commands = docCommands(pages);
const CONFIG = '/etc/holdfast/config.yaml';

/** A directory in which the pages' relative paths and command names mean what they mean to a stranger. */
const place = mkdtempSync(join(tmpdir(), 'holdfast-stranger-'));
before(() => {
  for (const name of ['bin', 'test']) symlinkSync(join(ROOT, name), join(place, name));
  mkdirSync(join(place, 'path'));
  symlinkSync(join(ROOT, 'bin/holdfast'), join(place, 'path/holdfast'));
  const yaml = pages.flatMap(({ path, code }) => (path === 'README.md' ? code : []));
  writeFileSync(join(place, 'config.yaml'), yaml.find(({ lang }) => lang === 'yaml')?.text ?? '');
  cpSync(join(ROOT, 'test/fixtures/journal/cut'), join(place, 'journal'), { recursive: true });
  writeFileSync(
    join(place, 'etc.yaml'),
    `node: n1\nserviceIPs: [{ip: 10.99.0.100}]\njournal: {directory: ${place}/journal/n2}\n`,
  );
});
after(() => rmSync(place, { recursive: true, force: true }));

const run = (script: string, path = '') =>
  spawnSync('sh', ['-c', script], {
    cwd: place,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${path}${place}/path:${process.env.PATH}` },
  });

/** A line of a page as a pattern: `…` stands for what is left out, times of archives and counts for any. */
const patternOf = (line: string): RegExp =>
  new RegExp(
    `^${line
      .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll('…', '.*')
      .replace(/export-\w+Z/, 'export-\\w+Z')
      .replace(/\d+ segments, \d+ inputs/, '\\d+ segments, \\d+ inputs')}$`,
  );

/** Every line that the page shows stands in the output, in the page's order. */
const assertShown = ({ page, text, shown }: DocCommand, output: string): void => {
  const lines = output.split('\n');
  let at = 0;
  for (const line of shown.filter((each) => each.trim() !== '')) {
    const pattern = patternOf(line);
    const found = lines.slice(at).findIndex((each) => pattern.test(each));
    assert.ok(found >= 0, `${page}: ${text}\nshows\n${line}\nbut printed\n${output}`);
    at += found + (line.trim() === '…' ? 0 : 1);
  }
};

test('every command in a fence is run by a test, or excused with a reason; no excuse is left over', () => {
  assert.ok(commands.length > 30, `only ${commands.length} commands were found`);
  assert.deepEqual(
    commands.filter((command) => howOf(command) === null).map(({ page, text }) => `${page}: ${text}`),
    [],
  );
  const left = WAYS.filter(([pattern]) => !commands.some(({ text }) => pattern.test(text)));
  assert.deepEqual(
    left.map(([pattern]) => String(pattern)),
    [],
  );
});

test('no command hides in a block that does not say that it is one', () => {
  const hidden = pages.flatMap(({ path, code }) =>
    code
      .filter(({ lang }) => lang === null || lang === '')
      .flatMap(({ text }) => text.split('\n').map((line) => `${path}: ${line.trim()}`))
      .filter((line) => /: (\$ |(bin\/)?holdfast |npm |kubectl |systemctl |curl |sudo )/.test(line)),
  );
  assert.deepEqual(hidden, []);
});

// The loop stands in one test: each command takes a process, and they are to be counted together.
test('commands that read journals, configurations and keys do, and print what the pages show', () => {
  const here = commands.filter((command) => howOf(command) === 'here');
  assert.ok(here.length >= 5);
  for (const command of here) {
    const { page, text } = command;
    const { stdout, stderr, status } = run(text.replace(CONFIG, 'etc.yaml'));
    // `replay --set` that differs says so by 1.
    const wanted = / replay .*--set /.test(text) ? 1 : 0;
    assert.equal(status, wanted, `${page}: ${text}\n${stdout}${stderr}`);
    assertShown(command, stdout + stderr);
  }
});

test('the key rotation of docs/kubernetes.md ends with the new key alone, and the old one verifies until then', () => {
  const block = pages
    .find(({ path }) => path === 'docs/kubernetes.md')
    ?.code.find(({ text }) => text.startsWith('key() {'));
  assert.ok(block !== undefined);
  // kubectl, as far as the block asks for it: a Secret in a file, and every version that was applied.
  const stub = join(place, 'stub');
  mkdirSync(stub);
  writeFileSync(
    join(stub, 'kubectl'),
    `#!/bin/sh
case "$*" in
  *"create secret"*) cat keys ;;
  "apply -f -") cat > "${stub}/secret"; cat "${stub}/secret" >> "${stub}/applied"; echo -- >> "${stub}/applied" ;;
  *"get secret"*) base64 "${stub}/secret" ;;
  *) echo "unexpected: $*" >&2; exit 1 ;;
esac
`,
  );
  chmodSync(join(stub, 'kubectl'), 0o755);
  const old = 'the-old-key-of-the-cluster';
  writeFileSync(join(stub, 'secret'), `${old}\n`);
  const { status, stderr } = run(`set -e\n${block.text}`, `${stub}:`);
  assert.equal(status, 0, stderr);
  const versions = readFileSync(join(stub, 'applied'), 'utf8')
    .trim()
    .split(/\n?--\n?/)
    .filter(Boolean);
  const fresh = readFileSync(join(stub, 'secret'), 'utf8').trim();
  assert.ok(fresh.length >= 16 && fresh !== old && !fresh.includes('\n'));
  assert.deepEqual(versions, [`${old}\n${fresh}`, `${fresh}\n${old}`, fresh]);
  assert.ok(!existsSync(join(place, 'keys')), 'no key is left lying about');
});

const helps = new Map<string, string>();
const helpOf = (program: string, command: string): string => {
  const key = `${program} ${command}`;
  const known = helps.get(key);
  if (known !== undefined) return known;
  const main = program === 'holdfast' ? 'src/cli/main.ts' : 'src/cli/kubectl/main.ts';
  const { stdout, status } = spawnSync(process.execPath, [join(ROOT, main), command, '--help'], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, `${key} is no command`);
  helps.set(key, stdout);
  return stdout;
};

test('every command and option of holdfast and of the kubectl plug-in that is mentioned exists', () => {
  const missing: string[] = [];
  let checked = 0;
  for (const { path, spans, code } of pages) {
    const said = [...spans, ...code.flatMap(({ text }) => text.split('\n'))];
    for (const text of said) {
      const match = /(?:^|\$ |[|;] |-- )(?:bin\/)?(kubectl holdfast|holdfast) ([a-z][a-z-]*)((?: .*)?)$/.exec(
        text,
      );
      if (match === null || (path === 'CHANGELOG.md' && text.includes('|'))) continue;
      const [, program = '', command = '', rest = ''] = match;
      checked += 1;
      const help = helpOf(program, command);
      for (const [option] of rest.replace(/\s#\s.*$/, '').matchAll(/(?<=[\s[])--[a-z-]+/g))
        if (!new RegExp(`${option}(?![a-z-])`).test(help)) missing.push(`${path}: ${text}: ${option}`);
    }
  }
  assert.deepEqual(missing, []);
  assert.ok(checked > 80, `only ${checked} mentions were found`);
});

/** Folders that are there only while something is in them. */
const SOMETIMES = ['test/sim/scripts/open'];

test('every npm script and every path of the checkout that is mentioned exists', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const missing: string[] = [];
  for (const { path, spans, code } of pages) {
    for (const text of [...spans, ...code.flatMap((block) => block.text.split('\n'))]) {
      for (const [, name = ''] of text.matchAll(/\bnpm run ([\w:-]+)/g))
        if (!(name in scripts)) missing.push(`${path}: npm run ${name}`);
      const [, named] = /^((?:scripts|src|test|bench|deploy|docs|bin)\/[\w./-]+)$/.exec(text) ?? [];
      if (named !== undefined && !SOMETIMES.includes(named) && !existsSync(join(ROOT, named)))
        missing.push(`${path}: ${named}`);
    }
  }
  assert.deepEqual(missing, []);
});
