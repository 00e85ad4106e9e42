import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Allocation,
  type AllocatorFacts,
  allocate,
  coveredNodeAddresses,
} from '../../../../src/machines/cluster/allocator.ts';
import type { PoolFact, ServiceFact } from '../../../../src/machines/cluster/cluster-facts.ts';
import { openPoolBook } from '../../../../src/machines/cluster/pool-book.ts';
import { pool, RULE, service, serving } from '../../../support/cluster-facts.ts';

const facts = (
  pools: readonly PoolFact[],
  services: readonly ServiceFact[],
  over: Partial<AllocatorFacts> = {},
): AllocatorFacts => ({
  rule: RULE,
  book: openPoolBook(pools, []),
  services,
  namespaces: new Map([['shop', { tier: 'front' }]]),
  nodeAddresses: new Map(),
  serviceIps: [],
  ...over,
});

const given = (allocation: Allocation): Record<string, readonly string[]> =>
  Object.fromEntries([...allocation.decisions].map(([key, { ips }]) => [key.replace('shop/', ''), ips]));

const troubles = (allocation: Allocation, name: string): string[] =>
  allocation.decisions.get(`shop/${name}`)?.troubles.map(({ reason, message }) => `${reason}: ${message}`) ??
  [];

const DUAL = { families: ['IPv6', 'IPv4'], familyPolicy: 'RequireDualStack' } as const;
const PREFER = { ...DUAL, familyPolicy: 'PreferDualStack' } as const;
const V4 = pool('v4', ['10.0.0.1-10.0.0.3']);
const V6 = pool('v6', ['fd00::1-fd00::3']);
const BOTH = pool('both', ['10.0.0.1-10.0.0.3', 'fd00::1-fd00::3']);
const label = (key: string, value: string) => [{ key, operator: 'In' as const, values: [value] }];

// claim, pools, services, what each gets
const GIVEN: readonly (readonly [string, PoolFact[], ServiceFact[], Record<string, readonly string[]>])[] = [
  [
    'the oldest Service gets the lowest address',
    [V4],
    [service('b', { created: '2026-01-02' }), service('a', { created: '2026-01-03' })],
    { b: ['10.0.0.1'], a: ['10.0.0.2'] },
  ],
  [
    'an address in a status is not given to another, even of another class',
    [V4],
    [serving('theirs', ['10.0.0.1'], { loadBalancerClass: 'other.io/lb' }), service('a')],
    { a: ['10.0.0.2'] },
  ],
  [
    'who asks for an address gets it, though an older Service takes any',
    [V4],
    [service('old', { created: '2025-01-01' }), service('a', { requestedIps: ['10.0.0.1'] })],
    { a: ['10.0.0.1'], old: ['10.0.0.2'] },
  ],
  [
    'addresses come in the order of the families, both of one pool where one has both',
    [V4, V6, pool('z', ['10.1.0.1', 'fd01::1'])],
    [service('a', DUAL)],
    { a: ['fd01::1', '10.1.0.1'] },
  ],
  [
    'two pools of one family each make a dual-stack Service',
    [V4, V6],
    [service('a', DUAL)],
    { a: ['fd00::1', '10.0.0.1'] },
  ],
  ['who prefers two families takes one', [V4], [service('a', PREFER)], { a: ['10.0.0.1'] }],
  [
    'who prefers two families gets the second when there is one',
    [BOTH],
    [serving('a', ['10.0.0.2'], PREFER)],
    { a: ['fd00::1', '10.0.0.2'] },
  ],
  ['who requires two families gets none of one', [V4], [service('a', DUAL)], { a: [] }],
  [
    'a family that is no longer wanted is given up',
    [BOTH],
    [serving('a', ['fd00::1', '10.0.0.2'])],
    { a: ['10.0.0.2'] },
  ],
  [
    'a pool that assigns nothing by itself gives what is asked for',
    [pool('m', ['10.0.0.1-10.0.0.3'], { autoAssign: false })],
    [service('a'), service('b', { requestedIps: ['10.0.0.2'] }), service('c', { requestedPool: 'm' })],
    { b: ['10.0.0.2'], a: [], c: ['10.0.0.1'] },
  ],
  [
    'pools that name the Service come first, then the lower priority, 0 last',
    [
      pool('a', ['10.0.0.1']),
      pool('b', ['10.0.1.1'], { priority: 5 }),
      pool('c', ['10.0.2.1'], { priority: 2 }),
      pool('d', ['10.0.3.1'], { serviceSelectors: [label('app', 'x')] }),
    ],
    [1, 2, 3, 4].map((n) => service(`s${n}`, { labels: { app: 'x' } })),
    { s1: ['10.0.3.1'], s2: ['10.0.2.1'], s3: ['10.0.1.1'], s4: ['10.0.0.1'] },
  ],
  [
    'namespaces count by name or by label',
    [
      pool('n', ['10.0.0.1-10.0.0.9'], {
        namespaces: ['bank'],
        namespaceSelectors: [label('tier', 'front')],
      }),
    ],
    [service('a')],
    { a: ['10.0.0.1'] },
  ],
  [
    'a pool for another namespace gives nothing, not even what is asked for',
    [pool('n', ['10.0.0.1'], { namespaces: ['bank'] })],
    [service('a'), service('b', { requestedIps: ['10.0.0.1'] }), service('c', { requestedPool: 'n' })],
    { a: [], b: [], c: [] },
  ],
  [
    '.0 and .255 are left out where a pool says so',
    [pool('p', ['10.0.0.255-10.0.1.1'], { avoidBuggyIPs: true })],
    [service('a')],
    { a: ['10.0.1.1'] },
  ],
  [
    'the router anycast address of an IPv6 prefix is never given unasked',
    [pool('p', ['fd00::-fd00::ffff:ffff:ffff:ffff'])],
    [service('a', { families: ['IPv6'] })],
    { a: ['fd00::1'] },
  ],
  [
    'Services that are another load balancer’s get nothing here',
    [V4],
    [service('a', { loadBalancerClass: 'other.io/lb' })],
    {},
  ],
  [
    'Services that are going get nothing new',
    [V4],
    [service('a', { isDeleting: true }), serving('b', ['10.0.0.3'], { isDeleting: true })],
    { a: [], b: ['10.0.0.3'] },
  ],
  [
    'one key, other ports: one address',
    [V4],
    [service('a', { sharingKey: 'k' }), service('b', { sharingKey: 'k', ports: ['UDP/80'] })],
    { a: ['10.0.0.1'], b: ['10.0.0.1'] },
  ],
  [
    'one key, one port: two addresses',
    [V4],
    [service('a', { sharingKey: 'k' }), service('b', { sharingKey: 'k' })],
    { a: ['10.0.0.1'], b: ['10.0.0.2'] },
  ],
  [
    'Local and Cluster do not share',
    [V4],
    [
      service('a', { sharingKey: 'k' }),
      service('b', { sharingKey: 'k', ports: ['TCP/81'], externalTrafficPolicy: 'Local' }),
    ],
    { a: ['10.0.0.1'], b: ['10.0.0.2'] },
  ],
  [
    'two Local Services share if they select the same pods',
    [V4],
    ['TCP/1', 'TCP/2', 'TCP/3'].map((port, index) =>
      service(`s${index}`, {
        sharingKey: 'k',
        ports: [port],
        externalTrafficPolicy: 'Local',
        selectorKey: index < 2 ? 'app=x' : 'app=y',
      }),
    ),
    { s0: ['10.0.0.1'], s1: ['10.0.0.1'], s2: ['10.0.0.2'] },
  ],
  [
    'of two unrelated Services with one address the older keeps it',
    [V4],
    [
      serving('a', ['10.0.0.1'], { created: '2026-02-02' }),
      serving('b', ['10.0.0.1'], { created: '2026-02-01' }),
    ],
    { b: ['10.0.0.1'], a: ['10.0.0.2'] },
  ],
  [
    'another pool that is asked for is moved to',
    [V4, pool('w', ['10.9.0.1'])],
    [serving('a', ['10.0.0.1'], { requestedPool: 'w' })],
    { a: ['10.9.0.1'] },
  ],
  [
    'a full pool that is asked for leaves the Service where it is',
    [V4, pool('w', ['10.9.0.1'])],
    [serving('a', ['10.0.0.1'], { requestedPool: 'w' }), serving('b', ['10.9.0.1'])],
    { a: ['10.0.0.1'], b: ['10.9.0.1'] },
  ],
  [
    'an address that is in use when it is asked for leaves the Service where it is',
    [V4],
    [serving('a', ['10.0.0.1'], { requestedIps: ['10.0.0.2'] }), serving('b', ['10.0.0.2'])],
    { a: ['10.0.0.1'], b: ['10.0.0.2'] },
  ],
];
for (const [claim, pools, services, expected] of GIVEN) {
  test(claim, () => assert.deepEqual(given(allocate(facts(pools, services))), expected));
}

// claim, pools, the Service `a`, others, its troubles
const SAID: readonly (readonly [string, PoolFact[], Partial<ServiceFact>, ServiceFact[], string[]])[] = [
  [
    'an exhausted pool',
    [pool('p', ['10.0.0.1'])],
    {},
    [serving('b', ['10.0.0.1'])],
    ['PoolExhausted: no IPv4 address is free in AddressPool/p'],
  ],
  [
    'no pool of the family',
    [V4],
    { families: ['IPv6'] },
    [],
    ['NoPool: no pool with IPv6 addresses is for this Service'],
  ],
  ['an unknown pool', [V4], { requestedPool: 'x' }, [], ['UnknownPool: there is no address pool x']],
  [
    'a pool for others',
    [pool('p', ['10.0.0.1'], { namespaces: ['bank'] })],
    { requestedPool: 'p' },
    [],
    ['PoolNotForService: the pool p is not for this Service'],
  ],
  [
    'an address outside every pool',
    [V4],
    { requestedIps: ['10.7.0.1'] },
    [],
    ['AddressOutsidePools: 10.7.0.1 is in no address pool'],
  ],
  [
    'an address in use',
    [V4],
    { requestedIps: ['10.0.0.1'] },
    [serving('b', ['10.0.0.1'])],
    ['AddressInUse: 10.0.0.1 is used by shop/b: both need a sharing key'],
  ],
  [
    'a shared port',
    [V4],
    { requestedIps: ['10.0.0.1'], sharingKey: 'k' },
    [serving('b', ['10.0.0.1'], { sharingKey: 'k' })],
    ['AddressInUse: 10.0.0.1 is used by shop/b: both use TCP/80'],
  ],
  [
    'an address of a family that the Service has not',
    [BOTH],
    { requestedIps: ['fd00::1'] },
    [],
    ['FamilyNotWanted: fd00::1 is asked for, but the Service is IPv4 only'],
  ],
  [
    'half a dual stack',
    [V4],
    DUAL,
    [],
    [
      'NoPool: no pool with IPv6 addresses is for this Service',
      'FamilyMissing: the Service requires IPv6 and IPv4',
    ],
  ],
  [
    'an address that its pool has lost',
    [],
    { ingressIps: ['10.0.0.1'] },
    [],
    ['AddressOutsidePools: 10.0.0.1 is in no address pool; the Service keeps it'],
  ],
  [
    'an address that another Service keeps',
    [V4],
    { ingressIps: ['10.0.0.1'] },
    [serving('b', ['10.0.0.1'], { created: '2020' })],
    ['AddressLost: 10.0.0.1 is used by shop/b: both need a sharing key; that one has it'],
  ],
];
for (const [what, pools, over, others, expected] of SAID) {
  test(`${what} is said in words that name it`, () => {
    assert.deepEqual(troubles(allocate(facts(pools, [service('a', over), ...others])), 'a'), expected);
  });
}

test('what cannot be read gets nothing new, and loses nothing', () => {
  const requestFault = 'holdfast.dev/loadBalancerIPs: "banana" is not an address';
  const allocation = allocate(
    facts([V4], [service('a', { requestFault }), serving('b', ['10.0.0.2'], { requestFault })]),
  );
  assert.deepEqual(given(allocation), { a: [], b: ['10.0.0.2'] });
  assert.deepEqual(troubles(allocation, 'a'), [`BadRequest: ${requestFault}`]);
});

test('an address of a node is never given, and the pool that covers it is reported', () => {
  const nodeAddresses = new Map([['10.0.0.1', 'n1']]);
  const asked = service('b', { requestedIps: ['10.0.0.1'] });
  const allocation = allocate(facts([V4], [service('a'), asked], { nodeAddresses }));
  assert.deepEqual(given(allocation), { a: ['10.0.0.2'], b: [] });
  assert.deepEqual(troubles(allocation, 'b'), ['AddressOfNode: 10.0.0.1 is an address of the node n1']);
  const said = 'AddressPool/v4 covers 10.0.0.1, an address of the node n1; it is not given away';
  assert.deepEqual(coveredNodeAddresses(openPoolBook([V4], []), nodeAddresses), [said]);
});

test('an address reserved for a Service that is not known here is not free', () => {
  const other = { namespace: 'shop', name: 'z', uid: 'z', token: '1' };
  const serviceIps = [{ ip: '10.0.0.1', resourceVersion: '1', services: [other], held: null }];
  assert.deepEqual(given(allocate(facts([V4], [service('a')], { serviceIps }))), { a: ['10.0.0.2'] });
});

test('a thousand Services at once empty a pool of a thousand, each with one of its own; one more gets none', () => {
  const services = Array.from({ length: 1_001 }, (_, index) => service(`s${String(index).padStart(4, '0')}`));
  const allocation = allocate(facts([pool('p', ['10.0.0.1-10.0.3.232'])], services));
  const ips = [...allocation.decisions.values()].flatMap((decision) => decision.ips);
  assert.equal(new Set(ips).size, 1_000);
  assert.equal(ips.length, 1_000);
  assert.deepEqual(allocation.usage, [{ pool: 'AddressPool/p', family: 'IPv4', size: 1_000, used: 1_000 }]);
  assert.match(troubles(allocation, 's1000')[0] ?? '', /^PoolExhausted/);
});

test('a pool of 2^64 addresses is used without being listed', () => {
  const services = Array.from({ length: 1_000 }, (_, index) => service(`s${index}`, { families: ['IPv6'] }));
  const allocation = allocate(facts([pool('p', ['fd00::-fd00::ffff:ffff:ffff:ffff'])], services));
  const ips = new Set([...allocation.decisions.values()].flatMap((decision) => decision.ips));
  assert.equal(ips.size, 1_000);
  assert.ok(ips.has('fd00::3e8'));
});

const services = fc.uniqueArray(fc.nat(30), { minLength: 1, maxLength: 20 }).chain((ids) =>
  fc.tuple(
    ...ids.map((id) =>
      fc
        .record({
          ports: fc.constantFrom(['TCP/1'], ['TCP/2'], ['TCP/1', 'UDP/1']),
          sharingKey: fc.constantFrom(null, null, 'k'),
          has: fc.option(fc.integer({ min: 1, max: 12 })),
          asks: fc.option(fc.integer({ min: 1, max: 12 }), { freq: 5 }),
          created: fc.constantFrom('2026-01-01', '2026-01-02'),
        })
        .map(({ has, asks, ...rest }) =>
          service(`s${id}`, {
            ...rest,
            ingressIps: has === null ? [] : [`10.0.0.${has}`],
            requestedIps: asks === null ? [] : [`10.0.0.${asks}`],
          }),
        ),
    ),
  ),
);
const TWELVE = [pool('p', ['10.0.0.1-10.0.0.6']), pool('q', ['10.0.0.7-10.0.0.12'])];

test('the order in which the facts come changes nothing', () => {
  fc.assert(
    fc.property(
      services.chain((all) =>
        fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
      ),
      ([all, shuffled]) => {
        const one = given(allocate(facts(TWELVE, all)));
        const other = given(allocate(facts([...TWELVE].reverse(), shuffled)));
        for (const key of Object.keys(one)) assert.deepEqual(other[key], one[key]);
      },
    ),
    { numRuns: 300 },
  );
});

test('a restart that reads back what was given changes nothing, and nobody gets an address of an unrelated Service', () => {
  fc.assert(
    fc.property(services, (all) => {
      const first = allocate(facts(TWELVE, all));
      const users = new Map<string, ServiceFact[]>();
      for (const { service: each, ips } of first.decisions.values()) {
        for (const ip of ips) users.set(ip, [...(users.get(ip) ?? []), each]);
      }
      for (const sharers of users.values()) {
        assert.ok(sharers.length === 1 || sharers.every(({ sharingKey }) => sharingKey === 'k'));
        const ports = sharers.flatMap((each) => each.ports);
        assert.equal(new Set(ports).size, ports.length);
      }
      const after = all.map((each) => ({
        ...each,
        ingressIps: first.decisions.get(`shop/${each.name}`)?.ips ?? [],
      }));
      const second = allocate(facts(TWELVE, after));
      for (const [key, decision] of first.decisions) {
        // A request may find its address free now; what was given without one stays.
        if (decision.ips.length > 0 && decision.service.requestedIps.length === 0)
          assert.deepEqual(second.decisions.get(key)?.ips, decision.ips);
      }
    }),
    { numRuns: 300 },
  );
});
