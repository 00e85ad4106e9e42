import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTimers, type Timer, type TimersCheckpoint } from '../../../src/machines/timers.ts';

type Op =
  | { readonly op: 'set'; readonly id: string; readonly deadline: number }
  | { readonly op: 'cancel'; readonly id: string }
  | { readonly op: 'takeDue'; readonly now: number }
  | { readonly op: 'restore' };

const ids = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
const times = fc.integer({ min: 0, max: 12 });
const operations: fc.Arbitrary<Op> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ op: fc.constant('set' as const), id: ids, deadline: times }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('cancel' as const), id: ids }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('takeDue' as const), now: times }) },
  { weight: 1, arbitrary: fc.constant({ op: 'restore' as const }) },
);

const roundTrip = (checkpoint: TimersCheckpoint<string>): TimersCheckpoint<string> =>
  JSON.parse(JSON.stringify(checkpoint)) as TimersCheckpoint<string>;

test('the table does what a naive sorted list does, checkpoints in between included', () => {
  fc.assert(
    fc.property(fc.array(operations, { maxLength: 200 }), (ops) => {
      let timers = createTimers<string>();
      let list: { id: string; deadline: number }[] = [];
      const first = () =>
        list.reduce<(typeof list)[number] | null>(
          (best, timer) => (best === null || timer.deadline < best.deadline ? timer : best),
          null,
        );
      for (const op of ops) {
        if (op.op === 'restore') timers = createTimers(roundTrip(timers.checkpoint()));
        else if (op.op === 'set') {
          timers.set(op.id, op.deadline, op.id);
          list = [...list.filter(({ id }) => id !== op.id), { id: op.id, deadline: op.deadline }];
        } else if (op.op === 'cancel') {
          timers.cancel(op.id);
          list = list.filter(({ id }) => id !== op.id);
        } else {
          const due = first();
          const expected = due !== null && due.deadline <= op.now ? due : null;
          const actual = timers.takeDue(op.now);
          assert.equal(actual?.id ?? null, expected?.id ?? null);
          if (expected !== null) list = list.filter((timer) => timer !== expected);
        }
        assert.equal(timers.next(), first()?.deadline ?? null);
        for (const id of 'abcdefgh')
          assert.equal(
            timers.has(id),
            list.some((timer) => timer.id === id),
          );
      }
    }),
    { numRuns: 500 },
  );
});

const drain = (timers: ReturnType<typeof createTimers<string>>): string[] => {
  const order: string[] = [];
  for (
    let timer: Timer<string> | null = timers.takeDue(Number.POSITIVE_INFINITY);
    timer;
    timer = timers.takeDue(Number.POSITIVE_INFINITY)
  ) {
    order.push(timer.id);
  }
  return order;
};

test('ties fire in the order they were set, and a checkpoint keeps that order', () => {
  const timers = createTimers<string>();
  for (const id of ['c', 'a', 'd', 'b']) timers.set(id, 7, id);
  timers.set('c', 7, 'set again: it is the youngest now');
  const restored = createTimers(roundTrip(timers.checkpoint()));
  timers.set('e', 7, 'e');
  restored.set('e', 7, 'e');
  assert.deepEqual(drain(timers), ['a', 'd', 'b', 'c', 'e']);
  assert.deepEqual(drain(restored), ['a', 'd', 'b', 'c', 'e']);
});

test('a timer that was set again fires once, at its last deadline and with its last payload', () => {
  const timers = createTimers<string>();
  timers.set('a', 1, 'first');
  timers.set('a', 5, 'second');
  assert.equal(timers.takeDue(4), null);
  assert.equal(timers.takeDue(5)?.payload, 'second');
  assert.equal(timers.takeDue(Number.POSITIVE_INFINITY), null);
});

test('setting and cancelling 100,000 timers keeps what is remembered bounded', () => {
  const timers = createTimers<string>();
  for (let index = 0; index < 100_000; index += 1) {
    timers.set(`${index}`, 1_000_000 + index, 'x'.repeat(10));
    timers.cancel(`${index}`);
  }
  for (let index = 0; index < 100_000; index += 1) timers.set('same', 100_000 - index, 'y');
  assert.deepEqual(
    timers.checkpoint().timers.map(({ id }) => id),
    ['same'],
  );
  // The dead entries are collected when the heap is looked at or grows: a full drain is as quick as for one.
  const before = performance.now();
  assert.deepEqual(drain(timers), ['same']);
  assert.ok(performance.now() - before < 500, 'the heap held far more than its live timers');
});
