// The Lease that says "this daemon lives": made, renewed, taken over from an earlier life, given up.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { keepNodeLease, type LeaseSeen } from '../../src/io/kubernetes/node-lease.ts';
import { type Cluster, clusterFor, faultyCluster } from '../support/kube/cluster.ts';
import { clientOf, until } from '../support/kube/mirrored.ts';

const LEASE = '/apis/coordination.k8s.io/v1/namespaces/default/leases/holdfast-n1';
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/default/leases';

const keep = async (t: TestContext, cluster: Cluster, holder: string) => {
  const client = await clientOf(t, cluster);
  const renewed: LeaseSeen[] = [];
  const failures: string[] = [];
  const taken: string[] = [];
  const lease = keepNodeLease({
    client,
    namespace: 'default',
    node: 'n1',
    holder,
    wallNow: () => Date.now(),
    onRenewed: (seen) => renewed.push(seen),
    onFailing: ({ text }) => failures.push(text),
    onTakenOver: (other) => taken.push(other),
    renewMs: 200,
    retryMs: 100,
  });
  t.after(() => lease.close());
  return { lease, renewed, failures, taken };
};

const spec = async (cluster: Cluster): Promise<Record<string, unknown>> =>
  (await cluster.ask('GET', LEASE)).spec as Record<string, unknown>;

test('the Lease is made, and every renewal is a new version of it', async (t) => {
  const cluster = await clusterFor(t);
  const { renewed } = await keep(t, cluster, 'life-1');
  await until('three renewals', () => renewed.length >= 3);
  assert.equal(new Set(renewed.map(({ resourceVersion }) => resourceVersion)).size, renewed.length);
  const { holderIdentity, leaseDurationSeconds } = await spec(cluster);
  assert.deepEqual([holderIdentity, leaseDurationSeconds], ['life-1', 30]);
});

test('a new life takes the Lease of an earlier one over, and says whose it was', async (t) => {
  const cluster = await clusterFor(t);
  const first = await keep(t, cluster, 'life-1');
  await until('the first life holds it', () => first.renewed.length > 0);
  first.lease.close();
  await sleep(500);
  const second = await keep(t, cluster, 'life-2');
  await until('the second life holds it', () => second.renewed.length > 0);
  assert.deepEqual(second.taken, ['life-1']);
  const { holderIdentity, leaseTransitions } = await spec(cluster);
  assert.deepEqual([holderIdentity, leaseTransitions], ['life-2', 1]);
});

test('a Lease that somebody deletes is made again', async (t) => {
  const cluster = await clusterFor(t);
  const { renewed } = await keep(t, cluster, 'life-1');
  await until('it is held', () => renewed.length > 0);
  await cluster.ask('DELETE', LEASE);
  await until('it is there again', async () => (await cluster.request('GET', LEASE)).status === 200);
});

test('a daemon that stops gives its Lease up, so that nobody waits for it to run out', async (t) => {
  const cluster = await clusterFor(t);
  const { lease, renewed } = await keep(t, cluster, 'life-1');
  await until('it is held', () => renewed.length > 0);
  await lease.release();
  const { holderIdentity } = await spec(cluster);
  assert.ok(!holderIdentity, String(holderIdentity));
});

test('an outage is said once, and renewal goes on when the server is back', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  const { renewed, failures } = await keep(t, cluster, 'life-1');
  await until('it is held', () => renewed.length > 0);
  await cluster.faults.down();
  await until('the outage is said', () => failures.length > 0);
  await sleep(1000);
  assert.equal(failures.length, 1);
  const before = renewed.length;
  await cluster.faults.up();
  await until('it is renewed again', () => renewed.length > before);
});

test('one renewal is one request', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  const { renewed } = await keep(t, cluster, 'life-1');
  await until('five renewals', () => renewed.length >= 5);
  const counts = cluster.faults.counts();
  assert.deepEqual([counts['get leases'], counts['create leases']], [1, 1]);
  assert.equal((await cluster.request('GET', LEASES)).body.items.length, 1);
});
