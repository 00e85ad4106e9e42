// Who is to take an IP that nobody holds: every node ranks the same candidates and takes in turn. Also says,
// for people, why a node is not among them.

import { holds } from './addresses.ts';
import { compareRank, type NodeName } from './claims.ts';
import type { CoreConfig, ServiceIpConfig } from './config.ts';
import { type CoreState, isDrained, myName } from './core-state.ts';
import type { Peer } from './peers.ts';
import { areTablesWhole, intervalOf, isHeardBySomeone, type Segment } from './segments.ts';
import { stateOf } from './service-ip.ts';
import type { Service } from './services.ts';

/** Ranks beyond this wait no longer: were all of them wrong, somebody must take it in the end. */
const MAX_WAITING_RANK = 4;
/** Each rank waits so many intervals for the one before. */
const INTERVALS_PER_RANK = 2;

/** Why a drained node takes nothing, save what it still carries and nobody else can take. */
export const DRAINED = 'drained';

export interface Candidate {
  readonly node: NodeName;
  /** Why it cannot take the IP; null when it can. */
  readonly excluded: string | null;
}

/** Nodes that the cluster excludes, and why. */
type Excluded = ReadonlyMap<NodeName, string>;
const NOBODY: ReadonlyMap<NodeName, string> = new Map();

const peerExclusion = (
  peer: Peer,
  service: ServiceIpConfig,
  isFirstEver: boolean,
  byCluster: Excluded,
): string | null => {
  const { flags, subnets, hears, node } = peer.fact;
  if (peer.state === 'dead') return 'dead';
  if (peer.state === 'unproven') return 'its hellos are not proven';
  if (flags.leaving) return 'leaving';
  // Whoever hears nobody hears no requests either; unproven newcomers are judged above.
  if (hears.length === 0) return 'it hears nobody';
  // Nothing is lost by waiting for a node that is just starting, when nobody ever served the IP.
  if (!flags.ready && !(isFirstEver && flags.starting)) return flags.starting ? 'starting' : DRAINED;
  const excluded = byCluster.get(node);
  if (excluded !== undefined) return excluded;
  if (service.nodes !== null && !service.nodes.includes(node)) return 'not among the nodes of its config';
  const isOnLink = subnets.some((prefix) => holds(prefix, service.ip));
  return isOnLink || service.interfaces !== null ? null : 'it has no subnet for it';
};

/** Why this node takes nothing at all now, or null. */
export const ownExclusion = (state: CoreState, segment: Segment): string | null => {
  if (!state.isEligible || state.clock < segment.listenUntil) return 'it listens first';
  if (state.stopping !== null) return 'leaving';
  if (!isHeardBySomeone(segment)) return 'none of the peers it hears hears it';
  if (!areTablesWhole(segment, state.clock)) return 'it does not know yet what every peer holds';
  return isDrained(state) ? DRAINED : null;
};

/** Preferred nodes first, then by rank: every node sorts alike. */
const compareCandidates = ({ ip, preferred = [] }: ServiceIpConfig, a: NodeName, b: NodeName): number =>
  Number(preferred.includes(b)) - Number(preferred.includes(a)) || compareRank(ip, a, b);

/** Every node that could be thought of for `service`, best first. */
export const candidatesFor = (state: CoreState, service: Service, segment: Segment): readonly Candidate[] => {
  const { config } = service;
  if (config === null) return [];
  const isFirstEver = !service.isKnownFree;
  const candidates: Candidate[] = [...segment.peers.all.values()].map((peer) => ({
    node: peer.fact.node,
    excluded: peerExclusion(peer, config, isFirstEver, state.cluster.excluded),
  }));
  const own = service.obstacle?.reason ?? ownExclusion(state, segment);
  const isTakenBack =
    own === DRAINED &&
    stateOf(service.snapshot) === 'draining' &&
    candidates.every(({ excluded }) => excluded !== null);
  candidates.push({ node: myName(state), excluded: isTakenBack ? null : own });
  return candidates.sort((a, b) => compareCandidates(config, a.node, b.node));
};

/** This node's place among those that can take it, from 0. */
export const ownRank = (state: CoreState, candidates: readonly Candidate[]): number =>
  candidates.filter(({ excluded }) => excluded === null).findIndex(({ node }) => node === myName(state));

/**
 * Thousands of IPs are not taken in two intervals (bench/scale.ts: 5,000 in a second), and the second in line would
 * prepare for all of them meanwhile. What takes longer than `MAX_CROWD_MS` is not waited for.
 */
const CROWD = 500;
const MS_PER_CROWDED_IP = 0.2;
const MAX_CROWD_MS = 1_000;

/** How much longer all others wait while the first in line is busy with what became vacant at `since`, milliseconds. */
export const crowdMs = ({ vacated }: Segment, since: number): number =>
  vacated.at === since && vacated.count > CROWD
    ? Math.min(MAX_CROWD_MS, vacated.count * MS_PER_CROWDED_IP)
    : 0;

/** How long a node of `rank` leaves an unheld IP to those before it, milliseconds. */
export const takeDelayMs = (rank: number, segment: Segment, config: CoreConfig, probeMs: number): number =>
  Math.min(rank, MAX_WAITING_RANK) * (INTERVALS_PER_RANK * intervalOf(segment, config) + probeMs);

/**
 * To whom a held IP may be handed: those that can take it now, fewest IPs first, then by rank. `assigned` adds
 * IPs that are on their way to a node already.
 */
export const successorsFor = (
  service: Service,
  segment: Segment,
  assigned: ReadonlyMap<NodeName, number>,
  byCluster: Excluded = NOBODY,
): readonly NodeName[] => {
  const load = (node: NodeName): number => segment.register.count(node) + (assigned.get(node) ?? 0);
  const { config } = service;
  if (config === null) return [];
  const preferred = (node: NodeName): number => Number(config.preferred?.includes(node) ?? false);
  return [...segment.peers.all.values()]
    .filter((peer) => (peer.state === 'alive' || peer.state === 'late') && peer.fact.flags.ready)
    .filter((peer) => peerExclusion(peer, config, false, byCluster) === null)
    .map(({ fact }) => fact.node)
    .sort((a, b) => preferred(b) - preferred(a) || load(a) - load(b) || compareRank(service.ip, a, b));
};
