// The lab as a Kubernetes cluster: an API server on the management network, a Node object for each node, a pool, and
// Services that get the lab's service IPs. The API server is the tests' stand-in, as a process of its own.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { requestControl } from '../../io/control/control-socket.ts';
import { waitFor } from './lab-node.ts';
import { layManagement } from './management.ts';
import type { Host, Segment } from './segment.ts';

/** Not part of an installed program: it belongs to the tests, and no daemon runs it. */
const STAND_IN = fileURLToPath(new URL('../../../test/support/kube/stand-in-process.ts', import.meta.url));
const PORT = 6443;
const NAMESPACE = 'shop';
const POOL = ['10.99.0.100-10.99.0.199', 'fd99::100-fd99::1ff'];
/** 1,000 objects of the usual size are about 2 MB of JSON. */
const BATCH = 1_000;
const PUBLISHED_WITHIN_MS = 30_000;
const API = '/apis/holdfast.dev/v1alpha1';
const SERVICES = `/api/v1/namespaces/${NAMESPACE}/services`;

/** What a ServiceIP object says of its address; an empty holder: nobody has it. */
export interface SaidOfIp {
  readonly holder: string;
  readonly epoch: number;
  readonly state: string;
}

export interface LabCluster {
  /** What a node's configuration needs of it, YAML. */
  readonly yaml: string;
  /** One request over HTTP, as any client makes it. Throws at anything but 2xx, and while the server is down. */
  ask(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Calls a fault of the stand-in: `down`, `up`, `counts`… */
  fault(name: string, ...given: readonly unknown[]): Promise<unknown>;
  /** Makes objects, status included, past the API: far faster than one by one. */
  make(path: string, objects: readonly unknown[]): Promise<void>;
  /** Registers a machine: the management network, and a Node that is Ready. */
  join(host: Host): Promise<void>;
  /** Makes Services until these addresses are given to them. Dual-stack where two addresses bear the same number. */
  publish(ips: readonly string[]): Promise<void>;
  /** The ServiceIP objects, by address. */
  said(): Promise<ReadonlyMap<string, SaidOfIp>>;
}

/** One line why there is no stand-in here; null: there is. */
export const standInObstacle = (): string | null =>
  existsSync(STAND_IN)
    ? null
    : `lab --kubernetes needs the stand-in API server of a source checkout (${STAND_IN} is not there)`;

/** `10.99.0.100` and `fd99::100` belong to one Service. */
const numberOf = (ip: string): string => ip.split(/[.:]/).at(-1) as string;

const serviceOf = (number: string, ips: readonly string[]) => ({
  metadata: {
    name: `web-${number}`,
    namespace: NAMESPACE,
    annotations: { 'holdfast.dev/loadBalancerIPs': ips.join(',') },
  },
  spec: {
    type: 'LoadBalancer',
    loadBalancerClass: 'holdfast.dev/l2',
    ipFamilyPolicy: ips.length > 1 ? 'RequireDualStack' : 'SingleStack',
    ipFamilies: ips.map((ip) => (ip.includes(':') ? 'IPv6' : 'IPv4')),
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
  },
});

interface Listed {
  readonly items: readonly {
    readonly spec?: { readonly ip?: string };
    readonly status?: Partial<SaidOfIp> & { readonly loadBalancer?: { readonly ingress?: { ip: string }[] } };
  }[];
}

/** Starts the API server beside the switch, with namespaces and a pool in it. It ends with the segment. */
export const startLabCluster = async (segment: Segment): Promise<LabCluster> => {
  const management = await layManagement(segment);
  const control = join(segment.directory, 'api.sock');
  const args = [STAND_IN, '--host', management.address, '--port', String(PORT), '--control', control];
  const child = segment.switch.spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('the API server has no stdout');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const { value, done } = await lines.next();
  if (done === true) throw new Error('the API server ended before it listened');
  const kubeconfig = join(segment.directory, 'kubeconfig');
  writeFileSync(kubeconfig, (JSON.parse(value) as { kubeconfig: string }).kubeconfig);

  const order = async (path: string, body: unknown): Promise<unknown> => {
    const answer = await requestControl(control, 'POST', path, body);
    const said = JSON.parse(answer.body) as unknown;
    if (answer.status !== 200) throw new Error(`API server: ${(said as { error: string }).error}`);
    return said;
  };
  const ask: LabCluster['ask'] = (method, path, body) => order('/ask', { method, path, body });
  const list = async (path: string): Promise<Listed['items']> => ((await ask('GET', path)) as Listed).items;

  for (const name of [NAMESPACE, 'holdfast-system'])
    await ask('POST', '/api/v1/namespaces', { metadata: { name } });
  await ask('POST', `${API}/addresspools`, { metadata: { name: 'lab' }, spec: { addresses: POOL } });

  return {
    yaml: `cluster: kubernetes\ninterfaces: [eth0]\nkubernetes: {kubeconfig: ${kubeconfig}, namespace: holdfast-system}`,
    ask,
    make: async (path, objects) => {
      for (let i = 0; i < objects.length; i += BATCH) {
        const batch = objects.slice(i, i + BATCH).map((object) => ({ path, object }));
        await order('/objects', batch);
      }
    },
    fault: (call, ...given) => order('/faults', { call, arguments: given }),
    join: async (host) => {
      await management.join(host);
      const addresses = [host.ipv4, host.ipv6].flatMap((address) =>
        address === null ? [] : [{ type: 'InternalIP', address }],
      );
      const status = { conditions: [{ type: 'Ready', status: 'True' }], addresses };
      await ask('POST', '/api/v1/nodes', { metadata: { name: host.name }, status });
    },
    publish: async (ips) => {
      const numbers = [...new Set(ips.map(numberOf))];
      for (const number of numbers) {
        const own = ips.filter((ip) => numberOf(ip) === number);
        await ask('POST', SERVICES, serviceOf(number, own));
      }
      await waitFor('every Service to have its addresses', PUBLISHED_WITHIN_MS, async () => {
        const given = (await list(SERVICES)).flatMap(({ status }) => status?.loadBalancer?.ingress ?? []);
        return ips.every((ip) => given.some((each) => each.ip === ip)) ? true : null;
      });
    },
    said: async () =>
      new Map(
        (await list(`${API}/serviceips`)).map(({ spec, status }) => [
          spec?.ip ?? '',
          { holder: status?.holder ?? '', epoch: status?.epoch ?? 0, state: status?.state ?? '' },
        ]),
      ),
  };
};
