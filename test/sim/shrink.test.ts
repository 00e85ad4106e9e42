// Shrinking by itself: what a list comes down to, and that a run played from what was written down is the same run.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runSimulation } from './run.ts';
import { FORMAT, formatScript } from './script.ts';
import { shrinkList } from './shrink.ts';

const NUMBERS = Array.from({ length: 50 }, (_, index) => index);

describe('shrinking', () => {
  it('finds the few items that a failure needs, wherever they are', () => {
    for (const needed of [[7], [0, 49], [3, 4, 31], []]) {
      const fails = (some: readonly number[]): boolean => needed.every((item) => some.includes(item));
      assert.deepEqual(shrinkList(NUMBERS, fails), needed);
    }
  });

  it('keeps all where each is needed, and asks no more often than two for each', () => {
    let asked = 0;
    const fails = (some: readonly number[]): boolean => {
      asked += 1;
      return some.length === NUMBERS.length;
    };
    assert.deepEqual(shrinkList(NUMBERS, fails), NUMBERS);
    assert.ok(asked <= 3 * NUMBERS.length, `asked ${asked} times`);
  });

  it('plays a written run as the seed ran: the same lines of the trace', () => {
    for (const options of [{ seed: 3 }, { seed: 12 }, { seed: 5, kubernetes: true }]) {
      const drawn = runSimulation(options);
      const { shape, acts } = drawn;
      const head = { format: FORMAT, shows: '', finds: null, planted: null, seed: options.seed } as const;
      const script = JSON.parse(formatScript({ ...head, shape, acts }));
      const played = runSimulation({ seed: options.seed, script });
      assert.ok(acts.length > 5, 'a run in which something happens');
      assert.deepEqual(played.world.trace.drain(), drawn.world.trace.drain());
    }
  });
});
