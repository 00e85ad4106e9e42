import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AdvertisementFact, PoolFact } from '../../../../src/machines/cluster/cluster-facts.ts';
import { poolKey } from '../../../../src/machines/cluster/pool-book.ts';
import type { ServiceIpView } from '../../../../src/machines/cluster/service-ip-view.ts';
import { createServiceIps, type ServiceIps } from '../../../../src/machines/cluster/service-ips.ts';
import { broken, ending, node, pool, RULE, ready, serving, slice } from '../../../support/cluster-facts.ts';

const LOCAL = { externalTrafficPolicy: 'Local' } as const;
const on = (key: string, value: string) => [{ key, operator: 'In' as const, values: [value] }];
const host = (name: string) => on('kubernetes.io/hostname', name);

const withPools = (pools: readonly PoolFact[], names: readonly string[] = ['n1', 'n2', 'n3']): ServiceIps => {
  const index = createServiceIps(RULE);
  for (const each of pools) index.pool(poolKey(each), each);
  for (const name of names) index.node(name, node(name));
  return index;
};
const put = (index: ServiceIps, ...facts: readonly ReturnType<typeof serving>[]): void => {
  for (const fact of facts) index.service(`${fact.namespace}/${fact.name}`, fact);
};
const viewOf = (index: ServiceIps, ip: string): ServiceIpView | undefined =>
  [...index.views()].find((view) => view.ip === ip);

test('only addresses in the status of Services that are ours count', () => {
  const index = withPools([]);
  put(
    index,
    serving('ours', ['10.0.0.1'], { loadBalancerClass: RULE.loadBalancerClass }),
    serving('unnamed', ['10.0.0.2']),
    serving('theirs', ['10.0.0.3'], { loadBalancerClass: 'other.io/lb' }),
    serving('cluster', ['10.0.0.4'], { isLoadBalancer: false }),
    serving('pending', []),
  );
  assert.deepEqual(
    index.take().changed.map(({ ip }) => ip),
    ['10.0.0.1', '10.0.0.2'],
  );
  const strict = createServiceIps({ ...RULE, defaultClass: false });
  put(strict, serving('unnamed', ['10.0.0.2']));
  assert.deepEqual(strict.take().changed, []);
});

test('a shared address is one address, with all of its Services', () => {
  const index = withPools([]);
  put(index, serving('b', ['10.0.0.1']), serving('a', ['10.0.0.1', 'fd00::1']));
  const { changed } = index.take();
  assert.deepEqual(
    changed.map(({ ip, services }) => [ip, services]),
    [
      ['10.0.0.1', ['shop/a', 'shop/b']],
      ['fd00::1', ['shop/a']],
    ],
  );
  index.service('shop/a', null);
  const after = index.take();
  assert.deepEqual(
    after.changed.map(({ ip, services }) => [ip, services]),
    [['10.0.0.1', ['shop/b']]],
  );
  assert.deepEqual(after.gone, ['fd00::1']);
});

test('what a pool says of announcing holds for its addresses', () => {
  const fact = pool('p', ['10.0.0.1-10.0.0.9'], {
    nodeSelectors: [host('n1'), host('n3')],
    preferredNodes: [host('n3'), host('n1')],
    interfaces: ['eth1'],
    drain: { windowMs: 5_000, quietMs: null, style: 'patient' },
  });
  const index = withPools([fact]);
  put(index, serving('a', ['10.0.0.1']), serving('b', ['10.7.0.1']));
  index.take();
  assert.deepEqual(viewOf(index, '10.0.0.1'), {
    ip: '10.0.0.1',
    nodes: ['n1', 'n3'],
    keep: [],
    preferred: ['n3', 'n1'],
    interfaces: ['eth1'],
    drain: { windowMs: 5_000, quietMs: null, style: 'patient' },
    moveTo: null,
    reason: 'the pool p selects them',
    pool: 'AddressPool/p',
    services: ['shop/a'],
  });
  assert.equal(index.whyNot('10.0.0.1', 'n2'), 'the node selectors of the pool p do not match it');
  assert.equal(index.whyNot('10.0.0.1', 'n1'), null);
  assert.deepEqual([viewOf(index, '10.7.0.1')?.nodes, viewOf(index, '10.7.0.1')?.pool], [null, null]);
});

test('under Local the nodes with a ready endpoint may hold, and one whose last pod ends keeps until then', () => {
  const index = withPools([]);
  put(index, serving('a', ['10.0.0.1'], LOCAL));
  index.slice('shop/a-1', slice('a', [ready('n1'), ready('n2'), broken('n3')]));
  index.slice('shop/a-2', slice('a', [ready('n4')], 'shop/a-2'));
  index.take();
  assert.deepEqual(viewOf(index, '10.0.0.1')?.nodes, ['n1', 'n2', 'n4']);
  index.slice('shop/a-1', slice('a', [ending('n1'), ready('n2')]));
  index.take();
  const view = viewOf(index, '10.0.0.1');
  assert.deepEqual([view?.nodes, view?.keep], [['n2', 'n4'], ['n1']]);
  assert.equal(view?.reason, 'they have a ready endpoint of shop/a (Local)');
  assert.match(index.whyNot('10.0.0.1', 'n1') ?? '', /no ready endpoint of shop\/a is on it; it may keep/);
  index.slice('shop/a-1', slice('a', [ready('n2')]));
  index.take();
  assert.deepEqual(viewOf(index, '10.0.0.1')?.keep, []);
});

test('if no endpoint is ready any more, those that still serve count', () => {
  const index = withPools([]);
  put(index, serving('a', ['10.0.0.1'], LOCAL));
  index.slice('shop/a-1', slice('a', [ending('n1'), broken('n2')]));
  index.take();
  assert.deepEqual([viewOf(index, '10.0.0.1')?.nodes, viewOf(index, '10.0.0.1')?.keep], [['n1'], []]);
});

test('a shared address under Local is held where all of its Services have an endpoint, else where one has', () => {
  const index = withPools([]);
  put(index, serving('a', ['10.0.0.1'], LOCAL), serving('b', ['10.0.0.1'], LOCAL));
  index.slice('shop/a-1', slice('a', [ready('n1'), ready('n2')]));
  index.slice('shop/b-1', slice('b', [ready('n2'), ready('n3')]));
  index.take();
  assert.deepEqual(viewOf(index, '10.0.0.1')?.nodes, ['n2']);
  index.slice('shop/b-1', slice('b', [ready('n3')]));
  index.take();
  assert.deepEqual(viewOf(index, '10.0.0.1')?.nodes, ['n1', 'n2', 'n3']);
});

test('under Local within a pool’s nodes, both count', () => {
  const index = withPools([pool('p', ['10.0.0.1'], { nodeSelectors: [host('n1')] })]);
  put(index, serving('a', ['10.0.0.1'], LOCAL));
  index.slice('shop/a-1', slice('a', [ready('n1'), ready('n2'), ending('n3')]));
  index.take();
  const view = viewOf(index, '10.0.0.1');
  assert.deepEqual([view?.nodes, view?.keep], [['n1'], []]);
  assert.equal(view?.reason, 'the pool p selects them, and they have a ready endpoint of shop/a (Local)');
});

const advertisement = (over: Partial<AdvertisementFact> = {}): AdvertisementFact => ({
  name: 'l2',
  pools: [],
  poolSelectors: [],
  nodeSelectors: [],
  interfaces: null,
  ...over,
});

test('MetalLB’s pools are announced as L2Advertisements say, and by nobody without one', () => {
  const metallb = pool('m', ['10.0.0.1'], { kind: 'IPAddressPool', labels: { zone: 'east' } });
  const index = withPools([metallb]);
  put(index, serving('a', ['10.0.0.1']));
  index.take();
  const nodes = (): readonly (readonly string[] | null)[] => [
    viewOf(index, '10.0.0.1')?.nodes ?? null,
    viewOf(index, '10.0.0.1')?.interfaces ?? null,
  ];
  assert.deepEqual(nodes(), [[], null]);
  assert.equal(index.whyNot('10.0.0.1', 'n1'), 'no L2Advertisement selects the pool m');
  index.advertisement('l2', advertisement());
  index.take();
  assert.deepEqual(nodes(), [null, null]);
  index.advertisement('l2', advertisement({ pools: ['other'] }));
  index.take();
  assert.deepEqual(nodes(), [[], null]);
  const east = { poolSelectors: [on('zone', 'east')], nodeSelectors: [host('n1')], interfaces: ['eth1'] };
  index.advertisement('east', advertisement(east));
  index.take();
  assert.deepEqual(nodes(), [['n1'], ['eth1']]);
  index.advertisement(
    'too',
    advertisement({ pools: ['m'], nodeSelectors: [host('n2')], interfaces: ['eth0'] }),
  );
  index.take();
  assert.deepEqual(nodes(), [
    ['n1', 'n2'],
    ['eth0', 'eth1'],
  ]);
});

// fact, the sentence
const EXCLUDED: readonly (readonly [Parameters<typeof node>[1], string | undefined])[] = [
  [{}, undefined],
  [{ isUnschedulable: true }, undefined],
  [{ isReady: false }, 'Kubernetes says that the node is not Ready'],
  [{ isNetworkUnavailable: true }, 'the node reports NetworkUnavailable'],
  [{ isOutOfService: true }, 'the node bears the taint node.kubernetes.io/out-of-service'],
  [
    { labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': '' } },
    'the node bears the label node.kubernetes.io/exclude-from-external-load-balancers',
  ],
];
for (const [over, sentence] of EXCLUDED) {
  test(`a node with ${JSON.stringify(over)} is ${sentence === undefined ? 'not excluded' : 'excluded'}`, () => {
    const index = withPools([], []);
    index.node('n1', node('n1', over));
    assert.equal(index.take().excluded?.get('n1'), sentence);
  });
}

test('what a Service or a node asks to be moved is passed on', () => {
  const index = withPools([], []);
  put(index, serving('a', ['10.0.0.1'], { moveTo: 'n2' }));
  index.node('n1', node('n1', { drain: 'patient' }));
  const { changed, drained } = index.take();
  assert.equal(changed[0]?.moveTo, 'n2');
  assert.deepEqual(drained, new Map([['n1', 'patient']]));
  index.node('n1', node('n1'));
  assert.deepEqual(index.take().drained, new Map());
});

test('two pools that overlap: the older stays, the newer is refused with both names', () => {
  const index = withPools([
    pool('new', ['10.0.0.5-10.0.0.9', '10.1.0.1'], { created: '2026-02-02' }),
    pool('old', ['10.0.0.1-10.0.0.5'], { created: '2026-02-01' }),
  ]);
  put(index, serving('a', ['10.0.0.5']), serving('b', ['10.1.0.1']));
  index.take();
  assert.deepEqual(index.book().refused, [
    {
      pool: 'AddressPool/new',
      message:
        'AddressPool/new: 10.0.0.5-10.0.0.9 overlaps 10.0.0.1-10.0.0.5 of the pool AddressPool/old, which is older; the whole pool AddressPool/new is not used',
    },
  ]);
  assert.deepEqual(
    [viewOf(index, '10.0.0.5')?.pool, viewOf(index, '10.1.0.1')?.pool],
    ['AddressPool/old', null],
  );
});

test('a pool that overlaps itself is refused', () => {
  const index = withPools([pool('p', ['10.0.0.1-10.0.0.9', '10.0.0.9'])]);
  index.take();
  assert.match(
    index.book().refused[0]?.message ?? '',
    /^AddressPool\/p: 10\.0\.0\.9 overlaps .* of the same pool;/,
  );
});
