import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestScheduler } from 'rxjs/testing';
import type { Reflection } from '../../../src/machines/reflection.ts';
import { snapshots } from '../../../src/streams/reflected.ts';

const health = { state: 'broken', reason: 'away', since: 0 } as const;
const VALUES: Readonly<Record<string, Reflection<number>>> = {
  r: { type: 'replaced', items: new Map([['a', 1]]) },
  e: { type: 'replaced', items: new Map() },
  b: { type: 'changed', key: 'b', value: 2 },
  B: { type: 'changed', key: 'b', value: 3 },
  d: { type: 'changed', key: 'a', value: null },
  h: { type: 'health', health },
  m: { type: 'malformed', key: 'a', reason: 'x' },
};

const TABLE: readonly (readonly [
  string,
  string,
  string,
  Readonly<Record<string, Record<string, number>>>,
])[] = [
  ['the first whole list is the first level', 'r----', '--x--', { x: { a: 1 } }],
  ['an empty list is a level too', 'e----', '--x--', { x: {} }],
  ['changes before the first list are half a truth and say nothing', 'b--r---', '-----x-', { x: { a: 1 } }],
  ['changes close together are one level', '(rbB)---', '--x-----', { x: { a: 1, b: 3 } }],
  [
    'changes apart are levels of their own',
    'r---b---d---',
    '--x---y---z-',
    { x: { a: 1 }, y: { a: 1, b: 2 }, z: { b: 2 } },
  ],
  ['an outage or a malformed object changes no level', 'r---h---m---', '--x---------', { x: { a: 1 } }],
  ['a source that says nothing is waited for', '-----', '-----', {}],
  ['an error goes through', 'r-#', '--#', {}],
];
for (const [what, source, expected, levels] of TABLE)
  test(what, () => {
    const values = Object.fromEntries(
      Object.entries(levels).map(([name, level]) => [name, new Map(Object.entries(level))]),
    );
    const scheduler = new TestScheduler((actual, wanted) => assert.deepEqual(actual, wanted));
    scheduler.run(({ hot, expectObservable }) => {
      expectObservable(snapshots(hot(source, VALUES), scheduler, 2)).toBe(expected, values);
    });
  });

test('a level that was handed out stays as it was', () => {
  const levels: ReadonlyMap<string, number>[] = [];
  const scheduler = new TestScheduler(() => {});
  scheduler.run(({ hot, flush }) => {
    snapshots(hot('r---b---', VALUES), scheduler, 1).subscribe((level) => levels.push(level));
    flush();
  });
  assert.deepEqual(
    levels.map(({ size }) => size),
    [1, 2],
  );
});
