import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mirror, type Parsed } from '../../../src/io/kubernetes/mirror.ts';
import type { Reflection } from '../../../src/machines/reflection.ts';

const object = (name: string, version: string, ip: unknown = '10.0.0.1', namespace?: string) => ({
  metadata: { name, resourceVersion: version, ...(namespace === undefined ? {} : { namespace }) },
  spec: { ip },
});

const create = () => {
  const told: unknown[] = [];
  let parses = 0;
  const parse = (given: unknown): Parsed<string> => {
    parses += 1;
    const { ip } = (given as { spec: { ip: unknown } }).spec;
    return typeof ip === 'string' ? { ok: true, value: ip } : { ok: false, reason: 'spec.ip must be text' };
  };
  const mirror = new Mirror(parse, (each: Reflection<string>) =>
    told.push(each.type === 'replaced' ? Object.fromEntries(each.items) : each),
  );
  const list = (...objects: unknown[]): void => {
    const begun = mirror.beginList();
    for (const each of objects) begun.add(each);
    begun.replace();
  };
  return { mirror, told, list, parses: () => parses };
};

test('a list that is not whole tells nothing', () => {
  const { mirror, told, list } = create();
  list(object('a', '1'));
  mirror.beginList().add(object('b', '2'));
  assert.deepEqual(told, [{ a: '10.0.0.1' }]);
  assert.equal(mirror.size, 1);
});

test('objects of one name in two namespaces are two', () => {
  const { told, list } = create();
  list(object('a', '1', '10.0.0.1', 'x'), object('a', '2', '10.0.0.2', 'y'));
  assert.deepEqual(told, [{ 'x/a': '10.0.0.1', 'y/a': '10.0.0.2' }]);
});

test('an unchanged version is not parsed again by a relist', () => {
  const { list, parses } = create();
  list(object('a', '1'), object('b', '2'));
  list(object('a', '1'), object('b', '3'));
  assert.equal(parses(), 3);
});

test('an unusable object is told once for each version, and its last good value stays over a relist', () => {
  const { told, list } = create();
  list(object('a', '1'));
  list(object('a', '2', 17));
  list(object('a', '2', 17));
  const malformed = { type: 'malformed', key: 'a', reason: 'spec.ip must be text' };
  assert.deepEqual(told, [{ a: '10.0.0.1' }, malformed, { a: '10.0.0.1' }, { a: '10.0.0.1' }]);
});

test('an object that was never usable is not among the items, and its deletion is no news', () => {
  const { mirror, told, list } = create();
  list(object('a', '1', 17));
  mirror.remove(object('a', '2', 17));
  assert.deepEqual(told.slice(1), [{}]);
});

test('an object that is none of its business is not told, and one that ceases to be is told as gone', () => {
  const told: unknown[] = [];
  const parse = (given: unknown): Parsed<string> => {
    const { ip } = (given as { spec: { ip: string } }).spec;
    return { ok: true, value: ip === 'other' ? undefined : ip };
  };
  const mirror = new Mirror(parse, (each: Reflection<string>) => told.push(each));
  mirror.put(object('a', '1', 'other'));
  mirror.put(object('b', '2'));
  mirror.put(object('b', '3', 'other'));
  mirror.remove(object('b', '4', 'other'));
  assert.deepEqual(told, [
    { type: 'changed', key: 'b', value: '10.0.0.1' },
    { type: 'changed', key: 'b', value: null },
  ]);
});

test('a deletion of what is not known tells nothing', () => {
  const { mirror, told } = create();
  mirror.remove(object('a', '1'));
  assert.deepEqual(told, []);
});

for (const [what, junk] of [
  ['null', null],
  ['a text', 'x'],
  ['no metadata', {}],
  ['a name that is a number', { metadata: { name: 1, resourceVersion: '1' } }],
] as const)
  test(`${what} instead of an object is told and stops nobody`, () => {
    const { told, list } = create();
    list(junk, object('a', '1'));
    assert.deepEqual(told, [
      { type: 'malformed', key: '', reason: 'an object without a name or resourceVersion' },
      { a: '10.0.0.1' },
    ]);
  });

test('a reader that throws makes the object malformed, nothing else', () => {
  const { told, list } = create();
  list({ metadata: { name: 'a', resourceVersion: '1' } }, object('b', '2'));
  assert.equal((told[0] as { type: string }).type, 'malformed');
  assert.deepEqual(told[1], { b: '10.0.0.1' });
});
