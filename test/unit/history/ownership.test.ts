// Several nodes' journals in one time: clocks found whatever they were set to, gaps as long as the client measured,
// overlaps, and how a life ended.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { openJournals } from '../../../src/cli/history/journals.ts';
import { readChronicles } from '../../../src/cli/history/read-chronicles.ts';
import { traceOf } from '../../../src/cli/history/trace-file.ts';
import type { Chronicle } from '../../../src/machines/chronicle.ts';
import { estimateClocks } from '../../../src/machines/clock-offsets.ts';
import { type Between, isLonger, ownershipOf } from '../../../src/machines/ownership.ts';

const SAMPLES = join(import.meta.dirname, '../../fixtures/journal');
const chroniclesOf = (name: string): readonly Chronicle[] =>
  readChronicles(openJournals([join(SAMPLES, name)]).lives).chronicles;

interface Measured {
  readonly family: string;
  readonly gapMs: number;
  readonly newClientMs?: number;
}
const measured = (name: string): readonly Measured[] =>
  JSON.parse(readFileSync(join(SAMPLES, name, 'client.json'), 'utf8')) as readonly Measured[];

const shiftMarks = (marks: ReadonlyMap<string, number>, ms: number): Map<string, number> =>
  new Map([...marks].map(([key, at]) => [key, at + ms]));

/** The same life, told by a clock that was set differently. */
const shifted = (life: Chronicle, ms: number): Chronicle => ({
  ...life,
  from: life.from + ms,
  to: life.to + ms,
  exitAt: life.exitAt === null ? null : life.exitAt + ms,
  transitions: life.transitions.map((each) => ({ ...each, at: each.at + ms })),
  silences: life.silences.map((each) => ({
    ...each,
    at: each.at + ms,
    lastHeardAt: each.lastHeardAt + ms,
    backAt: each.backAt === null ? null : each.backAt + ms,
  })),
  said: shiftMarks(life.said, ms),
  heard: shiftMarks(life.heard, ms),
});

for (const name of ['cut', 'crash']) {
  test(`the timeline of the ${name} shows the gap that the client measured, within 20 ms`, () => {
    const { gaps } = ownershipOf(chroniclesOf(name));
    for (const { family, gapMs, newClientMs } of measured(name)) {
      const [gap, ...others] = gaps.filter(({ ip }) => ip.includes(':') === (family === 'ipv6'));
      assert.deepEqual(others, []);
      const ms = newClientMs ?? gapMs;
      assert.ok(Math.abs((gap?.ms ?? 0) - ms) <= 20, `${gap?.ms} ms, the client measured ${ms} ms`);
    }
  });
}

test('a drain has no gap, and overlaps shorter than two intervals', () => {
  const { gaps, overlaps } = ownershipOf(chroniclesOf('drain'));
  assert.deepEqual(gaps, []);
  assert.equal(overlaps.length, 3);
  assert.ok(overlaps.every((overlap) => !isLonger(overlap, 100)));
});

test('whatever the clocks were set to, their difference is found within the stated error', () => {
  const lives = chroniclesOf('cut');
  const truth = estimateClocks(lives);
  const day = 86_400_000;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -day, max: day }), { minLength: 3, maxLength: 3 }), (shifts) => {
      const clocks = estimateClocks(lives.map((life, index) => shifted(life, shifts[index] as number)));
      for (const [index, { offsetMs, errorMs }] of clocks.entries()) {
        const expected = (truth[index]?.offsetMs ?? 0) + (shifts[index] as number) - (shifts[0] as number);
        assert.ok(errorMs !== null && errorMs < 2);
        assert.ok(Math.abs(offsetMs - expected) <= errorMs, `${offsetMs} is not ${expected} ± ${errorMs}`);
      }
    }),
    { numRuns: 50 },
  );
});

test('gaps are the same by clocks that are ten seconds apart', () => {
  const lives = chroniclesOf('cut');
  const lengths = (gaps: readonly Between[]): readonly number[] => gaps.map(({ ms }) => Math.round(ms ?? 0));
  const moved = lives.map((life, index) => shifted(life, index * 10_000));
  assert.deepEqual(lengths(ownershipOf(moved).gaps), lengths(ownershipOf(lives).gaps));
});

test('lives that never heard each other keep their own time, and that is said', () => {
  const [first, second] = chroniclesOf('cut') as [Chronicle, Chronicle];
  const deaf: Chronicle = { ...second, said: new Map(), heard: new Map() };
  const [, clock] = estimateClocks([first, deaf]);
  assert.deepEqual([clock?.offsetMs, clock?.errorMs], [0, null]);
});

test('a killed life is known as lost, and its end lies between its last hello and the next that never came', () => {
  const { lanes } = ownershipOf(chroniclesOf('crash'));
  const n1 = lanes.filter(({ life }) => life.node === 'n1');
  assert.deepEqual(
    n1.map(({ ending, toErrorMs }) => [ending, toErrorMs]),
    [
      ['lost', 25],
      ['open', 0],
    ],
  );
});

test('the trace has a lane for each IP, and slices that follow each other', () => {
  const { traceEvents } = traceOf(ownershipOf(chroniclesOf('cut')));
  const lanes = traceEvents.filter(({ ph, pid, tid }) => ph === 'M' && pid === 1 && tid > 0);
  assert.deepEqual(
    lanes.map(({ args }) => args?.name),
    ['10.99.0.100', 'fd99::100'],
  );
  const owners = traceEvents.filter(({ ph, pid, tid }) => ph === 'X' && pid === 1 && tid === 2);
  assert.deepEqual(owners.map(({ name }) => name).sort(), ['n1', 'n2', 'nobody']);
  assert.ok(traceEvents.every(({ ph, ts = 0, dur = 0 }) => ph === 'M' || (ts >= 0 && dur >= 0)));
});
