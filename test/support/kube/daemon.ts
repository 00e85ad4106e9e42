// A daemon's Kubernetes side for tests, without a wire: the real core in the real loop, with the interface up and
// nobody heard. Several of them are a cluster whose hellos are blocked between all nodes.
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { asapScheduler, Subject } from 'rxjs';
import { type ClusterWiring, startCluster } from '../../../src/cli/daemon/kubernetes/cluster.ts';
import { openCluster } from '../../../src/io/kubernetes/cluster-client.ts';
import type { ServiceIpConfig } from '../../../src/machines/config.ts';
import { type Core, createCore } from '../../../src/machines/core.ts';
import type { Ip } from '../../../src/machines/frames.ts';
import type { Input, StampedInput } from '../../../src/machines/inputs.ts';
import type { Fact } from '../../../src/streams/facts.ts';
import { createRuntime } from '../../../src/streams/runtime.ts';
import { coreConfig, link } from '../core.ts';
import type { Cluster } from './cluster.ts';

export interface KubeDaemon {
  readonly node: string;
  readonly core: Core;
  readonly inputs: readonly StampedInput[];
  readonly wiring: ClusterWiring;
  tell(input: Input): void;
  /** As if the wire thread had asked the clients of an IP. */
  settled(ip: Ip, known: number): void;
  /** As SIGKILL: no Lease is given up. */
  kill(): void;
}

export interface KubeDaemonOptions {
  readonly lastKnown?: readonly ServiceIpConfig[];
  readonly defaultClass?: boolean;
  readonly announce?: boolean;
}

const RULE = { loadBalancerClass: 'holdfast.dev/l2', defaultClass: false };

export const startDaemon = async (
  context: TestContext,
  cluster: Cluster,
  node: string,
  { lastKnown = [], defaultClass = false, announce = true }: KubeDaemonOptions = {},
): Promise<KubeDaemon> => {
  const opened = await openCluster(cluster.kubeconfig);
  if (!opened.ok) throw new Error(opened.problem);
  const core = createCore();
  const inputs: StampedInput[] = [];
  const facts$ = new Subject<Fact>();
  const tell = (input: Input): void => facts$.next({ input });
  const now = (): number => Date.now();
  const runtime = createRuntime({
    core,
    now,
    deliver: () => {},
    sources: { test: facts$ },
    turns: asapScheduler,
    journal: {
      appendInputs: (batch) => inputs.push(...batch),
      appendEffects: () => {},
      nextNumber: () => inputs.length,
      settle: () => {},
    },
  });
  let settled: (ip: Ip, known: number) => void = () => {};
  const instance = Buffer.from(node.padEnd(8, '0').slice(0, 8)).toString('hex');
  const wiring = startCluster({
    client: opened.value,
    rule: { ...RULE, defaultClass },
    namespace: 'holdfast-system',
    node,
    instance,
    announce,
    core,
    effects$: runtime.effects$,
    tell,
    now,
    log: pino({ level: process.env.HOLDFAST_TEST_LOG ?? 'silent', base: { node } }),
    onServiceIps: () => {},
    onSettled: (listener) => {
      settled = listener;
    },
    lastKnown: () => lastKnown,
  });
  runtime.start();
  tell({ type: 'node.started', instance, version: 'test', drained: false });
  tell(link());
  tell({
    type: 'config.loaded',
    config: coreConfig({ node, cluster: 'kubernetes', serviceIPs: [], serve: 'none' }),
  });
  let isOver = false;
  const kill = (): void => {
    if (isOver) return;
    isOver = true;
    opened.value.close();
    runtime.stop();
    void wiring.close();
  };
  context.after(kill);
  return { node, core, inputs, wiring, tell, settled: (ip, known) => settled(ip, known), kill };
};

export const leads = ({ core }: KubeDaemon): readonly Ip[] =>
  core.view().serviceIPs.flatMap(({ ip, state }) => (state === 'leader' ? [ip] : []));

const NAMESPACE = 'shop';

/** Node, namespace and pool: what every test needs of a cluster. */
export const furnish = async (cluster: Cluster, nodes: readonly string[], addresses: readonly string[]) => {
  for (const name of nodes) {
    const status = { conditions: [{ type: 'Ready', status: 'True' }] };
    await cluster.ask('POST', '/api/v1/nodes', { metadata: { name }, status });
  }
  for (const name of [NAMESPACE, 'holdfast-system'])
    await cluster.request('POST', '/api/v1/namespaces', { metadata: { name } });
  await cluster.ask('POST', '/apis/holdfast.dev/v1alpha1/addresspools', {
    metadata: { name: 'blue' },
    spec: { addresses },
  });
};

const SERVICES = `/api/v1/namespaces/${NAMESPACE}/services`;

export const createService = (cluster: Cluster, name: string, over: object = {}, annotations: object = {}) =>
  cluster.ask('POST', SERVICES, {
    metadata: { name, annotations },
    spec: {
      type: 'LoadBalancer',
      loadBalancerClass: 'holdfast.dev/l2',
      ipFamilies: ['IPv4'],
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
      ...over,
    },
  });

export const ipsOfService = async (cluster: Cluster, name: string): Promise<readonly Ip[]> => {
  const { status } = (await cluster.ask('GET', `${SERVICES}/${name}`)) as {
    status?: { loadBalancer?: { ingress?: { ip: Ip }[] } };
  };
  return (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip);
};

interface ListedObject {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: { readonly ip?: string };
  readonly status?: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

export const listOf = async (cluster: Cluster, path: string): Promise<readonly ListedObject[]> =>
  ((await cluster.ask('GET', path)) as unknown as { items: ListedObject[] }).items;

/** What the ServiceIP objects say, by address. */
export const objectsOf = async (
  cluster: Cluster,
): Promise<ReadonlyMap<Ip, Readonly<Record<string, unknown>>>> =>
  new Map(
    (await listOf(cluster, '/apis/holdfast.dev/v1alpha1/serviceips')).map(({ spec, status }) => [
      spec?.ip ?? '',
      status ?? {},
    ]),
  );

/** Long enough for whatever was going to happen by mistake. */
export const settle = (): Promise<void> => sleep(1_500);
