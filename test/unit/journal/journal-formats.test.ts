// Journals of older formats replay: the table of upcasters, and the kept sample of each format that ever was.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openJournals } from '../../../src/cli/history/journals.ts';
import { replayFiles } from '../../../src/cli/history/replay-run.ts';
import { formatReader, JOURNAL_FORMAT, type Upcaster } from '../../../src/machines/journal-formats.ts';

const SAMPLES = join(import.meta.dirname, '../../fixtures/journal');

for (const name of readdirSync(SAMPLES)) {
  test(`the sample journals of ${name}, of a format that was written once, replay identical`, () => {
    const { findings, transitions, inputs } = replayFiles(openJournals([join(SAMPLES, name)]).files);
    assert.deepEqual(findings, []);
    assert.ok(transitions > 5 && inputs > 50, 'something happened in them');
  });
}

const rename: Upcaster = {
  input: (old) => ({ ...(old as object), patient: false }),
  effect: (old) => ({ ...(old as object), weak: false }),
};
const wrap: Upcaster = { input: (old) => ({ ...(old as object), to: null }) };

test('a record goes through every upcaster from its format to the present one', () => {
  const reader = formatReader(1, 3, { 1: rename, 2: wrap });
  assert.ok(typeof reader !== 'string');
  assert.deepEqual(reader.input({ type: 'drain.requested' }), {
    type: 'drain.requested',
    patient: false,
    to: null,
  });
  assert.deepEqual(reader.effects([{ type: 'exit' }]), [{ type: 'exit', weak: false }]);
  assert.equal(reader.isPresent, false);
  const checkpoint = { at: 1 };
  assert.equal(reader.checkpoint(checkpoint), checkpoint);
});

test('the present format is read as it stands', () => {
  const reader = formatReader(JOURNAL_FORMAT);
  assert.ok(typeof reader !== 'string' && reader.isPresent);
});

test('a format of the future, or one that nobody can read any more, is refused with a sentence', () => {
  assert.match(String(formatReader(JOURNAL_FORMAT + 1)), /has format 2; this version reads up to 1/);
  assert.match(String(formatReader(0)), /has format 0, which no version/);
  assert.match(String(formatReader(Number.NaN)), /has format NaN/);
});
