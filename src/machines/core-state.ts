// What the core's parts share: its state, its timers and its way to say effects. Owned by core.ts; the parts
// are functions over it, each in the file of its concern.

import type { NodeName } from './claims.ts';
import type { CoreConfig } from './config.ts';
import type { Effect } from './effects.ts';
import type { Ip } from './frames.ts';
import type { HelloFlags, Instance, WitnessedClaim } from './hello.ts';
import type { InterfaceFact } from './inputs.ts';
import type { Placement } from './interfaces.ts';
import type { Segment } from './segments.ts';
import { isProbing, type ServiceIpEvent, stateOf } from './service-ip.ts';
import { type Because, type MachineTimer, policyOf, type Service, type Services } from './services.ts';
import type { Timers } from './timers.ts';
import type { Cluster } from './unheard.ts';

export type CoreTimer =
  | MachineTimer
  /** The listening time after a birth is over. */
  | { readonly kind: 'start' }
  /** Look at one IP again: its turn to be taken, or the patience with a one-way rival, has come. */
  | { readonly kind: 'reconsider'; readonly ip: Ip }
  /** A peer's hold time is over, or tables have had their time to become whole. */
  | { readonly kind: 'judge'; readonly segment: string }
  /** The named successor has not claimed in time. */
  | { readonly kind: 'handover'; readonly ip: Ip }
  /** Does this node hold too many? */
  | { readonly kind: 'rebalance' }
  /** A Lease runs out. */
  | { readonly kind: 'leases' }
  /** A stopping node has waited long enough. */
  | { readonly kind: 'stop' };

export interface CoreState {
  clock: number;
  instance: Instance | null;
  config: CoreConfig | null;
  /** The listening time after a birth is over. */
  isEligible: boolean;
  drained: boolean;
  /** Why this node is being stopped, or null. */
  stopping: string | null;
  hasExited: boolean;
  /** The interfaces of the last `listen`. */
  listening: readonly string[];
  /** The flags that hellos carry now. */
  flags: HelloFlags | null;
  /** What the hellos of each interface repeat now. */
  readonly witnessed: Map<string, readonly WitnessedClaim[]>;
  /** When the newest probing began or will begin. */
  lastProbeFrom: number;
  readonly interfaces: Map<string, InterfaceFact>;
  /** Where each IP lives, as far as worked out since config or interfaces changed last; never in a checkpoint. */
  readonly placements: Map<Ip, { readonly held: string | null; readonly placement: Placement }>;
  readonly segments: Map<string, Segment>;
  readonly cluster: Cluster;
  readonly services: Services;
  readonly timers: Timers<CoreTimer>;
  emit(effect: Effect): void;
}

/** Ends a planned move away from here, however far it had come. */
export const endHandover = (state: CoreState, service: Service): void => {
  service.handover = null;
  state.timers.cancel(`handover ${service.ip}`);
};

/** Steps one machine. A planned move away from here ends with the lead, however that was lost. */
export const send = (
  state: CoreState,
  service: Service,
  event: ServiceIpEvent,
  because: Because,
): boolean => {
  const isMoved = state.services.send(service, event, because, state.clock);
  if (service.handover !== null && stateOf(service.snapshot) !== 'leader') endHandover(state, service);
  return isMoved;
};

/** What the config says of an IP's drain and of who serves it, where that changed. */
export const applyPolicy = (state: CoreState, service: Service): void => {
  const { policy: before } = service.snapshot.context;
  if (state.config === null || service.config === null) return;
  const policy = policyOf(state.config, service.config);
  if (JSON.stringify(before) === JSON.stringify(policy)) return;
  send(state, service, { type: 'POLICY', policy }, service.because);
  if (before.serve === policy.serve || stateOf(service.snapshot) === 'unowned') return;
  if (isProbing(service.snapshot)) return;
  state.emit({ type: policy.serve === 'host' ? 'address.add' : 'address.remove', ip: service.ip });
};

/** Are its clients kept until their connections end, when it moves? */
export const isPatient = (state: CoreState, { config }: Service): boolean =>
  (config?.drain?.style ?? state.config?.drain.style) === 'patient';

/** A planned move that waits for somebody who can take the IP. */
export const stay = (state: CoreState, service: Service): void => {
  service.handover = {
    to: null,
    wanted: null,
    tried: [],
    stays: 'no other node can take it now',
    patient: isPatient(state, service),
  };
};

/** Takes nothing, and gives what it has: by an operator's word, or by the cluster's. */
export const isDrained = (state: CoreState): boolean =>
  state.drained || state.cluster.excluded.has(myName(state));

export const myName = (state: CoreState): NodeName => state.config?.node ?? '';

export const wholeMicroseconds = (ms: number): number => Math.round(ms * 1000) / 1000;
