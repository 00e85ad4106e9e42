// The command line as scripts meet it: exit codes of contract.md, one line on stderr, help everywhere.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const COMMANDS = [
  'run',
  'check',
  'status',
  'replay',
  'explain',
  'timeline',
  'journal',
  'diagram',
  'make-key',
  'lab',
];
const folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
after(() => rmSync(folder, { recursive: true }));

const holdfast = (...args: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    timeout: 20_000,
    env: { ...process.env, NO_COLOR: '1' },
  });
  return { status, stdout, stderr };
};

const fileWith = (text: string): string => {
  const file = join(folder, 'config.yaml');
  writeFileSync(file, text);
  return file;
};

const ESCAPE = String.fromCharCode(27);

test('help is on stdout, exit code 0, and names every command; without a command it is exit code 2', () => {
  const { status, stdout } = holdfast('--help');
  assert.equal(status, 0);
  for (const name of COMMANDS) assert.match(stdout, new RegExp(`^ {2}${name} `, 'm'));
  assert.equal(holdfast().status, 2);
});

for (const name of COMMANDS) {
  test(`holdfast ${name} --help says how it is used, without an escape sequence`, () => {
    const { status, stdout, stderr } = holdfast(name, '--help');
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, new RegExp(`^Usage: holdfast ${name}`));
    assert.ok(!stdout.includes(ESCAPE));
  });

  test(`holdfast ${name} refuses an unknown option with one line and exit code 2`, () => {
    const { status, stdout, stderr } = holdfast(name, '--nonsense');
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, /^holdfast: .*--nonsense.*\n$/);
  });
}

test('an unknown command is refused with exit code 2 and the known ones', () => {
  for (const name of ['announce', 'toString', '__proto__']) {
    const { status, stderr } = holdfast(name);
    assert.equal(status, 2);
    assert.match(stderr, /^holdfast: there is no command .*; there are run, check, .*\n$/);
  }
});

test('run, check: no --config, no such file, a folder: exit code 2 and one line', () => {
  for (const command of ['run', 'check']) {
    assert.match(holdfast(command).stderr, /^holdfast: --config FILE is missing\n$/);
    for (const file of ['/nonexistent.yaml', folder]) {
      const { status, stderr } = holdfast(command, '--config', file);
      assert.equal(status, 2);
      assert.ok(stderr.startsWith(`holdfast: ${file}: `), stderr);
      assert.equal(stderr.trim().split('\n').length, 1);
    }
  }
});

test('bad configurations get exit code 2 and one line each: file, key, what is wrong, what would be right', () => {
  const cases: readonly (readonly [string, readonly RegExp[]])[] = [
    [
      'serviceIPs: [{ip: 10.99.0.100}]\nannounces: true\n',
      [/announces: is not a known key; did you mean announce\?/],
    ],
    ['serviceIPs: [{ip: 10.99.0.100}, {ip: 10.99.0.100}]\n', [/10\.99\.0\.100/]],
    ['serviceIPs: [{ip: "fd99::100"}, {ip: "FD99:0::100"}]\n', [/fd99::100/i]],
    ['serviceIPs: [{ip: 10.99.0.0/24}]\n', [/range|one address/]],
    ['serviceIPs: [{ip: 10.99.0.1-10.99.0.9}]\n', [/range|one address/]],
    ['serviceIPs: [{ip: 010.1.1.1}]\n', [/010\.1\.1\.1/]],
    ['serve: hots\nserviceIPs: []\nwatchdog: 3\n', [/serve: .*host\?/, /watchdog: 3 has no unit/]],
  ];
  for (const [text, expected] of cases) {
    const file = fileWith(text);
    const { status, stdout, stderr } = holdfast('check', '--config', file);
    const lines = stderr.trim().split('\n');
    assert.deepEqual([status, stdout, lines.length], [2, '', expected.length], stderr);
    for (const [index, pattern] of expected.entries()) {
      assert.ok((lines[index] as string).startsWith(`holdfast: ${file}`), stderr);
      assert.match(lines[index] as string, pattern);
      assert.match(lines[index] as string, /; |\?/);
    }
    assert.equal(holdfast('run', '--config', file).status, 2);
  }
});

test('check prints the effective configuration, which check accepts again and prints the same', () => {
  const first = holdfast(
    'check',
    '--config',
    fileWith('serviceIPs: [{ip: 10.99.0.100}, {ip: "FD99::0:100"}]\n'),
  );
  assert.equal(first.status, 0);
  assert.match(first.stdout, /ip: fd99::100/);
  const again = holdfast('check', '--config', fileWith(first.stdout));
  assert.deepEqual([again.status, again.stdout], [0, first.stdout]);
  const parsed = JSON.parse(holdfast('check', '--json', '--config', fileWith(first.stdout)).stdout) as {
    node: string;
  };
  assert.equal(typeof parsed.node, 'string');
});

test('status without a daemon: exit code 4 and one line', () => {
  for (const socket of [join(folder, 'none.sock'), fileWith('x')]) {
    const { status, stdout, stderr } = holdfast('status', '--socket', socket);
    assert.deepEqual([status, stdout], [4, '']);
    assert.match(stderr, /^holdfast: .*\n$/);
  }
});

test('replay without a path, diagram with an unknown format, lab with unknown words: exit code 2', () => {
  for (const args of [
    ['replay'],
    ['diagram', '--format', 'png'],
    ['lab', '--scenario', 'nonsense'],
    ['lab', '--nodes', '0'],
    ['check', '--config'],
  ]) {
    const { status, stderr } = holdfast(...args);
    assert.equal(status, 2, args.join(' '));
    assert.match(stderr, /^holdfast: .*\n$/);
  }
});

test('diagram draws all four states as Mermaid and as JSON', () => {
  const { status, stdout } = holdfast('diagram');
  assert.equal(status, 0);
  for (const state of ['unowned', 'candidate', 'leader', 'draining']) assert.ok(stdout.includes(state));
  assert.doesNotThrow(() => JSON.parse(holdfast('diagram', '--format', 'json').stdout));
});

test('a reader that goes away early is no error', () => {
  const { status, stderr } = spawnSync(
    'bash',
    ['-c', `${process.execPath} ${MAIN} diagram | head -1; exit \${PIPESTATUS[0]}`],
    {
      encoding: 'utf8',
    },
  );
  assert.deepEqual([status, stderr], [0, '']);
});
