import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTokenBucket } from '../../../src/machines/token-bucket.ts';
import { START } from '../../support/core.ts';

test('a burst goes at once, what comes after it at the pace', () => {
  const bucket = createTokenBucket(100, 5);
  for (let taken = 0; taken < 5; taken += 1) assert.equal(bucket.take(1, START), true);
  assert.equal(bucket.take(1, START), false);
  assert.equal(bucket.take(1, START + 9), false);
  assert.equal(bucket.take(1, START + 10), true);
  assert.equal(bucket.take(2, START + 20), false);
  assert.equal(bucket.take(2, START + 30), true);
});

test('idle time fills the bucket to the brim, and no further', () => {
  const bucket = createTokenBucket(100, 5);
  bucket.take(5, START);
  assert.equal(bucket.take(5, START + 3_600_000), true);
  assert.equal(bucket.take(1, START + 3_600_000), false);
});

test('a time that runs backwards fills nothing', () => {
  const bucket = createTokenBucket(100, 5);
  bucket.take(5, START);
  assert.equal(bucket.take(1, START - 60_000), false);
  assert.equal(bucket.take(1, START + 10), true);
});

test('at the time that it names the tokens are there; never more leave than burst and pace allow', () => {
  const waits = fc.array(fc.tuple(fc.nat({ max: 50_000 }), fc.integer({ min: 1, max: 5 })), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(waits, fc.integer({ min: 1, max: 10_000 }), (list, perSecond) => {
      const bucket = createTokenBucket(perSecond, 5);
      let at = START;
      let taken = 0;
      for (const [micros, count] of list) {
        at += micros / 1000;
        if (bucket.take(count, at)) taken += count;
        else {
          at = Math.max(at, bucket.readyAt(count));
          assert.equal(bucket.take(count, at), true, 'not there at the time that it named');
          taken += count;
        }
        assert.ok(taken <= 5 + ((at - START) * perSecond) / 1000 + 0.02 * list.length);
      }
    }),
  );
});
