// The rights of deploy/base against what daemons ask for in a Service's whole life: everything that they ask for is
// granted, and everything that is granted is asked for.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { renderDeploy } from '../../scripts/render-deploy.ts';
import { faultyCluster } from '../support/kube/cluster.ts';
import { runCommand } from '../support/kube/command.ts';
import {
  createService,
  furnish,
  ipsOfService,
  leads,
  objectsOf,
  startDaemon,
} from '../support/kube/daemon.ts';
import type { RequestSeen } from '../support/kube/faults.ts';
import { until } from '../support/kube/mirrored.ts';

const BASE = renderDeploy(join(import.meta.dirname, '../../deploy/base'));
const NAMESPACE = 'holdfast-system';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** `list services`, `get leases.coordination.k8s.io`: sorted, each once. */
const grantsOf = (kind: 'ClusterRole' | 'Role'): readonly string[] => {
  const role = BASE.find((object) => object.kind === kind && object.metadata.name === 'holdfast');
  const grants = ((role?.rules ?? []) as readonly Rule[]).flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}.${group}`)),
    ),
  );
  return [...new Set(grants)].sort();
};

const groupOf = (path: string): string => /^\/apis\/([^/]+)\//.exec(path)?.[1] ?? '';
const asked = (requests: readonly RequestSeen[]): readonly string[] =>
  [...new Set(requests.map(({ verb, resource, path }) => `${verb} ${resource}.${groupOf(path)}`))].sort();

test('the roles grant exactly what daemons ask for from the first Service to the last', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  await furnish(cluster, ['n1', 'n2'], ['10.99.0.100-10.99.0.109']);
  const n1 = await startDaemon(t, cluster, 'n1');
  await createService(cluster, 'web');
  await createService(cluster, 'other');
  const shared = { 'holdfast.dev/allow-shared-ip': 'yes' };
  for (const port of [80, 81])
    await createService(cluster, `shared-${port}`, { ports: [{ port, protocol: 'TCP' }] }, shared);
  await until('all have an address', async () => (await ipsOfService(cluster, 'shared-81')).length === 1);
  await until('n1 leads three', () => leads(n1).length === 3);
  await until('the objects say so', async () =>
    [...(await objectsOf(cluster)).values()].every(({ holder }) => holder === 'n1'),
  );
  // One changes what it asks for, one goes, and the daemon after it.
  const web = '/api/v1/namespaces/shop/services/web';
  await cluster.ask('PATCH', web, {
    metadata: { annotations: { 'holdfast.dev/loadBalancerIPs': '10.99.0.105' } },
  });
  await until('it is given', async () => (await ipsOfService(cluster, 'web'))[0] === '10.99.0.105');
  for (const name of ['other', 'shared-80'])
    await cluster.ask('DELETE', `/api/v1/namespaces/shop/services/${name}`);
  await until('two addresses are left', async () => (await objectsOf(cluster)).size === 2);
  // The Lease is renewed every ten seconds, or at the end: given up.
  await n1.wiring.close();
  await until('the Leases are given up', () =>
    cluster.faults.requests().some(({ verb, resource }) => verb === 'update' && resource === 'leases'),
  );
  const own = cluster.faults
    .requests()
    .filter(({ agent, resource }) => agent === 'holdfast' && resource !== '');
  const isHere = ({ path }: RequestSeen): boolean => path.includes(`/namespaces/${NAMESPACE}/`);
  assert.deepEqual(asked(own.filter((each) => !isHere(each))), grantsOf('ClusterRole'));
  assert.deepEqual(asked(own.filter(isHere)), grantsOf('Role'));
});

test('make-key makes the Secret once, with the one right that its account has', async (t) => {
  const cluster = await faultyCluster(t);
  if (cluster === null) return;
  const makeKey = async () => {
    const args = ['make-key', '--secret', 'holdfast-keys', '--namespace', NAMESPACE];
    const { code, stdout, stderr } = await runCommand('holdfast', [
      ...args,
      '--kubeconfig',
      cluster.kubeconfig,
    ]);
    return { code, text: stdout + stderr };
  };
  const path = `/api/v1/namespaces/${NAMESPACE}/secrets`;
  await cluster.request('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } });
  assert.deepEqual(await makeKey(), { code: 0, text: 'Secret holdfast-system/holdfast-keys is made\n' });
  const made = await cluster.ask('GET', `${path}/holdfast-keys`);
  const { keys } = made.data as { keys: string };
  assert.match(Buffer.from(keys, 'base64').toString(), /^[0-9a-f]{64}\n$/);
  const again = await makeKey();
  assert.deepEqual([again.code, /stays as it is/.test(again.text)], [0, true]);
  assert.deepEqual((await cluster.ask('GET', `${path}/holdfast-keys`)).data, { keys });
  const own = cluster.faults.requests().filter(({ agent }) => agent === 'holdfast');
  assert.deepEqual(asked(own), ['create secrets.']);
  cluster.faults.deny('create', 'secrets');
  const denied = await makeKey();
  assert.equal(denied.code, 3);
  assert.match(denied.text, /^holdfast: cannot create secrets in namespace holdfast-system: needs .*\n$/);
  await cluster.faults.down();
  assert.equal((await makeKey()).code, 4);
});
