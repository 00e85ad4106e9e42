// Which Linux capabilities this process has (capabilities(7)), so that a missing one is named before anything
// is opened, not after something failed.
import { readFileSync } from 'node:fs';

/** Bit numbers of linux/capability.h, of those that Holdfast can use. */
const BITS = {
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_IPC_LOCK: 14,
  CAP_SYS_NICE: 23,
} as const;

export type Capability = keyof typeof BITS;

/** What each is for, in words for an error line. */
export const CAPABILITY_USE: Readonly<Record<Capability, string>> = {
  CAP_NET_RAW: 'open packet sockets',
  CAP_NET_ADMIN: 'add service IPs to this host (serve: host)',
  CAP_SYS_NICE: 'real-time scheduling',
  CAP_IPC_LOCK: 'locked memory',
};

/** The effective set of the process (/proc/self/status, CapEff). */
export const effectiveCapabilities = (): ReadonlySet<Capability> => {
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  const mask = BigInt(`0x${line?.[1] ?? '0'}`);
  const names = Object.keys(BITS) as Capability[];
  return new Set(names.filter((name) => (mask >> BigInt(BITS[name])) & 1n));
};
