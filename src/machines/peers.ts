// Who else is on a segment, as the core judges it: alive, vouched for, dead, not proven. The wire step reports
// what was heard and when it stopped; what follows from that is decided here, so that a replay decides it again.
import type { NodeName } from './claims.ts';
import type { Instance } from './hello.ts';
import type { PeerFact } from './inputs.ts';

/** `late`: alive, but nothing for two of its intervals. */
export type PeerState = 'alive' | 'late' | 'vouched' | 'dead' | 'unproven';

/** A peer that was alive within this time, and did not say goodbye, counts as known (design.md, Weak). */
export const KNOWN_FOR_MS = 600_000;
/** Peers remembered on one segment; made-up names, which are never proven, and the dead make room. */
const MAX_PEERS = 1_024;
/** How long after the last peer appeared a table that is not whole may still hold up takers. */
export const WHOLE_WITHIN_MS = 3_000;

export interface Peer {
  fact: PeerFact;
  state: PeerState;
  /** When it was last heard, if it is late; null while it is heard on time. */
  silentSince: number | null;
  /** Its whole claim table has been heard since it became alive. */
  isWhole: boolean;
  lastAliveAt: number;
}

/** What a new judgement changed. */
export interface PeerChanges {
  readonly appeared: readonly NodeName[];
  readonly died: readonly NodeName[];
  /** Anything at all, states and what they say of themselves included. */
  readonly isAny: boolean;
}

export interface PeersCheckpoint {
  readonly peers: readonly Peer[];
  readonly lastAppearedAt: number;
}

export interface Peers {
  readonly all: ReadonlyMap<NodeName, Peer>;
  /** When the newest peer appeared; -Infinity is written as 0. */
  lastAppearedAt(): number;
  heard(fact: PeerFact, at: number): void;
  late(node: NodeName, instance: Instance, lastHeardAt: number): void;
  back(node: NodeName, instance: Instance): void;
  whole(node: NodeName, instance: Instance): void;
  /** Judges every peer at `at`. Call it after each of the above, and when a peer's hold time is over. */
  judge(at: number): PeerChanges;
  /** When the next peer's hold time is over, or null. */
  nextDeadline(): number | null;
  /** Not dead and proven: its claims stand. */
  counts(node: NodeName): boolean;
  clear(): void;
  checkpoint(): PeersCheckpoint;
}

export const isAlive = ({ state }: Peer): boolean => state === 'alive' || state === 'late';

export const createPeers = (from?: PeersCheckpoint): Peers => {
  const all = new Map<NodeName, Peer>(
    (from?.peers ?? []).map((peer) => [peer.fact.node, structuredCloneOf(peer)]),
  );
  let lastAppearedAt = from?.lastAppearedAt ?? 0;

  const named = (node: NodeName, instance: Instance): Peer | undefined => {
    const peer = all.get(node);
    return peer?.fact.instance === instance ? peer : undefined;
  };

  const makeRoom = (): boolean => {
    for (const rank of ['unproven', 'dead'] as const) {
      for (const [node, { state }] of all) if (state === rank) return all.delete(node);
    }
    return false;
  };

  const isSilent = ({ silentSince, fact }: Peer, at: number): boolean =>
    silentSince !== null && at >= silentSince + fact.holdMs;

  const heardState = (peer: Peer, at: number): PeerState | null => {
    if (isSilent(peer, at)) return null;
    if (!peer.fact.proven) return 'unproven';
    return peer.silentSince === null ? 'alive' : 'late';
  };

  /** Listed by somebody whom this node hears and believes. */
  const vouchers = (at: number): ReadonlySet<Instance> => {
    const listed = new Set<Instance>();
    for (const peer of all.values()) {
      const state = heardState(peer, at);
      if (state === 'alive' || state === 'late') for (const instance of peer.fact.hears) listed.add(instance);
    }
    return listed;
  };

  return {
    all,
    lastAppearedAt: () => lastAppearedAt,
    heard: (fact, at) => {
      const before = all.get(fact.node);
      // A frame of a life that is not proven says nothing about one that is.
      if (before !== undefined && before.fact.instance !== fact.instance && !fact.proven) {
        if (before.fact.proven && before.state !== 'dead') return;
      }
      if (before === undefined && all.size >= MAX_PEERS && !makeRoom()) return;
      if (before === undefined || before.fact.instance !== fact.instance) {
        const lastAliveAt = before?.lastAliveAt ?? 0;
        all.set(fact.node, { fact, state: 'dead', silentSince: null, isWhole: false, lastAliveAt });
        return;
      }
      // What is heard again after its death has to tell its table anew.
      if (isSilent(before, at)) before.isWhole = false;
      before.fact = fact;
      before.silentSince = null;
    },
    late: (node, instance, lastHeardAt) => {
      const peer = named(node, instance);
      if (peer !== undefined) peer.silentSince = lastHeardAt;
    },
    back: (node, instance) => {
      const peer = named(node, instance);
      if (peer !== undefined) peer.silentSince = null;
    },
    whole: (node, instance) => {
      const peer = named(node, instance);
      if (peer !== undefined) peer.isWhole = true;
    },
    judge: (at) => {
      const listed = vouchers(at);
      const appeared: NodeName[] = [];
      const died: NodeName[] = [];
      let isAny = false;
      for (const [node, peer] of all) {
        const wasAlive = isAlive(peer);
        const wasCounted = wasAlive || peer.state === 'vouched';
        const vouched = peer.fact.proven && listed.has(peer.fact.instance) ? 'vouched' : 'dead';
        const state = heardState(peer, at) ?? vouched;
        if (state !== peer.state) isAny = true;
        peer.state = state;
        if (isAlive(peer)) {
          if (!wasAlive) appeared.push(node);
          peer.lastAliveAt = at;
        } else if (wasCounted && state !== 'vouched') {
          died.push(node);
          peer.isWhole = false;
        }
      }
      if (appeared.length > 0) lastAppearedAt = at;
      return { appeared, died, isAny };
    },
    nextDeadline: () => {
      let next: number | null = null;
      for (const { silentSince, fact, state } of all.values()) {
        if (silentSince === null || state === 'dead' || state === 'vouched') continue;
        const due = silentSince + fact.holdMs;
        if (next === null || due < next) next = due;
      }
      return next;
    },
    counts: (node) => {
      const peer = all.get(node);
      return peer !== undefined && (isAlive(peer) || peer.state === 'vouched');
    },
    clear: () => all.clear(),
    checkpoint: () => ({ peers: [...all.values()].map(structuredCloneOf), lastAppearedAt }),
  };
};

/** A checkpoint must not change with the live table, nor the table with a checkpoint. */
const structuredCloneOf = (peer: Peer): Peer => ({ ...peer });
