// `serve: host` needs a kernel that neither answers ARP for the service IPs on `lo` (arp_ignore) nor asks in
// their name (arp_announce; facts.md, "The trap"). Sets both on an interface where they do not suffice, and puts
// the former values back, after a crash too, unless somebody has set another value meanwhile.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { interfaceIndex } from '../native/libc.ts';
import { openStateSection } from './state-file.ts';

const ROOT = '/proc/sys/net/ipv4/conf';

type ArpSysctl = 'arp_ignore' | 'arp_announce';

interface Rule {
  readonly key: ArpSysctl;
  readonly wanted: number;
  /** Whether the effective value suffices; net/ipv4/arp.c treats every value that it does not know as 0. */
  readonly suffices: (value: number) => boolean;
}

export const ARP_RULES: readonly Rule[] = [
  // 1, 2: only addresses of the receiving interface; 3: none of scope host, which ours are; 8: none at all.
  { key: 'arp_ignore', wanted: 1, suffices: (value) => [1, 2, 3, 8].includes(value) },
  // 1 still announces an address of another interface if it lies in the target's subnet.
  { key: 'arp_announce', wanted: 2, suffices: (value) => value === 2 },
];

interface SysctlResult {
  readonly interface: string;
  readonly key: ArpSysctl;
  /** `enough`: left alone, or ours from before. */
  readonly outcome: 'enough' | 'set' | 'failed';
  /** What the kernel goes by now: the maximum of `all` and the interface; null when it cannot be read. */
  readonly effective: number | null;
  /** Of a failure: ENOENT (no such interface), EROFS, EACCES; EINVAL when a value of `all` overrides ours. */
  readonly code?: string;
}

interface RestoreResult {
  readonly interface: string;
  readonly key: ArpSysctl;
  /** `changed`: somebody has set another value since, which stays; `gone`: the interface is. */
  readonly outcome: 'restored' | 'changed' | 'gone' | 'failed';
  readonly code?: string;
}

interface InterfaceSysctls {
  /** Sees to it that the interface neither answers nor asks for addresses on `lo`. Safe to repeat. */
  readonly ensure: (interfaceName: string) => SysctlResult[];
  /**
   * Puts back what was found, on one interface or on all, those of a crashed predecessor included. Failed ones
   * stay on record. At the start: for each of `recorded()` that is not to be used.
   */
  readonly restore: (interfaceName?: string) => RestoreResult[];
  /** The interfaces, by present name, with a value set by us or by a predecessor that crashed. */
  readonly recorded: () => string[];
  /** Why the state file could not be written last time, or null: a crash now would leave our values behind. */
  readonly unrecorded: () => string | null;
}

interface Change {
  readonly interface: string;
  /** An interface that is deleted and made again under the same name is another one; a renamed one is not. */
  readonly index: number;
  readonly key: ArpSysctl;
  readonly former: number;
  readonly set: number;
}

const isChange = (value: unknown): value is Change => {
  const change = value as Partial<Change> | null;
  return (
    typeof change?.interface === 'string' &&
    ARP_RULES.some((rule) => rule.key === change.key) &&
    [change.index, change.former, change.set].every(Number.isSafeInteger)
  );
};

/** linux dev_valid_name(), and not the two directories that are no interfaces. */
const isInterfaceName = (name: string): boolean =>
  /^[^\s/:]{1,15}$/.test(name) && !['.', '..', 'all', 'default'].includes(name);

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);
const read = (name: string, key: ArpSysctl): number => Number(readFileSync(`${ROOT}/${name}/${key}`, 'utf8'));
const write = (name: string, key: ArpSysctl, value: number): void =>
  writeFileSync(`${ROOT}/${name}/${key}`, String(value));
const effective = (name: string, key: ArpSysctl): number => Math.max(read('all', key), read(name, key));

/** The name that the interface of this index bears now, or null when it is gone. */
const presentName = (change: Change): string | null => {
  if (interfaceIndex(change.interface) === change.index) return change.interface;
  try {
    return readdirSync(ROOT).find((name) => interfaceIndex(name) === change.index) ?? null;
  } catch {
    return null;
  }
};

/** `stateFile`: see state-file.ts; its directory must exist. Takes over what a crashed predecessor recorded. */
export const openInterfaceSysctls = (options: { readonly stateFile: string }): InterfaceSysctls => {
  const state = openStateSection(options.stateFile, 'sysctls');
  const loaded = state.load();
  /** At most two per interface. */
  let changes: readonly Change[] = Array.isArray(loaded) ? loaded.filter(isChange) : [];
  let saveError: string | null = null;

  const record = (next: readonly Change[]): void => {
    changes = next;
    saveError = state.save(changes.length === 0 ? null : changes);
  };

  const ensureOne = (name: string, rule: Rule): SysctlResult => {
    const { key, wanted } = rule;
    const about = { interface: name, key };
    try {
      const found = effective(name, key);
      if (rule.suffices(found)) return { ...about, outcome: 'enough', effective: found };
      const index = interfaceIndex(name);
      // The record comes first: a crash in between leaves a record whose value is not there, which is void.
      const others = changes.filter((change) => change.index !== index || change.key !== key);
      record([...others, { ...about, index, former: read(name, key), set: wanted }]);
      write(name, key, wanted);
      const now = effective(name, key);
      if (rule.suffices(now)) return { ...about, outcome: 'set', effective: now };
      return { ...about, outcome: 'failed', effective: now, code: 'EINVAL' };
    } catch (error) {
      return { ...about, outcome: 'failed', effective: null, code: codeOf(error) };
    }
  };

  const ensure = (name: string): SysctlResult[] =>
    ARP_RULES.map((rule) =>
      isInterfaceName(name)
        ? ensureOne(name, rule)
        : { interface: name, key: rule.key, outcome: 'failed', effective: null, code: 'EINVAL' },
    );

  const restoreOne = (change: Change): RestoreResult => {
    const name = presentName(change);
    const about = { interface: name ?? change.interface, key: change.key };
    if (name === null) return { ...about, outcome: 'gone' };
    try {
      if (read(name, change.key) !== change.set) return { ...about, outcome: 'changed' };
      write(name, change.key, change.former);
      return { ...about, outcome: 'restored' };
    } catch (error) {
      return { ...about, outcome: 'failed', code: codeOf(error) };
    }
  };

  const restore = (name?: string): RestoreResult[] => {
    const asked = changes.filter((change) => name === undefined || presentName(change) === name);
    const results = asked.map(restoreOne);
    const done = new Set(asked.filter((_, index) => results[index]?.outcome !== 'failed'));
    if (done.size > 0) record(changes.filter((change) => !done.has(change)));
    return results;
  };

  return {
    ensure,
    restore,
    recorded: () => [...new Set(changes.map((change) => presentName(change) ?? change.interface))],
    unrecorded: () => saveError,
  };
};
