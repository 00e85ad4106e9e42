// The allocator at daemon level: many Services at once with an allocator that dies in the middle, shadow mode, and bad
// input, each of which is reported with its reason while all else goes on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cluster, clusterFor, faultyCluster } from '../support/kube/cluster.ts';
import {
  createService,
  furnish,
  ipsOfService,
  leads,
  listOf,
  objectsOf,
  settle,
  startDaemon,
} from '../support/kube/daemon.ts';
import { until } from '../support/kube/mirrored.ts';

const SERVICES = '/api/v1/namespaces/shop/services';
const POOLS = '/apis/holdfast.dev/v1alpha1/addresspools';
const ALLOCATOR = '/apis/coordination.k8s.io/v1/namespaces/holdfast-system/leases/allocator.holdfast.dev';

const MANY = 1_000;
/** 10.98.0.0 to 10.98.3.231. */
const POOL_OF_MANY = ['10.98.0.0-10.98.3.231'];
/** Requests of the test itself at a time. */
const AT_ONCE = 50;

const createMany = async (cluster: Cluster, count: number): Promise<void> => {
  const names = Array.from({ length: count }, (_, index) => `web-${index}`);
  while (names.length > 0)
    await Promise.all(names.splice(0, AT_ONCE).map((name) => createService(cluster, name)));
};

const given = async (cluster: Cluster): Promise<readonly string[]> =>
  (await listOf(cluster, SERVICES)).flatMap(({ status }) => {
    const { ingress = [] } = (status?.loadBalancer ?? {}) as { ingress?: { ip: string }[] };
    return ingress.map(({ ip }) => ip);
  });

const allocatorOf = async (cluster: Cluster): Promise<string> => {
  const { spec } = (await cluster.ask('GET', ALLOCATOR)) as unknown as { spec: { holderIdentity: string } };
  return spec.holderIdentity.split('/')[0] as string;
};

test('1,000 Services at once from a pool of 1,000, the allocator killed in the middle: one address each, none twice', async (t) => {
  const cluster = await clusterFor(t);
  await furnish(cluster, ['n1', 'n2', 'n3'], POOL_OF_MANY);
  const daemons = [];
  for (const node of ['n1', 'n2', 'n3']) daemons.push(await startDaemon(t, cluster, node));
  await until('one of them allocates', async () => (await cluster.request('GET', ALLOCATOR)).status === 200);
  const creating = createMany(cluster, MANY);
  await until('a third is given', async () => (await given(cluster)).length >= MANY / 3);
  const name = await allocatorOf(cluster);
  daemons.find(({ node }) => node === name)?.kill();
  const atDeath = (await given(cluster)).length;
  await creating;
  for (let round = 0; (await given(cluster)).length < MANY; round += 1) {
    assert.ok(round < 120, `${(await given(cluster)).length} of ${MANY} after ${round * 1.5} s`);
    await settle();
  }
  const ips = await given(cluster);
  t.diagnostic(`${name} was killed at ${atDeath} of ${MANY}; ${await allocatorOf(cluster)} went on`);
  assert.ok(atDeath < MANY);
  assert.notEqual(await allocatorOf(cluster), name);
  assert.equal(ips.length, MANY);
  assert.equal(new Set(ips).size, MANY);
  const each = (await listOf(cluster, SERVICES)).map(
    ({ status }) => ((status?.loadBalancer ?? {}) as { ingress?: unknown[] }).ingress?.length,
  );
  assert.deepEqual(new Set(each), new Set([1]));
  assert.equal((await objectsOf(cluster)).size, MANY);
});

test('in shadow mode nothing is allocated and nothing written, not even a Lease; what there is is decided about', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  await furnish(cluster, ['n1'], ['10.99.0.100-10.99.0.109']);
  await createService(cluster, 'mine');
  await createService(cluster, 'given');
  await cluster.ask('PATCH', `${SERVICES}/given/status`, {
    status: { loadBalancer: { ingress: [{ ip: '10.99.0.105' }] } },
  });
  cluster.faults.resetCounts();
  const n1 = await startDaemon(t, cluster, 'n1', { announce: false });
  await until('it would lead it', () => leads(n1).length === 1);
  await settle();
  await settle();
  const written = Object.keys(cluster.faults.counts()).filter((key) => !/^(get|list|watch) /.test(key));
  assert.deepEqual(written, []);
  assert.deepEqual(await ipsOfService(cluster, 'mine'), []);
});

const addPool = (cluster: Cluster, name: string, spec: object) =>
  cluster.ask('POST', POOLS, { metadata: { name }, spec });

test('overlapping pools, a pool over a node, an address outside, a malformed object: each is said, the rest goes on', async (t) => {
  const cluster = await clusterFor(t);
  await furnish(cluster, ['n1'], ['10.99.0.100-10.99.0.109']);
  await cluster.ask('PATCH', '/api/v1/nodes/n1/status', {
    status: { addresses: [{ type: 'InternalIP', address: '10.99.1.1' }] },
  });
  await addPool(cluster, 'over-a-node', { addresses: ['10.99.1.0-10.99.1.9'], autoAssign: false });
  // A second later by their creation times, which have no finer grain.
  await settle();
  await addPool(cluster, 'overlapping', { addresses: ['10.99.0.105-10.99.0.120'] });
  await createService(cluster, 'outside', {}, { 'holdfast.dev/loadBalancerIPs': '192.0.2.1' });
  await createService(cluster, 'on-a-node', {}, { 'holdfast.dev/loadBalancerIPs': '10.99.1.1' });
  await createService(cluster, 'unreadable', {}, { 'holdfast.dev/loadBalancerIPs': '10.99.0.256' });
  const spoiled = await cluster.request('POST', POOLS, {
    metadata: { name: 'spoiled' },
    spec: { addresses: 'all' },
  });
  const n1 = await startDaemon(t, cluster, 'n1');
  await createService(cluster, 'good');
  await until('good has its address', async () => (await ipsOfService(cluster, 'good')).length === 1);
  const said = (...wanted: readonly RegExp[]) =>
    until(`findings: ${wanted.join(' ')}`, () =>
      wanted.every((pattern) => n1.wiring.findings().some((line) => pattern.test(line))),
    );
  await said(
    /overlapping.*blue|blue.*overlapping/,
    /over-a-node.*covers 10\.99\.1\.1.*n1/,
    /shop\/outside: .*192\.0\.2\.1 is in no address pool/,
    /shop\/on-a-node: .*10\.99\.1\.1 is an address of the node n1/,
    /shop\/unreadable: .*10\.99\.0\.256/,
  );
  // A real server refuses it at admission.
  if (spoiled.status === 201) await said(/spoiled.*addresses/);
  const reasons = async () =>
    new Set((await listOf(cluster, '/api/v1/namespaces/shop/events')).map(({ reason }) => reason));
  await until('Events say so too', async () => {
    const found = await reasons();
    return ['AddressOutsidePools', 'AddressOfNode', 'BadRequest'].every((reason) => found.has(reason));
  });
  assert.deepEqual(await ipsOfService(cluster, 'outside'), []);
  assert.deepEqual(await ipsOfService(cluster, 'good'), ['10.99.0.100']);
  await until('good has its owner', () => leads(n1).length === 1);
  for (const line of n1.wiring.findings()) t.diagnostic(line);
});
