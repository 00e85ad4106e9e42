// A wire thread that did not run for its hold time: whether others were awake meanwhile decides what follows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROADCAST_MAC, ZERO_MAC } from '../../../src/machines/frames.ts';
import type { WireFrame, WireOutput } from '../../../src/machines/wire-facts.ts';
import { START, V4, V6 } from '../../support/core.ts';
import { createCouple } from '../../support/couple.ts';
import { CLIENT } from '../../support/wire-step.ts';

const SLEPT_AT = 2_000;
const AWAKE_AT = 2_300;

/** A node that holds an IP, asleep since `SLEPT_AT`, and its peer. */
const asleep = () => {
  const couple = createCouple();
  const [a, b] = [couple.add('a'), couple.add('b')];
  couple.until(SLEPT_AT);
  const [owner, other] = a.wire.step.isAnswering(V4) ? [a, b] : [b, a];
  const step = (event: Parameters<typeof owner.wire.step.step>[1]): readonly WireOutput[] =>
    owner.wire.step.step(START + AWAKE_AT, event);
  const woke = step({ type: 'overslept', byMs: AWAKE_AT - SLEPT_AT });
  return { owner, other, step, woke };
};
const typesOf = (outputs: readonly WireOutput[]): readonly string[] => outputs.map(({ type }) => type);

/** The next `count` hellos of a node, one an interval. */
const hellosOf = ({ wire }: ReturnType<typeof asleep>['other'], count: number): readonly WireFrame[] => {
  const said: WireFrame[] = [];
  for (let ms = SLEPT_AT; said.length < count; ms += 10)
    for (const output of wire.clock(ms)) if (output.type === 'send') said.push(output.frame);
  return said;
};

test('nothing is said or answered until what queued has been read', () => {
  const { step, woke } = asleep();
  assert.deepEqual(typesOf(woke), ['look.back']);
  const request: WireFrame = {
    kind: 'arp',
    ethernetSource: CLIENT.mac,
    ethernetDestination: BROADCAST_MAC,
    operation: 'request',
    sha: CLIENT.mac,
    spa: CLIENT.ipv4,
    tha: ZERO_MAC,
    tpa: V4,
  };
  assert.deepEqual(step({ type: 'frame', interface: 'eth0', frame: request }), []);
});

for (const count of [0, 1, 2]) {
  test(`a peer that said ${count} hellos meanwhile slept too: nothing changes`, () => {
    const { owner, other, step } = asleep();
    for (const frame of hellosOf(other, count)) step({ type: 'frame', interface: 'eth0', frame });
    const outputs = step({ type: 'looked.back', frames: count });
    assert.ok(!typesOf(outputs).includes('rebirth'));
    assert.ok(typesOf(outputs).includes('send'), 'its hello was due');
    assert.ok(owner.wire.step.isAnswering(V4));
    assert.deepEqual(
      outputs.filter(({ type }) => type === 'fact'),
      [],
      'nobody is late',
    );
    assert.deepEqual([owner.wire.step.counters.standstills, owner.wire.step.counters.rebirths], [1, 0]);
  });
}

test('a peer that said three was awake for long enough to give this node up: it is born again', () => {
  const { owner, other, step } = asleep();
  for (const frame of hellosOf(other, 3)) step({ type: 'frame', interface: 'eth0', frame });
  assert.deepEqual(typesOf(step({ type: 'looked.back', frames: 3 })), ['rebirth']);
  assert.deepEqual([owner.wire.step.isAnswering(V4), owner.wire.step.isAnswering(V6)], [false, false]);
});

test('where much queued the segment was awake, whatever was read of hellos', () => {
  const { step } = asleep();
  assert.deepEqual(typesOf(step({ type: 'looked.back', frames: 17 })), ['rebirth']);
});

test('a better claim that queued shuts the answer', () => {
  const { owner, other, step } = asleep();
  const [hello] = hellosOf(other, 1);
  if (hello?.kind !== 'hello') throw new Error('no hello');
  const change = { ip: V4, held: true, epoch: 9, weak: false, successor: null, kept: false } as const;
  step({ type: 'frame', interface: 'eth0', frame: { ...hello, changes: [change] } });
  step({ type: 'looked.back', frames: 1 });
  assert.equal(owner.wire.step.isAnswering(V4), false);
});
