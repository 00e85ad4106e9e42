// Two whole nodes, cores and wire steps, on one wire: the rules of claims as the two of them live them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { V4, V6 } from '../../support/core.ts';
import { createCouple } from '../../support/couple.ts';

const settled = () => {
  const couple = createCouple();
  const [a, b] = [couple.add('a'), couple.add('b')];
  couple.until(2_000);
  return { couple, a, b };
};
const nodeOf = ({ a, b }: ReturnType<typeof settled>, ip: string) =>
  a.state(ip) === 'leader' ? ([a, b, 'a', 'b'] as const) : ([b, a, 'b', 'a'] as const);

test('two nodes that start together share the IPs: each has one owner, whose claim is strong', () => {
  const { couple, a, b } = settled();
  for (const ip of [V4, V6]) {
    assert.equal(couple.answering(ip).length, 1);
    assert.deepEqual([a.state(ip), b.state(ip)].sort(), ['leader', 'unowned']);
    const epochs = [a, b].map((node) => node.core.view().serviceIPs.find((view) => view.ip === ip));
    assert.equal(epochs[0]?.epoch, epochs[1]?.epoch, 'both know of the same claim');
    for (const answer of [...a.world.answered.values(), ...b.world.answered.values()])
      assert.equal(answer.weak, false);
  }
});

test('a node that hears no more is succeeded after its hold time, and gives way when it hears again', () => {
  const pair = settled();
  const { couple } = pair;
  const [owner, other] = nodeOf(pair, V4);
  owner.isDeaf = true;
  owner.isMute = true;
  couple.until(2_350);
  assert.deepEqual([...couple.answering(V4)].sort(), ['a', 'b'], 'both halves are served');
  owner.isDeaf = false;
  owner.isMute = false;
  couple.until(2_600);
  assert.equal(couple.answering(V4).length, 1);
  assert.deepEqual([owner.state(V4), other.state(V4)].sort(), ['draining', 'leader']);
});

test('the worse claim is shut by its own wire step in the moment in which the better one is heard', () => {
  const { couple } = settled();
  const both = (): boolean => couple.answering(V4).length > 1;
  let sharedMs = 0;
  for (let ms = 2_000; ms < 4_000; ms += 1) {
    couple.until(ms);
    if (both()) sharedMs += 1;
  }
  assert.equal(sharedMs, 0);
});

test('a planned move leaves no moment without an answer, and the successor has the next epoch', () => {
  const pair = settled();
  const [owner, successor, , key] = nodeOf(pair, V4);
  owner.tell({ type: 'drain.requested', ips: null, to: null });
  for (let ms = 2_000; ms < 2_100; ms += 0.25) {
    pair.couple.until(ms);
    assert.ok(pair.couple.answering(V4).length >= 1, `nobody answers at ${ms} ms`);
  }
  assert.deepEqual(pair.couple.answering(V4), [key]);
  assert.deepEqual([owner.state(V4), successor.world.answered.get(V4)?.epoch], ['draining', 2]);
});

test('a drained node is given nothing back while the other is drained too', () => {
  const pair = settled();
  const { couple, a, b } = pair;
  a.tell({ type: 'drain.requested', ips: null, to: null });
  couple.until(3_000);
  b.tell({ type: 'drain.requested', ips: null, to: null });
  couple.until(5_000);
  assert.deepEqual([couple.answering(V4), couple.answering(V6)], [['b'], ['b']]);
  const view = b.core.view().serviceIPs.find(({ ip }) => ip === V4);
  assert.equal(view?.stays, 'no other node can take it now');
});

test('a wire thread that overslept is born again: it answers nothing of its old life, the other takes over, and the two find each other anew', () => {
  const pair = settled();
  const { couple } = pair;
  const [owner, , , otherKey] = nodeOf(pair, V4);
  couple.until(5_000);
  const before = owner.wire.birth();
  for (const output of owner.wire.at(5_000, { type: 'overslept', byMs: 3_000 }))
    if (output.type === 'fact') owner.tell(output.input);
  couple.until(5_001);
  assert.notEqual(owner.wire.birth(), before);
  assert.deepEqual(couple.answering(V4), []);
  couple.until(8_000);
  assert.deepEqual(couple.answering(V4), [otherKey]);
  assert.equal(owner.core.view().peers[0]?.state, 'alive');
});

test('a newcomer under the name of a settled node refuses, and nothing moves', () => {
  const { couple, a, b } = settled();
  const before = [couple.answering(V4), couple.answering(V6)];
  const third = couple.add('c', { node: 'a' });
  couple.until(2_240);
  assert.match(third.world.refusal ?? '', /another node is called a already/);
  assert.deepEqual([a.world.refusal, b.world.refusal], [null, null]);
  assert.deepEqual([couple.answering(V4), couple.answering(V6)], before);
});

test('a third node that joins takes nothing, and knows who holds what', () => {
  const { couple, a } = settled();
  const before = [couple.answering(V4), couple.answering(V6)];
  const third = couple.add('c');
  couple.until(6_000);
  assert.deepEqual([couple.answering(V4), couple.answering(V6)], before);
  assert.deepEqual(
    third.core.view().serviceIPs.map(({ holder }) => holder),
    a.core.view().serviceIPs.map(({ holder }) => holder),
  );
});
