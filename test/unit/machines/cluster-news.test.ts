// Kubernetes' word in the core: which service IPs there are, who may hold them, and what Leases and objects say of
// peers that the wire does not hear.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Effect } from '../../../src/machines/effects.ts';
import type { Input } from '../../../src/machines/inputs.ts';
import type { ObjectClaim } from '../../../src/machines/unheard.ts';
import {
  any,
  CLOCK,
  createNode,
  LISTENED,
  link,
  loaded,
  type Node,
  V4,
  V4_OTHER,
} from '../../support/core.ts';
import { claim, claimed, heard, late, started, whole } from '../../support/peers.ts';

const changed = (...ips: Parameters<typeof services>[0]): Input => services(ips);
const services = (
  list: readonly Extract<Input, { type: 'services.changed' }>['changed'][number][],
): Input => ({
  type: 'services.changed',
  changed: list,
  gone: [],
});
const renewed = (node: string): Input => ({ type: 'lease.renewed', node });
const object = (holder: string | null, epoch: number, weak = false): ObjectClaim => ({
  ip: V4,
  holder,
  epoch,
  weak,
});
const seen = (claimed: ObjectClaim, isNews = true): Input => ({
  type: 'objects.seen',
  objects: [claimed],
  isNews,
});
const answered = (epoch: number, won: boolean): Input => ({ type: 'reserve.answered', ip: V4, epoch, won });
const excluded = (...nodes: readonly string[]): Input => ({
  type: 'nodes.excluded',
  nodes: nodes.map((node) => ({ node, reason: 'not Ready' })),
});
const reserves = (effects: readonly Effect[]): readonly number[] =>
  effects.flatMap((effect) => (effect.type === 'reserve' ? [effect.epoch] : []));
const successors = (effects: readonly Effect[]): readonly (string | null)[] =>
  effects.flatMap((effect) => (effect.type === 'yield' ? [effect.successor] : []));

/** n1 in a cluster with one service IP, just listening. */
const createClustered = (ips = [any(V4)]): Node => {
  const node = createNode();
  node.at(0, started());
  node.at(0, link());
  node.at(0, loaded({ cluster: 'kubernetes', serviceIPs: [] }));
  node.at(0, changed(...ips));
  return node;
};

/** n1, which leads V4 at epoch 1, and n2, both heard and whole. */
const createPair = (): Node => {
  const node = createClustered();
  node.at(10, heard('n2'));
  node.at(20, whole('n2'));
  node.at(LISTENED + 200);
  if (node.state(V4) !== 'leader') throw new Error(`${V4} is ${node.state(V4)}`);
  return node;
};

test('where nobody is unheard, an IP is taken without asking the API server', () => {
  const node = createClustered();
  assert.deepEqual(reserves(node.at(LISTENED)), []);
  assert.equal(node.state(V4), 'leader');
});

test('while a peer that is not heard renews its Lease, an IP is taken only when its object is won', () => {
  const node = createClustered();
  node.at(100, renewed('n2'));
  assert.deepEqual(reserves(node.at(LISTENED)), [1]);
  assert.equal(node.state(V4), 'unowned');
  node.at(LISTENED + 50, answered(1, true));
  assert.equal(node.state(V4), 'leader');
});

test('a lost race is not fought: the winner of the object holds the IP until its Lease ends', () => {
  const node = createClustered();
  node.at(100, renewed('n2'));
  node.at(LISTENED);
  node.at(LISTENED + 40, seen(object('n2', 1, true)));
  node.at(LISTENED + 50, answered(1, false));
  for (let ms = 1_000; ms < 30_000; ms += 1_000) assert.deepEqual(reserves(node.at(ms)), []);
  assert.equal(node.state(V4), 'unowned');
  assert.equal(node.core.view().serviceIPs[0]?.holder, 'n2');
  node.at(LISTENED + 40 + 30_000);
  assert.equal(node.state(V4), 'leader');
  assert.match(node.core.view().serviceIPs[0]?.reason ?? '', /n2's Lease ended/);
  assert.equal(node.core.view().serviceIPs[0]?.epoch, 2);
});

test('an object that nobody answers for is asked for again every second, and taken when the Lease is over', () => {
  const node = createClustered();
  node.at(100, renewed('n2'));
  assert.deepEqual(reserves(node.at(LISTENED)), [1]);
  assert.deepEqual(reserves(node.at(LISTENED + 999)), []);
  assert.deepEqual(reserves(node.at(LISTENED + 1_000)), [1]);
  node.at(30_099);
  assert.equal(node.state(V4), 'unowned');
  node.at(30_100);
  assert.equal(node.state(V4), 'leader');
});

test('of a holder that is not heard any more the object speaks, for it was just written: the better claim wins', () => {
  for (const [said, state] of [
    [object('n2', 2, true), 'leader'],
    [object('n2', 2), 'draining'],
  ] as const) {
    const node = createPair();
    node.at(2_000, late('n2', 1_900));
    node.at(2_200, CLOCK);
    node.at(2_300, seen(said));
    assert.equal(node.state(V4), state);
  }
});

test('who keeps its lead over the object of a node that it does not hear announces again: clients may have followed', () => {
  const node = createPair();
  node.at(2_000, late('n2', 1_900));
  node.at(2_200, CLOCK);
  const effects = node.at(2_300, seen(object('n2', 2, true)));
  assert.equal(node.state(V4), 'leader');
  assert.ok(effects.some(({ type }) => type === 'announce'));
});

test('what an object said before its holder died holds nobody up', () => {
  const node = createClustered();
  node.at(10, heard('n2'));
  node.at(20, whole('n2'));
  node.at(30, claimed('n2', claim('n2', V4, 4)));
  node.at(40, seen(object('n2', 4), false));
  node.at(2_000, late('n2', 1_900));
  assert.deepEqual(reserves(node.at(2_100, CLOCK)), []);
  assert.equal(node.state(V4), 'leader');
  assert.equal(node.core.view().serviceIPs[0]?.epoch, 5);
});

test('a Lease that was read before its node was heard holds nobody up when the node dies', () => {
  const node = createClustered();
  node.at(5, renewed('n2'));
  node.at(10, heard('n2'));
  node.at(20, whole('n2'));
  node.at(30, claimed('n2', claim('n2', V4, 4)));
  node.at(2_000, late('n2', 1_900));
  assert.deepEqual(reserves(node.at(2_100, CLOCK)), []);
  assert.equal(node.state(V4), 'leader');
});

test('the epoch of an object counts though its holder does not', () => {
  const node = createClustered();
  node.at(10, seen(object('n9', 41), false));
  node.at(LISTENED);
  assert.equal(node.core.view().serviceIPs[0]?.epoch, 42);
});

test('a holder that its Service names no more goes on until the successor claims', () => {
  const node = createPair();
  const effects = node.at(1_000, changed({ ...any(V4), nodes: ['n2'] }));
  assert.deepEqual(successors(effects), ['n2']);
  assert.equal(node.state(V4), 'leader');
  node.at(1_010, claimed('n2', claim('n2', V4, 2)));
  assert.equal(node.state(V4), 'draining');
});

test('what it gave away since it may not hold it any more is carried to the end of the drain, and not taken back', () => {
  const node = createPair();
  const wanted = { ...any(V4), nodes: ['n2'] };
  node.at(1_000, changed(wanted));
  node.at(1_010, claimed('n2', claim('n2', V4, 2)));
  node.at(2_000, changed({ ...wanted, services: ['shop/web'] }));
  assert.equal(node.state(V4), 'draining');
  node.at(3_010, { type: 'claims.heard', interface: 'eth0', node: 'n2', claims: [], released: [V4] });
  node.at(5_000);
  assert.equal(node.state(V4), 'draining');
  node.at(12_000);
  assert.equal(node.state(V4), 'unowned');
});

test('where nobody can take it, it is released, or kept if the Service says so', () => {
  const nobody = createPair();
  nobody.at(1_000, changed({ ...any(V4), nodes: [] }));
  assert.equal(nobody.state(V4), 'unowned');
  const keeper = createPair();
  keeper.at(1_000, changed({ ...any(V4), nodes: [], keep: ['n1'] }));
  assert.equal(keeper.state(V4), 'leader');
  keeper.at(2_000, changed(any(V4)));
  const [view] = keeper.core.view().serviceIPs;
  assert.deepEqual([view?.state, view?.movingTo, view?.stays], ['leader', null, null]);
});

test('a service IP that is gone is released and forgotten, another one stays', () => {
  const node = createClustered([any(V4), any(V4_OTHER)]);
  node.at(LISTENED);
  node.at(1_000, { type: 'services.changed', changed: [], gone: [V4] });
  assert.deepEqual(
    node.core.view().serviceIPs.map(({ ip, state }) => [ip, state]),
    [[V4_OTHER, 'leader']],
  );
  assert.ok(!node.world.addresses.has(V4));
});

test('a reload of the config file leaves the cluster’s service IPs alone', () => {
  const node = createClustered();
  node.at(LISTENED);
  node.at(1_000, loaded({ cluster: 'kubernetes', serviceIPs: [] }));
  assert.equal(node.state(V4), 'leader');
});

test('a node that the cluster excludes gives what it has, takes nothing, and takes again when it is let', () => {
  const node = createPair();
  assert.deepEqual(successors(node.at(1_000, excluded('n1'))), ['n2']);
  assert.equal(node.world.flags?.ready, false);
  node.at(1_010, claimed('n2', claim('n2', V4, 2)));
  assert.equal(node.state(V4), 'draining');
  node.at(2_000, excluded());
  assert.equal(node.world.flags?.ready, true);
});

test('an excluded peer is no successor, and what it holds it must give by itself', () => {
  const node = createPair();
  node.at(1_000, excluded('n2'));
  node.at(1_010, { type: 'drain.requested', ips: [V4], to: null });
  const [view] = node.core.view().serviceIPs;
  assert.deepEqual([view?.state, view?.movingTo], ['leader', null]);
});

test('preferred nodes take before those of better rank', () => {
  for (const preferred of ['n1', 'n2']) {
    const node = createClustered([]);
    node.at(10, heard('n2'));
    node.at(20, whole('n2'));
    node.at(LISTENED);
    node.at(1_000, changed({ ...any(V4), preferred: [preferred] }));
    node.at(1_000 + LISTENED);
    assert.equal(node.state(V4), preferred === 'n1' ? 'leader' : 'unowned');
  }
});

test('a pool may have a drain of its own', () => {
  const node = createPair();
  node.at(1_000, changed({ ...any(V4), drain: { quietMs: 500, windowMs: 1_000 } }));
  node.at(1_100, claimed('n2', claim('n2', V4, 2)));
  assert.equal(node.state(V4), 'draining');
  node.at(1_601);
  assert.equal(node.state(V4), 'unowned');
});

test('a node takes at the epoch that it reserved, though it reads of its own reservation first', () => {
  const node = createClustered();
  node.at(100, renewed('n2'));
  assert.deepEqual(reserves(node.at(LISTENED)), [1]);
  node.at(LISTENED + 20, seen(object('n1', 1)));
  node.at(LISTENED + 30, answered(1, true));
  assert.equal(node.state(V4), 'leader');
});

test('a node whose Services come long after its start listens first', () => {
  const node = createClustered([]);
  node.at(5_000, changed(any(V4)));
  assert.equal(node.state(V4), 'unowned');
  node.at(5_000 + LISTENED);
  assert.equal(node.state(V4), 'leader');
});

test('who waited while nobody might hold an IP waits for those before it all the same', () => {
  const node = createClustered([{ ...any(V4), nodes: [] }]);
  node.at(10, heard('n2'));
  node.at(20, whole('n2'));
  node.at(LISTENED);
  node.at(1_000, changed({ ...any(V4), preferred: ['n2'] }));
  node.at(1_010, changed({ ...any(V4), nodes: [] }));
  node.at(5_000, changed({ ...any(V4), preferred: ['n2'] }));
  assert.equal(node.state(V4), 'unowned');
});
