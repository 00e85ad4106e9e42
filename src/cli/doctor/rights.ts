// May this process do what the daemon does? Tried rather than computed where trying is harmless: a capability may
// be one of a user namespace, and a cgroup may forbid real-time scheduling to the mightiest.
import { release } from 'node:os';
import type { Config } from '../../io/config/config.ts';
import { CAPABILITY_USE, type Capability, effectiveCapabilities } from '../../io/host/capabilities.ts';
import { AF_PACKET, close, lockCode, SOCK_RAW, scheduleRealTime, socket } from '../../io/native/libc.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const GRANT = 'run as root, or grant it (systemd: AmbientCapabilities, Kubernetes: capabilities.add)';

const checkCapabilities = ({ serve }: Config): Finding[] => {
  const needed: readonly Capability[] = serve === 'host' ? ['CAP_NET_RAW', 'CAP_NET_ADMIN'] : ['CAP_NET_RAW'];
  const present = effectiveCapabilities();
  return needed.map((name) =>
    present.has(name)
      ? ok('capability', `${name} is there, to ${CAPABILITY_USE[name]}`)
      : fail('capability', `${name} is missing, to ${CAPABILITY_USE[name]}`, GRANT),
  );
};

const checkPacketSocket = (): Finding[] => {
  if (!effectiveCapabilities().has('CAP_NET_RAW')) return [];
  try {
    close(socket(AF_PACKET, SOCK_RAW, 0));
    return [ok('packet-socket', 'a packet socket opens')];
  } catch (error) {
    const right = 'run in the network namespace whose owner granted CAP_NET_RAW';
    return [fail('packet-socket', `no packet socket here: ${wordsOf(error)}`, right)];
  }
};

/** Below that of the wire thread; it lasts until this command ends. */
const TRIAL_PRIORITY = 1;

const checkRealTime = (): Finding => {
  try {
    scheduleRealTime(TRIAL_PRIORITY);
    return ok('real-time', 'the wire thread may run under SCHED_RR');
  } catch (error) {
    const what = `no real-time scheduling (${wordsOf(error)}): answers are late when the host is busy`;
    return warn('real-time', what, 'CAP_SYS_NICE, and a cgroup that allows it');
  }
};

const checkMemoryLock = (): Finding => {
  try {
    lockCode();
    return ok('memory-lock', "the program's code may be kept in memory");
  } catch (error) {
    const what = `memory cannot be locked (${wordsOf(error)}): an answer may wait for a disk`;
    return warn('memory-lock', what, 'CAP_IPC_LOCK, or RLIMIT_MEMLOCK of 256 MiB');
  }
};

/** PACKET_IGNORE_OUTGOING came with 4.20: without it no packet socket is opened. */
const NEEDED_KERNEL = [4, 20] as const;
/** IFA_PROTO came with 5.18: without it a crash is cleaned up by a file of what was there. */
const MARKING_KERNEL = [5, 18] as const;

const isBefore = (version: readonly number[], wanted: readonly [number, number]): boolean => {
  const [major = 0, minor = 0] = version;
  return major < wanted[0] || (major === wanted[0] && minor < wanted[1]);
};

/** `text` is what uname says: `6.18.44-amd64`. */
export const judgeKernel = (text: string): Finding => {
  const version = text.split('.').map((part) => Number.parseInt(part, 10));
  if (isBefore(version, NEEDED_KERNEL)) {
    const what = `Linux ${text} has no PACKET_IGNORE_OUTGOING: the daemon cannot open its sockets`;
    return fail('kernel', what, 'Linux 4.20 or later');
  }
  if (isBefore(version, MARKING_KERNEL)) {
    const what = `Linux ${text} keeps no mark on addresses (IFA_PROTO): after a crash only host-state.json tells which are ours`;
    return warn('kernel', what, 'Linux 5.18 or later');
  }
  return ok('kernel', `Linux ${text} marks the addresses that we add`);
};

export const checkRights = (config: Config): Finding[] => [
  judgeKernel(release()),
  ...checkCapabilities(config),
  ...checkPacketSocket(),
  checkRealTime(),
  checkMemoryLock(),
];
