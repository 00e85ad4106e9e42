// What a mirror of a resource survives. Each test looks at what a consumer knows in the end, and at what it was told
// on the way: nothing is ever told as gone because its server is away.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { IP_ADDRESS_POOLS } from '../../src/io/kubernetes/resource.ts';
import { clusterFor, faultyCluster } from '../support/kube/cluster.ts';
import { clientOf, mirror, putServiceIP, SERVICE_IPS_PATH, until } from '../support/kube/mirrored.ts';

test('what is there, what is made, changed and deleted is told by key', async (t) => {
  const cluster = await clusterFor(t);
  await putServiceIP(cluster, 'a', '10.0.0.1');
  const mirrored = await mirror(t, cluster);
  await mirrored.untilItems({ a: '10.0.0.1' });
  await putServiceIP(cluster, 'b', '10.0.0.2');
  await putServiceIP(cluster, 'a', '10.0.0.3');
  await mirrored.untilItems({ a: '10.0.0.3', b: '10.0.0.2' });
  await cluster.ask('DELETE', `${SERVICE_IPS_PATH}/a`);
  await mirrored.untilItems({ b: '10.0.0.2' });
  assert.deepEqual(mirrored.states(), ['synced']);
  assert.equal(mirrored.told.filter(({ type }) => type === 'replaced').length, 1);
});

test('a write that changes nothing of what is used is no news', async (t) => {
  const cluster = await clusterFor(t);
  await putServiceIP(cluster, 'a', '10.0.0.1');
  const mirrored = await mirror(t, cluster);
  await mirrored.untilItems({ a: '10.0.0.1' });
  await cluster.ask('PATCH', `${SERVICE_IPS_PATH}/a`, { metadata: { annotations: { x: '1' } } });
  await putServiceIP(cluster, 'b', '10.0.0.2');
  await mirrored.untilItems({ a: '10.0.0.1', b: '10.0.0.2' });
  const changed = mirrored.told.flatMap((each) => (each.type === 'changed' ? [each.key] : []));
  assert.deepEqual(changed, ['b']);
});

test('a collection of several pages is told as one', async (t) => {
  const cluster = await clusterFor(t);
  const wanted: Record<string, string> = {};
  for (let i = 0; i < 1201; i += 1) wanted[`ip-${i}`] = `10.0.${i >> 8}.${i & 255}`;
  await Promise.all(Object.entries(wanted).map(([name, ip]) => putServiceIP(cluster, name, ip)));
  const mirrored = await mirror(t, cluster);
  await mirrored.untilItems(wanted);
  assert.equal(mirrored.told.filter(({ type }) => type === 'replaced').length, 1);
});

test('a watch that the server ends in time is resumed where it was, without a list', async (t) => {
  const cluster = await clusterFor(t);
  const mirrored = await mirror(t, cluster, { timings: { watchSeconds: 1 } });
  await mirrored.untilState('synced');
  for (let i = 0; i < 12; i += 1) {
    await putServiceIP(cluster, 'a', `10.0.0.${i}`);
    await sleep(250);
  }
  await mirrored.untilItems({ a: '10.0.0.11' });
  assert.equal(mirrored.told.filter(({ type }) => type === 'replaced').length, 1);
  assert.deepEqual(mirrored.states(), ['synced']);
});

test('watches closed by the server are resumed, and what happened in between is told', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  const mirrored = await mirror(t, cluster);
  await putServiceIP(cluster, 'a', '10.0.0.1');
  await mirrored.untilItems({ a: '10.0.0.1' });
  cluster.faults.closeWatches();
  await putServiceIP(cluster, 'a', '10.0.0.2');
  await mirrored.untilItems({ a: '10.0.0.2' });
  assert.equal(cluster.faults.counts()['list serviceips'], 1);
  assert.deepEqual(mirrored.states(), ['synced']);
});

test('after 410 Gone everything is listed again, and a deletion that was missed is seen', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  await putServiceIP(cluster, 'a', '10.0.0.1');
  await putServiceIP(cluster, 'b', '10.0.0.2');
  const mirrored = await mirror(t, cluster);
  await mirrored.untilItems({ a: '10.0.0.1', b: '10.0.0.2' });
  cluster.faults.fail({ status: 500, verb: 'watch' });
  cluster.faults.closeWatches();
  await mirrored.untilState('broken');
  await cluster.ask('DELETE', `${SERVICE_IPS_PATH}/a`);
  cluster.faults.compact();
  cluster.faults.clear();
  await mirrored.untilItems({ b: '10.0.0.2' });
  assert.equal(cluster.faults.counts()['list serviceips'], 2);
  assert.deepEqual(mirrored.states(), ['synced', 'broken', 'synced']);
});

test('a bookmark moves the place to resume from past a compaction', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  await putServiceIP(cluster, 'a', '10.0.0.1');
  const mirrored = await mirror(t, cluster);
  await mirrored.untilItems({ a: '10.0.0.1' });
  await until('the watch is open', () => cluster.faults.openWatches() > 0);
  // Something else in the cluster moves on; only the bookmark tells this watch so.
  const lease = { metadata: { name: 'x' }, spec: {} };
  await cluster.ask('POST', '/apis/coordination.k8s.io/v1/namespaces/default/leases', lease);
  cluster.faults.sendBookmarks();
  await sleep(200);
  cluster.faults.compact();
  cluster.faults.closeWatches();
  await putServiceIP(cluster, 'b', '10.0.0.2');
  await mirrored.untilItems({ a: '10.0.0.1', b: '10.0.0.2' });
  assert.equal(cluster.faults.counts()['list serviceips'], 1);
});

test('a watch over a half-open connection is given up and resumed', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  const mirrored = await mirror(t, cluster, { timings: { silenceMs: 1000 } });
  await mirrored.untilState('synced');
  await until('the watch is open', () => cluster.faults.openWatches() > 0);
  cluster.faults.muteWatches(true);
  cluster.faults.muteWatches(false);
  await putServiceIP(cluster, 'a', '10.0.0.1');
  await mirrored.untilItems({ a: '10.0.0.1' });
});

test('bookmarks keep a quiet watch from being taken for a dead one', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  cluster.faults.bookmarkEvery(200);
  const mirrored = await mirror(t, cluster, { timings: { silenceMs: 3000 } });
  await mirrored.untilState('synced');
  await sleep(6000);
  assert.equal(cluster.faults.counts()['watch serviceips'] ?? 0, 0, 'finished watches');
  assert.equal(cluster.faults.openWatches(), 1);
});

test('a server that is away is told as broken once, nothing is told as gone, and its return is seen', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  await putServiceIP(cluster, 'a', '10.0.0.1');
  const mirrored = await mirror(t, cluster);
  await mirrored.untilItems({ a: '10.0.0.1' });
  await cluster.faults.down();
  await mirrored.untilState('broken');
  assert.match(mirrored.reflector.health.reason ?? '', /^serviceips: .*ECONNREFUSED/);
  await sleep(3000);
  assert.deepEqual([...mirrored.items], [['a', '10.0.0.1']]);
  assert.deepEqual(mirrored.states(), ['synced', 'broken']);
  await cluster.faults.up();
  const back = performance.now();
  await putServiceIP(cluster, 'b', '10.0.0.2');
  await mirrored.untilItems({ a: '10.0.0.1', b: '10.0.0.2' });
  assert.deepEqual(mirrored.states(), ['synced', 'broken', 'synced']);
  assert.ok(performance.now() - back < 20_000);
});

test('a start while the server is away succeeds when it comes', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  await putServiceIP(cluster, 'a', '10.0.0.1');
  await cluster.faults.down();
  const mirrored = await mirror(t, cluster);
  await mirrored.untilState('broken');
  await cluster.faults.up();
  await mirrored.untilItems({ a: '10.0.0.1' });
  assert.deepEqual(mirrored.states(), ['broken', 'synced']);
});

test('many mirrors ask a server that does not answer one question for all of them', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  const client = await clientOf(t, cluster);
  const all = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(() => mirror(t, cluster, { client })));
  for (const { untilState } of all) await untilState('synced');
  await cluster.faults.down();
  let connections = 0;
  const refusing = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  refusing.listen(Number(new URL(cluster.server).port), '127.0.0.1');
  for (const { untilState } of all) await untilState('broken');
  const before = connections;
  const began = performance.now();
  await until('some questions were asked', () => connections - before >= 4);
  // Even a machine that stood still in between: 8 mirrors that asked each for themselves would have asked 8 at once.
  assert.ok(connections - before < 8, `${connections - before} connections`);
  // Questions come up to two seconds apart by then, at least one apart.
  assert.ok(performance.now() - began > 1000);
  await new Promise((resolve) => refusing.close(resolve));
  await cluster.faults.up();
  for (const { untilState } of all) await untilState('synced');
});

test('429 is obeyed: the next request comes no sooner than Retry-After says', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  await putServiceIP(cluster, 'a', '10.0.0.1');
  cluster.faults.fail({ status: 429, verb: 'list', count: 1, retryAfterSeconds: 2 });
  const began = performance.now();
  const mirrored = await mirror(t, cluster);
  await mirrored.untilItems({ a: '10.0.0.1' });
  assert.ok(performance.now() - began >= 1990, `${performance.now() - began}`);
});

test('an error of the server is got over', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  await putServiceIP(cluster, 'a', '10.0.0.1');
  cluster.faults.fail({ status: 500, count: 3 });
  const mirrored = await mirror(t, cluster);
  await mirrored.untilItems({ a: '10.0.0.1' });
  assert.deepEqual(mirrored.states(), ['broken', 'synced']);
});

test('a missing right is told in one line that says what to grant, and works once it is granted', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  await putServiceIP(cluster, 'a', '10.0.0.1');
  cluster.faults.deny('list', 'serviceips');
  const mirrored = await mirror(t, cluster);
  await mirrored.untilState('broken');
  const reason = mirrored.reflector.health.reason ?? '';
  assert.match(reason, /cannot list serviceips\.holdfast\.dev: needs a ClusterRole that grants/);
  assert.match(reason, /verb "list" on resource "serviceips" of apiGroup "holdfast\.dev"$/);
  cluster.faults.allow('list', 'serviceips');
  await mirrored.untilItems({ a: '10.0.0.1' });
});

test('an object that cannot be used is told with its reason, keeps its last good value, and stops nobody', async (t) => {
  const cluster = await clusterFor(t);
  await putServiceIP(cluster, 'bad', 17);
  await putServiceIP(cluster, 'a', '10.0.0.1');
  const mirrored = await mirror(t, cluster);
  await mirrored.untilItems({ a: '10.0.0.1' });
  await putServiceIP(cluster, 'a', ['no text']);
  await putServiceIP(cluster, 'b', '10.0.0.2');
  await mirrored.untilItems({ a: '10.0.0.1', b: '10.0.0.2' });
  const malformed = mirrored.told.filter((each) => each.type === 'malformed');
  assert.deepEqual(
    malformed.map(({ key, reason }) => [key, reason]),
    [
      ['bad', 'spec.ip must be text'],
      ['a', 'spec.ip must be text'],
    ],
  );
  await putServiceIP(cluster, 'bad', '10.0.0.9');
  await mirrored.untilItems({ a: '10.0.0.1', b: '10.0.0.2', bad: '10.0.0.9' });
});

test('a resource that the server does not have is absent, not broken, and found when it comes', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  cluster.faults.setGroup('metallb.io', false);
  const parse = () => ({ ok: true, value: 'there' }) as const;
  const timings = { absentMs: 300 };
  const mirrored = await mirror(t, cluster, { resource: IP_ADDRESS_POOLS, parse, timings });
  await mirrored.untilState('absent');
  cluster.faults.setGroup('metallb.io', true);
  const pool = { metadata: { name: 'p' }, spec: { addresses: [] } };
  await cluster.ask('POST', '/apis/metallb.io/v1beta1/namespaces/default/ipaddresspools', pool);
  await mirrored.untilItems({ 'default/p': 'there' });
  assert.deepEqual(mirrored.states(), ['absent', 'synced']);
});

test('a mirror that was closed tells nothing more and leaves no watch open', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  const mirrored = await mirror(t, cluster);
  await mirrored.untilState('synced');
  await until('the watch is open', () => cluster.faults.openWatches() > 0);
  mirrored.reflector.close();
  await until('the watch is closed', () => cluster.faults.openWatches() === 0);
  const before = mirrored.told.length;
  await putServiceIP(cluster, 'a', '10.0.0.1');
  await sleep(500);
  assert.equal(mirrored.told.length, before);
});
