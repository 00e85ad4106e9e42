import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asapScheduler, Subject } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { collect } from '../../../src/streams/collect.ts';
import { createTurns } from './turns.ts';

interface Item {
  readonly key: string | null;
  readonly at: number;
}
const A1: Item = { key: 'a', at: 1 };
const A5: Item = { key: 'a', at: 5 };
const B3: Item = { key: 'b', at: 3 };
const N2: Item = { key: null, at: 2 };
const N4: Item = { key: null, at: 4 };
const VALUES = { a: A1, A: A5, b: B3, n: N2, m: N4 };
const OPTIONS = {
  keyOf: ({ key }: Item) => key,
  timeOf: ({ at }: Item) => at,
  bound: 100,
  isDroppable: (_: Item) => true,
  scheduler: asapScheduler,
  onDropped: () => {},
  onTurn: () => {},
};

// what, source, expected, the batches
const TABLE: readonly (readonly [string, string, string, Readonly<Record<string, readonly Item[]>>])[] = [
  ['an empty source completes and emits nothing', '---|', '---|', {}],
  ['a source that never says anything is waited for', '---', '---', {}],
  ['values of one moment are one batch, in order of time', '(bna)--|', 'x------|', { x: [A1, N2, B3] }],
  ['values of different moments are batches of their own', 'a--b-|', 'x--y-|', { x: [A1], y: [B3] }],
  ['a later value of a key replaces the earlier one', '(anA)--|', 'x------|', { x: [N2, A5] }],
  ['values without a key are all kept', '(nmn)--|', 'x------|', { x: [N2, N2, N4] }],
  ['what waits when the source completes is emitted first', '(ba|)', '(x|)', { x: [A1, B3] }],
  ['an error goes through at once', 'a-#', 'x-#', { x: [A1] }],
];
for (const [what, source, expected, batches] of TABLE) {
  test(what, () => {
    new TestScheduler((actual, wanted) => assert.deepEqual(actual, wanted)).run(
      ({ hot, expectObservable }) => {
        expectObservable(hot(source, VALUES).pipe(collect(OPTIONS))).toBe(expected, batches);
      },
    );
  });
}

const collecting = (over: Partial<typeof OPTIONS> = {}) => {
  const turns = createTurns();
  const source = new Subject<Item>();
  const batches: (readonly Item[])[] = [];
  const subscription = source
    .pipe(collect({ ...OPTIONS, scheduler: turns.scheduler, ...over }))
    .subscribe((batch) => batches.push(batch));
  return { turns, source, batches, subscription };
};

test('what arrives while a batch is handled waits for the next turn', () => {
  const turns = createTurns();
  const source = new Subject<Item>();
  const batches: (readonly Item[])[] = [];
  source.pipe(collect({ ...OPTIONS, scheduler: turns.scheduler })).subscribe((batch) => {
    batches.push(batch);
    if (batches.length < 3) source.next(B3);
  });
  source.next(A1);
  turns.run();
  assert.deepEqual([batches, turns.waiting()], [[[A1]], 1]);
  turns.run();
  turns.run();
  assert.deepEqual([batches, turns.waiting()], [[[A1], [B3], [B3]], 0]);
});

test('what a source delivers at the start of a turn joins that turn', () => {
  const source = new Subject<Item>();
  const turns = createTurns();
  const batches: (readonly Item[])[] = [];
  const onTurn = () => source.next(A1);
  source
    .pipe(collect({ ...OPTIONS, scheduler: turns.scheduler, onTurn }))
    .subscribe((batch) => batches.push(batch));
  source.next(N4);
  turns.run();
  assert.deepEqual([batches, turns.waiting()], [[[A1, N4]], 0]);
});

test('a scheduler that runs a turn at once does not stop the inbox for good', () => {
  const schedule = (work: () => void) => {
    work();
    return { unsubscribe: () => {} };
  };
  const scheduler = { schedule } as never;
  const { source, batches } = collecting({ scheduler });
  source.next(A1);
  source.next(B3);
  assert.deepEqual(batches, [[A1], [B3]]);
});

test('past the bound new values are dropped and counted; a newer value of a waiting key is not', () => {
  let dropped = 0;
  const onDropped = () => {
    dropped += 1;
  };
  const { source, batches, turns } = collecting({ bound: 2, onDropped });
  for (const value of [A1, N2, N4, B3, A5]) source.next(value);
  turns.run();
  assert.deepEqual([batches, dropped], [[[N2, A5]], 2]);
  source.next(B3);
  turns.run();
  assert.deepEqual(batches[1], [B3]);
});

test('after unsubscribing no turn runs and the source is let go', () => {
  const { source, batches, turns, subscription } = collecting();
  source.next(A1);
  subscription.unsubscribe();
  turns.run();
  assert.deepEqual([batches, source.observed], [[], false]);
});
