// `npm run bench:kubernetes`: what a large cluster costs a daemon and its API server. 10,000 Services that have their
// addresses already (as after MetalLB), 200 Nodes, 10,000 EndpointSlices, daemons on a real wire: taking it all
// over, a steady state, the start of one more daemon, the death of the node that holds most.
// Usage: kubernetes.ts [--services N] [--nodes N] [--daemons N] [--seconds N]
// Two daemons by default: each has a core where there are two, as in life each has a machine.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { enclose } from '../src/cli/lab/enclosure.ts';
import type { LabCluster } from '../src/cli/lab/lab-cluster.ts';
import { type LabNode, sleep } from '../src/cli/lab/lab-node.ts';
import type { HostSpec } from '../src/cli/lab/segment.ts';
import { createStage, type Stage } from '../src/cli/lab/stage.ts';
import { requestControl } from '../src/io/control/control-socket.ts';
import { manyServices, manySlices } from '../test/support/kube/many-objects.ts';
import { markdown } from './statistics.ts';

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '10000' },
    nodes: { type: 'string', default: '200' },
    daemons: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '30' },
  },
});
const COUNT = Number(values.services);
const DAEMONS = Number(values.daemons);
/** Asking for the status of 10,000 IPs is work that would be measured too. */
const ASK_EVERY_MS = 1_000;
/** Each phase is over by then, or the table says that it is not. */
const PHASE_MS = 300_000;
const QUIET_MS = 5_000;
const RESPONSE_EVERY_MS = 20;

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

const ipOf = (index: number): string => `10.99.${16 + (index >> 8)}.${index & 255}`;

const furnish = async (cluster: LabCluster): Promise<void> => {
  await cluster.ask('POST', '/apis/holdfast.dev/v1alpha1/addresspools', {
    metadata: { name: 'wide' },
    spec: { addresses: [`${ipOf(0)}-${ipOf(COUNT - 1)}`] },
  });
  const services = manyServices(COUNT).map((service, index) => ({
    ...(service as object),
    status: { loadBalancer: { ingress: [{ ip: ipOf(index) }] } },
  }));
  await cluster.make('/api/v1/namespaces/shop/services', services);
  const slices = '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices';
  await cluster.make(slices, manySlices(COUNT, Number(values.nodes)));
  const others = Array.from({ length: Number(values.nodes) - DAEMONS }, (_, index) => ({
    metadata: { name: `worker-${index}` },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  }));
  await cluster.make('/api/v1/nodes', others);
};

const wide = (spec: HostSpec): HostSpec => {
  const number = Number(/\d+$/.exec(spec.name)?.[0] ?? 1);
  return { ...spec, ipv4: `10.99.0.${spec.role === 'node' ? number : 200 + number}/16` };
};

const residentMiB = (node: LabNode): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.pid()}/status`, 'utf8'))?.[1] ?? 0) / 1024;

const metric = async (node: LabNode, name: string): Promise<number> => {
  const { body } = await requestControl(node.socket, 'GET', '/metrics');
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(body)?.[1] ?? Number.NaN);
};

/** How long the main thread let a small question wait, at worst; asked all the time until stopped. */
const watchMain = (node: LabNode): (() => Promise<number>) => {
  let isOver = false;
  let worst = 0;
  const run = async (): Promise<void> => {
    while (!isOver && node.isRunning()) {
      const began = performance.now();
      await requestControl(node.socket, 'GET', '/identity', null, 30_000).catch(() => {});
      worst = Math.max(worst, performance.now() - began);
      await sleep(RESPONSE_EVERY_MS);
    }
  };
  const done = run();
  return async () => {
    isOver = true;
    await done;
    return worst;
  };
};

type Counts = Readonly<Record<string, number>>;
const countsOf = async ({ cluster }: Stage): Promise<Counts> => (await cluster?.fault('counts')) as Counts;

const sum = (counts: Counts, pattern: RegExp): number =>
  Object.entries(counts).reduce((total, [key, count]) => total + (pattern.test(key) ? count : 0), 0);

const BUT_LEASES = /^(create|update|patch|delete) (?!leases)/;

const short = (counts: Counts): string =>
  Object.entries(counts)
    .filter(([key, count]) => count > 0 && !key.startsWith('create version'))
    .map(([key, count]) => `${key} ${count}`)
    .join(', ');

/** Leaders among the running nodes, by node; asked once. */
const held = async (stage: Stage): Promise<ReadonlyMap<LabNode, number>> => {
  const counts = new Map<LabNode, number>();
  for (const node of stage.nodes.filter((each) => each.isRunning())) {
    const { body } = await requestControl(node.socket, 'GET', '/status', null, 30_000);
    const { serviceIPs } = JSON.parse(body) as { serviceIPs: { state: string }[] };
    counts.set(node, serviceIPs.filter(({ state }) => state === 'leader').length);
  }
  return counts;
};

const total = (counts: ReadonlyMap<unknown, number>): number =>
  [...counts.values()].reduce((a, b) => a + b, 0);

/** Milliseconds until it is so; infinite after PHASE_MS. */
const untilSo = async (isSo: () => Promise<boolean>): Promise<number> => {
  const began = performance.now();
  // A daemon that does not answer in time is busy: what is measured goes on.
  while (!(await isSo().catch(() => false))) {
    if (performance.now() - began > PHASE_MS) return Number.POSITIVE_INFINITY;
    await sleep(ASK_EVERY_MS);
  }
  return performance.now() - began;
};

const objectsNaming = async ({ cluster }: Stage, nodes: readonly LabNode[]): Promise<number> => {
  const names = new Set(nodes.map(({ host }) => host.name));
  const said = [...((await cluster?.said()) ?? new Map()).values()];
  return said.filter(({ holder, state }) => names.has(holder) && state === 'leader').length;
};

const seconds = (ms: number): string =>
  Number.isFinite(ms) ? `${(ms / 1_000).toFixed(1)} s` : 'not within 300 s';
const lateness = async (nodes: readonly LabNode[]): Promise<string> => {
  const all = await Promise.all(nodes.map((node) => metric(node, 'holdfast_hello_lateness_max_seconds')));
  return `${(Math.max(...all) * 1_000).toFixed(1)} ms`;
};

await enclose();
const rows: string[][] = [];
const row = (what: string, value: string): void => {
  rows.push([what, value]);
  say(`${what}: ${value}`);
};
let began = performance.now();
const stage = await createStage({
  nodes: DAEMONS,
  kubernetes: true,
  serviceIPs: [],
  extra: 'serve: none',
  host: wide,
  prepare: async (_segment, cluster) => {
    if (cluster !== null) await furnish(cluster);
    say(`${COUNT} Services are there after ${seconds(performance.now() - began)}`);
    began = performance.now();
  },
});
const watches = stage.nodes.map(watchMain);
await untilSo(async () => total(await held(stage)) >= COUNT);
row(
  `${DAEMONS} daemons at once, from their start to every IP with an owner`,
  seconds(performance.now() - began),
);
const adoption = await untilSo(async () => (await objectsNaming(stage, stage.nodes)) >= COUNT);
row('taken over: every Service reserved, every ServiceIP object written, after further', seconds(adoption));
row('requests for that', short(await countsOf(stage)));
const stalls = await Promise.all(watches.map((stop) => stop()));
row('main thread: the longest that a question waited', `${Math.max(...stalls).toFixed(0)} ms`);
row('worst hello lateness so far', await lateness(stage.nodes));

/** Events come slower than objects: nothing is steady before the last of them. */
const quiet = async (): Promise<void> => {
  for (let before = -1, now = 0; now !== before; now = sum(await countsOf(stage), BUT_LEASES)) {
    before = now;
    await sleep(QUIET_MS);
  }
};

await quiet();
await stage.cluster?.fault('resetCounts');
await sleep(Number(values.seconds) * 1_000);
const steady = await countsOf(stage);
const perSecond = sum(steady, /./) / Number(values.seconds);
row('steady state, requests a second of all daemons', `${perSecond.toFixed(2)} (${short(steady)})`);
row('of these writes beside Leases', String(sum(steady, BUT_LEASES)));
row('resident, a daemon', stage.nodes.map((node) => `${residentMiB(node).toFixed(0)} MiB`).join(', '));

const [restarted] = stage.nodes as readonly [LabNode, ...LabNode[]];
restarted.signal('SIGTERM');
await restarted.exited();
began = performance.now();
await restarted.start();
const again = watchMain(restarted);
await untilSo(async () => {
  const { body } = await requestControl(restarted.socket, 'GET', '/status', null, 30_000);
  const { ready, serviceIPs } = JSON.parse(body) as { ready: boolean; serviceIPs: unknown[] };
  return ready && serviceIPs.length >= COUNT;
});
row('one daemon started again, to ready with all IPs known', seconds(performance.now() - began));
row('its main thread meanwhile', `${(await again()).toFixed(0)} ms at most`);
await quiet();

const holders = [...(await held(stage))].sort((a, b) => b[1] - a[1]);
const [dead, count] = holders[0] as [LabNode, number];
const living = stage.nodes.filter((node) => node !== dead);
const others = living.map(watchMain);
await stage.cluster?.fault('resetCounts');
began = performance.now();
dead.signal('SIGKILL');
await dead.exited();
await untilSo(async () => total(await held(stage)) >= COUNT);
row(
  `death of a node that held ${count}: all of its IPs owned again within`,
  seconds(performance.now() - began),
);
await untilSo(async () => (await objectsNaming(stage, living)) >= COUNT);
row('and the ServiceIP objects say so after', seconds(performance.now() - began));
await quiet();
const perDeath = await countsOf(stage);
row('requests for that death', short(perDeath));
row('writes beside Leases for each IP', (sum(perDeath, BUT_LEASES) / Math.max(1, count)).toFixed(2));
const after = await Promise.all(others.map((stop) => stop()));
row('main threads meanwhile', `${Math.max(...after).toFixed(0)} ms at most`);
row('worst hello lateness in all', await lateness(living));

console.log(`${COUNT} Services, ${values.nodes} Nodes, ${COUNT} EndpointSlices, ${DAEMONS} daemons`);
console.log(markdown(['measured', 'value'], rows));
await stage.dispose();
process.exit(0);
