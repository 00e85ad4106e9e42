// The lab's own judge of its records: journals that tell another gap than the client measured break the promise.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withRecordedGaps } from '../../../src/cli/lab/recorded-gaps.ts';
import type { ScenarioLine } from '../../../src/cli/lab/scenario.ts';
import { crash, cut } from '../../../src/cli/lab/scenario-failover.ts';
import { partition } from '../../../src/cli/lab/scenario-partition.ts';
import { drain } from '../../../src/cli/lab/scenario-planned.ts';

const SAMPLES = join(import.meta.dirname, '../../fixtures/journal');
const linesOf = (name: string): readonly ScenarioLine[] =>
  JSON.parse(readFileSync(join(SAMPLES, name, 'client.json'), 'utf8')) as readonly ScenarioLine[];
const silent = (): void => {};
const told = (scenario: typeof cut, name: string, change: (line: ScenarioLine) => ScenarioLine) =>
  withRecordedGaps(scenario, linesOf(name).map(change), [join(SAMPLES, name)], silent);

for (const [name, scenario] of Object.entries({ cut, crash, drain }))
  test(`the record of the ${name} agrees with its client`, () => {
    for (const { ok, recordedGapMs } of told(scenario, name, (line) => line)) {
      assert.equal(ok, true);
      assert.equal((recordedGapMs ?? 0) > 100, name !== 'drain');
    }
  });

test('a client that measured 60 ms more or less than the record has it breaks the promise, and the note says both', () => {
  for (const off of [60, -60])
    for (const line of told(cut, 'cut', (each) => ({ ...each, gapMs: each.gapMs + off }))) {
      assert.equal(line.ok, false);
      assert.match(line.note ?? '', /the client measured \d+ ms, the journals say 181\.\d ± \d/);
    }
  for (const line of told(drain, 'drain', (each) => ({ ...each, gapMs: 40 }))) assert.equal(line.ok, false);
});

test('a prober that was late itself is believed by so much less; a gap before the probing does not count', () => {
  for (const line of told(cut, 'cut', (each) => ({ ...each, gapMs: each.gapMs + 60, proberLateMs: 50 })))
    assert.equal(line.ok, true);
  for (const line of told(cut, 'cut', (each) => ({ ...each, gapMs: 0, probedFrom: 1e13, probedTo: 2e13 })))
    assert.deepEqual([line.ok, line.recordedGapMs], [true, 0]);
});

test('where clients on different sides see different things nothing is compared', () => {
  const lines = linesOf('cut');
  assert.equal(withRecordedGaps(partition, lines, [join(SAMPLES, 'cut')], silent), lines);
});
