// The level table: whoever was away is told what is newer, once, as it is now, and memory has a bound.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLevelTable } from '../../../src/io/http/level-table.ts';

const ALL = 100_000;

test('a row that changed ten times is told once, as it is now, after what changed before it', () => {
  const table = createLevelTable();
  table.set('a', '0');
  for (let value = 0; value < 10; value += 1) table.set('b', String(value));
  table.set('a', '1');
  const rows = table.since(0, ALL).map(({ key, text }) => `${key}=${text}`);
  assert.deepEqual(rows, ['b=9', 'a=1']);
});

test('a row that is set to what it was is no change', () => {
  const table = createLevelTable();
  table.set('a', '1');
  const { sequence } = table;
  assert.equal(table.set('a', '1'), false);
  assert.equal(table.sequence, sequence);
  assert.deepEqual(table.since(sequence, ALL), []);
});

test('who reads in parts misses nothing, though rows change between the parts', () => {
  const table = createLevelTable();
  const seen = new Map<string, string | null>();
  let sequence = 0;
  for (let index = 0; index < 50; index += 1) table.set(`row-${index}`, 'old');
  for (let part = 0; part < 40; part += 1) {
    table.set(`row-${part}`, `new-${part}`);
    const rows = table.since(sequence, 7);
    for (const { key, text } of rows) seen.set(key, text);
    sequence = rows.at(-1)?.sequence ?? table.sequence;
  }
  for (let index = 0; index < 50; index += 1)
    assert.equal(seen.get(`row-${index}`), index < 40 ? `new-${index}` : 'old');
});

test('a row that went is told as gone; after too many of them whoever was away begins anew', () => {
  const table = createLevelTable();
  for (let index = 0; index < 2_000; index += 1) table.set(`row-${index}`, 'x');
  const { sequence } = table;
  table.remove('row-7');
  assert.deepEqual(
    table.since(sequence, ALL).map(({ key, text }) => [key, text]),
    [['row-7', null]],
  );
  assert.ok(table.knows(sequence));
  for (let index = 0; index < 2_000; index += 1) table.remove(`row-${index}`);
  assert.equal(table.knows(sequence), false);
  assert.ok(table.since(0, ALL).length <= 1_024, 'what went is kept within a bound');
  assert.deepEqual([...table.keys()], []);
});

test('a number that the table has not reached is not known', () => {
  const table = createLevelTable();
  table.set('a', '1');
  assert.equal(table.knows(table.sequence), true);
  assert.equal(table.knows(table.sequence + 1), false);
});

test('only the last moves are kept', () => {
  const table = createLevelTable();
  for (let index = 0; index < 1_000; index += 1) table.move(String(index));
  const moves = table.movesSince(0);
  assert.equal(moves.at(-1)?.text, '999');
  assert.ok(moves.length < 300);
});
