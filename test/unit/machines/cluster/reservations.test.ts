import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolFact, ServiceFact } from '../../../../src/machines/cluster/cluster-facts.ts';
import { openPoolBook } from '../../../../src/machines/cluster/pool-book.ts';
import { type Plan, planReservations } from '../../../../src/machines/cluster/reservations.ts';
import { AllocatorStore } from '../../../support/allocator-store.ts';
import { pool, RULE, service, serving } from '../../../support/cluster-facts.ts';

const BLUE = pool('blue', ['10.0.0.1-10.0.0.9', 'fd00::1-fd00::9']);
const DUAL = { families: ['IPv4', 'IPv6'], familyPolicy: 'RequireDualStack' } as const;

const planFor = (store: AllocatorStore, pools: readonly PoolFact[] = [BLUE]): Plan =>
  planReservations({
    rule: RULE,
    book: openPoolBook(pools, []),
    namespaces: new Map(),
    nodeAddresses: new Map(),
    ...store.seen(store.look()),
  });

/** More than any chain of writes here is long. */
const MAX_ROUNDS = 20;

/** Does what is planned, at most `writes` of it; the kinds of steps of each round. */
const work = (
  store: AllocatorStore,
  pools?: readonly PoolFact[],
  writes = Number.POSITIVE_INFINITY,
): string[] => {
  const rounds: string[] = [];
  let left = writes;
  for (
    let { steps } = planFor(store, pools);
    steps.length > 0 && left > 0;
    { steps } = planFor(store, pools)
  ) {
    assert.ok(rounds.length < MAX_ROUNDS, `no end: ${rounds.join('; ')}`);
    rounds.push(steps.map(({ type }) => type).join(' '));
    for (const step of steps.slice(0, left)) {
      left -= 1;
      const rest = store.perform({ step, checked: false });
      if (rest !== null) store.perform(rest);
    }
  }
  return rounds;
};

const storeOf = (...services: readonly ServiceFact[]): AllocatorStore => {
  const store = new AllocatorStore();
  for (const each of services) store.putService(each);
  return store;
};
const ipsOf = (store: AllocatorStore, name: string): readonly string[] | undefined =>
  store.service(`shop/${name}`)?.ingressIps;
const reservedFor = (store: AllocatorStore, name: string): string[] | undefined =>
  store.serviceIp(name)?.services.map(({ uid }) => uid);

test('a Service gets its addresses in three rounds, and then nothing is written any more', () => {
  const store = storeOf(service('a', DUAL));
  assert.deepEqual(work(store), ['intend', 'reserve reserve', 'publish']);
  assert.deepEqual(ipsOf(store, 'a'), ['10.0.0.1', 'fd00::1']);
  assert.deepEqual([reservedFor(store, '10.0.0.1'), reservedFor(store, 'fd00--1')], [['uid-a'], ['uid-a']]);
  assert.deepEqual(planFor(store).steps, []);
});

test('an address that MetalLB gave is reserved as it is, without a change of the status', () => {
  const store = storeOf(serving('a', ['10.0.0.5']));
  assert.deepEqual(work(store), ['intend', 'reserve']);
  assert.deepEqual([ipsOf(store, 'a'), reservedFor(store, '10.0.0.5')], [['10.0.0.5'], ['uid-a']]);
});

test('a Service that is gone gives its reservation back; one of the same name is another', () => {
  const store = storeOf(service('a'));
  work(store);
  store.deleteService('shop/a');
  assert.deepEqual(work(store), ['release']);
  assert.equal(store.serviceIp('10.0.0.1'), null);
  store.putService(service('a'));
  work(store);
  store.deleteService('shop/a');
  store.putService(service('a', { uid: 'another' }));
  work(store);
  assert.deepEqual([ipsOf(store, 'a'), reservedFor(store, '10.0.0.2')], [['10.0.0.2'], ['another']]);
  assert.equal(store.serviceIp('10.0.0.1'), null);
});

test('Services that share are entries of one object, and the last one out removes it', () => {
  const shared = { sharingKey: 'k' };
  const store = storeOf(service('a', shared), service('b', { ...shared, ports: ['TCP/443'] }));
  work(store);
  assert.deepEqual(reservedFor(store, '10.0.0.1'), ['uid-a', 'uid-b']);
  store.deleteService('shop/a');
  work(store);
  assert.deepEqual([reservedFor(store, '10.0.0.1'), ipsOf(store, 'b')], [['uid-b'], ['10.0.0.1']]);
  store.deleteService('shop/b');
  work(store);
  assert.equal(store.serviceIp('10.0.0.1'), null);
});

test('a Service that stops being a LoadBalancer loses status, annotation and reservation', () => {
  const store = storeOf(service('a'));
  work(store);
  const fact = store.service('shop/a') as ServiceFact;
  store.putService({ ...fact, isLoadBalancer: false });
  assert.deepEqual(work(store), ['publish', 'forget', 'release']);
  assert.deepEqual([ipsOf(store, 'a'), store.service('shop/a')?.intent], [[], null]);
});

test('a Service that goes over to another load balancer keeps its status and its address, which nobody else gets', () => {
  const store = storeOf(service('a'));
  work(store);
  const fact = store.service('shop/a') as ServiceFact;
  store.putService({ ...fact, loadBalancerClass: 'other.io/lb' });
  store.putService(service('b'));
  work(store);
  assert.deepEqual([ipsOf(store, 'a'), ipsOf(store, 'b')], [['10.0.0.1'], ['10.0.0.2']]);
  assert.equal(store.service('shop/a')?.intent, null);
});

test('when its pool goes a Service keeps its address, and nothing is written', () => {
  const store = storeOf(service('a'));
  work(store);
  const plan = planFor(store, []);
  assert.deepEqual(plan.steps, []);
  assert.equal(plan.decisions.get('shop/a')?.troubles[0]?.reason, 'AddressOutsidePools');
});

test('another address that is asked for is reserved before the old one is let go', () => {
  const store = storeOf(service('a'));
  work(store);
  store.putService({ ...(store.service('shop/a') as ServiceFact), requestedIps: ['10.0.0.7'] });
  assert.deepEqual(work(store), ['intend', 'reserve', 'publish', 'release']);
  assert.deepEqual([ipsOf(store, 'a'), store.serviceIp('10.0.0.1')], [['10.0.0.7'], null]);
});

test('another pool that is asked for is moved to, and that is the end of it', () => {
  const store = storeOf(service('a', DUAL));
  work(store);
  store.putService({ ...(store.service('shop/a') as ServiceFact), requestedPool: 'red' });
  const red = [BLUE, pool('red', ['10.9.0.1-10.9.0.3', 'fd09::1'])];
  assert.deepEqual(work(store, red), ['intend', 'reserve reserve', 'publish', 'release release']);
  assert.deepEqual(ipsOf(store, 'a'), ['10.9.0.1', 'fd09::1']);
});

test('a full pool writes nothing again and again', () => {
  const store = storeOf(service('a'), service('b', { created: '2027-01-01' }));
  work(store, [pool('one', ['10.0.0.1'])]);
  assert.deepEqual([ipsOf(store, 'a'), ipsOf(store, 'b')], [['10.0.0.1'], []]);
  assert.deepEqual(planFor(store, [pool('one', ['10.0.0.1'])]).steps, []);
});

for (const writes of [500, 1_200, 2_400]) {
  test(`1,000 Services from a pool of 1,000, the allocator dying after ${writes} writes: each has one, none twice`, () => {
    const thousand = [pool('p', ['10.0.0.1-10.0.3.232'])];
    const names = Array.from({ length: 1_000 }, (_, index) => `s${index}`);
    const store = storeOf(...names.map((name) => service(name)));
    work(store, thousand, writes);
    work(store, thousand);
    const ips = names.flatMap((name) => ipsOf(store, name) ?? []);
    assert.deepEqual([ips.length, new Set(ips).size], [1_000, 1_000]);
    assert.deepEqual(planFor(store, thousand).steps, []);
  });
}
