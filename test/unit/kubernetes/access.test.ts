// Every way in which credentials can be unusable is one line that names the key, what is wrong and what would be
// right; and rotated files are followed.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openAccess } from '../../../src/io/kubernetes/access.ts';
import { kubeconfigOf } from '../../support/kube/kubeconfig.ts';

const folder = (t: TestContext): string => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-access-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
};

const config = (over: Record<string, unknown>): string =>
  JSON.stringify({ ...JSON.parse(kubeconfigOf('https://10.0.0.1:6443', 'secret')), ...over });
const user = (entry: unknown): string => config({ users: [{ name: 'test', user: entry }] });
const cluster = (entry: unknown): string => config({ clusters: [{ name: 'test', cluster: entry }] });

const BAD: readonly [what: string, text: string, says: RegExp][] = [
  ['is empty', '', /no kubeconfig/],
  ['is not YAML', '{', /no kubeconfig/],
  ['has no context', config({ 'current-context': undefined }), /has no current-context; name one/],
  ['names an unknown context', config({ 'current-context': 'x' }), /current-context "x" leads to no cluster/],
  ['names an unknown user', config({ users: [] }), /names a user that is not in it/],
  ['has a server that is no URL', cluster({ server: 'ten' }), /"ten" is no URL/],
  ['is plain HTTP', cluster({ server: 'http://10.0.0.1' }), /plain HTTP; use https/],
  ['runs a program', user({ exec: { command: 'aws', apiVersion: 'x' } }), /from a program; use a token/],
  [
    'names a CA that is not there',
    cluster({ server: 'https://a', 'certificate-authority': '/nowhere/ca' }),
    /ENOENT/,
  ],
];
for (const [what, text, says] of BAD)
  test(`a kubeconfig that ${what} is refused in one line`, async (t) => {
    const file = join(folder(t), 'kubeconfig');
    writeFileSync(file, text);
    const opened = await openAccess(file);
    assert.ok(!opened.ok);
    assert.ok(opened.problem.startsWith('kubernetes.kubeconfig: '), opened.problem);
    assert.ok(opened.problem.includes(file), opened.problem);
    assert.match(opened.problem, says);
    assert.ok(!opened.problem.includes('\n'));
  });

test("a person's kubeconfig may get its token from a program, which the daemon's may not", async (t) => {
  const file = join(folder(t), 'kubeconfig');
  const apiVersion = 'client.authentication.k8s.io/v1';
  const credential = { apiVersion, kind: 'ExecCredential', status: { token: 'from-a-program' } };
  const args = ['-e', `console.log(${JSON.stringify(JSON.stringify(credential))})`];
  writeFileSync(file, user({ exec: { apiVersion, command: process.execPath, args } }));
  const opened = await openAccess(file, '', true);
  assert.ok(opened.ok, opened.ok ? '' : opened.problem);
  const { headers } = await opened.value.options();
  assert.equal((headers as Record<string, string>).Authorization, 'Bearer from-a-program');
  assert.ok(!(await openAccess(file)).ok);
});

test('a kubeconfig that is not there is refused in one line', async () => {
  const opened = await openAccess('/nowhere/kubeconfig');
  const line =
    'kubernetes.kubeconfig: /nowhere/kubeconfig cannot be read (ENOENT); name a readable kubeconfig';
  assert.deepEqual(opened, { ok: false, problem: line });
});

/** As in a pod, with `files` in the service account's folder. */
const inPod = async (t: TestContext, files: Readonly<Record<string, string>>) => {
  const root = folder(t);
  const put = (name: string, text: string): void => {
    const path = join(root, 'var/run/secrets/kubernetes.io/serviceaccount', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };
  for (const [name, text] of Object.entries(files)) put(name, text);
  process.env.KUBERNETES_SERVICE_HOST = 'fd00::1';
  process.env.KUBERNETES_SERVICE_PORT = '443';
  t.after(() => {
    delete process.env.KUBERNETES_SERVICE_HOST;
    delete process.env.KUBERNETES_SERVICE_PORT;
  });
  return { opened: await openAccess(null, root), put };
};

test('outside of a pod the service account is refused in one line', async () => {
  const opened = await openAccess(null);
  assert.match(
    opened.ok ? '' : opened.problem,
    /^kubernetes\.kubeconfig: null means .* no pod; name a kubeconfig file$/,
  );
});

test('a pod without a mounted service account is refused in one line', async (t) => {
  const { opened } = await inPod(t, {});
  assert.match(opened.ok ? '' : opened.problem, /ENOENT.*automountServiceAccountToken: true/);
});

test('in a pod the service account leads to the server, with its namespace and token', async (t) => {
  const { opened } = await inPod(t, {
    'ca.crt': 'not parsed yet',
    token: 'abc',
    namespace: 'holdfast-system\n',
  });
  assert.ok(opened.ok, opened.ok ? '' : opened.problem);
  const access = opened.value;
  assert.equal(access.namespace, 'holdfast-system');
  const options = await access.options();
  assert.deepEqual([options.host, options.port], ['fd00::1', 443]);
  assert.equal((options.headers as Record<string, string>).Authorization, 'Bearer abc');
});

test('a token that was refused is read again from the file', async (t) => {
  const { opened, put } = await inPod(t, { 'ca.crt': 'x', token: 'old' });
  assert.ok(opened.ok);
  const bearer = async (): Promise<unknown> =>
    ((await opened.value.options()).headers as Record<string, string>).Authorization;
  assert.equal(await bearer(), 'Bearer old');
  put('token', 'new');
  opened.value.doubt();
  assert.equal(await bearer(), 'Bearer new');
});
