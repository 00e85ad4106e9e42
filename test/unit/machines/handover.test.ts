// Planned moves: drain, undrain, stop; whom the holder names, how long it waits, and what it says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INTERVALS_PER_SUCCESSOR, STOP_WITHIN_MS } from '../../../src/machines/handover.ts';
import type { Input } from '../../../src/machines/inputs.ts';
import { any, createNode, LISTENED, link, loaded, type Node, V4, V4_OTHER, V6 } from '../../support/core.ts';
import {
  claim,
  claimed,
  createMember,
  createStandby,
  DRAINED,
  heard,
  late,
  released,
  started,
} from '../../support/peers.ts';

const PATIENCE_MS = INTERVALS_PER_SUCCESSOR * 50;
const IPS = [V4, V4_OTHER, V6];
const drain = (ips: readonly string[] | null = null, to: string | null = null): Input => ({
  type: 'drain.requested',
  ips,
  to,
});
const UNDRAIN: Input = { type: 'undrain.requested' };
const STOP: Input = { type: 'stop.requested', reason: 'SIGTERM' };

/** n1, which leads all three IPs (claims of epoch 1) and hears `peers`, which hold nothing. */
const createHolder = (peers: readonly string[], ips: readonly string[] = IPS): Node => {
  const node = createMember(peers, { serviceIPs: ips.map(any) });
  node.at(LISTENED + 1_000);
  for (const ip of ips) assert.equal(node.state(ip), 'leader');
  return node;
};
const viewOf = (node: Node, ip: string) => node.core.view().serviceIPs.find((view) => view.ip === ip);

test('a drain names a successor for each IP, spread over those that can take them, and answers on', () => {
  const node = createHolder(['n2', 'n3', 'n4']);
  node.at(2_000, drain());
  assert.deepEqual([...node.world.yielded.keys()].sort(), [...IPS].sort());
  assert.deepEqual([...node.world.yielded.values()].sort(), ['n2', 'n3', 'n4']);
  assert.equal(node.world.answered.size, 3);
  assert.deepEqual([node.world.isDrained, node.world.flags], [true, DRAINED]);
  assert.deepEqual([viewOf(node, V4)?.movingTo, viewOf(node, V4)?.stays], [node.world.yielded.get(V4), null]);
});

test('when the successor claims, the holder drains; it carries what still comes to it until all is quiet', () => {
  const node = createHolder(['n2'], [V4]);
  node.at(2_000, drain());
  node.at(2_010, claimed('n2', claim('n2', V4, 2)));
  assert.deepEqual(
    [node.state(V4), viewOf(node, V4)?.cause, node.world.answered.size, [...node.world.addresses]],
    ['draining', 'planned', 0, [V4]],
  );
  assert.equal(viewOf(node, V4)?.reason, 'n2 took it over as asked');
  node.at(2_010 + PATIENCE_MS);
  assert.equal(node.world.yielded.size, 0, 'nobody else is named afterwards');
  node.at(12_010);
  assert.equal(node.state(V4), 'unowned');
});

test('a drained node takes nothing, not even when the last other one dies, until it is undrained', () => {
  const node = createHolder(['n2'], [V4]);
  node.at(2_000, drain());
  node.at(2_010, claimed('n2', claim('n2', V4, 2)));
  node.at(20_000, late('n2', 19_900));
  node.at(30_000);
  assert.equal(node.state(V4), 'unowned');
  node.at(31_000, UNDRAIN);
  assert.deepEqual([node.state(V4), node.world.isDrained, node.world.flags?.ready], ['leader', false, true]);
  assert.equal(node.world.answered.get(V4)?.epoch, 3);
});

test('a node that was drained when it last ended is still drained', () => {
  const node = createNode();
  node.at(0, started({ drained: true }));
  node.at(0, link());
  node.at(0, loaded());
  node.at(10_000);
  assert.deepEqual([node.state(V4), node.core.view().drained, node.world.flags], ['unowned', true, DRAINED]);
});

test('single IPs move, to whom the operator names; the node stays eligible', () => {
  const node = createHolder(['n2', 'n3', 'n4']);
  node.at(2_000, drain([V4], 'n4'));
  assert.deepEqual([...node.world.yielded], [[V4, 'n4']]);
  assert.deepEqual([node.world.isDrained, node.world.flags?.ready], [false, true]);
  node.at(2_000, drain([V6], null));
  assert.equal(node.world.yielded.size, 2);
  assert.notEqual(node.world.yielded.get(V6), 'n4', 'that one is getting an IP already');
});

test('a wanted successor that cannot take it is said, and the IP stays', () => {
  const node = createHolder(['n2', 'n3']);
  node.at(1_900, heard('n3', { flags: DRAINED }));
  for (const name of ['n3', 'n9']) {
    node.at(2_000, drain([V4], name));
    assert.deepEqual([node.world.yielded.size, node.state(V4)], [0, 'leader']);
    assert.equal(viewOf(node, V4)?.stays, `${name} cannot take it`);
  }
});

test('without anybody who could take it the IP stays, and it is said', () => {
  for (const peers of [[], ['n2']]) {
    const node = createHolder(peers, [V4]);
    for (const peer of peers) node.at(1_900, heard(peer, { flags: DRAINED }));
    node.at(2_000, drain());
    node.at(60_000);
    assert.deepEqual([node.state(V4), node.world.answered.size], ['leader', 1]);
    assert.equal(viewOf(node, V4)?.stays, 'no other node can take it now');
  }
});

test('a successor that never claims is passed over for the next after eight intervals; the IP stays meanwhile', () => {
  const node = createHolder(['n2', 'n3'], [V4]);
  node.at(2_000, drain());
  const first = node.world.yielded.get(V4);
  node.at(2_000 + PATIENCE_MS - 1);
  assert.equal(node.world.yielded.get(V4), first);
  node.at(2_000 + PATIENCE_MS);
  const second = node.world.yielded.get(V4);
  assert.deepEqual([first, second].sort(), ['n2', 'n3']);
  node.at(2_000 + 2 * PATIENCE_MS);
  assert.deepEqual([node.world.yielded.size, node.state(V4)], [0, 'leader']);
  assert.match(viewOf(node, V4)?.stays ?? '', /did not take it$/);
});

test('whoever was named too late may still take it: a better claim is a better claim', () => {
  const node = createHolder(['n2', 'n3'], [V4]);
  node.at(2_000, drain());
  const first = node.world.yielded.get(V4) as string;
  node.at(2_000 + PATIENCE_MS);
  node.at(2_500, claimed(first, claim(first, V4, 2)));
  assert.equal(node.state(V4), 'draining');
});

test('undraining takes back what is not taken yet', () => {
  const node = createHolder(['n2'], [V4]);
  node.at(2_000, drain());
  node.at(2_100, UNDRAIN);
  assert.deepEqual(
    [node.world.yielded.size, viewOf(node, V4)?.movingTo, node.state(V4)],
    [0, null, 'leader'],
  );
  node.at(2_000 + PATIENCE_MS);
  assert.equal(node.world.yielded.size, 0);
});

// The other side.
test('who is named by the holder takes the IP with the next epoch, without probing, at the same strength', () => {
  for (const weak of [false, true]) {
    const node = createStandby(['n2', 'n3'], 'n2', [V4], { probe: 'quick' });
    node.at(2_000, claimed('n2', claim('n2', V4, 5, { weak, successor: 'n1' })));
    assert.deepEqual([node.state(V4), node.world.probed.size], ['leader', 0]);
    assert.deepEqual(node.world.answered.get(V4), { interface: 'eth0', epoch: 6, weak });
    assert.equal(viewOf(node, V4)?.cause, 'planned');
  }
});

test('a node that listens or stops takes no IP that is handed to it; one that is drained does as it is told', () => {
  const listening = createNode();
  listening.at(0, started());
  listening.at(0, link());
  listening.at(0, loaded());
  listening.at(10, heard('n2'));
  listening.at(20, claimed('n2', claim('n2', V4, 5, { successor: 'n1' })));
  assert.equal(listening.state(V4), 'unowned');
  const stopping = createStandby(['n2'], 'n2', [V4]);
  stopping.at(2_000, STOP);
  stopping.at(2_010, claimed('n2', claim('n2', V4, 5, { successor: 'n1' })));
  assert.equal(stopping.state(V4), 'unowned');
});

test('a claim in hand-over that is not for this node is only the claim of its holder', () => {
  const node = createStandby(['n2', 'n3'], 'n2', [V4]);
  node.at(2_000, claimed('n2', claim('n2', V4, 5, { successor: 'n3' })));
  node.at(5_000);
  assert.equal(node.state(V4), 'unowned');
});

// Stopping.
test('a stop hands everything over first; the process ends when the last IP is drained', () => {
  const node = createHolder(['n2', 'n3'], [V4, V4_OTHER]);
  node.at(2_000, STOP);
  assert.deepEqual(
    [node.world.flags?.leaving, node.world.yielded.size, node.world.hasExited],
    [true, 2, false],
  );
  for (const [index, [ip, to]] of [...node.world.yielded].entries()) {
    node.at(2_010 + index, claimed(to, claim(to, ip, 2)));
    assert.equal(node.state(ip), 'draining');
  }
  assert.equal(node.world.hasExited, false, 'it still carries the traffic of clients that have not moved');
  node.at(12_011);
  assert.deepEqual([node.world.hasExited, node.world.addresses.size], [true, 0]);
});

test('a stop without anybody to hand over to ends at once', () => {
  for (const peers of [[], ['n2']]) {
    const node = createHolder(peers, [V4]);
    for (const peer of peers)
      node.at(1_900, heard(peer, { flags: { starting: false, ready: false, leaving: true } }));
    node.at(2_000, STOP);
    assert.deepEqual(
      [node.world.hasExited, node.world.answered.size, node.world.addresses.size],
      [true, 0, 0],
    );
  }
});

test('a stop whose successors never claim ends after all have been tried, within the stated time', () => {
  const node = createHolder(['n2', 'n3'], [V4]);
  node.at(2_000, STOP);
  node.at(2_000 + 2 * PATIENCE_MS);
  assert.deepEqual([node.world.hasExited, node.world.answered.size], [true, 0]);
  const many = ['n2', 'n3', 'n4', 'n5', 'n6', 'n7', 'n8', 'n9'];
  const crowded = createMember(many, { heartbeat: { intervalMs: 1_000, deadAfterMs: 4_000 } });
  crowded.at(20_000);
  assert.equal(crowded.state(V4), 'leader');
  crowded.at(21_000, STOP);
  crowded.at(21_000 + STOP_WITHIN_MS);
  assert.equal(crowded.world.hasExited, true);
});

test('a stopping node whose successor dies before the drain is over ends at once: nobody is served by waiting', () => {
  const node = createHolder(['n2'], [V4]);
  node.at(2_000, STOP);
  node.at(2_010, claimed('n2', claim('n2', V4, 2)));
  node.at(3_000, late('n2', 2_900));
  node.at(3_100);
  assert.equal(node.world.hasExited, true);
});

test('all nodes stopped together end: whoever hears that the others are leaving releases what it has', () => {
  const node = createHolder(['n2', 'n3'], [V4]);
  node.at(2_000, STOP);
  for (const peer of ['n2', 'n3']) {
    node.at(2_010, heard(peer, { flags: { starting: false, ready: false, leaving: true } }));
    node.at(2_020, released(peer));
  }
  node.at(2_000 + STOP_WITHIN_MS);
  assert.deepEqual([node.world.hasExited, node.world.answered.size], [true, 0]);
});

test('a second stop changes nothing; a stopping node that is drained or undrained still stops', () => {
  const node = createHolder(['n2'], [V4]);
  node.at(2_000, STOP);
  assert.deepEqual(node.at(2_001, STOP), []);
  node.at(2_002, UNDRAIN);
  node.at(2_000 + STOP_WITHIN_MS + 1);
  assert.equal(node.world.hasExited, true);
});
