// The API server that the kube tests talk to: the stand-in, or a real kube-apiserver with etcd where
// KUBEBUILDER_ASSETS names their folder. Tests use this face and cannot tell which one it is; the ones that need
// faults skip aloud where `faults` is null.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Faults } from './faults.ts';
import { kubeconfigOf } from './kubeconfig.ts';
import type { KubeObject } from './objects.ts';
import { startRealServer } from './real-server.ts';
import { startStandIn } from './stand-in.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed where it is JSON, else text. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the server said
  readonly body: any;
}

export interface Cluster {
  readonly server: string;
  readonly token: string | undefined;
  /** The path of a kubeconfig file. */
  readonly kubeconfig: string;
  readonly faults: Faults | null;
  /** One request over HTTP; `patch` bodies are merge patches. */
  request(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Like `request`, but anything but 2xx is an error. */
  ask(method: string, path: string, body?: unknown): Promise<KubeObject>;
  close(): Promise<void>;
}

/** What serves: the stand-in, or real-server.ts. */
export interface ServedApi {
  readonly server: string;
  readonly token?: string;
  readonly faults: Faults | null;
  close(): Promise<void>;
}

const serveStandIn = async (): Promise<ServedApi> => {
  const { host, port, faults, close } = await startStandIn();
  return { server: `http://${host}:${port}`, faults, close };
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

const ask = ({ server, token }: ServedApi, method: string, path: string, body: unknown): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const text = body === undefined ? '' : JSON.stringify(body);
    const headers = {
      'content-type': type,
      // Node frames the body of a DELETE only if it is told the length.
      'content-length': Buffer.byteLength(text),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
    const options = { method, headers, rejectUnauthorized: false, agent: false };
    const make = server.startsWith('https:') ? httpsRequest : httpRequest;
    const request = make(server + path, options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const said = parsed(Buffer.concat(chunks).toString('utf8'));
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: said });
      });
    });
    request.on('error', reject);
    request.end(text);
  });

export const startCluster = async (): Promise<Cluster> => {
  const assets = process.env.KUBEBUILDER_ASSETS ?? '';
  const served = assets === '' ? await serveStandIn() : await startRealServer(assets);
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-kube-'));
  const kubeconfig = join(directory, 'kubeconfig');
  writeFileSync(kubeconfig, kubeconfigOf(served.server, served.token), { mode: 0o600 });
  return {
    server: served.server,
    token: served.token,
    kubeconfig,
    faults: served.faults,
    request: (method, path, body) => ask(served, method, path, body),
    ask: async (method, path, body) => {
      const answer = await ask(served, method, path, body);
      if (answer.status >= 200 && answer.status < 300) return answer.body as KubeObject;
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    },
    close: async () => {
      await served.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
};

/** A cluster for one test, gone after it. */
export const clusterFor = async (context: TestContext): Promise<Cluster> => {
  const cluster = await startCluster();
  context.after(() => cluster.close());
  return cluster;
};

/** A cluster with faults, or null after saying that this test is skipped. */
export const faultyCluster = async (
  context: TestContext,
): Promise<(Cluster & { readonly faults: Faults }) | null> => {
  const cluster = await clusterFor(context);
  const { faults } = cluster;
  if (faults !== null) return { ...cluster, faults };
  context.skip('needs injected faults, which a real API server does not have');
  return null;
};
