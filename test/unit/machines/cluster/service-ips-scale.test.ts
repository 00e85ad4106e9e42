import assert from 'node:assert/strict';
import { test } from 'node:test';
import { poolKey } from '../../../../src/machines/cluster/pool-book.ts';
import { createServiceIps, type ServiceIps } from '../../../../src/machines/cluster/service-ips.ts';
import { ending, node, pool, RULE, ready, serving, slice } from '../../../support/cluster-facts.ts';

const SERVICES = 10_000;
const NODES = 200;
const ipOf = (index: number): string => `10.0.${index >> 8}.${index & 0xff}`;
const nodeOf = (index: number): string => `n${index % NODES}`;

/** Every second Service is Local, each with one EndpointSlice on two nodes; the last 100 belong to a small pool. */
const crowd = (): ServiceIps => {
  const index = createServiceIps(RULE);
  const racks = [[{ key: 'rack', operator: 'In' as const, values: ['1'] }]];
  const pools = [
    pool('large', ['10.0.0.0-10.0.38.171']),
    pool('small', ['10.0.38.172-10.0.39.15'], { nodeSelectors: racks }),
  ];
  for (const each of pools) index.pool(poolKey(each), each);
  for (let at = 0; at < NODES; at += 1)
    index.node(nodeOf(at), node(nodeOf(at), { labels: { rack: String(at % 10) } }));
  for (let at = 0; at < SERVICES; at += 1) {
    const externalTrafficPolicy = at % 2 === 0 ? 'Local' : 'Cluster';
    index.service(`shop/s${at}`, serving(`s${at}`, [ipOf(at)], { externalTrafficPolicy }));
    index.slice(`shop/s${at}-1`, slice(`s${at}`, [ready(nodeOf(at)), ready(nodeOf(at + 1))]));
  }
  return index;
};

test('10,000 Services come out as 10,000 addresses, each looked at once', () => {
  const delta = crowd().take();
  assert.deepEqual([delta.changed.length, delta.gone.length, delta.looked], [SERVICES, 0, SERVICES]);
  assert.deepEqual(delta.changed.find(({ ip }) => ip === '10.0.0.4')?.nodes, ['n4', 'n5']);
  assert.equal(delta.changed.find(({ ip }) => ip === '10.0.0.5')?.nodes, null);
});

// what changes, what it makes be looked at, what comes out
const CHANGES: readonly (readonly [string, (index: ServiceIps) => void, number, number])[] = [
  ['a Service that loses its address', (index) => index.service('shop/s8', serving('s8', [])), 1, 0],
  [
    'a Service that changes nothing here',
    (index) =>
      index.service(
        'shop/s8',
        serving('s8', ['10.0.0.8'], { externalTrafficPolicy: 'Local', labels: { a: 'b' } }),
      ),
    1,
    0,
  ],
  [
    'a Service that turns Local',
    (index) => index.service('shop/s9', serving('s9', ['10.0.0.9'], { externalTrafficPolicy: 'Local' })),
    1,
    1,
  ],
  [
    'an EndpointSlice of a Local Service',
    (index) => index.slice('shop/s8-1', slice('s8', [ending('n8'), ready('n9')])),
    1,
    1,
  ],
  ['an EndpointSlice of a Cluster Service', (index) => index.slice('shop/s9-1', slice('s9', [])), 0, 0],
  ['an EndpointSlice of no Service', (index) => index.slice('shop/x-1', slice('x', [ready('n1')])), 0, 0],
  [
    'a node that is not Ready',
    (index) => index.node('n8', node('n8', { labels: { rack: '8' }, isReady: false })),
    0,
    0,
  ],
  [
    'a cordoned node',
    (index) => index.node('n8', node('n8', { labels: { rack: '8' }, isUnschedulable: true })),
    0,
    0,
  ],
  [
    'a label that no pool selects by',
    (index) => index.node('n8', node('n8', { labels: { rack: '8', os: 'x' } })),
    0,
    0,
  ],
  [
    'a label that a pool selects by',
    (index) => index.node('n8', node('n8', { labels: { rack: '1' } })),
    100,
    50,
  ],
  ['a node that leaves', (index) => index.node('n8', null), 0, 0],
];

test('one change makes only those addresses be looked at that depend on it', () => {
  const index = crowd();
  index.take();
  for (const [what, change, looked, changed] of CHANGES) {
    change(index);
    const delta = index.take();
    assert.deepEqual([delta.looked, delta.changed.length], [looked, changed], what);
    // Back to where it was.
    const fresh = { labels: { rack: '8' } };
    index.node('n8', node('n8', fresh));
    index.service('shop/s8', serving('s8', ['10.0.0.8'], { externalTrafficPolicy: 'Local' }));
    index.service('shop/s9', serving('s9', ['10.0.0.9']));
    index.slice('shop/s8-1', slice('s8', [ready('n8'), ready('n9')]));
    index.slice('shop/s9-1', slice('s9', [ready('n9'), ready('n10')]));
    index.take();
  }
});

test('pools that are read again and say the same make nothing be looked at', () => {
  const index = crowd();
  index.take();
  index.pool('AddressPool/large', pool('large', ['10.0.0.0-10.0.38.171']));
  assert.equal(index.take().looked, 0);
  index.pool('AddressPool/large', pool('large', ['10.0.0.0-10.0.38.171'], { interfaces: ['eth1'] }));
  const { looked, changed } = index.take();
  assert.deepEqual([looked, changed.length], [SERVICES, SERVICES - 100]);
});

test('a node whose readiness flaps says so once each way, and touches no address', () => {
  const index = crowd();
  index.take();
  for (const isReady of [false, true, false, true]) {
    index.node('n8', node('n8', { labels: { rack: '8' }, isReady }));
    const { looked, excluded } = index.take();
    assert.equal(looked, 0);
    assert.equal(excluded?.has('n8'), !isReady);
    index.node('n8', node('n8', { labels: { rack: '8' }, isReady }));
    assert.equal(index.take().excluded, null);
  }
});
