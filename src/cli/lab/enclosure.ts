// The enclosure: the program runs again inside mount, network and process namespaces of its own, with a private
// /run, so that every namespace, process and file of the lab vanishes when the outer process dies in whatever
// way. Two links hold that: the kernel's parent-death signal (outer → unshare → process 1 inside, whose end kills
// all the others), and a socket between outer and inner whose closing ends the inner one too.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeSync } from 'node:fs';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { constants } from 'node:os';
import { missingTools, toolEnvironment } from './tools.ts';

const MARK = '/run/holdfast-enclosure';
const LIFELINE = 'HOLDFAST_ENCLOSURE_FD';
const LIFELINE_FD = 3;
const STDERR_FD = 4;

/** What the outer process hands on. The inner one has a session of its own, so each arrives exactly once. */
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGWINCH'] as const;
/** Those that end a program which does not listen to them. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** An inner process that does not come up within this time of a signal is killed. */
const STUCK_MS = 5_000;

const DOORS = 'HOLDFAST_ENCLOSURE_DOORS';
/** Beside the page's own port, which a daemon of this host may have. */
const FIRST_DOOR = 9481;
/** As many as a daemon takes itself. */
const MAX_DOOR_CONNECTIONS = 256;
const doorSocket = (index: number): string => `/run/holdfast-door-${index}.sock`;

/** The outer process answers at once. */
const PID_TIMEOUT_MS = 1_000;

/** The enclosure cannot be made here: one line, with what to do. `exitCode` 3 (permission) or 2 (tool missing). */
export class EnclosureError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.name = 'EnclosureError';
    this.exitCode = exitCode;
  }
}

export interface Door {
  /** On the host's loopback. */
  readonly port: number;
  /** Whoever listens here, inside, is reached by it. */
  readonly socket: string;
}

/** Inside: the doors that `enclose` was asked for; none outside. */
export const labDoors = (): readonly Door[] =>
  (process.env[DOORS] ?? '')
    .split(',')
    .filter((port) => port !== '')
    .map((port, index) => ({ port: Number(port), socket: doorSocket(index) }));

/** Whether this process, or one it descends from, was started by `enclose`. */
export const insideEnclosure = (): boolean => existsSync(MARK);

const kernelSays = (file: string): string | null => {
  try {
    return readFileSync(`/proc/sys/${file}`, 'utf8').trim();
  } catch {
    return null;
  }
};

/** Why an ordinary user cannot make namespaces here, or null when the kernel allows it. */
const userNamespaceObstacle = (): string | null => {
  if (kernelSays('kernel/unprivileged_userns_clone') === '0')
    return 'sysctl kernel.unprivileged_userns_clone=1';
  if (kernelSays('kernel/apparmor_restrict_unprivileged_userns') === '1')
    return 'sysctl kernel.apparmor_restrict_unprivileged_userns=0';
  if (kernelSays('user/max_user_namespaces') === '0') return 'sysctl user.max_user_namespaces=10000';
  return null;
};

/** What root too cannot exceed, as sysctls to be set; null when none of it is 0. */
const limitObstacle = (): string | null => {
  const limits = ['net', 'mnt', 'pid'].map((kind) => `user/max_${kind}_namespaces`);
  const forbidden = limits.filter((limit) => kernelSays(limit) === '0');
  if (forbidden.length === 0) return null;
  return `sysctl ${forbidden.map((limit) => `${limit.replace('/', '.')}=10000`).join(' ')}`;
};

const isRoot = (): boolean => process.geteuid?.() === 0;

const assertPossible = (): void => {
  const missing = missingTools(['unshare', 'setpriv', 'nsenter', 'ip']);
  if (missing.length > 0) throw new EnclosureError(`the lab needs ${missing.join(', ')}`, 2);
  const cure = isRoot() ? null : userNamespaceObstacle();
  if (cure !== null)
    throw new EnclosureError(
      `the lab needs namespaces of its own: run it as root, or as root once: ${cure}`,
      3,
    );
  const limit = limitObstacle();
  if (limit !== null)
    throw new EnclosureError(`the lab needs namespaces of its own: as root once: ${limit}`, 3);
};

/** What helps against the words of `unshare` or `mount`. */
const cureFor = (complaint: string): string => {
  // The kernel's ENOSPC: a limit of this user namespace or of one around it, which is not seen from here.
  if (complaint.includes('No space left'))
    return 'too many exist; raise the sysctls user.max_{user,net,mnt,pid}_namespaces (in a container: on its host)';
  return isRoot()
    ? 'it needs CAP_SYS_ADMIN and a writable /proc (in a container: --privileged)'
    : 'run it as root (in a container, whose seccomp or AppArmor profile may forbid it: --privileged)';
};

/** Ends at once if the outer process died before the death signal was armed (`setpriv` does not look). */
const GUARD = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"';
/** Runs as process 1 inside. What it says on stderr goes to the outer process; the program gets the true stderr. */
const PREPARE =
  'mount -t tmpfs -o mode=755 holdfast-lab /run && ip link set lo up && ' +
  `echo 1 >${MARK} && exec "$@" 2>&${STDERR_FD} ${STDERR_FD}>&-`;

const innerCommand = (program: readonly string[]): string[] => [
  ...['--pdeathsig', 'KILL', 'sh', '-c', GUARD, 'sh', String(process.pid)],
  ...['unshare', ...(isRoot() ? [] : ['--user', '--map-root-user'])],
  ...['--mount', '--net', '--pid', '--fork', '--kill-child=KILL', '--mount-proc'],
  ...['sh', '-c', PREPARE, 'sh', ...program],
];

/** The process ID (out here) of process 1 inside: the only child of `unshare`. */
const innerPid = (unsharePid: number): number | null => {
  try {
    const children = readFileSync(`/proc/${unsharePid}/task/${unsharePid}/children`, 'utf8').trim();
    return children === '' ? null : Number(children.split(' ')[0]);
  } catch {
    return null;
  }
};

/** Hands signals on once the inner program can catch them: process 1 of a namespace loses what it does not catch. */
const forwardSignals = (child: ChildProcess, ready: Promise<boolean>): void => {
  const deliver = async (signal: NodeJS.Signals): Promise<void> => {
    const stuck = setTimeout(() => child.kill('SIGKILL'), STUCK_MS);
    const up = await ready;
    clearTimeout(stuck);
    const pid = up && child.pid !== undefined && child.exitCode === null ? innerPid(child.pid) : null;
    if (pid === null) return;
    try {
      process.kill(pid, signal);
    } catch {
      // It ended in this very moment: its exit code tells how.
    }
  };
  for (const signal of FORWARDED) process.on(signal, () => void deliver(signal));
};

/** What lies on the private /run, seen from out here: the kernel resolves it in the mount namespace of that process. */
const throughRoot = (pid: number, path: string): string => `/proc/${pid}/root${path}`;

/**
 * A door: a port of this host's loopback, each connection to which is carried to a Unix socket inside, byte by byte.
 * Nothing inside can open a connection to out here.
 */
const openDoor = (index: number, pidInside: () => number | null): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer((outer) => {
      const pid = pidInside();
      if (pid === null) {
        outer.destroy();
        return;
      }
      const inner = connect(throughRoot(pid, doorSocket(index)));
      for (const [socket, other] of [
        [outer, inner],
        [inner, outer],
      ] as const) {
        socket.on('error', () => other.destroy());
        socket.on('close', () => other.destroy());
        socket.pipe(other);
      }
    });
    server.maxConnections = MAX_DOOR_CONNECTIONS;
    server.unref();
    const listen = (port: number): void => {
      server.listen({ host: '127.0.0.1', port }, () => resolve((server.address() as AddressInfo).port));
    };
    server.once('error', () => {
      // Somebody has the port, another lab perhaps: any other will do.
      server.once('error', reject);
      listen(0);
    });
    listen(FIRST_DOOR + index);
  });

const exitCodeOf = (code: number | null, signal: NodeJS.Signals | null): number =>
  code ?? 128 + (signal === null ? 0 : constants.signals[signal]);

/** Runs `program` (file and arguments) enclosed to its end; gives its exit code, 128 + n when signal n ended it. */
const runEnclosed = async (program: readonly string[], doors: number): Promise<number> => {
  const pidInside = (): number | null => (child.pid === undefined ? null : innerPid(child.pid));
  const ports = await Promise.all(Array.from({ length: doors }, (_, index) => openDoor(index, pidInside)));
  const child = spawn('setpriv', innerCommand(program), {
    // A session of its own: a Ctrl-C reaches the outer process only, which hands it on. The terminal stays usable,
    // since the kernel's job control only stops processes of the terminal's own session.
    detached: true,
    stdio: ['inherit', 'inherit', 'pipe', 'pipe', 2],
    env: toolEnvironment({ [LIFELINE]: String(LIFELINE_FD), [DOORS]: ports.join(',') }),
  });
  let complaint = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    complaint += bytes.toString();
  });
  const lifeline = child.stdio[LIFELINE_FD] as Socket;
  lifeline.on('error', () => {});
  const ready = new Promise<boolean>((resolve) => {
    lifeline.once('data', () => {
      resolve(true);
      lifeline.write(`${innerPid(child.pid as number) ?? ''}\n`);
    });
    lifeline.once('close', () => resolve(false));
  });
  forwardSignals(child, ready);
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(exitCodeOf(code, signal)));
  });
  if (complaint === '' || (await ready)) return exitCode;
  const reason = complaint.trim().split('\n').at(-1);
  throw new EnclosureError(`the lab cannot make namespaces of its own (${reason}): ${cureFor(complaint)}`, 3);
};

let tellPid: (pid: number | null) => void = () => {};
const toldPid = new Promise<number | null>((resolve) => {
  tellPid = resolve;
});

/**
 * Inside: the process ID that this process, 1 in here, has in the namespace of who started it; what `nsenter
 * --target` out there wants. Null when it is not known within a second.
 */
export const pidOutside = (): Promise<number | null> =>
  Promise.race([
    toldPid,
    new Promise<null>((resolve) => setTimeout(() => resolve(null), PID_TIMEOUT_MS).unref()),
  ]);

/** Inside: a signal nobody else listens to ends the program, as it would outside; so does the outer one's end. */
const takeUpLifeline = (fd: number): void => {
  delete process.env[LIFELINE];
  for (const signal of ENDING) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(128 + constants.signals[signal]);
    });
  }
  const lifeline = new Socket({ fd, readable: true, writable: true });
  lifeline.on('error', () => {});
  lifeline.on('close', () => process.exit(128 + constants.signals.SIGKILL));
  lifeline.once('data', (bytes) => tellPid(Number.parseInt(bytes.toString(), 10) || null));
  lifeline.resume();
  lifeline.unref();
  writeSync(fd, 'r');
};

/**
 * Outside: runs this same program again (same Node, arguments, environment, stdin/stdout/stderr, folder) enclosed,
 * and ends this process with its exit code; never returns. Inside: returns at once. Call it before anything that
 * must happen once. `doors`: so many ports of the host's loopback lead in (see `labDoors`). Inside, the program is process 1: orphans of its children stay zombies until it ends.
 * Throws `EnclosureError` when the kernel or the machine does not permit it.
 */
export const enclose = async ({ doors = 0 }: { readonly doors?: number } = {}): Promise<void> => {
  if (insideEnclosure()) {
    const fd = process.env[LIFELINE];
    if (fd !== undefined) takeUpLifeline(Number(fd));
    return;
  }
  assertPossible();
  process.exit(await runEnclosed([process.execPath, ...process.execArgv, ...process.argv.slice(1)], doors));
};
