// A client's neighbour cache with the rules of Linux (neigh_update, arp_process, ndisc_recv_na), as measured in
// facts.md: what makes a client follow an IP, what it ignores, and how it recovers by itself.
import type { Ip, Mac } from '../../src/machines/frames.ts';
import type { EventQueue } from './event-queue.ts';
import type { Random } from './random.ts';

export type NeighborState = 'incomplete' | 'reachable' | 'stale' | 'delay' | 'probe' | 'failed';

export interface NeighborEntry {
  readonly ip: Ip;
  mac: Mac | null;
  state: NeighborState;
  updatedAt: number;
  confirmedAt: number;
  reachableMs: number;
  probes: number;
  /** Invalidates the timer that runs. */
  generation: number;
}

export interface NeighborUpdate {
  readonly mac: Mac;
  /** The new state: `reachable` for what proves two ways, else `stale`. */
  readonly state: 'reachable' | 'stale';
  /** May a known, different MAC be replaced? */
  readonly override: boolean;
  /** IPv6 without the override flag: a reachable entry keeps its MAC and turns stale (RFC 4861 §7.2.5). */
  readonly isWeak: boolean;
  /** A directed request creates the entry; all else only updates one. */
  readonly creates: boolean;
}

/** base_reachable_time 30 s, spread over half to one and a half of it. */
export const REACHABLE_MS = { low: 15_000, high: 45_000 } as const;
export const DELAY_PROBE_MS = 5_000;
export const RETRANSMIT_MS = 1_000;
export const MAX_PROBES = 3;

export interface NeighborCache {
  get(ip: Ip): NeighborEntry | undefined;
  update(ip: Ip, update: NeighborUpdate): void;
  /** The MAC to send to now, or null while it is being resolved. Starts whatever sending starts. */
  use(ip: Ip): Mac | null;
}

export interface NeighborCacheOptions {
  readonly queue: EventQueue;
  readonly random: Random;
  /** Never times an entry out: seen on appliances; such a client moves only when told. */
  readonly neverAges: boolean;
  /** Entries that it keeps: a new one drives the oldest out that asks for nothing. */
  readonly maxEntries: number;
  /** Asks for `ip`: broadcast or multicast when `to` is null. */
  readonly solicit: (ip: Ip, to: Mac | null) => void;
  readonly onResolved: (ip: Ip) => void;
}

const isValid = ({ state }: NeighborEntry): boolean => state !== 'incomplete' && state !== 'failed';

export const createNeighborCache = (options: NeighborCacheOptions): NeighborCache => {
  const { queue, random } = options;
  const entries = new Map<Ip, NeighborEntry>();

  const makeRoom = (): void => {
    for (const [ip, entry] of entries) {
      if (entries.size < options.maxEntries) return;
      if (entry.state === 'incomplete') continue;
      entry.generation += 1;
      entries.delete(ip);
    }
  };

  const create = (ip: Ip): NeighborEntry => {
    makeRoom();
    const entry: NeighborEntry = {
      ip,
      mac: null,
      state: 'failed',
      updatedAt: Number.NEGATIVE_INFINITY,
      confirmedAt: Number.NEGATIVE_INFINITY,
      reachableMs: random.between(REACHABLE_MS.low, REACHABLE_MS.high),
      probes: 0,
      generation: 0,
    };
    entries.set(ip, entry);
    return entry;
  };

  const wait = (entry: NeighborEntry, delayMs: number): void => {
    entry.generation += 1;
    const { generation } = entry;
    queue.after(delayMs, () => {
      if (entry.generation === generation) tick(entry);
    });
  };

  const probe = (entry: NeighborEntry): void => {
    if (entry.probes === MAX_PROBES) {
      entry.state = 'failed';
      entry.generation += 1;
      return;
    }
    entry.probes += 1;
    options.solicit(entry.ip, entry.state === 'probe' ? entry.mac : null);
    wait(entry, RETRANSMIT_MS);
  };

  const tick = (entry: NeighborEntry): void => {
    if (entry.state === 'delay') {
      entry.state = 'probe';
      entry.probes = 0;
      entry.updatedAt = queue.now();
    }
    if (entry.state === 'probe' || entry.state === 'incomplete') probe(entry);
  };

  const update = (ip: Ip, { mac, state, override, isWeak, creates }: NeighborUpdate): void => {
    const entry = entries.get(ip) ?? (creates ? create(ip) : undefined);
    if (entry === undefined) return;
    const wasValid = isValid(entry);
    let [newMac, newState] = [mac, state as NeighborState];
    if (wasValid && mac !== entry.mac && !override) {
      if (!isWeak || entry.state !== 'reachable') return;
      [newMac, newState] = [entry.mac as Mac, 'stale'];
    } else if (wasValid && mac === entry.mac && state === 'stale') {
      newState = entry.state;
    }
    const now = queue.now();
    if (newState === 'reachable') entry.confirmedAt = now;
    if (newState === entry.state && newMac === entry.mac) return;
    entry.updatedAt = now;
    if (newState !== entry.state) entry.generation += 1;
    entry.state = newState;
    entry.mac = newMac;
    if (newState === 'reachable') entry.reachableMs = random.between(REACHABLE_MS.low, REACHABLE_MS.high);
    if (!wasValid) options.onResolved(ip);
  };

  const use = (ip: Ip): Mac | null => {
    const entry = entries.get(ip) ?? create(ip);
    const isOld = queue.now() > entry.confirmedAt + entry.reachableMs;
    if (entry.state === 'reachable' && isOld && !options.neverAges) entry.state = 'stale';
    if (entry.state === 'stale' && !options.neverAges) {
      entry.state = 'delay';
      entry.updatedAt = queue.now();
      wait(entry, DELAY_PROBE_MS);
    }
    if (entry.state === 'failed') {
      entry.state = 'incomplete';
      entry.mac = null;
      entry.probes = 0;
      probe(entry);
    }
    return isValid(entry) ? entry.mac : null;
  };

  return { get: (ip) => entries.get(ip), update, use };
};
