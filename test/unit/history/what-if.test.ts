// What-if on the sample journals of a real cut: the answers that a person can check by hand, and the refusals.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readAlternative } from '../../../src/cli/history/alternative.ts';
import { openJournals } from '../../../src/cli/history/journals.ts';
import { runWhatIf } from '../../../src/cli/history/what-if-run.ts';
import { overrideConfig, readSetting, type Setting } from '../../../src/io/config/override.ts';
import { coreConfig } from '../../support/core.ts';
import { withDirectory } from '../journal/recorder.ts';

const ROOT = join(import.meta.dirname, '../../..');
const CUT = join(ROOT, 'test/fixtures/journal/cut');
const DRAIN = join(ROOT, 'test/fixtures/journal/drain');
const ALWAYS = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };

const whatIf = async (path: string, set: readonly string[], against?: string) => {
  const alternative = await readAlternative(set, against);
  assert.ok(alternative !== null);
  return runWhatIf(openJournals([path]), alternative, ALWAYS);
};

test('had a node been dead after 500 ms, the takeover of the cut would have come 300 ms later', async () => {
  const { lives } = await whatIf(CUT, ['heartbeat.deadAfter=500ms']);
  const n2 = lives.find(({ node }) => node === 'n2');
  const takeovers = (n2?.differences ?? []).filter(({ was }) => was?.cause === 'holder-dead');
  assert.equal(takeovers.length, 4);
  for (const { kind, was, now } of takeovers) {
    assert.equal(kind, 'time');
    const later = (now?.at ?? 0) - (was?.at ?? 0);
    assert.ok(later > 295 && later <= 300, `${later} ms`);
  }
});

test('this build does what this build did', async () => {
  for (const path of [CUT, DRAIN]) {
    const { lives, notes } = await whatIf(path, [], ROOT);
    assert.deepEqual([lives.flatMap(({ differences }) => differences), notes], [[], []]);
    assert.ok(lives.every(({ steps, inputs }) => steps.differing === 0 && inputs > 0));
  }
});

test('a configuration file stands for the one of every node, whatever node it names', () =>
  withDirectory(async (directory) => {
    const file = join(directory, 'new.yaml');
    const text = 'node: n1\nserviceIPs: [{ip: 10.99.0.100}, {ip: "fd99::100"}]\n';
    writeFileSync(file, `${text}drain: {window: 5s, quiet: 500ms}\n`);
    const same = await whatIf(DRAIN, [], file);
    assert.ok(same.lives.every(({ differences, steps }) => differences.length + steps.differing === 0));
    assert.ok(same.notes.some((note) => note.includes('nothing that decisions depend on is different')));
    writeFileSync(file, `${text}drain: {window: 5s, quiet: 1500ms}\n`);
    const { lives } = await whatIf(DRAIN, [], file);
    const drained = lives
      .flatMap(({ differences }) => differences)
      .filter(({ was }) => was?.cause === 'drained');
    assert.equal(drained.length, 3);
  }));

test('where a what-if cannot be right it says so', async () => {
  const { notes } = await whatIf(CUT, ['heartbeat.interval=10ms', 'heartbeat.deadAfter=60ms']);
  assert.ok(notes.some((note) => /below two intervals of n3 \(100 ms\)/.test(note)));
  assert.ok(notes.some((note) => /hellos came as often as recorded/.test(note)));
  assert.ok(notes.some((note) => /what other nodes said is as recorded/.test(note)));
});

// what is set, what is said
const REFUSED: readonly (readonly [string, RegExp])[] = [
  ['drain.windw=30s', /^drain.windw: is not a known key; did you mean window\?/],
  ['drain.window=30', /^drain.window: 30 has no unit/],
  ['heartbeat.deadAfter=100ms', /^heartbeat.deadAfter: 100ms is less than 4 × interval/],
  ['drain=30s', /^drain: /],
  ['drain.window.x=1', /^drain.window/],
  ['node=n9', /^node: /],
  ['serviceIPs.0.ip=[', /^serviceIPs.0.ip: /],
];
for (const [text, said] of REFUSED) {
  test(`--set ${text} is refused as the daemon would refuse it`, () => {
    const set = overrideConfig(coreConfig(), [readSetting(text) as Setting]);
    assert.match('problems' in set ? (set.problems[0] ?? '') : '', said);
  });
}

test('a setting changes its key and no other', () => {
  const config = coreConfig({ rebalance: { intervalMs: 30_000 } });
  const set = overrideConfig(config, [readSetting('drain.style=patient') as Setting]);
  assert.deepEqual(set, { config: { ...config, drain: { ...config.drain, style: 'patient' } } });
});

test('what is neither a file nor a checkout, or both at once, ends with a usage error', async () => {
  await assert.rejects(readAlternative([], '/nowhere'), {
    exitCode: 2,
    message: /--against \/nowhere: ENOENT/,
  });
  await assert.rejects(readAlternative([], join(ROOT, 'docs')), { exitCode: 2, message: /a checkout with/ });
  await assert.rejects(readAlternative(['a=b'], ROOT), { exitCode: 2, message: /one of them/ });
  await assert.rejects(readAlternative(['drain.window'], undefined), { exitCode: 2, message: /key=value/ });
});
