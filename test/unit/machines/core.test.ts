import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Effect } from '../../../src/machines/effects.ts';
import {
  any,
  confirmed,
  createLeader,
  createNode,
  ETH0,
  ETH1,
  LISTENED,
  link,
  loaded,
  RIVAL,
  reborn,
  rival,
  START,
  V4,
  V4_OTHER,
  V6,
} from '../../support/core.ts';

const kinds = (effects: readonly Effect[]): string[] => effects.map(({ type }) => type);
const stop = { type: 'stop.requested', reason: 'SIGTERM' } as const;

test('a node listens for one hold time and one interval, confirms the address, then leads', () => {
  const node = createNode({ isHostWilling: false });
  node.at(0, link());
  node.at(1, loaded());
  node.at(LISTENED);
  assert.deepEqual([node.state(V4), node.core.view().isEligible], ['unowned', false]);
  node.at(LISTENED + 1);
  assert.deepEqual(
    [node.state(V4), [...node.world.addresses], node.world.answered.size],
    ['candidate', [V4], 0],
  );
  assert.deepEqual(kinds(node.at(LISTENED + 5, confirmed(V4))), ['answer.start', 'announce', 'record']);
  assert.deepEqual(node.world.answered.get(V4), { interface: 'eth0', epoch: 1, weak: true });
  assert.deepEqual(node.transitions(), ['unowned>candidate unclaimed', 'candidate>leader unclaimed']);
  const view = node.core.view().serviceIPs[0];
  assert.deepEqual([view?.holder, view?.epoch, view?.since], ['n1', 1, START + LISTENED + 5]);
});

test('the order in which config and interface are heard does not matter', () => {
  const node = createNode();
  node.at(0, loaded({ serviceIPs: [any(V4), any(V6)] }));
  node.at(LISTENED);
  assert.equal(node.state(V4), 'unowned');
  node.at(LISTENED + 10, link());
  assert.deepEqual([node.state(V4), node.state(V6)], ['leader', 'leader']);
});

test('serve none: leads without asking the host for anything', () => {
  const node = createLeader({ serve: 'none' });
  assert.deepEqual([node.state(V4), [...node.world.addresses]], ['leader', []]);
});

test('the group of an IPv6 service IP is joined before it may be taken, and is left with it', () => {
  const node = createNode();
  node.at(0, loaded({ serviceIPs: [any(V6)] }));
  node.at(1, link());
  assert.deepEqual([...node.world.groups], [[V6, 'eth0']]);
  node.at(LISTENED + 1);
  node.at(LISTENED + 2, loaded({ serviceIPs: [] }));
  assert.deepEqual([[...node.world.groups], node.core.view().serviceIPs], [[], []]);
});

test('a host that refuses the address is left alone for the backoff, then asked again', () => {
  const node = createNode({ isHostWilling: false });
  node.at(0, link());
  node.at(0, loaded());
  node.at(LISTENED);
  node.at(300, { type: 'address.failed', ip: V4, code: 'EPERM' });
  assert.deepEqual([node.state(V4), node.world.answered.size], ['unowned', 0]);
  assert.match(node.core.view().serviceIPs[0]?.reason ?? '', /EPERM/);
  node.at(10_299);
  assert.equal(node.state(V4), 'unowned');
  node.at(10_300);
  assert.equal(node.state(V4), 'candidate');
  node.at(10_301, confirmed(V4));
  assert.equal(node.state(V4), 'leader');
});

test('a link that goes down releases its IPs at once; they are taken again when it returns', () => {
  const node = createLeader({ serviceIPs: [any(V4), any(V6)] });
  node.at(1_000, link({ up: false }));
  assert.deepEqual([node.world.answered.size, node.world.addresses.size], [0, 0]);
  assert.deepEqual(
    [...node.world.groups],
    [[V6, 'eth0']],
    'joined link or no link, so that MLD reports are out early',
  );
  assert.deepEqual([node.core.view().serviceIPs[0]?.cause, node.state(V4)], ['link-down', 'unowned']);
  node.at(2_000, link());
  assert.deepEqual(
    [node.state(V4), node.state(V6), [...node.world.groups]],
    ['leader', 'leader', [[V6, 'eth0']]],
  );
  assert.deepEqual(
    [...node.world.announced],
    [
      [V4, 2],
      [V6, 2],
    ],
  );
  assert.equal(node.world.answered.get(V4)?.epoch, 2);
});

test('an interface that is gone releases its IPs; one that appears later is used', () => {
  const node = createLeader();
  node.at(1_000, { type: 'interface.gone', name: 'eth0' });
  assert.equal(node.state(V4), 'unowned');
  node.at(2_000, { type: 'interface.changed', interface: ETH1 });
  assert.equal(node.world.answered.get(V4)?.interface, 'eth1');
});

test('an IP moves to another interface when its own goes down, group and answers with it', () => {
  const node = createLeader({ serviceIPs: [any(V4), any(V6)] });
  node.at(500, { type: 'interface.changed', interface: ETH1 });
  assert.equal(node.world.answered.get(V4)?.interface, 'eth0');
  node.at(1_000, link({ up: false }));
  assert.deepEqual(
    [...node.world.answered.values()].map((answer) => answer.interface),
    ['eth1', 'eth1'],
  );
  assert.deepEqual([...node.world.groups], [[V6, 'eth1']]);
  assert.deepEqual([...node.world.addresses], [V4, V6]);
  assert.deepEqual(node.transitions(V4).slice(2, 3), ['leader>unowned moved-interface']);
});

test('an interface of the same name that is another device is used anew: its groups were lost with the old one', () => {
  const node = createLeader({ serviceIPs: [any(V6)] });
  const effects = node.at(1_000, link({ index: 9 }));
  assert.ok(kinds(effects).includes('group.join'), 'nobody joins the group on the new device');
  assert.equal(node.state(V6), 'leader');
});

test('a changed MAC announces every IP of that interface again, and no other', () => {
  const node = createLeader({
    serviceIPs: [any(V4), { ip: V4_OTHER, nodes: null, interfaces: ['eth1'] }],
  });
  node.at(500, { type: 'interface.changed', interface: ETH1 });
  const effects = node.at(1_000, link({ mac: '02:00:00:00:00:77' }));
  assert.deepEqual(effects, [{ type: 'announce', ip: V4, interface: 'eth0' }]);
});

test('an interface that says the same again moves nothing', () => {
  const node = createLeader({ serviceIPs: [any(V4), any(V6)] });
  assert.deepEqual(node.at(1_000, link()), []);
  assert.deepEqual(node.at(1_001, { type: 'interface.changed', interface: ETH1 }), []);
});

test('a reload that adds, removes or changes one IP has no effect on the others', () => {
  const node = createLeader({ serviceIPs: [any(V4), any(V6)] });
  const ipsOf = (effects: readonly Effect[]) => [
    ...new Set(effects.map((effect) => (effect as { ip?: string }).ip)),
  ];
  assert.deepEqual(ipsOf(node.at(1_000, loaded({ serviceIPs: [any(V4), any(V6), any(V4_OTHER)] }))), [
    V4_OTHER,
  ]);
  assert.equal(node.state(V4_OTHER), 'leader');
  const elsewhere = { ip: V4_OTHER, nodes: ['n2'], interfaces: null };
  assert.deepEqual(ipsOf(node.at(2_000, loaded({ serviceIPs: [any(V4), elsewhere, any(V6)] }))), [V4_OTHER]);
  assert.deepEqual([node.state(V4_OTHER), node.world.answered.size], ['unowned', 2]);
  assert.deepEqual(ipsOf(node.at(3_000, loaded({ serviceIPs: [any(V6), any(V4)] }))), []);
  const drain = { windowMs: 1_000, quietMs: 100, style: 'patient' } as const;
  assert.deepEqual(node.at(4_000, loaded({ serviceIPs: [any(V6), any(V4)], drain })), []);
  assert.deepEqual(ipsOf(node.at(5_000, loaded({ serviceIPs: [any(V4)] }))), [V6]);
});

test('a reload that changes who serves leaves the host with the addresses that it is to serve, and no other', () => {
  const node = createLeader();
  node.at(1_000, loaded({ serve: 'none' }));
  assert.deepEqual(
    [node.state(V4), [...node.world.addresses]],
    ['leader', []],
    'the address stays on the host',
  );
  node.at(2_000, loaded({ serve: 'host' }));
  node.at(2_001);
  assert.deepEqual(
    [node.state(V4), [...node.world.addresses]],
    ['leader', [V4]],
    'it leads and does not serve',
  );
});

test('an IP on no on-link prefix, or on a missing interface, says so', () => {
  for (const [over, reason] of [
    [{ serviceIPs: [any('192.0.2.1')] }, /on no on-link prefix/],
    [{ interfaces: ['eth9'] }, /no interface eth9/],
    [{ serviceIPs: [{ ip: V4, nodes: ['n2'], interfaces: null }] }, /n2 only/],
  ] as const) {
    const view = createLeader(over).core.view().serviceIPs[0];
    assert.deepEqual([view?.state, view?.holder], ['unowned', null]);
    assert.match(view?.reason ?? '', reason);
  }
});

test('an interface named for the IP itself needs no prefix', () => {
  const node = createLeader({ serviceIPs: [{ ip: '192.0.2.1', nodes: null, interfaces: ['eth0'] }] });
  assert.equal(node.world.answered.get('192.0.2.1')?.interface, 'eth0');
});

test('a rival is defended against once; when it persists the IP is released, and taken again after the backoff', () => {
  const node = createLeader();
  node.at(1_000, rival(V4));
  assert.deepEqual([node.state(V4), node.world.defended.get(V4)], ['leader', 1]);
  node.at(2_000, rival(V4));
  assert.deepEqual([node.state(V4), node.world.answered.size, node.world.addresses.size], ['unowned', 0, 0]);
  const view = node.core.view().serviceIPs[0];
  assert.deepEqual([view?.cause, view?.reason], ['foreign-use', `${RIVAL} uses the address`]);
  assert.equal(node.world.defended.get(V4), 1);
  node.at(11_999);
  assert.equal(node.state(V4), 'unowned');
  node.at(12_000);
  assert.equal(node.state(V4), 'leader');
});

test('conflicts further apart than DEFEND_INTERVAL are each defended', () => {
  const node = createLeader();
  for (const ms of [1_000, 11_000, 21_000, 31_000]) node.at(ms, rival(V4));
  assert.deepEqual([node.state(V4), node.world.defended.get(V4)], ['leader', 4]);
});

test('a rival on another interface, or of an IP that is not ours, is nothing to us', () => {
  const node = createLeader();
  assert.deepEqual(node.at(1_000, rival(V4, RIVAL, 'eth1')), []);
  assert.deepEqual(node.at(1_000, rival('10.99.0.7')), []);
  assert.deepEqual(node.at(1_000, { type: 'address.failed', ip: '10.99.0.7', code: 'EPERM' }), []);
  assert.deepEqual(node.at(1_000, confirmed('10.99.0.7')), []);
});

test('the first claim ever probes for about a second; a later one does not', () => {
  const node = createLeader({ probe: 'quick' });
  assert.deepEqual([node.state(V4), node.world.probed.get(V4)], ['candidate', 1]);
  node.at(LISTENED + 999);
  assert.equal(node.state(V4), 'candidate');
  node.at(LISTENED + 1_001);
  assert.equal(node.state(V4), 'leader');
  node.at(5_000, link({ up: false }));
  node.at(5_001, link());
  assert.deepEqual([node.state(V4), node.world.probed.get(V4)], ['leader', 1]);
});

test('an address found in use while probing is refused, and asked about again before it is taken later', () => {
  const node = createLeader({ probe: 'quick' });
  node.at(600, rival(V4));
  assert.deepEqual([node.state(V4), node.core.view().serviceIPs[0]?.cause], ['unowned', 'foreign-use']);
  node.at(10_600);
  assert.deepEqual(
    [node.world.answered.size, node.world.probed.get(V4)],
    [0, 2],
    'taken from a stranger without asking',
  );
});

test('an address lost to a rival is asked about again before it is taken back', () => {
  const node = createLeader({ probe: 'quick' });
  node.at(LISTENED + 1_001);
  for (const ms of [2_000, 3_000]) node.at(ms, rival(V4));
  assert.equal(node.state(V4), 'unowned');
  node.at(13_000);
  assert.deepEqual(
    [node.world.answered.size, node.world.probed.get(V4)],
    [0, 2],
    'taken from a stranger without asking',
  );
});

// A candidate that probes anew has no address: what the one before it was given must still be taken back.
test('an address given on one interface is taken back when the IP begins to be probed on another', () => {
  const node = createNode({ isHostWilling: false });
  node.at(0, link());
  node.at(0, { type: 'interface.changed', interface: ETH1 });
  node.at(0, loaded());
  node.at(LISTENED + 1);
  assert.deepEqual([node.state(V4), [...node.world.addresses]], ['candidate', [V4]]);
  const elsewhere = { ip: V4, nodes: null, interfaces: ['eth1'] };
  node.at(300, loaded({ serviceIPs: [elsewhere], probe: 'quick' }));
  assert.deepEqual([node.state(V4), [...node.world.addresses]], ['unowned', []]);
  node.at(300 + LISTENED + 1);
  assert.deepEqual([node.state(V4), [...node.world.addresses]], ['candidate', []]);
});

test('a reload that brings another interface has the node listen there before it takes anything', () => {
  const node = createNode();
  node.at(0, link());
  node.at(0, { type: 'interface.changed', interface: ETH1 });
  node.at(0, loaded());
  node.at(LISTENED + 1);
  assert.equal(node.state(V4), 'leader');
  const elsewhere = { ip: V6, nodes: null, interfaces: ['eth1'] };
  node.at(500, loaded({ serviceIPs: [any(V4), elsewhere] }));
  node.at(500 + LISTENED - 1);
  assert.deepEqual([node.state(V4), node.state(V6)], ['leader', 'unowned']);
  node.at(500 + LISTENED + 1);
  assert.equal(node.state(V6), 'leader');
});

test('a node that wakes up late does not take an address whose probes never left', () => {
  const node = createNode();
  node.at(0, link());
  node.at(0, loaded({ probe: 'quick' }));
  node.at(LISTENED + 2_000);
  assert.deepEqual([node.world.probed.get(V4), node.world.answered.size], [1, 0], 'taken without asking');
});

test('a probing that a link cut short is begun again: the address was never claimed', () => {
  const node = createLeader({ probe: 'quick' });
  node.at(300, link({ up: false }));
  node.at(400, link());
  assert.deepEqual([node.state(V4), node.world.probed.get(V4)], ['candidate', 2]);
});

test('10,000 first claims are probed at the stated pace: none starts within 0.29 ms of another', () => {
  const ips = Array.from({ length: 10_000 }, (_, index) => any(`10.99.${index >> 8}.${index & 255}`));
  const node = createNode();
  node.at(0, link({ prefixes: [{ ip: '10.99.255.254', length: 16 }] }));
  node.at(0, loaded({ serviceIPs: ips, probe: 'quick' }));
  const delays = node.at(LISTENED).flatMap((effect) => (effect.type === 'probe' ? [effect.delayMs] : []));
  assert.equal(delays.length, 10_000);
  for (const [index, delay] of delays.entries())
    assert.ok(index === 0 || delay - (delays[index - 1] as number) > 0.29);
  node.at(LISTENED + 1_000 + 3_001);
  assert.equal(node.world.answered.size, 10_000);
});

test('stop releases everything, then asks to exit, and nothing is taken any more', () => {
  const node = createLeader({ serviceIPs: [any(V4), any(V6)] });
  assert.equal(kinds(node.at(1_000, stop)).at(-1), 'exit');
  const { answered, addresses, groups, hasExited } = node.world;
  assert.deepEqual([answered.size, addresses.size, groups.size, hasExited], [0, 0, 0, true]);
  node.at(2_000, link());
  node.at(100_000, { type: 'interface.changed', interface: ETH1 });
  assert.equal(node.world.answered.size, 0);
});

test('a reborn wire drains what was led, and takes it again after listening', () => {
  const node = createLeader();
  node.at(5_000, reborn());
  assert.deepEqual(
    [node.state(V4), node.world.answered.size, [...node.world.addresses]],
    ['draining', 0, [V4]],
  );
  node.at(5_249);
  assert.equal(node.state(V4), 'draining');
  node.at(5_250);
  assert.deepEqual(
    [node.state(V4), node.world.answered.get(V4)?.epoch, node.world.announced.get(V4)],
    ['leader', 2, 2],
  );
});

test('a reborn wire makes candidates start over: none leads before the listening is over', () => {
  const node = createNode({ isHostWilling: false });
  node.at(0, link());
  node.at(0, loaded());
  node.at(LISTENED);
  node.at(300, reborn());
  node.at(301, confirmed(V4));
  assert.equal(node.world.answered.size, 0, 'it answers while it must listen');
});

test('a probing whose probes the wire forgot in its rebirth is begun again', () => {
  const node = createLeader({ probe: 'quick' });
  node.at(300, reborn());
  node.at(550);
  node.at(1_300);
  assert.equal(node.world.answered.size, 0, 'the wire threw the probes away, and it leads nevertheless');
  node.at(1_600);
  assert.deepEqual([node.state(V4), node.world.probed.get(V4)], ['leader', 2]);
});

test('draining without clients ends after the quiet time when the IP may not be taken again', () => {
  const node = createLeader({ heartbeat: { intervalMs: 50, deadAfterMs: 60_000 } });
  node.at(60_050);
  assert.equal(node.state(V4), 'leader');
  node.at(70_000, reborn());
  node.at(80_000);
  assert.deepEqual([node.state(V4), [...node.world.addresses]], ['unowned', []]);
  assert.deepEqual(node.transitions().at(-1), 'draining>unowned drained');
});

test('a stamp from the past counts as now: time never runs backwards', () => {
  const node = createLeader();
  node.at(5_000);
  node.at(1_000, link({ up: false }));
  assert.equal(node.core.now(), START + 5_000);
  assert.equal(node.core.view().serviceIPs[0]?.since, START + 5_000);
});

test('the next deadline is when something happens, each timer at its own time, however late the wake-up', () => {
  const node = createNode();
  node.at(0, link());
  assert.equal(node.core.nextDeadline(), null);
  node.at(0, loaded({ serve: 'none' }));
  assert.equal(node.core.nextDeadline(), START + LISTENED);
  node.at(60_000);
  assert.equal(node.core.view().serviceIPs[0]?.since, START + LISTENED);
  assert.equal(node.core.nextDeadline(), null);
  node.at(60_001, rival(V4));
  node.at(60_002, rival(V4));
  assert.equal(node.core.nextDeadline(), START + 70_002);
  node.at(90_000);
  assert.equal(node.core.view().serviceIPs[0]?.since, START + 70_002);
});

test('what the state wants no more is not performed', () => {
  const node = createLeader();
  const { core } = node;
  assert.equal(core.wants({ type: 'announce', ip: V4, interface: 'eth0' }), true);
  assert.equal(core.wants({ type: 'answer.stop', ip: V4 }), false);
  assert.equal(core.wants({ type: 'address.remove', ip: V4 }), false);
  node.at(1_000, link({ up: false }));
  assert.equal(core.wants({ type: 'announce', ip: V4, interface: 'eth0' }), false);
  assert.equal(core.wants({ type: 'answer.start', ip: V4, interface: 'eth0', epoch: 1, weak: true }), false);
  assert.equal(core.wants({ type: 'address.add', ip: V4 }), false);
  assert.equal(core.wants({ type: 'address.remove', ip: V4 }), true);
});

test('the interface of a service IP is the one whose on-link prefix holds it', () => {
  const eth1 = { ...ETH1, prefixes: [{ ip: '10.98.0.1', length: 24 }] };
  const node = createNode();
  node.at(0, { type: 'interface.changed', interface: eth1 });
  node.at(0, { type: 'interface.changed', interface: ETH0 });
  node.at(0, loaded({ serviceIPs: [any(V4), any('10.98.0.5')] }));
  node.at(LISTENED);
  assert.deepEqual(
    [...node.world.answered].map(([ip, answer]) => `${ip} ${answer.interface}`),
    [`${V4} eth0`, '10.98.0.5 eth1'],
  );
});
