// The daemon's Kubernetes side against an API server: a Service gets an address and an owner, objects and Events say
// so, and what the API server does, or does not do, moves nothing by itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterFor, faultyCluster } from '../support/kube/cluster.ts';
import {
  createService,
  furnish,
  ipsOfService,
  type KubeDaemon,
  leads,
  listOf,
  objectsOf,
  settle,
  startDaemon,
} from '../support/kube/daemon.ts';
import { until } from '../support/kube/mirrored.ts';

const POOL = ['10.99.0.100-10.99.0.109'];

test('a Service gets an address of the pool, the address an owner, and the Service an Event that says so', async (t) => {
  const cluster = await clusterFor(t);
  await furnish(cluster, ['n1'], POOL);
  const n1 = await startDaemon(t, cluster, 'n1');
  await createService(cluster, 'web');
  await until('web has its address', async () => (await ipsOfService(cluster, 'web')).length === 1);
  assert.deepEqual(await ipsOfService(cluster, 'web'), ['10.99.0.100']);
  await until('n1 leads it', () => leads(n1).length === 1);
  await until(
    'its object says so',
    async () => (await objectsOf(cluster)).get('10.99.0.100')?.holder === 'n1',
  );
  const status = (await objectsOf(cluster)).get('10.99.0.100');
  assert.deepEqual(
    [status?.state, status?.epoch, status?.interface, status?.mac],
    ['leader', 1, 'eth0', '02:00:00:00:00:01'],
  );
  n1.settled('10.99.0.100', 3);
  await until('it says how many clients there were', async () => {
    const said = (await objectsOf(cluster)).get('10.99.0.100');
    return said?.clients === 3 && said.holder === 'n1';
  });
  const reasons = async () =>
    (await listOf(cluster, '/api/v1/namespaces/shop/events')).map(({ reason }) => reason).sort();
  await until('the Events are there', async () => (await reasons()).length >= 2);
  await settle();
  assert.deepEqual(await reasons(), ['AddressAssigned', 'Moved']);
});

test('a Service of another class, and one that is gone, has no address here', async (t) => {
  const cluster = await clusterFor(t);
  await furnish(cluster, ['n1'], POOL);
  const n1 = await startDaemon(t, cluster, 'n1');
  await createService(cluster, 'other', { loadBalancerClass: 'example.com/lb' });
  await createService(cluster, 'web');
  await until('n1 leads one', () => leads(n1).length === 1);
  await cluster.ask('DELETE', '/api/v1/namespaces/shop/services/web');
  await until('n1 leads none', () => leads(n1).length === 0);
  await until('the address is free again', async () => (await objectsOf(cluster)).size === 0);
  assert.deepEqual(await ipsOfService(cluster, 'other'), []);
});

test('a steady state writes nothing to the API server but Leases', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  await furnish(cluster, ['n1', 'n2'], POOL);
  const daemons = [await startDaemon(t, cluster, 'n1'), await startDaemon(t, cluster, 'n2')];
  for (const name of ['a', 'b', 'c']) await createService(cluster, name);
  await until('all are led', () => daemons.flatMap(leads).length === 3);
  await until('all objects say so', async () =>
    [...(await objectsOf(cluster)).values()].every(({ state }) => state === 'leader'),
  );
  await settle();
  const before = cluster.faults.counts();
  await settle();
  await settle();
  const after = cluster.faults.counts();
  const written = Object.entries(after)
    .filter(([key]) => !/^(get|list|watch) /.test(key) && !key.includes('leases'))
    .map(([key, count]) => [key, count - (before[key] ?? 0)] as const)
    .filter(([, count]) => count > 0);
  assert.deepEqual(written, []);
});

test('three nodes that hear nobody, with the API server up: each IP has one owner, and nothing goes back and forth', async (t) => {
  const cluster = await clusterFor(t);
  await furnish(cluster, ['n1', 'n2', 'n3'], POOL);
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (const name of names) await createService(cluster, name);
  const daemons: KubeDaemon[] = [];
  for (const node of ['n1', 'n2', 'n3']) daemons.push(await startDaemon(t, cluster, node));
  const owned = () => daemons.flatMap(leads).sort();
  await until(
    'each has one owner',
    () => owned().length === names.length && new Set(owned()).size === names.length,
  );
  const owners = daemons.map(leads);
  await settle();
  await settle();
  assert.deepEqual(daemons.map(leads), owners);
  const said = await objectsOf(cluster);
  for (const daemon of daemons)
    for (const ip of leads(daemon)) assert.equal(said.get(ip)?.holder, daemon.node);
  // The owners die without a word: their IPs move when their Leases end, and not before.
  const [dead] = daemons.toSorted((a, b) => leads(b).length - leads(a).length);
  const lost = leads(dead as (typeof daemons)[number]);
  assert.ok(lost.length > 0);
  dead?.kill();
  const diedAt = performance.now();
  const others = daemons.filter((daemon) => daemon !== dead);
  const inherited = () => lost.filter((ip) => others.filter((each) => leads(each).includes(ip)).length === 1);
  await settle();
  assert.deepEqual(inherited(), []);
  const end = performance.now() + 60_000;
  while (inherited().length < lost.length && performance.now() < end) await settle();
  assert.deepEqual(inherited(), lost);
  assert.ok(
    performance.now() - diedAt > 18_000,
    'the Lease was renewed at most ten seconds before, and lasts thirty',
  );
});

test('without the API server an owner goes on, and a start goes on with what the journal remembers', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  await furnish(cluster, ['n1'], POOL);
  const n1 = await startDaemon(t, cluster, 'n1');
  await createService(cluster, 'web');
  await until('n1 leads it', () => leads(n1).length === 1);
  await cluster.faults.down();
  await settle();
  assert.deepEqual(leads(n1), ['10.99.0.100']);
  n1.kill();
  const lastKnown = [{ ip: '10.99.0.100', nodes: null, interfaces: null, services: ['shop/web'] }];
  const again = await startDaemon(t, cluster, 'n1', { lastKnown });
  await until('it leads what it remembers', () => leads(again).length === 1);
  await cluster.faults.up();
  await until('its findings are over', () => again.wiring.findings().length === 0 && again.wiring.isWhole());
  assert.deepEqual(leads(again), ['10.99.0.100']);
  await until('the object agrees', async () => {
    const epoch = again.core.service('10.99.0.100')?.epoch;
    return (await objectsOf(cluster)).get('10.99.0.100')?.epoch === epoch;
  });
});

test('a Node that is not Ready takes nothing, and takes again', async (t) => {
  const cluster = await clusterFor(t);
  await furnish(cluster, ['n1'], POOL);
  const n1 = await startDaemon(t, cluster, 'n1');
  await createService(cluster, 'web');
  const ready = (status: string) =>
    cluster.ask('PATCH', '/api/v1/nodes/n1/status', { status: { conditions: [{ type: 'Ready', status }] } });
  await until('n1 leads it', () => leads(n1).length === 1);
  await ready('False');
  await until('it says that it stays', () => {
    const view = n1.core.service('10.99.0.100');
    return view?.state === 'leader' && view.stays === 'no other node can take it now';
  });
  await createService(cluster, 'late');
  await until('late has its address', async () => (await ipsOfService(cluster, 'late')).length === 1);
  await settle();
  assert.deepEqual(leads(n1), ['10.99.0.100']);
  await ready('True');
  await until('it takes it now', () => leads(n1).length === 2);
});

test('externalTrafficPolicy Local: only a node with a ready endpoint holds the IP', async (t) => {
  const cluster = await clusterFor(t);
  await furnish(cluster, ['n1', 'n2'], POOL);
  const [n1, n2] = [await startDaemon(t, cluster, 'n1'), await startDaemon(t, cluster, 'n2')];
  await createService(cluster, 'web', { externalTrafficPolicy: 'Local', selector: { app: 'web' } });
  const slices = '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices';
  const endpoint = { addresses: ['10.1.0.1'], nodeName: 'n2', conditions: { ready: true, serving: true } };
  await settle();
  assert.deepEqual([...leads(n1), ...leads(n2)], []);
  await cluster.ask('POST', slices, {
    metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: [endpoint],
    ports: [],
  });
  await until('n2 leads it', () => leads(n2).length === 1);
  assert.deepEqual(leads(n1), []);
});

test('missing rights are said in one line with verb and resource, and all else goes on', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  await furnish(cluster, ['n1'], POOL);
  cluster.faults.deny('list', 'endpointslices');
  const n1 = await startDaemon(t, cluster, 'n1');
  await until('it is said', () =>
    n1.wiring.findings().some((line) => /cannot list endpointslices/.test(line)),
  );
  assert.equal(n1.wiring.findings().filter((line) => line.includes('\n')).length, 0);
});
