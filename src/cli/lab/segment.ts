// One Ethernet segment: a switch (a bridge in a namespace of its own) and hosts on it, each a namespace with a veth.
// Inside the enclosure all of it vanishes with the program; outside (tests, as root) `dispose` and the exit of this
// process remove what was made, under names nobody else uses.
import { type ChildProcess, type SpawnOptions, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { type DropRule, droppedFrames, nftTable } from './drop-rules.ts';
import { insideEnclosure } from './enclosure.ts';
import {
  completeSpec,
  createHost,
  ended,
  type Host,
  type HostSpec,
  hostScript,
  inNamespace,
  killInhabitants,
  type Role,
  spawnIn,
} from './host.ts';
import { type RunOptions, run, toolEnvironment } from './tools.ts';

export type { DropRule } from './drop-rules.ts';
export type { Host, HostSpec, Role } from './host.ts';

/** A host, or its name. */
export type HostRef = Host | string;

export type NeighbourState =
  | 'permanent'
  | 'noarp'
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'incomplete'
  | 'failed'
  | 'none';

export type Neighbour = Readonly<{ ip: string; mac: string | null; state: NeighbourState }>;

/** Where the switch believes a MAC to be. */
export type FdbEntry = Readonly<{ mac: string; port: string }>;

/** A drop rule in force. */
export type Drop = Readonly<{
  /** Frames lost to it so far. Throws after `undo`. */
  count(): Promise<number>;
  /** Ends it; gives how many frames it lost in all. A second call does nothing and gives the same. */
  undo(): Promise<number>;
}>;

export type SegmentOptions = Readonly<{
  /** Prefix of the namespaces' names; unique by default. */
  name?: string;
  /** MLD/IGMP snooping with the switch as querier, as on a managed switch. Default: off, multicast floods. */
  multicastSnooping?: boolean;
  /** Hosts to begin with: quicker than adding them one by one. */
  hosts?: readonly HostSpec[];
}>;

export type Segment = Readonly<{
  name: string;
  hosts: ReadonlyMap<string, Host>;
  /** A folder for captures, sockets and journals, removed by `dispose`. */
  directory: string;
  /** The switch: its namespace, its bridge, and the means to run programs in it. */
  switch: Readonly<{ netnsPath: string; bridge: 'br0' }> & Pick<Host, 'exec' | 'spawn'>;
  addHost(spec: HostSpec): Promise<Host>;
  addHosts(specs: readonly HostSpec[]): Promise<Host[]>;
  /** The host's port goes down on the switch side: it loses carrier. */
  cut(host: HostRef): Promise<void>;
  restore(host: HostRef): Promise<void>;
  dropFrames(rule: DropRule): Promise<Drop>;
  /** What the switch has learned, permanent entries left out. */
  fdb(): Promise<FdbEntry[]>;
  /** The host's address, without prefix length. Throws when it has none of this family. */
  addressOf(host: HostRef, family: 'ipv4' | 'ipv6'): string;
  /** The host's kernel's neighbour entry for `ip`, or null. */
  neighbour(host: HostRef, ip: string): Promise<Neighbour | null>;
  /** Creates or replaces the entry. State `none` deletes it, whether it is there or not. */
  setNeighbour(host: HostRef, ip: string, mac: string, state: NeighbourState): Promise<void>;
  /** Ends every program started here, removes every namespace and the folder. A second call does nothing. */
  dispose(): Promise<void>;
}>;

const RUN = '/run/netns';
const MAX_PORT_NAME = 15;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

let made = 0;
const live = new Set<() => void>();

/** Outside the enclosure a program that just exits must not leave namespaces either (a signal's death does). */
const removeAtExit = (remove: () => void): void => {
  if (insideEnclosure()) return;
  if (made === 1) process.once('exit', () => [...live].map((entry) => entry()));
  live.add(remove);
};

const switchScript = (snooping: boolean): string => `
for i in all default; do echo ${snooping ? 0 : 1} >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done
exec ip -batch - <<'END'
link set lo up
link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping ${snooping ? 1 : 0} mcast_querier ${snooping ? 1 : 0}
link set br0 up
END
`;

const portBatch = (hosts: ReadonlyArray<Required<HostSpec>>, netnsOf: (host: string) => string): string =>
  hosts
    .flatMap(({ name, mac }) => [
      `link add name ${name} type veth peer name eth0 address ${mac} netns ${netnsOf(name)}`,
      `link set ${name} master br0 addrgenmode none up`,
    ])
    .join('\n');

const parseNeighbour = (json: string): Neighbour | null => {
  type Row = Readonly<{ dst: string; lladdr?: string; state: readonly string[] }>;
  const row = json.trim() === '' ? undefined : (JSON.parse(json) as readonly Row[])[0];
  if (row === undefined) return null;
  const state = (row.state[0] ?? 'none').toLowerCase() as NeighbourState;
  return { ip: row.dst, mac: row.lladdr ?? null, state };
};

/** Makes a switch, and the hosts of `options.hosts` on it. Throws `ToolError` (nothing is left) when it cannot. */
export const createSegment = async (options: SegmentOptions = {}): Promise<Segment> => {
  made += 1;
  const name = options.name ?? `hf-${process.pid}-${made}`;
  const children = new Set<ChildProcess>();
  const hosts = new Map<string, Host>();
  const numbers: Record<Role, number> = { node: 0, client: 0 };
  const netnsOf = (host: string): string => `${name}-${host}`;
  const pathOf = (host: string): string => join(RUN, netnsOf(host));
  const switchPath = pathOf('switch');
  const namespaces = new Set<string>();
  const inSwitch = (command: string, args: readonly string[], more: RunOptions = {}): Promise<string> =>
    run('nsenter', inNamespace(switchPath, command, args), more);
  const directory = mkdtempSync(join(insideEnclosure() ? '/run' : '/tmp', `${name}-`));
  let drops = 0;
  let disposed = false;

  const addNamespaces = async (names: readonly string[]): Promise<void> => {
    const taken = names.find((entry) => existsSync(pathOf(entry)));
    if (taken !== undefined) throw new Error(`the namespace ${netnsOf(taken)} is somebody else's`);
    for (const entry of names) namespaces.add(entry);
    await run('ip', ['-batch', '-'], {
      input: names.map((entry) => `netns add ${netnsOf(entry)}`).join('\n'),
    });
  };

  const removalBatch = (): string => [...namespaces].map((entry) => `netns del ${netnsOf(entry)}`).join('\n');

  const removeNow = (): void => {
    killInhabitants([...namespaces].map(pathOf));
    spawnSync('ip', ['-force', '-batch', '-'], { input: removalBatch(), env: toolEnvironment() });
    rmSync(directory, { recursive: true, force: true });
  };

  const dispose = async (): Promise<void> => {
    if (disposed) return;
    disposed = true;
    live.delete(removeNow);
    await Promise.all([...children].map(ended));
    killInhabitants([...namespaces].map(pathOf));
    // -force: a namespace that was never made is no reason to keep the others.
    await run('ip', ['-force', '-batch', '-'], { input: removalBatch() }).catch(() => {});
    rmSync(directory, { recursive: true, force: true });
  };

  const checked = (spec: HostSpec): Required<HostSpec> => {
    if (!NAME.test(spec.name) || spec.name.length > MAX_PORT_NAME)
      throw new Error(`host name '${spec.name}': 1 to ${MAX_PORT_NAME} letters, digits, '_', '-' or '.'`);
    if (namespaces.has(spec.name) || ['lo', 'br0', 'switch'].includes(spec.name))
      throw new Error(`host name '${spec.name}' is taken`);
    numbers[spec.role] += 1;
    return completeSpec(spec, numbers[spec.role]);
  };

  const addHosts = async (specs: readonly HostSpec[]): Promise<Host[]> => {
    const complete = specs.map(checked);
    if (complete.length === 0) return [];
    await addNamespaces(complete.map((spec) => spec.name));
    await inSwitch('ip', ['-batch', '-'], { input: portBatch(complete, netnsOf) });
    await Promise.all(
      complete.map((spec) => run('nsenter', inNamespace(pathOf(spec.name), 'sh', ['-ec', hostScript(spec)]))),
    );
    const added = complete.map((spec) => createHost(spec, pathOf(spec.name), children));
    for (const host of added) hosts.set(host.name, host);
    return added;
  };

  const host = (ref: HostRef): Host => {
    const found = hosts.get(typeof ref === 'string' ? ref : ref.name);
    if (found === undefined)
      throw new Error(`no host '${typeof ref === 'string' ? ref : ref.name}' on ${name}`);
    return found;
  };

  const setPort = async (ref: HostRef, state: 'up' | 'down'): Promise<void> => {
    await inSwitch('ip', ['link', 'set', host(ref).name, state]);
  };

  const dropFrames = async (rule: DropRule): Promise<Drop> => {
    drops += 1;
    const table = `lab${drops}`;
    const list = ['-j', 'list', 'counter', 'bridge', table, 'lost'];
    await inSwitch('nft', ['-f', '-'], { input: nftTable(table, rule) });
    const count = async (): Promise<number> => droppedFrames(await inSwitch('nft', list));
    const end = async (): Promise<number> => {
      await inSwitch('nft', ['flush', 'table', 'bridge', table]);
      const frames = await count();
      await inSwitch('nft', ['delete', 'table', 'bridge', table]);
      return frames;
    };
    let lost: Promise<number> | null = null;
    return {
      count,
      undo: () => {
        lost ??= end();
        return lost;
      },
    };
  };

  const fdb = async (): Promise<FdbEntry[]> => {
    type Row = Readonly<{ mac: string; ifname: string; state: string; flags: readonly string[] }>;
    const rows = JSON.parse(
      (await inSwitch('bridge', ['-j', 'fdb', 'show', 'br', 'br0'])) || '[]',
    ) as readonly Row[];
    return rows
      .filter((row) => row.state !== 'permanent' && !row.flags.includes('self'))
      .map((row) => ({ mac: row.mac, port: row.ifname }));
  };

  const setNeighbour = async (
    ref: HostRef,
    ip: string,
    mac: string,
    state: NeighbourState,
  ): Promise<void> => {
    const family = isIPv6(ip) ? '-6' : '-4';
    if (state === 'none') {
      await host(ref)
        .exec('ip', [family, 'neigh', 'del', ip, 'dev', 'eth0'])
        .catch(() => {});
      return;
    }
    await host(ref).exec('ip', [family, 'neigh', 'replace', ip, 'lladdr', mac, 'dev', 'eth0', 'nud', state]);
  };

  removeAtExit(removeNow);
  try {
    await addNamespaces(['switch']);
    await inSwitch('sh', ['-ec', switchScript(options.multicastSnooping ?? false)]);
    await addHosts(options.hosts ?? []);
  } catch (failure) {
    await dispose();
    throw failure;
  }

  return {
    name,
    hosts,
    directory,
    switch: {
      netnsPath: switchPath,
      bridge: 'br0',
      exec: (command, args = [], more = {}) => inSwitch(command, args, more),
      spawn: (command, args = [], more: SpawnOptions = {}) =>
        spawnIn(switchPath, children, command, args, more),
    },
    addHost: async (spec) => (await addHosts([spec]))[0] as Host,
    addHosts,
    cut: (ref) => setPort(ref, 'down'),
    restore: (ref) => setPort(ref, 'up'),
    dropFrames,
    fdb,
    addressOf: (ref, family) => {
      const address = host(ref)[family];
      if (address === null) throw new Error(`${host(ref).name} has no ${family} address`);
      return address;
    },
    neighbour: async (ref, ip) =>
      parseNeighbour(await host(ref).exec('ip', ['-j', 'neigh', 'show', ip, 'dev', 'eth0'])),
    setNeighbour,
    dispose,
  };
};
