import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs } from '../../../src/io/kubernetes/backoff.ts';
import { nextLimit } from '../../../src/io/kubernetes/pages.ts';

const BACKOFF = { firstMs: 500, capMs: 30_000 };

test('waits double up to the cap, however often', () => {
  const waits = [0, 1, 2, 5, 6, 7, 1000].map((attempts) => backoffMs(BACKOFF, attempts, () => 1));
  assert.deepEqual(waits, [500, 1000, 2000, 16_000, 30_000, 30_000, 30_000]);
});

test('jitter takes away at most half', () => {
  assert.equal(
    backoffMs(BACKOFF, 2, () => 0),
    1000,
  );
  assert.equal(
    backoffMs(BACKOFF, 2, () => 0.5),
    1500,
  );
});

const LIMITS: readonly [count: number, bytes: number, limit: number, what: string][] = [
  [500, 875_000, 500, 'the usual size'],
  [500, 100_000_000, 10, 'slices of 200 kB'],
  [500, 4_000_000, 125, 'objects of 8 kB'],
  [10, 15_000_000, 10, 'the largest objects that etcd takes'],
  [0, 200, 500, 'an empty page'],
];
for (const [count, bytes, limit, what] of LIMITS)
  test(`after ${count} objects in ${bytes} bytes (${what}) the next page has ${limit}`, () => {
    assert.equal(nextLimit(count, bytes), limit);
  });
