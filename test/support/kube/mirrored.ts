// A client of a cluster and reflectors over it, as the daemon has them, with what they said kept for assertions.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClusterClient, openCluster } from '../../../src/io/kubernetes/cluster-client.ts';
import type { Parse } from '../../../src/io/kubernetes/mirror.ts';
import {
  type Reflector,
  type ReflectorTimings,
  startReflector,
} from '../../../src/io/kubernetes/reflector.ts';
import { type Resource, SERVICE_IPS } from '../../../src/io/kubernetes/resource.ts';
import type { Reflection, SourceHealth } from '../../../src/machines/reflection.ts';
import type { Cluster } from './cluster.ts';

/** For machines that are busy with other tests. */
const LONGEST_MS = Number(process.env.HOLDFAST_TEST_PATIENCE_MS ?? 30_000);

export const until = async (what: string, isSo: () => boolean | Promise<boolean>): Promise<void> => {
  const end = performance.now() + LONGEST_MS;
  while (!(await isSo())) {
    assert.ok(performance.now() < end, `not within ${LONGEST_MS} ms: ${what}`);
    await sleep(10);
  }
};

export const clientOf = async (context: TestContext, cluster: Cluster): Promise<ClusterClient> => {
  const opened = await openCluster(cluster.kubeconfig);
  assert.ok(opened.ok, opened.ok ? '' : opened.problem);
  context.after(() => opened.value.close());
  return opened.value;
};

/** Reads `spec.ip`, and refuses an object without it. */
export const ipOf: Parse<string> = (object) => {
  const { ip } = (object as { spec?: { ip?: unknown } }).spec ?? {};
  return typeof ip === 'string' ? { ok: true, value: ip } : { ok: false, reason: 'spec.ip must be text' };
};

export interface Mirrored {
  readonly reflector: Reflector;
  readonly client: ClusterClient;
  /** What a consumer knows: `replaced` and `changed`, applied. */
  readonly items: ReadonlyMap<string, string>;
  readonly told: readonly Reflection<string>[];
  /** `synced`, `broken`…, in order. */
  readonly states: () => SourceHealth['state'][];
  /** Waits until the consumer knows exactly this. */
  untilItems(expected: Readonly<Record<string, string>>): Promise<void>;
  untilState(state: SourceHealth['state']): Promise<void>;
}

export interface MirrorOptions {
  readonly resource?: Resource;
  readonly parse?: Parse<string>;
  readonly timings?: Partial<ReflectorTimings>;
  readonly client?: ClusterClient;
}

export const mirror = async (
  context: TestContext,
  cluster: Cluster,
  { resource = SERVICE_IPS, parse = ipOf, timings = {}, client: given }: MirrorOptions = {},
): Promise<Mirrored> => {
  const client = given ?? (await clientOf(context, cluster));
  const items = new Map<string, string>();
  const told: Reflection<string>[] = [];
  const listener = (reflection: Reflection<string>): void => {
    told.push(reflection);
    if (reflection.type === 'replaced') {
      items.clear();
      for (const [key, value] of reflection.items) items.set(key, value);
    } else if (reflection.type === 'changed') {
      if (reflection.value === null) items.delete(reflection.key);
      else items.set(reflection.key, reflection.value);
    }
  };
  const now = (): number => performance.now();
  const reflector = startReflector({ client, resource, parse, listener, now, random: Math.random, timings });
  context.after(() => reflector.close());
  return {
    reflector,
    client,
    items,
    told,
    states: () => told.flatMap((each) => (each.type === 'health' ? [each.health.state] : [])),
    untilItems: async (expected) => {
      const text = (map: Iterable<[string, string]>): string => JSON.stringify([...map].sort());
      const wanted = text(Object.entries(expected));
      await until(`the mirror shows ${wanted}`, () => text(items) === wanted);
    },
    untilState: (state) => until(`the source is ${state}`, () => reflector.health.state === state),
  };
};

export const SERVICE_IPS_PATH = '/apis/holdfast.dev/v1alpha1/serviceips';

export const putServiceIP = async (cluster: Cluster, name: string, ip: unknown): Promise<void> => {
  const body = { apiVersion: 'holdfast.dev/v1alpha1', kind: 'ServiceIP', metadata: { name }, spec: { ip } };
  const made = await cluster.request('POST', SERVICE_IPS_PATH, body);
  if (made.status === 409) await cluster.ask('PATCH', `${SERVICE_IPS_PATH}/${name}`, { spec: { ip } });
  else assert.equal(made.status, 201, JSON.stringify(made.body));
};
