import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareRank } from '../../../src/machines/claims.ts';
import { createRegister, type Standing } from '../../../src/machines/register.ts';
import { V4, V4_OTHER, V6 } from '../../support/core.ts';
import { claim, instanceOf } from '../../support/peers.ts';

/** Everybody counts and is heard; nobody is listed but those named. */
const standing = (over: Partial<Standing> = {}): Standing => ({
  counts: () => true,
  isHeard: () => true,
  isVouchedFor: () => false,
  ...over,
});
const ALL = standing();
const witnessedClaim = (node: string, ip: string, epoch: number) => ({
  ip,
  node,
  epoch,
  weak: false,
  instance: instanceOf(node),
});

test('the holder is the best claim: strong before weak, then the higher epoch, then the higher rank', () => {
  const register = createRegister();
  register.hear('n2', [claim('n2', V4, 9, { weak: true })], []);
  assert.equal(register.best(V4, ALL, 'n1')?.node, 'n2');
  register.hear('n3', [claim('n3', V4, 2)], []);
  assert.equal(register.best(V4, ALL, 'n1')?.node, 'n3');
  register.hear('n4', [claim('n4', V4, 3)], []);
  assert.equal(register.best(V4, ALL, 'n1')?.node, 'n4');
  register.hear('n5', [claim('n5', V4, 3)], []);
  const [first] = ['n4', 'n5'].sort((a, b) => compareRank(V4, a, b));
  assert.equal(register.best(V4, ALL, 'n1')?.node, first);
  assert.equal(register.best(V6, ALL, 'n1'), null);
});

test('the claims of a node that does not count do not stand, and stand again when it does', () => {
  const register = createRegister();
  register.hear('n2', [claim('n2', V4, 9)], []);
  register.hear('n3', [claim('n3', V4, 1)], []);
  const without = standing({ counts: (node) => node !== 'n2' });
  assert.equal(register.best(V4, without, 'n1')?.node, 'n3');
  assert.equal(register.best(V4, ALL, 'n1')?.node, 'n2');
  assert.deepEqual(register.contested(ALL), [V4]);
  assert.deepEqual(register.contested(without), []);
});

test('what is heard replaces, releases and counts; the IPs concerned are told', () => {
  const register = createRegister();
  assert.deepEqual(register.hear('n2', [claim('n2', V4, 1), claim('n2', V6, 1)], []), [V4, V6]);
  assert.deepEqual([register.count('n2'), register.claimOf('n2', V4)?.epoch], [2, 1]);
  assert.deepEqual(register.hear('n2', [claim('n2', V4, 2, { successor: 'n3' })], [V6]), [V6, V4]);
  assert.deepEqual([register.count('n2'), register.claimOf('n2', V6)], [1, null]);
  assert.equal(register.best(V4, ALL, 'n1')?.successor, 'n3');
  assert.deepEqual([...register.claimedBy('n2')], [V4]);
  register.hear('n2', [], [V4, V4_OTHER]);
  assert.deepEqual(
    [register.count('n2'), [...register.claimedBy('n2')], register.contested(ALL)],
    [0, [], []],
  );
});

test('forgetting a node leaves the claims of the others', () => {
  const register = createRegister();
  register.hear('n2', [claim('n2', V4, 2), claim('n2', V6, 2)], []);
  register.hear('n3', [claim('n3', V4, 1)], []);
  assert.deepEqual([...register.forget('n2')].sort(), [V4, V6]);
  assert.deepEqual([register.best(V4, ALL, 'n1')?.node, register.best(V6, ALL, 'n1')], ['n3', null]);
  assert.deepEqual(register.forget('n9'), []);
});

test('a witnessed claim counts if somebody lists its maker; not against what the maker says itself, nor for me', () => {
  const register = createRegister();
  register.witness([witnessedClaim('n3', V4, 8)], standing(), 'n1');
  const heardBy = (...nodes: string[]) => ({
    isVouchedFor: (instance: string) => nodes.some((node) => instanceOf(node) === instance),
  });
  assert.equal(register.best(V4, standing({ isHeard: () => false }), 'n1'), null, 'nobody lists it');
  const unheard = standing({ isHeard: () => false, ...heardBy('n3') });
  assert.deepEqual(register.best(V4, unheard, 'n1'), claim('n3', V4, 8));
  assert.equal(register.best(V4, unheard, 'n3'), null, 'what others say of me');
  assert.equal(register.best(V4, standing(heardBy('n3')), 'n1'), null, 'n3 is heard, and claims nothing');
  register.hear('n2', [claim('n2', V4, 9)], []);
  assert.equal(
    register.best(V4, unheard, 'n1')?.node,
    'n2',
    'the better of what is heard and what is witnessed',
  );
});

test('a witnessed claim that does not stand any more does not hide a worse one that does', () => {
  const register = createRegister();
  const unheard = standing({
    isHeard: () => false,
    isVouchedFor: (instance) => instance !== instanceOf('n5'),
  });
  for (const former of ['n1', 'n5']) {
    register.witness([witnessedClaim(former, V4, 9)], unheard, 'n1');
    register.witness([witnessedClaim('n3', V4, 8)], unheard, 'n1');
    assert.equal(register.best(V4, unheard, 'n1')?.node, 'n3', `after one of ${former}`);
    register.clear();
  }
});

test('a register from a checkpoint is the same', () => {
  const register = createRegister();
  register.hear('n2', [claim('n2', V4, 2), claim('n2', V6, 2)], []);
  register.hear('n3', [claim('n3', V4, 1, { weak: true, successor: 'n1' })], []);
  register.witness([witnessedClaim('n4', V6, 8)], standing(), 'n1');
  const checkpoint = register.checkpoint();
  const restored = createRegister(JSON.parse(JSON.stringify(checkpoint)));
  assert.deepEqual(restored.checkpoint(), checkpoint);
  assert.deepEqual(restored.contested(ALL), register.contested(ALL));
  const unheard = standing({ isHeard: () => false, isVouchedFor: () => true });
  for (const ip of [V4, V6])
    assert.deepEqual(restored.best(ip, unheard, 'n1'), register.best(ip, unheard, 'n1'));
  register.clear();
  assert.deepEqual([register.best(V4, unheard, 'n1'), register.checkpoint().claims], [null, []]);
  assert.equal(restored.best(V4, unheard, 'n1')?.node, 'n2');
});
