// Two claims for one IP, seen from one of the two nodes: who gives way, when, and what is said.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { any, createNode, LISTENED, link, loaded, reborn, V4, V6 } from '../../support/core.ts';
import {
  back,
  claim,
  claimed,
  createMember,
  createStandby,
  heard,
  instanceOf,
  late,
  MINE,
  released,
  started,
  whole,
  witnessed,
} from '../../support/peers.ts';

/** n1, which holds V4 with epoch 1 and hears n2 (and n3). */
const createHolder = (...peers: readonly string[]) => {
  const node = createMember(peers.length === 0 ? ['n2'] : peers);
  node.at(1_000);
  return node;
};
const causeOf = (node: ReturnType<typeof createHolder>) => node.core.view().serviceIPs[0]?.cause;

test('who holds and hears a better claim drains at once: it answers no more, and the host still takes packets', () => {
  const node = createHolder();
  assert.equal(node.state(V4), 'leader');
  node.at(2_000, claimed('n2', claim('n2', V4, 9)));
  assert.deepEqual(
    [node.state(V4), node.world.answered.size, [...node.world.addresses], causeOf(node)],
    ['draining', 0, [V4], 'outbid'],
  );
  assert.equal(node.core.view().serviceIPs[0]?.holder, 'n2');
  node.at(12_000);
  assert.deepEqual([node.state(V4), node.world.addresses.size], ['unowned', 0]);
});

test('who holds and hears a worse claim keeps the IP, and announces again when the rival has given up', () => {
  const node = createHolder();
  const before = node.world.announced.get(V4) ?? 0;
  node.at(2_000, claimed('n2', claim('n2', V4, 9, { weak: true })));
  assert.deepEqual([node.state(V4), node.world.announced.get(V4)], ['leader', before]);
  node.at(2_100, released('n2', V4));
  assert.deepEqual([node.state(V4), node.world.announced.get(V4)], ['leader', before + 1]);
});

test('a rival that does not hear this node, though it hears others, wins after its hold time, whatever its claim', () => {
  const node = createHolder('n2', 'n3');
  node.at(2_000, heard('n2', { hears: [instanceOf('n3')] }));
  node.at(2_000, claimed('n2', claim('n2', V4, 1, { weak: true })));
  node.at(2_199);
  assert.equal(node.state(V4), 'leader');
  node.at(2_200);
  assert.deepEqual([node.state(V4), causeOf(node)], ['draining', 'one-way']);
});

test('a rival that hears this node again in time does not win', () => {
  const node = createHolder('n2', 'n3');
  node.at(2_000, heard('n2', { hears: [instanceOf('n3')] }));
  node.at(2_000, claimed('n2', claim('n2', V4, 1, { weak: true })));
  node.at(2_150, heard('n2'));
  node.at(5_000);
  assert.equal(node.state(V4), 'leader');
});

test('a candidate that hears of a holder takes nothing', () => {
  const node = createNode({ isHostWilling: false });
  node.at(0, started());
  node.at(0, link());
  node.at(0, loaded());
  node.at(LISTENED);
  assert.equal(node.state(V4), 'candidate');
  node.at(300, heard('n2'));
  node.at(310, claimed('n2', claim('n2', V4, 1, { weak: true })));
  assert.deepEqual([node.state(V4), node.world.addresses.size], ['unowned', 0]);
});

test('a claim taken alone is weak; it turns strong one hold time after a peer appeared whose table is whole', () => {
  const node = createNode();
  node.at(0, started());
  node.at(0, link());
  node.at(0, loaded());
  node.at(LISTENED);
  assert.deepEqual(node.world.answered.get(V4), { interface: 'eth0', epoch: 1, weak: true });
  node.at(5_000, heard('n2'));
  node.at(5_100, whole('n2'));
  node.at(5_199);
  assert.equal(node.world.answered.get(V4)?.weak, true);
  node.at(5_200);
  assert.deepEqual(node.world.answered.get(V4), { interface: 'eth0', epoch: 1, weak: false });
  assert.equal(node.state(V4), 'leader');
});

test('a weak claim stays weak while a table is not whole, or a rival is in one', () => {
  for (const rival of [true, false]) {
    const node = createNode();
    node.at(0, started());
    node.at(0, link());
    node.at(0, loaded());
    node.at(LISTENED);
    node.at(5_000, heard('n2'));
    if (rival) node.at(5_050, claimed('n2', claim('n2', V4, 0, { weak: true })));
    if (rival) node.at(5_100, whole('n2'));
    node.at(7_000);
    assert.deepEqual([node.state(V4), node.world.answered.get(V4)?.weak], ['leader', true], String(rival));
  }
});

test('a node that hears fewer than half of those it knew takes weakly; with half of them strongly', () => {
  for (const [dead, weak] of [
    [['n3', 'n4', 'n5'], true],
    [['n3', 'n4'], false],
  ] as const) {
    const node = createStandby(['n2', 'n3', 'n4', 'n5'], 'n3', [V4]);
    for (const name of dead) node.at(2_000, late(name, 1_900));
    node.at(2_100);
    node.at(3_000);
    const answer = node.world.answered.get(V4);
    // Whichever of the two live ones is first: only what this node took is looked at.
    if (answer === undefined) continue;
    assert.equal(answer.weak, weak);
  }
});

test('when a peer becomes alive every holder announces again: clients over there may have missed frames', () => {
  const node = createHolder();
  const before = node.world.announced.get(V4) ?? 0;
  node.at(3_000, heard('n3'));
  assert.equal(node.world.announced.get(V4), before + 1);
  node.at(3_100, heard('n3', { hears: [MINE, instanceOf('n2')] }));
  assert.equal(node.world.announced.get(V4), before + 1, 'it appeared once');
});

test('a peer that was late and is back has moved nothing', () => {
  const node = createStandby(['n2'], 'n2', [V4]);
  node.at(1_000, late('n2', 900));
  node.at(1_050, back('n2'));
  node.at(5_000);
  assert.deepEqual([node.state(V4), node.transitions()], ['unowned', []]);
});

test('the IPs of a silent peer are not taken while an alive one hears it', () => {
  const node = createStandby(['n2', 'n3'], 'n2', [V4]);
  node.at(900, heard('n3', { hears: [MINE, instanceOf('n2')] }));
  node.at(1_000, late('n2', 900));
  node.at(5_000);
  assert.equal(node.state(V4), 'unowned');
  assert.equal(node.core.view().serviceIPs[0]?.holder, 'n2');
});

test('who hears two nodes claim one IP repeats the better claim, and stops when one has given up', () => {
  const node = createStandby(['n2', 'n3'], 'n2', [V4]);
  node.at(1_000, claimed('n3', claim('n3', V4, 6)));
  assert.deepEqual(
    node.world.witnessed.get('eth0')?.map(({ ip, node: who, epoch, instance }) => [ip, who, epoch, instance]),
    [[V4, 'n3', 6, instanceOf('n3')]],
  );
  node.at(1_100, released('n2', V4));
  assert.deepEqual(node.world.witnessed.get('eth0'), []);
});

test('a better claim that is only witnessed makes the holder give way', () => {
  const node = createHolder('n2');
  const repeated = { ip: V4, node: 'n3', epoch: 9, weak: false, instance: instanceOf('n3') };
  node.at(2_000, witnessed('n2', repeated));
  assert.equal(node.state(V4), 'leader', 'the repeater does not list n3: it does not hear it itself');
  node.at(2_100, heard('n2', { hears: [MINE, instanceOf('n3')] }));
  node.at(2_101, witnessed('n2', repeated));
  assert.equal(node.state(V4), 'draining');
});

test('a new birth drops what was held, knows no peer, and keeps the epochs: it does not take back what moved', () => {
  const node = createHolder();
  node.at(2_000, claimed('n2', claim('n2', V6, 4)));
  node.at(3_000, reborn());
  assert.deepEqual([node.state(V4), node.core.view().peers], ['draining', []]);
  assert.equal(node.core.view().isEligible, false);
  node.at(3_100, claimed('n2', claim('n2', V4, 2)));
  assert.equal(node.core.view().serviceIPs[0]?.holder, null, 'unproven to this birth: it does not count yet');
  node.at(3_240);
  assert.equal(node.state(V4), 'draining');
});

test('two nodes of one name: the one that still listens refuses, and says who has it; the other takes no notice', () => {
  const newcomer = createNode();
  newcomer.at(0, started());
  newcomer.at(0, link());
  newcomer.at(0, loaded());
  newcomer.at(50, heard('n1', { mac: '02:00:00:00:01:09' }));
  assert.match(newcomer.world.refusal ?? '', /n1 already: its MAC is 02:00:00:00:01:09/);
  const settled = createHolder();
  settled.at(2_000, heard('n1', { mac: '02:00:00:00:01:09' }));
  assert.deepEqual([settled.world.refusal, settled.state(V4)], [null, 'leader']);
  assert.equal(
    settled.core.view().peers.some(({ node }) => node === 'n1'),
    false,
  );
});

test('an unproven namesake, which may be a replay of the node itself, is no reason to refuse', () => {
  const node = createNode();
  node.at(0, started());
  node.at(0, link());
  node.at(0, loaded());
  node.at(50, heard('n1', { proven: false }));
  assert.equal(node.world.refusal, null);
});

test('of two namesakes that start together exactly one refuses', () => {
  const [a, b] = [MINE, instanceOf('zz')];
  assert.notEqual(a, b);
  const node = createNode();
  node.at(0, started());
  node.at(0, link());
  node.at(0, loaded({ serviceIPs: [any(V4)] }));
  node.at(50, heard('n1', { instance: b, flags: { starting: true, ready: false, leaving: false } }));
  assert.equal(node.world.refusal !== null, b < a);
});
