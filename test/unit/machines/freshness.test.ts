import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFreshness, echoOf } from '../../../src/machines/freshness.ts';

const TIMING = { intervalMs: 50, holdMs: 200 };
/** Hold time and two intervals. */
const WINDOW_MS = 300;

/** A node that says a hello every 50 ms from sequence `first` on, at 0. */
const speaker = (first: number, count: number) => {
  const freshness = createFreshness();
  for (let index = 0; index < count; index += 1) freshness.said(index * 50, first + index, TIMING);
  return freshness;
};

for (const [what, first] of [
  ['small sequences', 1],
  ['sequences whose low 32 bits begin anew', 2 ** 32 - 10],
  ['sequences beyond 32 bits', 2 ** 40 + 7],
] as const) {
  test(`an echo is fresh for the hold time and two intervals: ${what}`, () => {
    const freshness = speaker(first, 20);
    const now = 19 * 50;
    for (let index = 0; index < 20; index += 1) {
      const isFresh = index * 50 >= now - WINDOW_MS;
      assert.equal(freshness.isFresh(now, echoOf(first + index)), isFresh, `hello ${index}`);
    }
    assert.equal(freshness.isFresh(now, echoOf(first + 20)), false, 'it was never said');
    assert.equal(freshness.isFresh(now + WINDOW_MS, echoOf(first + 19)), true);
    assert.equal(freshness.isFresh(now + WINDOW_MS + 1, echoOf(first + 19)), false);
  });
}

test('no echo is no fresh one, nor is any before the first hello', () => {
  assert.equal(speaker(1, 3).isFresh(100, undefined), false);
  assert.equal(createFreshness().isFresh(0, 0), false);
  assert.equal(createFreshness().isFresh(0, 1), false);
});

test('after a silence the first hello makes its own echo fresh, and no older one', () => {
  const freshness = speaker(1, 5);
  freshness.said(60_000, 6, TIMING);
  assert.deepEqual(
    [4, 5, 6, 7].map((sequence) => freshness.isFresh(60_001, sequence)),
    [false, false, true, false],
  );
});
