// A segment: one interface's peers and claims, judged together. All rules of claims run once per segment.

import type { NodeName } from './claims.ts';
import type { CoreConfig } from './config.ts';
import type { Instance } from './hello.ts';
import {
  createPeers,
  isAlive,
  KNOWN_FOR_MS,
  type Peer,
  type Peers,
  type PeersCheckpoint,
  WHOLE_WITHIN_MS,
} from './peers.ts';
import { createRegister, type Register, type RegisterCheckpoint, type Standing } from './register.ts';

export interface Segment {
  readonly name: string;
  /** This node's present instance: what peers list when they hear it. */
  instance: Instance | null;
  /** The birth that `instance` follows from, once that has been worked out; never in a checkpoint. */
  birth: Instance | null;
  readonly peers: Peers;
  readonly register: Register;
  readonly standing: Standing;
  /** Its link returned, and peers were known: nothing is taken there before this, as after a start. */
  listenUntil: number;
  /** When a peer came or went last, or changed whether it may take IPs. */
  changedAt: number;
  /** How many IPs became vacant together when a peer died last, and when: to take so many takes time. */
  vacated: { readonly at: number; readonly count: number };
}

export interface SegmentCheckpoint {
  readonly name: string;
  readonly instance: Instance | null;
  readonly listenUntil: number;
  readonly changedAt: number;
  readonly vacated?: Segment['vacated'];
  readonly peers: PeersCheckpoint;
  readonly register: RegisterCheckpoint;
}

const lists = ({ fact }: Peer, instance: Instance | null): boolean =>
  instance !== null && fact.hears.includes(instance);

export const createSegment = (name: string, from?: SegmentCheckpoint): Segment => {
  const peers = createPeers(from?.peers);
  const register = createRegister(from?.register);
  /**
   * A peer that lists nobody, while somebody else lists this node, is deaf: requests do not reach it either, so
   * what it claims goes unanswered. (Found by simulation: a holder whose port drops what comes in.)
   */
  const isDeaf = (peer: Peer): boolean =>
    peer.fact.hears.length === 0 &&
    [...peers.all.values()].some(
      (other) => other !== peer && isAlive(other) && lists(other, segment.instance),
    );
  const standing: Standing = {
    counts: (node) => {
      const peer = peers.all.get(node);
      return peer !== undefined && peers.counts(node) && !isDeaf(peer);
    },
    isHeard: (node) => {
      const peer = peers.all.get(node);
      return peer !== undefined && isAlive(peer);
    },
    isVouchedFor: (instance) => {
      const all = [...peers.all.values()];
      // Who lists nobody is never proven here: its own hellos still tell (simulated: seed 101629).
      const isHeard = ({ fact, state }: Peer): boolean =>
        fact.instance === instance && state !== 'dead' && state !== 'vouched';
      if (all.some((peer) => isHeard(peer) && isDeaf(peer))) return false;
      return all.some((peer) => isAlive(peer) && peer.fact.hears.includes(instance));
    },
  };
  const segment: Segment = {
    name,
    instance: from?.instance ?? null,
    birth: null,
    peers,
    register,
    standing,
    listenUntil: from?.listenUntil ?? 0,
    changedAt: from?.changedAt ?? 0,
    vacated: from?.vacated ?? { at: 0, count: 0 },
  };
  return segment;
};

export const checkpointSegment = ({
  name,
  instance,
  peers,
  register,
  listenUntil,
  changedAt,
  vacated,
}: Segment): SegmentCheckpoint => ({
  name,
  instance,
  listenUntil,
  changedAt,
  vacated,
  peers: peers.checkpoint(),
  register: register.checkpoint(),
});

export const alivePeers = ({ peers }: Segment): readonly Peer[] => [...peers.all.values()].filter(isAlive);

/** The segment carries about 1,000 hellos a second at most (design.md, Hellos). */
const MS_PER_NODE = 1;

/** This node's hello interval: the configured one, or longer where many nodes share the segment. */
export const effectiveIntervalMs = (configuredMs: number, nodes: number): number =>
  Math.max(configuredMs, nodes * MS_PER_NODE);

/** A peer's hold time is its own; this is the one that this node announces for itself. */
export const effectiveHoldMs = (deadAfterMs: number, intervalMs: number): number =>
  Math.max(deadAfterMs, 4 * intervalMs);

export const intervalOf = (segment: Segment, config: CoreConfig): number =>
  effectiveIntervalMs(config.heartbeat.intervalMs, alivePeers(segment).length + 1);

export const holdOf = (segment: Segment, config: CoreConfig): number =>
  effectiveHoldMs(config.heartbeat.deadAfterMs, intervalOf(segment, config));

/** Alive in the last ten minutes and not gone with a goodbye. */
const isKnown = (peer: Peer, at: number): boolean =>
  isAlive(peer) || (peer.lastAliveAt > 0 && at - peer.lastAliveAt < KNOWN_FOR_MS && !peer.fact.flags.leaving);

/** A claim taken now would be weak: no peer is heard, or fewer than half of those known. */
export const isMinority = (segment: Segment, at: number): boolean => {
  const alive = alivePeers(segment).length;
  let known = 0;
  for (const peer of segment.peers.all.values()) if (isKnown(peer, at)) known += 1;
  return alive === 0 || alive * 2 < known;
};

/** Nobody whose claims stand has told only a part of them; or the wait for it is over. */
export const areTablesWhole = (segment: Segment, at: number): boolean => {
  if (at >= segment.peers.lastAppearedAt() + WHOLE_WITHIN_MS) return true;
  return [...segment.peers.all.values()].every(
    (peer) => peer.isWhole || !segment.peers.counts(peer.fact.node),
  );
};

/** This node is heard by at least one of those it hears, or hears nobody. */
export const isHeardBySomeone = (segment: Segment): boolean => {
  const alive = alivePeers(segment);
  return alive.length === 0 || alive.some((peer) => lists(peer, segment.instance));
};

export const hearsNobody = (segment: Segment, node: NodeName): boolean =>
  segment.peers.all.get(node)?.fact.hears.length === 0;

export const listsMe = (segment: Segment, node: NodeName): boolean => {
  const peer = segment.peers.all.get(node);
  return peer !== undefined && lists(peer, segment.instance);
};
