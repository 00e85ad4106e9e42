// A node's verdict on itself and on others: it agrees with what the core then does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createLeader,
  createNode,
  LISTENED,
  link,
  loaded,
  rival,
  START,
  V4,
  V6,
} from '../../support/core.ts';
import { heard, instanceOf, started, whole } from '../../support/peers.ts';

test('what is not configured has no verdict', () => {
  assert.equal(createLeader().core.taking(V6), null);
});

test('a leader holds it, and is the only candidate of its own', () => {
  const taking = createLeader().core.taking(V4);
  assert.deepEqual([taking?.verdict, taking?.holder, taking?.state], ['holds it', 'n1', 'leader']);
  assert.deepEqual(taking?.candidates, [{ node: 'n1', excluded: null, place: 1 }]);
});

test('while it listens it says so, and takes once it has listened', () => {
  const node = createNode();
  node.at(0, link());
  node.at(0, loaded());
  assert.equal(node.core.taking(V4)?.verdict, 'does not take it: it listens first');
  node.at(LISTENED);
  assert.equal(node.core.taking(V4)?.verdict, 'holds it');
});

test('a link that is down, foreign use and a drain are each named', () => {
  const down = createLeader();
  down.at(1_000, link({ up: false }));
  assert.equal(down.core.taking(V4)?.verdict, 'cannot have it: eth0 is down or has no carrier');

  const foreign = createLeader();
  foreign.at(1_000, rival(V4));
  foreign.at(1_100, rival(V4));
  assert.match(foreign.core.taking(V4)?.verdict ?? '', /^keeps off it for a while: .* uses the address$/);

  const drained = createNode();
  drained.at(0, { type: 'drain.requested', ips: null, to: null });
  drained.at(0, link());
  drained.at(0, loaded());
  drained.at(LISTENED);
  assert.equal(drained.core.taking(V4)?.verdict, 'does not take it: drained');
});

test('peers are ranked, those that are excluded with the reason, and the turn comes when it is said to come', () => {
  const node = createNode();
  node.at(0, started());
  node.at(0, link());
  node.at(0, loaded());
  node.at(10, heard('n2'));
  node.at(10, whole('n2'));
  node.at(20, heard('n3', { subnets: [], hears: [instanceOf('n2')] }));
  node.at(20, whole('n3'));
  node.at(LISTENED);
  const taking = node.core.taking(V4);
  const of = (name: string) => taking?.candidates.find((candidate) => candidate.node === name);
  assert.equal(of('n3')?.excluded, 'it has no subnet for it');
  assert.deepEqual([of('n1')?.place, of('n2')?.place], [2, 1]);
  // n2 is alive and does not take: this node's turn comes, and not before.
  assert.equal(taking?.verdict, 'is number 2 of 2 that can take it and leaves it to those before');
  const turn = (taking.turnAt ?? 0) - START;
  node.at(turn - 1);
  assert.equal(node.state(V4), 'unowned');
  node.at(turn);
  assert.equal(node.state(V4), 'leader');
});

test('what another holds is left alone, and the holder is named', () => {
  const node = createNode();
  node.at(0, started());
  node.at(0, link());
  node.at(0, loaded());
  node.at(10, heard('n2'));
  const claim = { ip: V4, node: 'n2', epoch: 7, weak: false, successor: null };
  node.at(20, { type: 'claims.heard', interface: 'eth0', node: 'n2', claims: [claim], released: [] });
  node.at(LISTENED);
  const taking = node.core.taking(V4);
  assert.equal(taking?.holder, 'n2');
  assert.match(taking?.verdict ?? '', /n2 holds it \(epoch 7\), and only the holder moves/);
});
