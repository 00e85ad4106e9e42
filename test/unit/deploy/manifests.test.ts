// What deploy/ renders to: Kubernetes' own schemas accept it, its parts name each other rightly, the daemon accepts
// its configuration, and the DaemonSet has the rights that were decided on and no others.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { type DeployObject, renderDeploy } from '../../../scripts/render-deploy.ts';
import { parseConfig } from '../../../src/io/config/load-config.ts';
import { schemaFaults } from '../../support/kube/object-schema.ts';

const DEPLOY = join(import.meta.dirname, '../../../deploy');
const render = (folder: string): readonly DeployObject[] => renderDeploy(join(DEPLOY, folder));
const BASE = render('base');
const PATIENT = render('patient');
const MONITORING = render('monitoring');

const find = (objects: readonly DeployObject[], kind: string, name = 'holdfast'): DeployObject => {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  assert.ok(found, `there is no ${kind} ${name}`);
  return found;
};
const podOf = (objects: readonly DeployObject[]) => find(objects, 'DaemonSet').spec.template.spec;
const containerOf = (objects: readonly DeployObject[]) => podOf(objects).containers[0];
const configOf = (objects: readonly DeployObject[]) => {
  const loaded = parseConfig(find(objects, 'ConfigMap').data['config.yaml'], 'config.yaml');
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.problems.map(({ text }) => text).join('\n'));
  assert.deepEqual(loaded.warnings, []);
  return loaded.config;
};

test("Kubernetes' schemas know every field of what is rendered, and miss none", () => {
  for (const object of [...BASE, ...PATIENT])
    assert.deepEqual(schemaFaults(object), [], `${object.kind} ${object.metadata.name}`);
  const kinds = [...new Set(BASE.map(({ kind }) => kind))].sort();
  assert.deepEqual(kinds, [
    ...['ClusterRole', 'ClusterRoleBinding', 'ConfigMap', 'CustomResourceDefinition', 'DaemonSet', 'Job'],
    ...['Namespace', 'Role', 'RoleBinding', 'ServiceAccount'],
  ]);
});

test('the schema check finds a misspelt field, a wrong type, a missing field, and a kind that is not', () => {
  const broken = (change: (object: DeployObject) => void): readonly string[] => {
    const object = structuredClone(find(BASE, 'DaemonSet'));
    change(object);
    return schemaFaults(object) ?? [];
  };
  const pod = 'DaemonSet.spec.template.spec';
  assert.deepEqual(
    broken(({ spec }) => {
      spec.template.spec.terminationGracePeriodSecond = 1;
    }),
    [`${pod}.terminationGracePeriodSecond: is not a field of V1PodSpec`],
  );
  assert.deepEqual(
    broken(({ spec }) => {
      spec.template.spec.containers[0].securityContext.capabilities.add = 'NET_RAW';
    }),
    [`${pod}.containers[0].securityContext.capabilities.add: must be a list`],
  );
  assert.deepEqual(
    broken(({ spec }) => {
      delete spec.template.spec.containers[0].name;
      spec.template.spec.hostNetwork = 'yes';
    }).toSorted(),
    [`${pod}.containers[0].name: is missing`, `${pod}.hostNetwork: must be of type boolean`],
  );
  assert.deepEqual(schemaFaults({ apiVersion: 'apps/v1', kind: 'DeamonSet' }), [
    'apps/v1 DeamonSet: there is no such kind',
  ]);
});

test('the daemon accepts the configuration of the ConfigMap, and every mount has its volume', () => {
  for (const objects of [BASE, PATIENT]) {
    const config = configOf(objects);
    assert.deepEqual([config.cluster, config.serve], ['kubernetes', 'none']);
    const { volumeMounts, args, env } = containerOf(objects);
    const mounts = volumeMounts.map(({ name }: { name: string }) => name).sort();
    assert.deepEqual(
      mounts,
      podOf(objects)
        .volumes.map(({ name }: { name: string }) => name)
        .sort(),
    );
    assert.deepEqual(args, ['run', '--config', '/etc/holdfast/config.yaml']);
    assert.deepEqual(env, [{ name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }]);
    // What the daemon writes lies in what is mounted to be written.
    const written = volumeMounts.filter(({ readOnly }: { readOnly?: boolean }) => !readOnly);
    for (const path of [config.journal.directory, config.control])
      assert.ok(
        written.some(({ mountPath }: { mountPath: string }) => path.startsWith(`${mountPath}/`)),
        path,
      );
    assert.equal(config.heartbeat.keyFile, '/etc/holdfast/keys');
  }
});

test('the probes and the monitor ask the port and the paths that the daemon serves', () => {
  const { ports, livenessProbe, readinessProbe, startupProbe } = containerOf(BASE);
  const { metrics } = configOf(BASE);
  assert.deepEqual(ports, [{ name: 'metrics', containerPort: metrics?.port, hostPort: metrics?.port }]);
  const asked = [livenessProbe, startupProbe, readinessProbe].map(
    ({ httpGet }: { httpGet: unknown }) => httpGet,
  );
  assert.deepEqual(asked, [
    { path: '/healthz', port: 'metrics' },
    { path: '/healthz', port: 'metrics' },
    { path: '/readyz', port: 'metrics' },
  ]);
  const monitor = find(MONITORING, 'PodMonitor').spec;
  assert.deepEqual(
    monitor.podMetricsEndpoints.map(({ port, path }: Record<string, unknown>) => [port, path]),
    [['metrics', '/metrics']],
  );
  assert.deepEqual(monitor.selector.matchLabels, find(BASE, 'DaemonSet').spec.template.metadata.labels);
});

test('a Pod has longer to end than a drain may last, and nodes are renewed one by one', () => {
  const { windowMs } = configOf(BASE).drain;
  assert.ok(podOf(BASE).terminationGracePeriodSeconds * 1000 >= windowMs + 15_000);
  const { updateStrategy } = find(BASE, 'DaemonSet').spec;
  assert.deepEqual(updateStrategy, { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } });
  assert.equal(podOf(BASE).priorityClassName, 'system-node-critical');
  assert.deepEqual(podOf(BASE).tolerations, [{ operator: 'Exists' }]);
});

test('the daemon has three capabilities, a read-only root and no way to more; patient drains add one', () => {
  const { securityContext } = containerOf(BASE);
  assert.deepEqual(securityContext, {
    runAsUser: 0,
    runAsGroup: 0,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'], add: ['NET_RAW', 'SYS_NICE', 'IPC_LOCK'] },
  });
  assert.deepEqual(podOf(BASE).securityContext, { seccompProfile: { type: 'RuntimeDefault' } });
  const patient = containerOf(PATIENT).securityContext;
  assert.deepEqual(patient.capabilities.add, ['NET_RAW', 'SYS_NICE', 'IPC_LOCK', 'NET_ADMIN']);
});

test('the account that makes the key may create Secrets and nothing else, and no other account may', () => {
  const job = find(BASE, 'Job', 'holdfast-key').spec.template.spec;
  assert.deepEqual(job.containers[0].args, ['make-key', '--secret', 'holdfast-keys']);
  assert.equal(job.serviceAccountName, 'holdfast-key');
  assert.deepEqual(find(BASE, 'Role', 'holdfast-key').rules, [
    { apiGroups: [''], resources: ['secrets'], verbs: ['create'] },
  ]);
  const withSecrets = BASE.filter(({ kind }) => /Role$/.test(kind)).filter(({ rules }) =>
    rules.some(({ resources }: { resources: string[] }) => resources.includes('secrets')),
  );
  assert.deepEqual(
    withSecrets.map(({ metadata }) => metadata.name),
    ['holdfast-key'],
  );
  const { sources } = podOf(BASE).volumes[0].projected;
  assert.deepEqual(sources[1], { secret: { name: 'holdfast-keys' } });
});

test('every binding joins a role and an account that are there', () => {
  for (const { kind, metadata, roleRef, subjects } of BASE.filter(({ kind: each }) =>
    each.endsWith('Binding'),
  )) {
    assert.equal(roleRef.kind, kind.replace('Binding', ''), metadata.name);
    find(BASE, roleRef.kind, roleRef.name);
    for (const { name, namespace } of subjects) {
      assert.equal(find(BASE, 'ServiceAccount', name).metadata.namespace, namespace);
    }
  }
});

test("an overlay of one's own names the image of every container, and changes the ConfigMap", (t) => {
  const overlay = mkdtempSync(join(tmpdir(), 'holdfast-overlay-'));
  t.after(() => rmSync(overlay, { recursive: true }));
  const resources = [relative(overlay, join(DEPLOY, 'base'))];
  const images = [{ name: 'holdfast', newName: 'registry.example:5000/holdfast', newTag: '0.1.1' }];
  const patch = JSON.stringify([
    { op: 'replace', path: '/data/config.yaml', value: 'cluster: kubernetes\n' },
  ]);
  const patches = [{ target: { kind: 'ConfigMap', name: 'holdfast' }, patch }];
  writeFileSync(join(overlay, 'kustomization.yaml'), JSON.stringify({ resources, images, patches }));
  const objects = renderDeploy(overlay);
  const used = JSON.stringify(objects).match(/"image":"[^"]*"/g);
  assert.deepEqual([...new Set(used)], ['"image":"registry.example:5000/holdfast:0.1.1"']);
  assert.equal(used?.length, 2);
  assert.equal(configOf(objects).heartbeat.keyFile, null);
  for (const object of objects) assert.deepEqual(schemaFaults(object), []);
});

test('what the renderer does not know it refuses, so that kubectl renders nothing else', () => {
  assert.throws(
    () => renderDeploy(join(import.meta.dirname, '../../fixtures/deploy')),
    /kustomization\.yaml: namePrefix: not known to this renderer/,
  );
});

test('only the owner may read the mounted key: the mode is octal, as YAML 1.1 and kubectl read it', () => {
  assert.equal(podOf(BASE).volumes[0].projected.defaultMode, 0o400);
});
