// What a person may know of the core's state: the part of `status` that decisions are made of. Built on demand.
import type { NodeName } from './claims.ts';
import { placementOf } from './contest.ts';
import { type CoreState, myName } from './core-state.ts';
import type { Ip } from './frames.ts';
import type { Instance } from './hello.ts';
import type { InterfaceFact } from './inputs.ts';
import type { PeerState } from './peers.ts';
import { type ServiceIpState, stateOf, substateOf } from './service-ip.ts';
import type { Service } from './services.ts';
import { betterClaim, unheardClaim } from './unheard.ts';

export interface ServiceView {
  readonly ip: Ip;
  readonly state: ServiceIpState;
  /** The state inside that state: `settled`, `keeping`. */
  readonly substate: string | null;
  /** Who owns it, null when nobody does. */
  readonly holder: NodeName | null;
  readonly epoch: number;
  readonly weak: boolean;
  /** Logical milliseconds. */
  readonly since: number;
  readonly cause: string;
  readonly reason: string;
  readonly interface: string | null;
  /** The MAC that answers for it, as far as this node knows. */
  readonly mac: string | null;
  /** A planned move away from here: to whom, or why it stays. */
  readonly movingTo: NodeName | null;
  readonly stays: string | null;
}

export interface PeerView {
  readonly node: NodeName;
  readonly interface: string;
  readonly state: PeerState;
  readonly instance: Instance;
  /** Logical milliseconds; null while it is heard on time. */
  readonly silentSince: number | null;
}

export interface CoreView {
  readonly at: number;
  readonly node: NodeName;
  /** The listening time after the start is over. */
  readonly isEligible: boolean;
  readonly drained: boolean;
  readonly stopping: string | null;
  readonly interfaces: readonly InterfaceFact[];
  readonly peers: readonly PeerView[];
  readonly serviceIPs: readonly ServiceView[];
}

export const serviceView = (state: CoreState, service: Service): ServiceView => {
  const { snapshot, obstacle, since, handover } = service;
  const at = stateOf(snapshot);
  const { context } = snapshot;
  const name = context.interface ?? service.group ?? placementOf(state, service).on?.name ?? null;
  const segment = name === null ? undefined : state.segments.get(name);
  const heard = segment?.register.best(service.ip, segment.standing, myName(state)) ?? null;
  const other = betterClaim(heard, unheardClaim(state, service.ip));
  const isMine = at === 'leader';
  const { epoch, weak } = isMine || other === null ? context : other;
  // While unowned, what keeps this node from taking it now says more than the last transition.
  const because = at === 'unowned' && obstacle !== null ? obstacle : service.because;
  const otherMac = other === null ? null : (segment?.peers.all.get(other.node)?.fact.mac ?? null);
  const ownMac = name === null ? null : (state.interfaces.get(name)?.mac ?? null);
  return {
    ip: service.ip,
    state: at,
    substate: substateOf(snapshot),
    holder: isMine ? myName(state) : (other?.node ?? null),
    epoch,
    weak,
    since,
    ...because,
    interface: name,
    mac: isMine ? ownMac : otherMac,
    movingTo: handover?.to ?? null,
    stays: handover?.stays ?? null,
  };
};

export const viewOf = (state: CoreState): CoreView => ({
  at: state.clock,
  node: myName(state),
  isEligible: state.isEligible,
  drained: state.drained,
  stopping: state.stopping,
  interfaces: [...state.interfaces.values()],
  peers: [...state.segments.values()].flatMap((segment) =>
    [...segment.peers.all.values()].map((peer) => ({
      node: peer.fact.node,
      interface: segment.name,
      state: peer.state,
      instance: peer.fact.instance,
      silentSince: peer.silentSince,
    })),
  ),
  serviceIPs: [...state.services.all.values()].map((service) => serviceView(state, service)),
});
