import assert from 'node:assert/strict';
import { test } from 'node:test';
import { duration, joinNegativeMoments, readMoment } from '../../../src/cli/history/moments.ts';

const END = Date.UTC(2026, 10, 20, 12, 0, 10);

// what is written, what it means
const MOMENTS: readonly (readonly [string, number | null])[] = [
  ['2026-11-20T12:00:03.204Z', Date.UTC(2026, 10, 20, 12, 0, 3, 204)],
  ['2026-11-20 12:00:03', Date.UTC(2026, 10, 20, 12, 0, 3)],
  ['2026-11-20T13:00:03+01:00', Date.UTC(2026, 10, 20, 12, 0, 3)],
  ['2026-11-20', Date.UTC(2026, 10, 20)],
  ['12:00', Date.UTC(2026, 10, 20, 12)],
  ['12:00:03.2', Date.UTC(2026, 10, 20, 12, 0, 3, 200)],
  ['-5m', END - 300_000],
  ['-1500ms', END - 1500],
  ['25:00', null],
  ['12:60', null],
  ['5m', null],
  ['-5', null],
  ['yesterday', null],
  ['', null],
];
for (const [text, meant] of MOMENTS) {
  test(`the moment ${JSON.stringify(text)} is ${meant === null ? 'refused' : new Date(meant).toISOString()}`, () =>
    assert.equal(readMoment(text, END), meant));
}

test('a negative moment may stand apart from its option', () => {
  assert.deepEqual(joinNegativeMoments(['--at', '-5m', 'x', '-h'], ['--at']), ['--at=-5m', 'x', '-h']);
  assert.deepEqual(joinNegativeMoments(['--at', '--json'], ['--at']), ['--at', '--json']);
});

test('a length of time has the unit that a person would choose', () => {
  const lengths = [0, 3.21, 204.4, 9_999, 12_500, 420_000, 11_000_000];
  assert.deepEqual(lengths.map(duration), [
    '0 ms',
    '3.2 ms',
    '204 ms',
    '9999 ms',
    '12.5 s',
    '7 min',
    '3.1 h',
  ]);
});
