// Writes through the queue: compare-and-swap, kinds of failure, rate, bounds; and what is never done.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ClusterClient } from '../../src/io/kubernetes/cluster-client.ts';
import { eventWrite } from '../../src/io/kubernetes/kube-event.ts';
import type { Outcome } from '../../src/io/kubernetes/outcome.ts';
import { SERVICE_IPS, SERVICES } from '../../src/io/kubernetes/resource.ts';
import {
  createWriter,
  readObject,
  type StoredObject,
  type Write,
  type WriteLimits,
} from '../../src/io/kubernetes/writer.ts';
import { type Cluster, clusterFor, faultyCluster } from '../support/kube/cluster.ts';
import { clientOf, SERVICE_IPS_PATH, until } from '../support/kube/mirrored.ts';

const writing = async (t: TestContext, cluster: Cluster, limits: Partial<WriteLimits> = {}) => {
  const client: ClusterClient = await clientOf(t, cluster);
  const writer = createWriter(client, limits);
  t.after(() => writer.close());
  return { client, writer };
};

const create = (name: string, ip = '10.0.0.1'): Write => ({
  verb: 'create',
  resource: SERVICE_IPS,
  object: { metadata: { name }, spec: { ip } },
});

const stored = (outcome: Outcome<StoredObject | null>): StoredObject => {
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.failure.text);
  assert.ok(outcome.value);
  return outcome.value;
};

const kindOf = (outcome: Outcome<unknown>): string => (outcome.ok ? 'ok' : outcome.failure.kind);

test('of two writers with one resourceVersion the second is told of the conflict, and the first stands', async (t) => {
  const cluster = await clusterFor(t);
  const { client, writer } = await writing(t, cluster);
  const made = stored(await writer.write('a', () => create('a')));
  const swap = (ip: string): Write => ({
    verb: 'replace',
    resource: SERVICE_IPS,
    object: { ...made, spec: { ip } },
  });
  stored(await writer.write('a', () => swap('10.0.0.2')));
  assert.equal(kindOf(await writer.write('a', () => swap('10.0.0.3'))), 'conflict');
  const now = stored(await readObject(client, SERVICE_IPS, 'a'));
  assert.deepEqual(now.spec, { ip: '10.0.0.2' });
});

test('each failure has its kind: exists, missing', async (t) => {
  const cluster = await clusterFor(t);
  const { client, writer } = await writing(t, cluster);
  stored(await writer.write('a', () => create('a')));
  assert.equal(kindOf(await writer.write('a', () => create('a'))), 'exists');
  assert.equal(kindOf(await readObject(client, SERVICE_IPS, 'nobody')), 'missing');
});

test('a status is patched without touching the spec, and an object deleted only if it is the very one', async (t) => {
  const cluster = await clusterFor(t);
  const { client, writer } = await writing(t, cluster);
  const made = stored(await writer.write('a', () => create('a')));
  const place = { resource: SERVICE_IPS, name: 'a' } as const;
  const patch = { status: { holder: 'n1' }, spec: { ip: '10.9.9.9' } };
  stored(await writer.write('a', () => ({ verb: 'patch', ...place, patch, subresource: 'status' })));
  const held = stored(await readObject(client, SERVICE_IPS, 'a'));
  assert.deepEqual([held.status, held.spec], [{ holder: 'n1' }, { ip: '10.0.0.1' }]);
  const other = await writer.write('a', () => ({ verb: 'delete', ...place, uid: 'another' }));
  assert.equal(kindOf(other), 'conflict');
  const gone = await writer.write('a', () => ({ verb: 'delete', ...place, uid: made.metadata.uid }));
  assert.equal(kindOf(gone), 'ok');
  assert.equal(kindOf(await readObject(client, SERVICE_IPS, 'a')), 'missing');
});

test('an Event lies beside the object that it is about', async (t) => {
  const cluster = await clusterFor(t);
  const { writer } = await writing(t, cluster);
  const about = { apiVersion: 'v1', kind: 'Service', name: 'web', namespace: 'default' };
  const said = {
    type: 'Normal',
    reason: 'Moved',
    message: 'n2 took it',
    node: 'n2',
    at: Date.now(),
  } as const;
  stored(await writer.write('event', () => eventWrite({ about, ...said })));
  const { items } = (await cluster.request('GET', '/api/v1/namespaces/default/events')).body;
  const ours = items.filter((item: { reason: string }) => item.reason === 'Moved');
  assert.equal(ours.length, 1);
  assert.equal(ours[0].involvedObject.name, 'web');
});

test('what is asked for twice while it waits is written once, as it is then', async (t) => {
  const cluster = await clusterFor(t);
  const { client, writer } = await writing(t, cluster, { burst: 1, perSecond: 5 });
  const first = writer.write('x', () => create('x'));
  let made = 0;
  const make = (ip: string) => () => {
    made += 1;
    return create('a', ip);
  };
  const both = await Promise.all([writer.write('a', make('10.0.0.1')), writer.write('a', make('10.0.0.2'))]);
  stored(await first);
  assert.equal(made, 1);
  assert.deepEqual(
    both.map(stored).map(({ spec }) => spec),
    [{ ip: '10.0.0.2' }, { ip: '10.0.0.2' }],
  );
  assert.deepEqual(stored(await readObject(client, SERVICE_IPS, 'a')).spec, { ip: '10.0.0.2' });
});

test('a write that is not wanted any more when its turn comes is not sent', async (t) => {
  const cluster = await clusterFor(t);
  const { client, writer } = await writing(t, cluster);
  const outcome = await writer.write('a', () => null);
  assert.deepEqual(outcome, { ok: true, value: null });
  assert.equal(kindOf(await readObject(client, SERVICE_IPS, 'a')), 'missing');
});

test('writes beyond the burst are spread over time, in the order in which they were asked for', async (t) => {
  const cluster = await clusterFor(t);
  const { writer } = await writing(t, cluster, { burst: 5, perSecond: 10, inFlight: 1 });
  const began = performance.now();
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 15 }, async (_, i) => {
      stored(await writer.write(`ip-${i}`, () => create(`ip-${i}`)));
      order.push(i);
    }),
  );
  assert.ok(performance.now() - began >= 950, `${performance.now() - began}`);
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
});

test('a full queue refuses at once, and what waits is written', async (t) => {
  const cluster = await clusterFor(t);
  const { client, writer } = await writing(t, cluster, { burst: 1, perSecond: 10, queue: 2 });
  const all = ['a', 'b', 'c', 'd', 'e'].map((name) => writer.write(name, () => create(name)));
  const kinds = (await Promise.all(all)).map(kindOf);
  assert.deepEqual(kinds, ['ok', 'ok', 'ok', 'busy', 'busy']);
  assert.equal(kindOf(await readObject(client, SERVICE_IPS, 'c')), 'ok');
});

test('a missing right is said with what to grant', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  cluster.faults.deny('patch', 'services/status');
  const { writer } = await writing(t, cluster);
  const patch = { status: {} };
  const place = { resource: SERVICES, namespace: 'default', name: 'web', subresource: 'status' } as const;
  const outcome = await writer.write('a', () => ({ verb: 'patch', ...place, patch }));
  assert.equal(kindOf(outcome), 'forbidden');
  assert.match(
    outcome.ok ? '' : outcome.failure.text,
    /^cannot patch services\/status in namespace default: needs a Role or ClusterRole that grants \S+ the verb "patch" on resource "services\/status" of apiGroup ""$/,
  );
});

test('429 stops the whole queue for as long as the server asks', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  cluster.faults.fail({ status: 429, verb: 'create', count: 1, retryAfterSeconds: 2 });
  const { writer } = await writing(t, cluster, { inFlight: 1 });
  const began = performance.now();
  const [first, second] = await Promise.all(['a', 'b'].map((name) => writer.write(name, () => create(name))));
  assert.deepEqual(
    [first, second].map((outcome) => kindOf(outcome!)),
    ['throttled', 'ok'],
  );
  assert.ok(performance.now() - began >= 1990);
});

test('while the server is away writes are refused at once, and go through when it is back', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  const { client, writer } = await writing(t, cluster);
  await cluster.faults.down();
  const all = Array.from({ length: 100 }, (_, i) => writer.write(`ip-${i}`, () => create(`ip-${i}`)));
  const kinds = new Set((await Promise.all(all)).map(kindOf));
  assert.deepEqual([...kinds], ['unreachable']);
  assert.equal(writer.waiting, 0);
  let returns = 0;
  client.reachability.onBack(() => {
    returns += 1;
  });
  await cluster.faults.up();
  await until('the return is told', () => returns === 1);
  stored(await writer.write('a', () => create('a')));
});

test('a server that takes requests and never answers is unreachable, not waited for for ever', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  const client = await clientOf(t, cluster);
  cluster.faults.hang(true);
  const outcome = await client.ask({ path: SERVICE_IPS_PATH, timeoutMs: 500 });
  assert.equal(kindOf(outcome), 'unreachable');
  assert.match(outcome.ok ? '' : outcome.failure.text, /no answer within 500 ms/);
});

test('many requests share few connections', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  const client = await clientOf(t, cluster);
  for (let i = 0; i < 50; i += 1) assert.ok((await client.ask({ path: SERVICE_IPS_PATH })).ok);
  assert.equal(cluster.faults.connections(), 1);
});
