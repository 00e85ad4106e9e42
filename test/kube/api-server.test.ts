// What the stand-in API server and a real one have in common, as far as Holdfast relies on it. Over HTTP only, and
// green against a real kube-apiserver is what makes the stand-in worth anything.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterFor, faultyCluster } from '../support/kube/cluster.ts';
import { openWatch } from '../support/kube/watch-lines.ts';

const SERVICES = '/api/v1/namespaces/default/services';
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
const SERVICE_IPS = '/apis/holdfast.dev/v1alpha1/serviceips';

const service = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
});

const lease = (name: string) => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name },
  spec: { holderIdentity: 'n1' },
});

const serviceIP = (name: string) => ({
  apiVersion: 'holdfast.dev/v1alpha1',
  kind: 'ServiceIP',
  metadata: { name },
  spec: { ip: '10.0.0.1' },
});

test('a second object of the same name is refused as AlreadyExists, and generateName never collides', async (t) => {
  const cluster = await clusterFor(t);
  await cluster.ask('POST', LEASES, lease('a'));
  const again = await cluster.request('POST', LEASES, lease('a'));
  assert.equal(again.status, 409);
  assert.equal(again.body.reason, 'AlreadyExists');
  const generated = { ...lease('x'), metadata: { generateName: 'g-' } };
  const names = new Set<string>();
  for (let i = 0; i < 3; i += 1) names.add((await cluster.ask('POST', LEASES, generated)).metadata.name);
  assert.equal(names.size, 3);
});

test('a write with a stale resourceVersion is refused as Conflict and changes nothing', async (t) => {
  const cluster = await clusterFor(t);
  const made = await cluster.ask('POST', LEASES, lease('a'));
  const mine = { ...made, spec: { holderIdentity: 'n2' } };
  const stored = await cluster.ask('PUT', `${LEASES}/a`, mine);
  const stale = await cluster.request('PUT', `${LEASES}/a`, { ...made, spec: { holderIdentity: 'n3' } });
  assert.equal(stale.status, 409);
  assert.equal(stale.body.reason, 'Conflict');
  assert.deepEqual(await cluster.ask('GET', `${LEASES}/a`), stored);
});

test('a write that changes nothing keeps the resourceVersion', async (t) => {
  const cluster = await clusterFor(t);
  const made = await cluster.ask('POST', LEASES, lease('a'));
  const same = await cluster.ask('PUT', `${LEASES}/a`, made);
  assert.equal(same.metadata.resourceVersion, made.metadata.resourceVersion);
});

test('a status write leaves the spec alone, and the other way round', async (t) => {
  const cluster = await clusterFor(t);
  const made = await cluster.ask('POST', SERVICE_IPS, { ...serviceIP('a'), status: { holder: 'ignored' } });
  assert.equal(made.status, undefined);
  const status = { ...made, spec: { ip: '10.0.0.2' }, status: { holder: 'n1' } };
  const held = await cluster.ask('PUT', `${SERVICE_IPS}/a/status`, status);
  assert.deepEqual(held.status, { holder: 'n1' });
  assert.deepEqual(held.spec, made.spec);
  assert.equal(held.metadata.generation, 1);
  const moved = await cluster.ask('PUT', `${SERVICE_IPS}/a`, {
    ...held,
    spec: { ip: '10.0.0.3' },
    status: {},
  });
  assert.deepEqual(moved.status, { holder: 'n1' });
  assert.deepEqual(moved.spec, { ip: '10.0.0.3' });
  assert.equal(moved.metadata.generation, 2);
});

test("a Service's status takes ingress IPs by merge patch, and an annotation goes with null", async (t) => {
  const cluster = await clusterFor(t);
  await cluster.ask('POST', SERVICES, service('web'));
  const ingress = [{ ip: '10.0.0.1' }];
  const path = `${SERVICES}/web/status`;
  const patched = await cluster.ask('PATCH', path, { status: { loadBalancer: { ingress } } });
  const status = patched.status as { loadBalancer: { ingress: { ip: string }[] } };
  assert.equal(status.loadBalancer.ingress[0]?.ip, '10.0.0.1');
  const annotate = (value: string | null) =>
    cluster.ask('PATCH', `${SERVICES}/web`, { metadata: { annotations: { 'holdfast.dev/a': value } } });
  assert.equal((await annotate('1')).metadata.annotations?.['holdfast.dev/a'], '1');
  const without = await annotate(null);
  assert.equal(without.metadata.annotations?.['holdfast.dev/a'], undefined);
  assert.deepEqual(without.status, patched.status);
});

test('a delete whose precondition does not hold deletes nothing', async (t) => {
  const cluster = await clusterFor(t);
  const made = await cluster.ask('POST', LEASES, lease('a'));
  const wrong = await cluster.request('DELETE', `${LEASES}/a`, { preconditions: { uid: 'another' } });
  assert.equal(wrong.status, 409);
  await cluster.ask('DELETE', `${LEASES}/a`, { preconditions: { uid: made.metadata.uid } });
  assert.equal((await cluster.request('GET', `${LEASES}/a`)).status, 404);
});

test('a list in chunks shows one moment: what is made meanwhile is not in it', async (t) => {
  const cluster = await clusterFor(t);
  for (let i = 0; i < 5; i += 1) await cluster.ask('POST', SERVICE_IPS, serviceIP(`a${i}`));
  const first = (await cluster.request('GET', `${SERVICE_IPS}?limit=2`)).body;
  assert.equal(first.metadata.remainingItemCount, 3);
  await cluster.ask('POST', SERVICE_IPS, serviceIP('a9'));
  const names: string[] = first.items.map((item: { metadata: { name: string } }) => item.metadata.name);
  let next = first.metadata.continue;
  while (next) {
    const page = (await cluster.request('GET', `${SERVICE_IPS}?limit=2&continue=${encodeURIComponent(next)}`))
      .body;
    assert.equal(page.metadata.resourceVersion, first.metadata.resourceVersion);
    names.push(...page.items.map((item: { metadata: { name: string } }) => item.metadata.name));
    next = page.metadata.continue;
  }
  assert.deepEqual(names, ['a0', 'a1', 'a2', 'a3', 'a4']);
});

test('a watch from a resourceVersion tells what happened since, in order, and ends by itself', async (t) => {
  const cluster = await clusterFor(t);
  const { metadata } = (await cluster.request('GET', SERVICE_IPS)).body;
  const made = await cluster.ask('POST', SERVICE_IPS, serviceIP('a'));
  await cluster.ask('PUT', `${SERVICE_IPS}/a`, { ...made, spec: { ip: '10.0.0.9' } });
  const query = `watch=true&timeoutSeconds=2&resourceVersion=${metadata.resourceVersion}`;
  const watch = openWatch(cluster, `${SERVICE_IPS}?${query}`);
  t.after(() => watch.close());
  await watch.until(2);
  await cluster.ask('DELETE', `${SERVICE_IPS}/a`);
  await watch.ended;
  assert.deepEqual(
    watch.events.map(({ type }) => type),
    ['ADDED', 'MODIFIED', 'DELETED'],
  );
  const versions = watch.events.map(({ object }) => Number(object.metadata.resourceVersion));
  assert.deepEqual(
    versions,
    versions.toSorted((a, b) => a - b),
  );
});

test('a watch of one name tells of nothing else', async (t) => {
  const cluster = await clusterFor(t);
  const query = `watch=true&timeoutSeconds=2&fieldSelector=${encodeURIComponent('metadata.name=b')}`;
  const watch = openWatch(cluster, `${SERVICE_IPS}?${query}`);
  t.after(() => watch.close());
  await watch.opened;
  await cluster.ask('POST', SERVICE_IPS, serviceIP('a'));
  await cluster.ask('POST', SERVICE_IPS, serviceIP('b'));
  await watch.ended;
  assert.deepEqual(
    watch.events.map(({ object }) => object.metadata.name),
    ['b'],
  );
});

test('discovery names the groups that are there, and nothing else is found', async (t) => {
  const cluster = await clusterFor(t);
  const { groups } = (await cluster.request('GET', '/apis')).body;
  const names = groups.map(({ name }: { name: string }) => name);
  for (const name of ['discovery.k8s.io', 'coordination.k8s.io', 'holdfast.dev', 'metallb.io'])
    assert.ok(names.includes(name), name);
  assert.equal((await cluster.request('GET', '/apis/nobody.example/v1')).status, 404);
  assert.equal((await cluster.request('GET', '/apis/nobody.example/v1/things')).status, 404);
});

test('after compaction a watch from before is told 410, and half a list too', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  for (let i = 0; i < 3; i += 1) await cluster.ask('POST', SERVICE_IPS, serviceIP(`a${i}`));
  const { metadata } = (await cluster.request('GET', `${SERVICE_IPS}?limit=1`)).body;
  await cluster.ask('POST', SERVICE_IPS, serviceIP('a9'));
  cluster.faults.compact();
  const rest = await cluster.request('GET', `${SERVICE_IPS}?limit=1&continue=${metadata.continue}`);
  assert.equal(rest.status, 410);
  const watch = openWatch(cluster, `${SERVICE_IPS}?watch=true&resourceVersion=${metadata.resourceVersion}`);
  t.after(() => watch.close());
  await watch.ended;
  assert.equal(watch.events[0]?.type, 'ERROR');
  assert.equal(watch.events[0]?.object.code, 410);
});

test('a group that is taken away is 404 in discovery and in its paths', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  cluster.faults.setGroup('metallb.io', false);
  assert.equal((await cluster.request('GET', '/apis/metallb.io/v1beta1')).status, 404);
  assert.equal((await cluster.request('GET', '/apis/metallb.io/v1beta1/ipaddresspools')).status, 404);
  cluster.faults.setGroup('metallb.io', true);
  assert.equal((await cluster.request('GET', '/apis/metallb.io/v1beta1/ipaddresspools')).status, 200);
});

test('a server that was away returns on its port with what it had', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  const made = await cluster.ask('POST', LEASES, lease('a'));
  await cluster.faults.down();
  await assert.rejects(cluster.request('GET', LEASES), /ECONNREFUSED/);
  await cluster.faults.up();
  assert.deepEqual(await cluster.ask('GET', `${LEASES}/a`), made);
});
