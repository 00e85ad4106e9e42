// What a drain or an undrain would do now, by the functions that will decide it: the two cannot disagree while nothing
// else happens. Reads the core's state and changes nothing.

import type { NodeName } from './claims.ts';
import { type CoreState, myName } from './core-state.ts';
import type { Ip } from './frames.ts';
import { INTERVALS_PER_SUCCESSOR, plannedHandovers } from './handover.ts';
import type { Input } from './inputs.ts';
import { stateOf } from './service-ip.ts';
import { serviceView } from './view.ts';

/** What an operator may ask of a node. */
export type OperatorRequest = Extract<Input, { type: 'drain.requested' | 'undrain.requested' }>;

export interface PlannedMove {
  readonly ip: Ip;
  readonly to: NodeName;
  /** Clients stay until their connections end. */
  readonly patient: boolean;
}

export interface Preview {
  readonly node: NodeName;
  /** Whether the node takes nothing more, before and after. */
  readonly drained: { readonly before: boolean; readonly after: boolean };
  /** What leaves this node, in the order of the service IPs. */
  readonly moves: readonly PlannedMove[];
  /** What was asked to leave and stays, and why. */
  readonly stays: readonly { readonly ip: Ip; readonly why: string }[];
  /** What was on its way to another node and is kept now. */
  readonly kept: readonly Ip[];
  /** What was asked for and is not held here; `holder` null: nobody holds it. */
  readonly elsewhere: readonly { readonly ip: Ip; readonly holder: NodeName | null }[];
  /** How long an old owner carries its clients, milliseconds. */
  readonly windowMs: number;
  readonly quietMs: number;
  /** So long a named successor has to claim, milliseconds; with more than fifty nodes it has longer. */
  readonly patienceMs: number;
}

/** The cluster's own word that this node gives what it has: an operator's does not undo it. */
const isExcluded = (state: CoreState): boolean => state.cluster.excluded.has(myName(state));

/** Null before the first configuration, when there is nothing to ask of a node. Changes nothing. */
export const previewOf = (state: CoreState, request: OperatorRequest): Preview | null => {
  const { config, drained } = state;
  if (config === null) return null;
  const asked = request.type === 'drain.requested' ? request.ips : [];
  const planned =
    request.type === 'drain.requested'
      ? plannedHandovers(state, request.ips, request.to, request.patient)
      : [];
  const isUndrained = request.type === 'undrain.requested' && !isExcluded(state);
  const services = [...state.services.all.values()];
  return {
    node: myName(state),
    drained: {
      before: drained,
      after: request.type === 'undrain.requested' ? false : drained || request.ips === null,
    },
    moves: planned.flatMap(({ ip, to, patient }) => (to === null ? [] : [{ ip, to, patient }])),
    stays: planned.flatMap(({ ip, stays }) => (stays === null ? [] : [{ ip, why: stays }])),
    kept: services.flatMap(({ ip, handover }) => (isUndrained && handover?.to != null ? [ip] : [])),
    elsewhere: (asked ?? []).flatMap((ip) => {
      const service = state.services.all.get(ip);
      if (service !== undefined && stateOf(service.snapshot) === 'leader') return [];
      return [{ ip, holder: service === undefined ? null : serviceView(state, service).holder }];
    }),
    windowMs: config.drain.windowMs,
    quietMs: config.drain.quietMs,
    patienceMs: INTERVALS_PER_SUCCESSOR * config.heartbeat.intervalMs,
  };
};
