import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../../src/io/config/config.ts';
import { type ConfigSource, watchConfig } from '../../../src/io/config/config-source.ts';
import { parseConfig } from '../../../src/io/config/load-config.ts';

const GOOD = 'node: n1\nserviceIPs: []\n';
const OTHER = 'node: n2\nserviceIPs: []\n';
const BAD = 'node: n1\nserviceIPs: [{ip: 10.0.0.0/24}]\n';

const LONGEST = 5000;

const folder = (context: TestContext): string => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-source-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
};

/** Follows `file` and keeps what was said: node names for good files, `bad` for bad ones. */
const follow = (context: TestContext, file: string, known?: Config) => {
  const said: string[] = [];
  const source: ConfigSource = watchConfig(
    file,
    { onLoaded: ({ node }) => said.push(node), onRejected: () => said.push('bad') },
    known,
  );
  context.after(() => source.close());
  const until = async (expected: readonly string[]): Promise<void> => {
    const end = performance.now() + LONGEST;
    while (said.length < expected.length && performance.now() < end) await sleep(10);
    assert.deepEqual(said, expected);
  };
  return { source, said, until };
};

test('a changed file is loaded, however an editor writes it', async (context) => {
  const file = join(folder(context), 'c.yaml');
  writeFileSync(file, GOOD);
  const { until } = follow(context, file);
  await until(['n1']);
  writeFileSync(file, OTHER);
  await until(['n1', 'n2']);
  writeFileSync(`${file}.new`, GOOD);
  renameSync(`${file}.new`, file);
  await until(['n1', 'n2', 'n1']);
});

test('a ConfigMap volume that swaps its ..data link is seen', async (context) => {
  const directory = folder(context);
  const version = (name: string, text: string): void => {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'c.yaml'), text);
    symlinkSync(name, join(directory, '..data_tmp'));
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
  };
  version('..1', GOOD);
  symlinkSync('..data/c.yaml', join(directory, 'c.yaml'));
  const { until } = follow(context, join(directory, 'c.yaml'));
  await until(['n1']);
  version('..2', OTHER);
  await until(['n1', 'n2']);
  rmSync(join(directory, '..1'), { recursive: true });
  version('..3', GOOD);
  await until(['n1', 'n2', 'n1']);
});

test('a file behind a link into another directory is followed there', async (context) => {
  const directory = folder(context);
  mkdirSync(join(directory, 'real'));
  writeFileSync(join(directory, 'real', 'c.yaml'), GOOD);
  symlinkSync('real/c.yaml', join(directory, 'c.yaml'));
  const { until } = follow(context, join(directory, 'c.yaml'));
  await until(['n1']);
  writeFileSync(join(directory, 'real', 'c.yaml'), OTHER);
  await until(['n1', 'n2']);
});

test('a bad file is reported once per content, and its repair is loaded even if it is the old content', async (context) => {
  const file = join(folder(context), 'c.yaml');
  writeFileSync(file, GOOD);
  const { source, said, until } = follow(context, file);
  await until(['n1']);
  writeFileSync(file, BAD);
  await source.reload();
  await source.reload();
  writeFileSync(file, BAD);
  await source.reload();
  assert.deepEqual(said, ['n1', 'bad']);
  unlinkSync(file);
  await source.reload();
  await source.reload();
  writeFileSync(file, GOOD);
  await source.reload();
  assert.deepEqual(said, ['n1', 'bad', 'bad', 'n1']);
});

test('unchanged content, and what the caller knows already, is no news', async (context) => {
  const file = join(folder(context), 'c.yaml');
  writeFileSync(file, GOOD);
  const known = parseConfig(GOOD, file);
  assert.ok(known.ok);
  const { source, said } = follow(context, file, known.config);
  await source.reload();
  writeFileSync(file, GOOD);
  await source.reload();
  assert.deepEqual(said, []);
  writeFileSync(file, OTHER);
  await Promise.all([source.reload(), source.reload(), source.reload()]);
  assert.deepEqual(said, ['n2']);
});

test('after close nothing is said', async (context) => {
  const file = join(folder(context), 'c.yaml');
  writeFileSync(file, GOOD);
  const { source, said, until } = follow(context, file);
  await until(['n1']);
  writeFileSync(file, OTHER);
  const last = source.reload();
  source.close();
  await last;
  await source.reload();
  await sleep(150);
  assert.deepEqual(said, ['n1']);
});
