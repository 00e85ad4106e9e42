// What every scenario starts from: a switch, nodes with their daemons, clients, two service IPs.
import type { ServiceStatus } from '../daemon/status.ts';
import { type LabCluster, startLabCluster } from './lab-cluster.ts';
import { createLabNode, type LabNode, type LabNodeOptions, runCli, sleep, waitFor } from './lab-node.ts';
import { createSegment, type Host, type HostSpec, type Segment } from './segment.ts';

/** One service IP of each family, on the prefixes of the lab's hosts. */
export const LAB_SERVICE_IPS = ['10.99.0.100', 'fd99::100'] as const;

/** How often nodes speak, and how long they may be silent. */
export interface Profile {
  readonly intervalMs: number;
  readonly deadAfterMs: number;
}

export const DEFAULT_PROFILE: Profile = { intervalMs: 50, deadAfterMs: 200 };

export interface Stage {
  readonly segment: Segment;
  readonly profile: Profile;
  readonly nodes: readonly LabNode[];
  readonly client: Host;
  readonly clients: readonly Host[];
  readonly serviceIPs: readonly string[];
  /** The API server, where the nodes run in Kubernetes mode. */
  readonly cluster: LabCluster | null;
  /** Waits until every service IP has exactly one leader among `nodes` (default: all that run); by IP. */
  owners(nodes?: readonly LabNode[], timeoutMs?: number): Promise<ReadonlyMap<string, LabNode>>;
  /** Waits until each running node is ready, hears all the others, and carries nothing it has handed over. */
  settled(timeoutMs?: number): Promise<void>;
  /** Moves every service IP to one node, so that there is one owner to harm. */
  gathered(): Promise<LabNode>;
  /** One more machine with a daemon, which is started. The same one again after it was stopped. */
  newcomer(): Promise<LabNode>;
  /** Replays the journal of every node: null when all of them are identical, else what differs where. */
  replayed(): Promise<string | null>;
  dispose(): Promise<void>;
}

export interface StageOptions extends Partial<LabNodeOptions> {
  readonly nodes: number;
  readonly clients?: number;
  readonly profile?: Profile;
  /** Changes to the hosts as the lab would make them. */
  readonly host?: (spec: HostSpec) => HostSpec;
  /** The service IPs come from Services of an API server on a network beside this one. */
  readonly kubernetes?: boolean;
  /** Before any daemon starts. */
  readonly prepare?: (segment: Segment, cluster: LabCluster | null) => Promise<void>;
}

const OWNERS_TIMEOUT_MS = 10_000;
const SETTLED_TIMEOUT_MS = 30_000;
const NEWCOMER = 'extra';

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);

const profileYaml = ({ intervalMs, deadAfterMs }: Profile): string =>
  `heartbeat: {interval: ${intervalMs}ms, deadAfter: ${deadAfterMs}ms}`;

/** The nodes' options: the profile goes before what the caller adds (who gives `heartbeat` itself gives all of it). */
const nodeOptions = (
  { profile, extra, serviceIPs, ...rest }: StageOptions,
  cluster: LabCluster | null,
): LabNodeOptions => ({
  ...rest,
  serviceIPs: cluster === null ? (serviceIPs ?? LAB_SERVICE_IPS) : [],
  extra: (node) => {
    const added = typeof extra === 'function' ? extra(node) : (extra ?? '');
    const own = profile === undefined || added.includes('heartbeat:') ? '' : profileYaml(profile);
    // Clients are to reach the service IPs, and there is no kube-proxy here.
    const inCluster = cluster === null ? [] : [cluster.yaml, added.includes('serve:') ? '' : 'serve: host'];
    return [own, added, ...inCluster].filter((part) => part !== '').join('\n');
  },
});

const servicesOf = async (node: LabNode): Promise<readonly ServiceStatus[]> => {
  try {
    return (await node.status()).serviceIPs;
  } catch (error) {
    if (node.isRunning()) throw error;
    return [];
  }
};

/** The one leader of each IP, or null while some have none or two. */
const leadersOf = async (nodes: readonly LabNode[], count: number): Promise<Map<string, LabNode> | null> => {
  const found = new Map<string, LabNode>();
  const answers = await Promise.all(nodes.map(servicesOf));
  for (const [index, services] of answers.entries()) {
    for (const { ip, state } of services) {
      if (state !== 'leader') continue;
      if (found.has(ip)) return null;
      found.set(ip, nodes[index] as LabNode);
    }
  }
  return found.size === count ? found : null;
};

const isSettled = async (node: LabNode, others: number): Promise<boolean> => {
  const { ready, peers, serviceIPs } = await node.status();
  const alive = peers.filter(({ state }) => state === 'alive' || state === 'late').length;
  return ready && alive >= others && serviceIPs.every(({ state }) => state !== 'draining');
};

const replayOne = async (node: LabNode): Promise<string | null> => {
  const { code, out, err } = await runCli(['replay', node.journal]);
  return code === 0 ? null : `${node.host.name}'s journal: ${(out + err).trim().slice(0, 2_000)}`;
};

const createNodes = async (
  segment: Segment,
  names: readonly string[],
  options: StageOptions,
  cluster: LabCluster | null,
): Promise<LabNode[]> => {
  const hosts = names.map((name) => segment.hosts.get(name) as Host);
  for (const host of hosts) await cluster?.join(host);
  return hosts.map((host) => createLabNode(segment, host, nodeOptions(options, cluster)));
};

const gather = async (stage: Stage): Promise<LabNode> => {
  // A node that has just started, or still drains, may not be able to take: a move is asked for only once.
  await stage.settled();
  const owners = await stage.owners();
  const [[, target] = []] = owners;
  if (target === undefined) throw new Error('there is no service IP to gather');
  const away = [...owners].filter(([, owner]) => owner !== target);
  for (const [ip, owner] of away) await owner.requestMove(ip, target.host.name);
  if (away.length > 0) await sleep(2 * stage.profile.intervalMs);
  await waitFor(`${target.host.name} to own everything`, OWNERS_TIMEOUT_MS, async () => {
    const now = await stage.owners();
    return [...now.values()].every((owner) => owner === target) ? true : null;
  });
  return target;
};

/** Builds the stage and starts the daemons. On failure nothing is left. */
export const createStage = async (options: StageOptions): Promise<Stage> => {
  const profile = options.profile ?? DEFAULT_PROFILE;
  const names = range(options.nodes).map((number) => `n${number}`);
  const clientNames = range(options.clients ?? 1).map((number) =>
    number === 1 ? 'client' : `client${number}`,
  );
  const hosts: HostSpec[] = [
    ...names.map((name) => ({ name, role: 'node' as const })),
    ...clientNames.map((name) => ({ name, role: 'client' as const })),
  ];
  const segment = await createSegment({ hosts: hosts.map(options.host ?? ((spec) => spec)) });
  const serviceIPs = options.serviceIPs ?? LAB_SERVICE_IPS;
  let nodes: LabNode[] = [];
  let cluster: LabCluster | null = null;
  const running = (): LabNode[] => nodes.filter((node) => node.isRunning());
  const stage: Stage = {
    segment,
    profile,
    get nodes() {
      return nodes;
    },
    client: segment.hosts.get('client') as Host,
    clients: clientNames.map((name) => segment.hosts.get(name) as Host),
    serviceIPs,
    get cluster() {
      return cluster;
    },
    owners: (among, timeoutMs = OWNERS_TIMEOUT_MS) =>
      waitFor('every service IP to have one leader', timeoutMs, () =>
        leadersOf(among ?? running(), serviceIPs.length),
      ),
    settled: async (timeoutMs = SETTLED_TIMEOUT_MS) => {
      const others = running().length - 1;
      for (const node of running()) {
        const ask = async (): Promise<true | null> => ((await isSettled(node, others)) ? true : null);
        await waitFor(`${node.host.name} to be ready and hear the others`, timeoutMs, ask);
      }
    },
    gathered: () => gather(stage),
    newcomer: async () => {
      let node = nodes.find(({ host }) => host.name === NEWCOMER);
      if (node === undefined) {
        await segment.addHost({ name: NEWCOMER, role: 'node' });
        [node] = (await createNodes(segment, [NEWCOMER], options, cluster)) as [LabNode];
        nodes = [...nodes, node];
      }
      await node.start();
      return node;
    },
    replayed: async () => {
      const problems = await Promise.all(nodes.map(replayOne));
      return problems.filter((problem) => problem !== null).join('; ') || null;
    },
    dispose: segment.dispose,
  };
  try {
    if (options.kubernetes === true) cluster = await startLabCluster(segment);
    await options.prepare?.(segment, cluster);
    nodes = await createNodes(segment, names, options, cluster);
    await Promise.all(nodes.map((node) => node.start()));
    await cluster?.publish(serviceIPs);
    return stage;
  } catch (error) {
    await segment.dispose();
    throw error;
  }
};
