// Why a node took an IP, or did not: its verdict about itself, and every node that it thinks of, ranked, with the
// reason that excludes it. Built on demand from the core's state with the predicates that decide (succession.ts,
// contest.ts), so that an explanation cannot disagree with the decision.
import type { NodeName } from './claims.ts';
import { PROBE_MS, placementOf } from './contest.ts';
import { type CoreState, myName } from './core-state.ts';
import type { Ip } from './frames.ts';
import type { PeerClaim } from './inputs.ts';
import type { Segment } from './segments.ts';
import { isBlocked, isProbing, type ServiceIpState, stateOf } from './service-ip.ts';
import type { Service } from './services.ts';
import { type Candidate, candidatesFor, ownExclusion, ownRank, takeDelayMs } from './succession.ts';

export interface RankedCandidate extends Candidate {
  /** Its place among those that can take it, from 1; null when it is excluded. */
  readonly place: number | null;
}

export interface Taking {
  readonly ip: Ip;
  readonly node: NodeName;
  readonly state: ServiceIpState;
  /** Who holds it as far as this node knows. */
  readonly holder: NodeName | null;
  /** Why this node has it, or has not: a clause about it without a subject or full stop, `is number 2 of 3 …`. */
  readonly verdict: string;
  /** When its turn comes if nothing changes, logical milliseconds; null: not by itself. */
  readonly turnAt: number | null;
  /** Best first. */
  readonly candidates: readonly RankedCandidate[];
}

const segmentOf = (state: CoreState, service: Service): Segment | undefined => {
  const held = service.snapshot.context.interface ?? service.group;
  const name = held ?? placementOf(state, service).on?.name;
  return name === undefined ? undefined : state.segments.get(name);
};

const ranked = (candidates: readonly Candidate[]): readonly RankedCandidate[] => {
  let place = 0;
  return candidates.map((candidate) => {
    if (candidate.excluded === null) place += 1;
    return { ...candidate, place: candidate.excluded === null ? place : null };
  });
};

interface Verdict {
  readonly verdict: string;
  readonly turnAt: number | null;
}

const said = (verdict: string): Verdict => ({ verdict, turnAt: null });

/** Nobody holds it: is it this node's turn? Follows contest.ts, considerTaking. */
const onVacant = (
  state: CoreState,
  service: Service,
  segment: Segment,
  candidates: readonly Candidate[],
): Verdict => {
  const { config } = state;
  const rank = ownRank(state, candidates);
  const own = candidates.find(({ node }) => node === myName(state))?.excluded ?? null;
  if (own !== null) return said(`does not take it: ${own}`);
  if (rank < 0 || config === null) return said('is not among those that can take it');
  const count = candidates.filter(({ excluded }) => excluded === null).length;
  const place = `is number ${rank + 1} of ${count} that can take it`;
  const since = Math.max(service.unheldSince ?? state.clock, service.ranking?.since ?? state.clock);
  const probeMs = service.isKnownFree ? 0 : PROBE_MS[config.probe];
  const turnAt = since + takeDelayMs(rank, segment, config, probeMs);
  const isWaiting = turnAt > state.clock && rank > 0;
  return { verdict: isWaiting ? `${place} and leaves it to those before` : place, turnAt };
};

const onHeld = (state: CoreState, { node, epoch, successor }: PeerClaim, segment: Segment): Verdict => {
  const holds = `${node} holds it (epoch ${epoch})`;
  if (successor === null) return said(`leaves it alone: ${holds}, and only the holder moves a healthy IP`);
  if (successor !== myName(state)) return said(`leaves it alone: ${holds} and hands it to ${successor}`);
  return said(
    `is named by ${node} as the one to take it${state.isEligible ? '' : `, but ${ownExclusion(state, segment)}`}`,
  );
};

/** A holder that was asked to give it away says how far that has come. */
const heldText = ({ handover }: Service): string => {
  if (handover === null) return 'holds it';
  if (handover.to !== null) return `holds it and hands it to ${handover.to}`;
  return `holds it, and it stays here: ${handover.stays ?? 'nobody is named yet'}`;
};

const verdictOf = (
  state: CoreState,
  service: Service,
  segment: Segment | undefined,
  candidates: readonly Candidate[],
): Verdict => {
  const { snapshot, because, obstacle } = service;
  const at = stateOf(snapshot);
  if (at === 'leader') return said(heldText(service));
  if (isProbing(snapshot)) return said('asks first whether somebody uses the address');
  if (at === 'candidate') return said('is taking it, and waits for its host to accept the address');
  if (obstacle !== null) return said(`cannot have it: ${obstacle.reason}`);
  if (isBlocked(snapshot)) return said(`keeps off it for a while: ${because.reason}`);
  if (segment === undefined) return said('knows no segment for it');
  const rival = segment.register.best(service.ip, segment.standing, myName(state));
  return rival === null ? onVacant(state, service, segment, candidates) : onHeld(state, rival, segment);
};

/** Of one IP on this node, now; null when it is not configured here. */
export const explainTaking = (state: CoreState, ip: Ip): Taking | null => {
  const service = state.services.all.get(ip);
  if (service === undefined) return null;
  const segment = segmentOf(state, service);
  const candidates = segment === undefined ? [] : candidatesFor(state, service, segment);
  const at = stateOf(service.snapshot);
  const rival = segment?.register.best(ip, segment.standing, myName(state)) ?? null;
  return {
    ip,
    node: myName(state),
    state: at,
    holder: at === 'leader' ? myName(state) : (rival?.node ?? null),
    ...verdictOf(state, service, segment, candidates),
    candidates: ranked(candidates),
  };
};
