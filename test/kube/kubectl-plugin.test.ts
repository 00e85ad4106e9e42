// `kubectl holdfast` against an API server: what it prints, what it writes, and what daemons make of that. The daemons
// here have no wire, so that none can hand an IP over; where one must move, the test plays the new holder.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Input } from '../../src/machines/inputs.ts';
import { type Cluster, clusterFor, faultyCluster } from '../support/kube/cluster.ts';
import { type Ended, runCommand } from '../support/kube/command.ts';
import { createService, furnish, type KubeDaemon, objectsOf, startDaemon } from '../support/kube/daemon.ts';
import { SERVICE_IPS_PATH, until } from '../support/kube/mirrored.ts';

const POOL = ['10.99.0.100-10.99.0.109'];

const kubectl = (cluster: Cluster, ...args: readonly string[]): Promise<Ended> =>
  runCommand('kubectl-holdfast', args, { KUBECONFIG: cluster.kubeconfig });

/** A ServiceIP as its holder left it; no daemon is there to say otherwise. */
const put = async (cluster: Cluster, ip: string, holder: string, service: string, epoch = 3) => {
  const name = ip.replaceAll(':', '-');
  const services = [{ namespace: 'shop', name: service, uid: `uid-${service}`, token: '1' }];
  await cluster.ask('POST', SERVICE_IPS_PATH, { metadata: { name }, spec: { ip, services } });
  const since = '2026-11-20T12:00:00.000Z';
  const status = { holder, state: 'leader', epoch, since, reason: 'n9 silent for 204 ms', interface: 'eth0' };
  await cluster.ask('PATCH', `${SERVICE_IPS_PATH}/${name}/status`, { status });
};

const hold = (cluster: Cluster, ip: string, holder: string) =>
  cluster.ask('PATCH', `${SERVICE_IPS_PATH}/${ip.replaceAll(':', '-')}/status`, { status: { holder } });

const annotationOf = async (cluster: Cluster, path: string, name: string): Promise<string | undefined> => {
  const { metadata } = await cluster.ask('GET', path);
  return (metadata as { annotations?: Record<string, string> }).annotations?.[`holdfast.dev/${name}`];
};

const lastOf = <T extends Input['type']>({ inputs }: KubeDaemon, type: T) =>
  inputs.map(({ input }) => input).findLast((input) => input.type === type) as
    | Extract<Input, { type: T }>
    | undefined;

const leading = async (cluster: Cluster, holder: string, count: number): Promise<void> =>
  until(`${holder} holds ${count}`, async () => {
    const objects = [...(await objectsOf(cluster)).values()];
    return objects.length === count && objects.every((status) => status.holder === holder);
  });

test('status prints each IP with holder, epoch, Services and reason, by family and number, and who is drained', async (t) => {
  const cluster = await clusterFor(t);
  await furnish(cluster, ['n1', 'n2'], POOL);
  await put(cluster, 'fd99::100', 'n2', 'web');
  await put(cluster, '10.99.0.100', 'n1', 'web');
  await put(cluster, '10.99.0.9', '', 'other');
  await cluster.ask('PATCH', '/api/v1/nodes/n2', {
    metadata: { annotations: { 'holdfast.dev/drain': 'patient' } },
  });
  const { code, stdout, stderr } = await kubectl(cluster, 'status');
  assert.deepEqual([code, stderr], [0, '']);
  const lines = stdout.trimEnd().split('\n');
  assert.deepEqual(lines[0]?.split(/ +/), ['IP', 'STATE', 'HOLDER', 'EPOCH', 'SINCE', 'SERVICES', 'REASON']);
  assert.deepEqual(
    lines.slice(1, 4).map((line) => line.split(/ +/).slice(0, 3)),
    [
      ['10.99.0.9', 'leader', '-'],
      ['10.99.0.100', 'leader', 'n1'],
      ['fd99::100', 'leader', 'n2'],
    ],
  );
  assert.match(lines[2] ?? '', / 3 +2026-11-20T12:00:00.000Z +shop\/web +n9 silent for 204 ms$/);
  assert.deepEqual(lines.slice(4), ['', 'Drained by annotation: n2 (patient)']);
  const json = JSON.parse((await kubectl(cluster, 'status', '--json')).stdout);
  assert.deepEqual(json.drained, [{ node: 'n2', style: 'patient' }]);
  assert.deepEqual(json.serviceIPs[1].services, [{ namespace: 'shop', name: 'web' }]);
});

test('drain annotates the Node, prints each IP as it leaves, and ends when none names the Node', async (t) => {
  const cluster = await clusterFor(t);
  await furnish(cluster, ['n1', 'n2'], POOL);
  await put(cluster, '10.99.0.100', 'n1', 'a');
  await put(cluster, '10.99.0.101', 'n1', 'b');
  await put(cluster, '10.99.0.102', 'n2', 'c');
  const ended = kubectl(cluster, 'drain', 'n1');
  await until(
    'the Node says so',
    async () => (await annotationOf(cluster, '/api/v1/nodes/n1', 'drain')) === 'true',
  );
  await hold(cluster, '10.99.0.100', 'n2');
  await hold(cluster, '10.99.0.101', 'n3');
  const { code, stdout } = await ended;
  assert.equal(code, 0);
  assert.deepEqual(stdout.trimEnd().split('\n').sort(), ['10.99.0.100 n2', '10.99.0.101 n3']);
  assert.equal((await kubectl(cluster, 'undrain', 'n1')).code, 0);
  assert.equal(await annotationOf(cluster, '/api/v1/nodes/n1', 'drain'), undefined);
});

test('a daemon hears of drain and undrain; what cannot move is named, with exit code 1', async (t) => {
  const cluster = await clusterFor(t);
  await furnish(cluster, ['n1'], POOL);
  const n1 = await startDaemon(t, cluster, 'n1');
  await createService(cluster, 'web');
  await leading(cluster, 'n1', 1);
  const { code, stdout, stderr } = await kubectl(cluster, 'drain', 'n1', '--patient', '--timeout', '2s');
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^kubectl-holdfast: 10\.99\.0\.100 stays on n1: not moved within 2000 ms; .*\n$/);
  const drained = lastOf(n1, 'nodes.excluded')?.nodes;
  assert.deepEqual(
    drained?.map(({ node, patient }) => [node, patient]),
    [['n1', true]],
  );
  assert.equal((await kubectl(cluster, 'undrain', 'n1')).code, 0);
  await until('n1 hears of it', () => lastOf(n1, 'nodes.excluded')?.nodes.length === 0);
});

test('move asks the holder for a planned move, also when the annotation said the same before', async (t) => {
  const cluster = await clusterFor(t);
  await furnish(cluster, ['n1', 'n2'], POOL);
  await createService(cluster, 'web', {}, { 'holdfast.dev/move-to': 'n2' });
  const n1 = await startDaemon(t, cluster, 'n1');
  await leading(cluster, 'n1', 1);
  assert.equal(lastOf(n1, 'drain.requested'), undefined);
  const byName = await kubectl(cluster, 'move', 'shop/web', '--to', 'n2', '--timeout', '1s');
  assert.equal(byName.code, 1);
  assert.match(byName.stderr, /^kubectl-holdfast: 10\.99\.0\.100 stays on n1: /);
  const { ips, to } = lastOf(n1, 'drain.requested') ?? {};
  assert.deepEqual([ips, to], [['10.99.0.100'], 'n2']);
  const asked = n1.inputs.filter(({ input }) => input.type === 'drain.requested').length;
  await kubectl(cluster, 'move', '10.99.0.100', '--to', 'n2', '--timeout', '1s');
  assert.equal(n1.inputs.filter(({ input }) => input.type === 'drain.requested').length, asked + 1);
});

test('move ends when the objects of all addresses of the Service name the Node', async (t) => {
  const cluster = await clusterFor(t);
  await furnish(cluster, ['n1', 'n2'], POOL);
  await createService(cluster, 'web');
  const web = '/api/v1/namespaces/shop/services/web';
  const ingress = [{ ip: '10.99.0.100' }, { ip: 'fd99::100' }];
  await cluster.ask('PATCH', `${web}/status`, { status: { loadBalancer: { ingress } } });
  for (const { ip } of ingress) await put(cluster, ip, 'n1', 'web');
  const ended = kubectl(cluster, 'move', 'web', '-n', 'shop', '--to', 'n2');
  await until('the Service says so', async () => (await annotationOf(cluster, web, 'move-to')) === 'n2');
  for (const { ip } of ingress) await hold(cluster, ip, 'n2');
  const { code, stdout } = await ended;
  assert.equal(code, 0);
  assert.deepEqual(stdout.trimEnd().split('\n').sort(), ['10.99.0.100 n2', 'fd99::100 n2']);
});

test('explain says who holds an IP and why, for which Services, and the Events that name it', async (t) => {
  const cluster = await clusterFor(t);
  await furnish(cluster, ['n1'], POOL);
  await startDaemon(t, cluster, 'n1');
  await createService(cluster, 'web');
  await leading(cluster, 'n1', 1);
  await createService(cluster, 'other');
  await leading(cluster, 'n1', 2);
  await until('the Events are there', async () => {
    const { body } = await cluster.request('GET', '/api/v1/namespaces/shop/events');
    return body.items.length >= 4;
  });
  const { code, stdout } = await kubectl(cluster, 'explain', '10.99.0.100');
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^10\.99\.0\.100: n1 holds it \(leader, epoch \d+.*\) since .*, on eth0 \(02:.*\): .+$/m,
  );
  assert.match(stdout, /^It is reserved for shop\/web\.$/m);
  assert.match(stdout, /^ {2}\S+ {2}shop\/web {2}AddressAssigned: 10\.99\.0\.100 of AddressPool\/blue$/m);
  assert.match(stdout, /^ {2}\S+ {2}shop\/web {2}Moved: n1 took 10\.99\.0\.100 /m);
  assert.ok(!stdout.includes('shop/other'));
  const nobody = await kubectl(cluster, 'explain', '10.99.0.10');
  assert.deepEqual(
    [nobody.code, nobody.stderr],
    [1, 'kubectl-holdfast: 10.99.0.10 is no service IP of this cluster\n'],
  );
});

test('what is not there, not allowed or not reachable is said in one line, with the exit code for it', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  await furnish(cluster, ['n1'], POOL);
  await createService(cluster, 'bare');
  const refused = async (code: number, line: RegExp, ...args: readonly string[]) => {
    const ended = await kubectl(cluster, ...args);
    assert.deepEqual([ended.code, ended.stdout], [code, ''], ended.stderr);
    assert.match(ended.stderr, /^kubectl-holdfast: [^\n]+\n$/);
    assert.match(ended.stderr, line);
  };
  await refused(1, /there is no Node n9$/m, 'drain', 'n9');
  await refused(1, /there is no Node n9$/m, 'undrain', 'n9');
  await refused(1, /there is no Service shop\/none$/m, 'move', 'shop/none', '--to', 'n1');
  await refused(1, /shop\/bare has no address$/m, 'move', 'shop/bare', '--to', 'n1');
  await refused(2, /--to NODE is missing/, 'move', 'shop/bare');
  await refused(2, /--timeout 5: a duration/, 'drain', 'n1', '--timeout', '5');
  await refused(2, /there is no command 'stauts'/, 'stauts');
  await refused(2, /--kubeconfig: .*cannot be read \(ENOENT\)/, 'status', '--kubeconfig', '/nowhere');
  const two = await runCommand('kubectl-holdfast', ['status'], { KUBECONFIG: '/a:/b' });
  assert.deepEqual([two.code, /names 2 files/.test(two.stderr)], [2, true]);
  cluster.faults.deny('patch', 'nodes');
  await refused(3, /cannot patch nodes: needs a ClusterRole/, 'drain', 'n1');
  await cluster.faults.down();
  await refused(4, /ECONNREFUSED/, 'status');
});
