// A machine of the lab: one network namespace with an eth0, and the means to run programs in it.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { insideEnclosure } from './enclosure.ts';
import { type RunOptions, run, toolEnvironment } from './tools.ts';

export type Role = 'node' | 'client';

/** What to add. Without addresses a node gets 10.99.0.N/24 and fd99::N/64, a client 10.99.0.(200+N), fd99::(200+N). */
export type HostSpec = Readonly<{
  /** Also the name of its port on the switch: at most 15 characters. */
  name: string;
  role: Role;
  mac?: string;
  /** With prefix length; null: none of this family. */
  ipv4?: string | null;
  ipv6?: string | null;
}>;

export type Host = Readonly<{
  name: string;
  role: Role;
  interface: 'eth0';
  mac: string;
  /** Without prefix length; null when it has none. */
  ipv4: string | null;
  ipv6: string | null;
  netnsPath: string;
  /** Runs a program here to its end; its stdout. Throws `ToolError` with its stderr when it fails. */
  exec(command: string, args?: readonly string[], options?: RunOptions): Promise<string>;
  /**
   * Starts a program here. `pid` is the program's own, so signals go to it. It ends (SIGKILL) with the segment.
   * The environment is this process's with the system folders in PATH, unless `options.env` says otherwise.
   */
  spawn(command: string, args?: readonly string[], options?: SpawnOptions): ChildProcess;
}>;

/** The arguments of `nsenter` for a program in the network namespace at `path`. */
export const inNamespace = (path: string, command: string, args: readonly string[]): string[] => [
  `--net=${path}`,
  '--',
  command,
  ...args,
];

/** Outside the enclosure no process namespace takes the children along when this process is killed. */
const startArguments = (path: string, command: string, args: readonly string[]): string[] =>
  insideEnclosure()
    ? inNamespace(path, command, args)
    : inNamespace(path, 'setpriv', ['--pdeathsig', 'KILL', command, ...args]);

/** Starts a program in a network namespace and keeps it in `children` while it lives. */
export const spawnIn = (
  path: string,
  children: Set<ChildProcess>,
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess => {
  const child = spawn('nsenter', startArguments(path, command, args), { env: toolEnvironment(), ...options });
  children.add(child);
  child.once('exit', () => children.delete(child));
  child.once('error', () => children.delete(child));
  return child;
};

const withoutPrefix = (address: string | null): string | null => address?.split('/')[0] ?? null;

const hexByte = (value: number): string => value.toString(16).padStart(2, '0');

/** Where the clients' last address byte begins: nodes may grow to 99, service IPs are .100 and up. */
const CLIENT_BASE = 200;

/** A spec with its defaults; `number` counts from 1 within the role, so a client keeps its address as nodes grow. */
export const completeSpec = (spec: HostSpec, number: number): Required<HostSpec> => {
  const isNode = spec.role === 'node';
  const last = isNode ? number : CLIENT_BASE + number;
  return {
    name: spec.name,
    role: spec.role,
    mac: spec.mac ?? `02:00:00:00:${isNode ? '01' : '02'}:${hexByte(number)}`,
    ipv4: spec.ipv4 === undefined ? `10.99.0.${last}/24` : spec.ipv4,
    ipv6: spec.ipv6 === undefined ? `fd99::${last}/64` : spec.ipv6,
  };
};

/** The handle of a host whose namespace is at `netnsPath`. */
export const createHost = (
  spec: Required<HostSpec>,
  netnsPath: string,
  children: Set<ChildProcess>,
): Host => ({
  name: spec.name,
  role: spec.role,
  interface: 'eth0',
  mac: spec.mac,
  ipv4: withoutPrefix(spec.ipv4),
  ipv6: withoutPrefix(spec.ipv6),
  netnsPath,
  exec: (command, args = [], options = {}) => run('nsenter', inNamespace(netnsPath, command, args), options),
  spawn: (command, args = [], options = {}) => spawnIn(netnsPath, children, command, args, options),
});

/**
 * The shell script that readies a host's namespace, to be run inside it: the same kernel settings on every machine
 * (a new namespace inherits some of the host's), no duplicate address detection, so that addresses serve at once.
 */
export const hostScript = (spec: Required<HostSpec>): string => {
  const batch = [
    'link set lo up',
    ...(spec.ipv4 === null ? [] : [`addr add ${spec.ipv4} dev eth0`]),
    ...(spec.ipv6 === null ? [] : [`addr add ${spec.ipv6} dev eth0 nodad`]),
    'link set eth0 up',
  ];
  return `
for i in all default eth0; do
  cd /proc/sys/net/ipv4/conf/$i
  for k in rp_filter arp_ignore arp_announce arp_accept arp_notify arp_filter drop_gratuitous_arp; do
    if [ -e $k ]; then echo 0 >$k; fi
  done
  cd /proc/sys/net/ipv6/conf/$i
  echo 0 >disable_ipv6
  for k in accept_dad dad_transmits accept_ra autoconf router_solicitations ndisc_notify; do echo 0 >$k; done
done
exec ip -batch - <<'END'
${batch.join('\n')}
END
`;
};

const DISPOSE_TIMEOUT_MS = 5_000;

/** SIGKILLs whatever still runs in the namespaces at `paths`: a namespace lives as long as a process in it. */
export const killInhabitants = (paths: readonly string[]): void => {
  const ours = new Set(paths.map((path) => `net:[${statSync(path, { throwIfNoEntry: false })?.ino}]`));
  for (const pid of readdirSync('/proc').filter(
    (entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid,
  )) {
    try {
      if (ours.has(readlinkSync(`/proc/${pid}/ns/net`))) process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
};

/** Ends a child (SIGKILL) and waits for it; an unkillable one (stuck in the kernel) is left after a while. */
export const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    setTimeout(resolve, DISPOSE_TIMEOUT_MS).unref();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
