// What a chronicle takes for the first time that something was said: a mark that is too late would put clocks
// seconds apart (found in the lab: a node that was eligible before its interface was there, and undrained later).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createChronicler } from '../../../src/machines/chronicle.ts';
import { createCore } from '../../../src/machines/core.ts';
import type { Effect } from '../../../src/machines/effects.ts';
import { CLOCK, createLeader } from '../../support/core.ts';
import { BIRTH, heard, MINE, READY } from '../../support/peers.ts';

const LIFE = { node: 'n1', instance: BIRTH, version: 'test' };
const FLAGS = `flags ${MINE} ${JSON.stringify(READY)}`;
const ready: Effect = { type: 'hello.flags', flags: READY };
const drained: Effect = { type: 'hello.flags', flags: { ...READY, ready: false } };
const listening: Effect = { type: 'listen', interfaces: ['eth0'] };

test('flags that were raised before an interface was there are said when it is', () => {
  const chronicler = createChronicler(LIFE, () => false);
  chronicler.begin('s:2', createCore().checkpoint(), true);
  chronicler.step('s:3', 100, CLOCK, [ready]);
  chronicler.step('s:5', 200, CLOCK, [listening]);
  chronicler.step('s:7', 5_000, CLOCK, [drained]);
  chronicler.step('s:9', 9_000, CLOCK, [ready]);
  assert.equal(chronicler.end().said.get(FLAGS), 200);
});

test('a record that begins in the middle of a life does not know what was said first, save its claims', () => {
  const chronicler = createChronicler(LIFE, () => false);
  chronicler.begin('s:2', createLeader().core.checkpoint(), false);
  chronicler.step('s:3', 9_000, heard('n2'), [ready, listening]);
  chronicler.step('s:5', 9_100, CLOCK, [
    { type: 'answer.start', ip: '10.99.0.1', interface: 'eth0', epoch: 7, weak: false },
  ]);
  assert.deepEqual([...chronicler.end().said.keys()], [`claim ${MINE} 10.99.0.1 7`]);
});

test('after its rebirth a wire thread has spoken before the main thread knows', () => {
  const chronicler = createChronicler(LIFE, () => false);
  chronicler.begin('s:2', createCore().checkpoint(), true);
  chronicler.step('s:3', 100, CLOCK, [listening]);
  chronicler.step('s:5', 8_000, { type: 'wire.reborn', reason: 'it hung', instance: '2'.repeat(16) }, []);
  const before = chronicler.end().said.size;
  chronicler.step('s:6', 8_000, heard('n2'), []);
  assert.equal(chronicler.end().said.size, before);
  assert.equal(chronicler.end().instances.size, 2);
});

test('what a record begins with is owned from when the checkpoint says', () => {
  const chronicler = createChronicler(LIFE, () => false);
  const { core } = createLeader();
  chronicler.begin('s:2', core.checkpoint(), false);
  const { transitions } = chronicler.end();
  assert.deepEqual(
    transitions.map(({ to, cause, at, ref }) => [to, cause, at, ref]),
    [['leader', 'unclaimed', core.view().serviceIPs[0]?.since, 's:2']],
  );
});
