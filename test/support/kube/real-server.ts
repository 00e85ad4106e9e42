// A real kube-apiserver and etcd from the folder that KUBEBUILDER_ASSETS names (the ecosystem's convention), alone:
// no controllers, no kubelet. Its CRDs accept everything, so that the kube tests ask of it what they ask of the
// stand-in. NOT YET RUN: the machines of this project have no such binaries; docs/status.md says so.
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServedApi } from './cluster.ts';
import { RESOURCES, type Resource } from './resources.ts';

/** A cold start of both took others about 10 s; a loaded machine may need more. */
const READY_MS = 60_000;
const STOP_MS = 10_000;

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });

const launch = (assets: string, name: string, args: readonly string[], directory: string): ChildProcess => {
  const path = join(directory, `${name}.log`);
  const log = openSync(path, 'w');
  const child = spawn(join(assets, name), args, { stdio: ['ignore', log, log] });
  closeSync(log);
  child.on('error', (error) => appendFileSync(path, `${error.message}\n`));
  return child;
};

const stop = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (hasEnded(child)) return resolve();
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });

const call = (url: string, token: string, method = 'GET', body?: unknown): Promise<number> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const asked = request(
      url,
      { method, headers, rejectUnauthorized: false, agent: false, timeout: 5000 },
      (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode ?? 0));
      },
    );
    asked.on('timeout', () => asked.destroy(new Error('no answer within 5 s')));
    asked.on('error', reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });

const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

const lastWords = (directory: string): string =>
  ['etcd', 'kube-apiserver']
    .map((name) => {
      const path = join(directory, `${name}.log`);
      const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(-15) : ['(no log)'];
      return `${name}:\n${lines.join('\n')}`;
    })
    .join('\n');

interface Running {
  readonly directory: string;
  readonly children: readonly ChildProcess[];
}

const until = async (
  what: string,
  { directory, children }: Running,
  isSo: () => Promise<boolean>,
): Promise<void> => {
  const end = performance.now() + READY_MS;
  while (!(await isSo().catch(() => false))) {
    const reason = children.some(hasEnded) ? 'a server ended' : `not within ${READY_MS} ms`;
    if (reason === 'a server ended' || performance.now() > end)
      throw new Error(`${what} is not there: ${reason}; last words:\n${lastWords(directory)}`);
    await sleep(200);
  }
};

/** A CustomResourceDefinition that accepts everything; the real ones, with their checks, have tests of their own. */
const openDefinition = ({ group, version, plural, singular, kind, namespaced }: Resource): unknown => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.${group}` },
  spec: {
    group,
    scope: namespaced ? 'Namespaced' : 'Cluster',
    names: { plural, singular, kind, listKind: `${kind}List` },
    versions: [
      {
        name: version,
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
});

/** Starts both, waits until the server is ready and serves the custom resources. */
export const startRealServer = async (assets: string): Promise<ServedApi> => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-apiserver-'));
  const [client, peer, secure] = [await freePort(), await freePort(), await freePort()];
  const token = randomUUID();
  const keys = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  const file = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const etcd = launch(
    assets,
    'etcd',
    [
      `--data-dir=${join(directory, 'etcd')}`,
      `--listen-client-urls=http://127.0.0.1:${client}`,
      `--advertise-client-urls=http://127.0.0.1:${client}`,
      `--listen-peer-urls=http://127.0.0.1:${peer}`,
      '--unsafe-no-fsync',
    ],
    directory,
  );
  const apiServer = launch(
    assets,
    'kube-apiserver',
    [
      `--etcd-servers=http://127.0.0.1:${client}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${secure}`,
      `--cert-dir=${join(directory, 'certificates')}`,
      `--token-auth-file=${file('tokens.csv', `${token},test,test,"system:masters"\n`)}`,
      '--authorization-mode=RBAC',
      '--service-cluster-ip-range=10.96.0.0/16,fd96::/112',
      '--service-account-issuer=https://127.0.0.1',
      `--service-account-key-file=${file('sa.pub', keys.publicKey)}`,
      `--service-account-signing-key-file=${file('sa.key', keys.privateKey)}`,
      '--disable-admission-plugins=ServiceAccount',
    ],
    directory,
  );
  const server = `https://127.0.0.1:${secure}`;
  const running = { directory, children: [etcd, apiServer] };
  const close = async (): Promise<void> => {
    await stop(apiServer);
    await stop(etcd);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await until('kube-apiserver', running, async () => (await call(`${server}/readyz`, token)) === 200);
    const definitions = `${server}/apis/apiextensions.k8s.io/v1/customresourcedefinitions`;
    for (const resource of RESOURCES.filter((each) => each.custom)) {
      const status = await call(definitions, token, 'POST', openDefinition(resource));
      if (status !== 201) throw new Error(`the CRD of ${resource.plural} was answered with ${status}`);
    }
    for (const { group, version, plural } of RESOURCES.filter((each) => each.custom))
      await until(plural, running, async () => {
        return (await call(`${server}/apis/${group}/${version}/${plural}`, token)) === 200;
      });
    return { server, token, faults: null, close };
  } catch (error) {
    await close();
    throw error;
  }
};
