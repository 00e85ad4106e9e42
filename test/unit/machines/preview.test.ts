// What an operator is told before he confirms is what happens when he does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OperatorRequest } from '../../../src/machines/preview.ts';
import { previewText } from '../../../src/machines/preview-words.ts';
import { any, LISTENED, type Node, V4, V4_OTHER, V6 } from '../../support/core.ts';
import { createMember, createStandby, late } from '../../support/peers.ts';

const IPS = [V4, V4_OTHER, V6];
const DRAIN: OperatorRequest = { type: 'drain.requested', ips: null, to: null };
const UNDRAIN: OperatorRequest = { type: 'undrain.requested' };
const only = (ip: string, to: string | null = null, patient = false): OperatorRequest => ({
  type: 'drain.requested',
  ips: [ip],
  to,
  patient,
});

const holder = (peers: readonly string[]): Node => {
  const node = createMember(peers, { serviceIPs: IPS.map(any) });
  node.at(LISTENED + 1_000);
  return node;
};
const preview = (node: Node, request: OperatorRequest, ms = 2_000) => {
  node.at(ms);
  const told = node.core.preview(request);
  assert.ok(told !== null);
  return told;
};

for (const request of [DRAIN, only(V4), only(V6, 'n3', true), only(V4, 'n9'), UNDRAIN])
  test(`a preview changes nothing, and what it says happens: ${JSON.stringify(request)}`, () => {
    const node = holder(['n2', 'n3', 'n4']);
    node.at(2_000);
    const before = JSON.stringify(node.core.checkpoint());
    const { moves, stays, drained } = preview(node, request);
    assert.equal(JSON.stringify(node.core.checkpoint()), before);
    node.at(2_000, request);
    const view = node.core.view();
    const moving = view.serviceIPs.flatMap(({ ip, movingTo }) => (movingTo === null ? [] : [[ip, movingTo]]));
    assert.deepEqual(
      moves.map(({ ip, to }) => [ip, to]),
      moving,
    );
    const staying = view.serviceIPs.flatMap(({ ip, stays: why }) => (why === null ? [] : [{ ip, why }]));
    assert.deepEqual(stays, staying);
    assert.equal(moves.length > 0, request.type === 'drain.requested' && request.to !== 'n9');
    assert.equal(drained.after, view.drained);
  });

test('a drain in sentences: who gets what, how long clients are carried, what breaks, and that it lasts', () => {
  const node = holder(['n2']);
  assert.deepEqual(previewText(preview(node, DRAIN), DRAIN, 3), [
    '3 go to n2: 10.99.0.100, 10.99.0.101, fd99::100.',
    'n1 answers until the new owner has claimed; who has not claimed within 400 ms is passed over.',
    'Then n1 carries what clients still send to it until nobody has for 10 s, for 2 min at most.',
    'TCP connections that are open are reset when they reach the new owner; new connections and datagrams are not lost. 3 clients are known to use what moves.',
    'n1 takes no service IP until it is undrained; a restart does not change that.',
  ]);
});

test('a patient move of one IP says whose connections are kept, and for how long', () => {
  const request = only(V4, 'n2', true);
  assert.deepEqual(previewText(preview(holder(['n2']), request), request, 1), [
    '10.99.0.100 goes to n2.',
    'n1 answers until the new owner has claimed; who has not claimed within 400 ms is passed over.',
    'Clients on this segment stay with n1 until their connections end, for 2 min at most; connections that are open then are reset. 1 client is known to use what moves.',
    'A client whose kernel asks by broadcast meanwhile goes to the new owner, and its connections are reset.',
  ]);
});

test('what cannot move is said with its reason: nobody there, the wanted node dead, held by another', () => {
  const alone = holder([]);
  assert.deepEqual(previewText(preview(alone, only(V4)), only(V4), 0), [
    '10.99.0.100 stays with n1: no other node can take it now; ask again when that has changed.',
  ]);
  const left = holder(['n2']);
  left.at(2_000, late('n2', 1_700));
  left.at(3_000);
  const toDead = only(V4, 'n2');
  assert.deepEqual(previewText(preview(left, toDead, 3_000), toDead, 0), [
    '10.99.0.100 stays with n1: n2 cannot take it; ask again when that has changed.',
  ]);
  const standby = createStandby(['n2'], 'n2', [V4], { serviceIPs: [any(V4)] });
  assert.deepEqual(previewText(preview(standby, only(V4)), only(V4), 0), [
    'Nothing happens to 10.99.0.100: n2 holds it, and only the holder gives it away.',
  ]);
  assert.deepEqual(previewText(preview(standby, DRAIN), DRAIN, 0), [
    'n1 holds no service IP, so nothing moves.',
    'n1 takes no service IP until it is undrained; a restart does not change that.',
  ]);
});

test('an undrain says what is kept that was on its way, and that nothing comes back', () => {
  const node = holder([]);
  node.at(2_000, DRAIN);
  assert.deepEqual(previewText(preview(node, UNDRAIN), UNDRAIN, 0), [
    'n1 may take service IPs again.',
    'Nothing moves back by itself: each service IP stays with whoever holds it. What nobody holds may be taken.',
  ]);
  const moving = holder(['n2']);
  moving.at(2_000, DRAIN);
  assert.deepEqual(preview(moving, UNDRAIN).kept, IPS);
  assert.equal(
    previewText(preview(moving, UNDRAIN), UNDRAIN, 0)[1],
    '10.99.0.100, 10.99.0.101, fd99::100 stay with n1 after all.',
  );
});

test('a drain of thousands names some of them and counts the others', () => {
  const ips = Array.from({ length: 2_000 }, (_, index) => `10.99.${index >> 8}.${index & 255}`);
  const node = createMember(['n2'], { serviceIPs: ips.slice(2).map(any), probe: 'off' });
  node.at(LISTENED + 5_000);
  const told = preview(node, DRAIN, 6_000);
  const [first = ''] = previewText(told, DRAIN, 0);
  assert.match(first, /^\d+ go to n2: (10\.[\d.]+, ){7}10\.[\d.]+ and \d+ more\.$/);
});
