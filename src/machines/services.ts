// The service IP machines of this node: their snapshots, their delays in the step loop's timer table, their
// actions turned into effects. Knows nothing of why an event is sent; `core.ts` decides that.

import type { NodeName } from './claims.ts';
import type { CoreConfig, ServiceIpConfig } from './config.ts';
import type { Cause, Effect } from './effects.ts';
import type { Ip, Mac } from './frames.ts';
import {
  type ServiceIpContext,
  type ServiceIpEvent,
  type ServiceIpPolicy,
  type ServiceIpSnapshot,
  type ServiceIpState,
  serviceIpMachine,
  serviceIpStepper,
  stateOf,
} from './service-ip.ts';
import type { MachineAction, Stepped } from './stepper.ts';
import type { Timers } from './timers.ts';

export interface Because {
  readonly cause: Cause;
  /** A sentence without a full stop, for people: `n2 silent for 204 ms`. */
  readonly reason: string;
}

/** One service IP on this node. Mutable, and owned by the services table. */
export interface Service {
  readonly ip: Ip;
  /** Null: no longer configured, on its way out. */
  config: ServiceIpConfig | null;
  snapshot: ServiceIpSnapshot;
  /** When the current state was entered, logical milliseconds. */
  since: number;
  because: Because;
  /** Held by this node or a peer before, and not seen in foreign use since: it need not be probed. */
  isKnownFree: boolean;
  /** The highest epoch ever seen for the IP, from whomever. */
  highestEpoch: number;
  /** The interface on which its solicited-node group is joined (IPv6 only). */
  group: string | null;
  /** Why this node may not hold it now; null when it may. */
  obstacle: Because | null;
  /** Since when nobody holds it, as far as this node knows; null while somebody does. */
  unheldSince: number | null;
  /** Who could take it, best first, and since when that has been so: each rank waits from then. */
  ranking: { readonly able: string; readonly since: number } | null;
  /** What ended the last holder's time, for the reason of whoever takes next. */
  vacancy: Because;
  /** Another node claims it as well, by a worse claim: announce again once it has given up. */
  isContested: boolean;
  /** A rival that hears nobody claims it: when to announce against it again. */
  reassertAt: number;
  /** Since when a rival claims it without hearing this node; null when none does. */
  rivalDeafSince: number | null;
  /** Whose use of the address was met last. */
  rivalMac: Mac | null;
  /** A planned move away from this node, under way. */
  handover: Handover | null;
  /** The epoch at which this node has won its object, and when to ask for that again (unheard.ts). */
  reservedEpoch?: number;
  reserveAgainAt?: number;
}

export interface Handover {
  /** The named successor; null: there is nobody to name, and why. */
  readonly to: NodeName | null;
  /** Whom the operator asked for; null: whoever the rules choose. */
  readonly wanted: NodeName | null;
  /** Named before, without their claim having been heard in time. */
  readonly tried: readonly NodeName[];
  readonly stays: string | null;
  /** Its clients are kept until their connections end. */
  readonly patient: boolean;
  /** How often it was offered again to those who did not take it. */
  readonly offers?: number;
}

export type MachineTimer = { readonly kind: 'machine'; readonly ip: Ip; readonly event: ServiceIpEvent };

export interface ServiceCheckpoint extends Omit<Service, 'snapshot'> {
  readonly value: ServiceIpSnapshot['value'];
  readonly context: ServiceIpContext;
}

export interface Services {
  readonly all: ReadonlyMap<Ip, Service>;
  create(config: ServiceIpConfig, policy: ServiceIpPolicy, at: number): Service;
  forget(ip: Ip): void;
  /** Steps one machine; effects and timers follow from it. Returns true when its top state changed. */
  send(service: Service, event: ServiceIpEvent, because: Because, at: number): boolean;
  checkpoint(): readonly ServiceCheckpoint[];
}

/** The config's word for all service IPs, or what it says of this one. */
export const policyOf = (config: CoreConfig, { drain }: ServiceIpConfig): ServiceIpPolicy => ({
  serve: config.serve,
  drainWindowMs: drain?.windowMs ?? config.drain.windowMs,
  drainQuietMs: drain?.quietMs ?? config.drain.quietMs,
});

const toEffect = (action: MachineAction, context: ServiceIpContext): Effect => {
  const { ip, interface: name, epoch, weak } = context;
  const on = name ?? '';
  switch (action.type) {
    case 'answer.start':
      return { type: 'answer.start', ip, interface: on, epoch, weak };
    case 'probe':
      return { type: 'probe', ip, interface: on, delayMs: context.probeDelayMs, durationMs: context.probeMs };
    case 'announce':
    case 'probe.stop':
    case 'defend':
      return { type: action.type, ip, interface: on };
    case 'carry': {
      const { patient, policy } = context;
      return { type: 'carry', ip, interface: on, patient, quietMs: policy.drainQuietMs };
    }
    case 'carry.stop':
    case 'address.add':
    case 'address.remove':
    case 'answer.stop':
      return { type: action.type, ip };
    default:
      throw new Error(`the service IP machine asked for an unknown effect: ${action.type}`);
  }
};

export const createServices = <P extends { readonly kind: string }>(
  timers: Timers<P | MachineTimer>,
  emit: (effect: Effect) => void,
  from: readonly ServiceCheckpoint[] = [],
): Services => {
  const all = new Map<Ip, Service>();
  for (const { value, context, ...rest } of from) {
    all.set(rest.ip, { ...rest, snapshot: serviceIpMachine.resolveState({ value, context }) });
  }

  const timerId = (ip: Ip, id: string): string => `${ip} ${id}`;

  const apply = (service: Service, stepped: Stepped<ServiceIpSnapshot, ServiceIpEvent>, at: number): void => {
    service.snapshot = stepped.snapshot;
    for (const delay of stepped.delays) {
      if ('cancel' in delay) {
        timers.cancel(timerId(service.ip, delay.cancel));
        continue;
      }
      const { id, event, delayMs } = delay.start;
      timers.set(timerId(service.ip, id), at + delayMs, { kind: 'machine', ip: service.ip, event });
    }
    for (const action of stepped.actions) {
      const skipped = action.type.startsWith('address.') && service.snapshot.context.policy.serve === 'none';
      if (!skipped) emit(toEffect(action, service.snapshot.context));
    }
  };

  return {
    all,
    create: (config, policy, at) => {
      const stepped = serviceIpStepper.initial({ ip: config.ip, policy });
      const service: Service = {
        ip: config.ip,
        config,
        snapshot: stepped.snapshot,
        since: at,
        because: { cause: 'unclaimed', reason: 'nobody has claimed it yet' },
        isKnownFree: false,
        highestEpoch: 0,
        group: null,
        obstacle: null,
        unheldSince: at,
        ranking: null,
        vacancy: { cause: 'unclaimed', reason: 'nobody held it' },
        isContested: false,
        reassertAt: 0,
        rivalDeafSince: null,
        rivalMac: null,
        handover: null,
      };
      all.set(config.ip, service);
      apply(service, stepped, at);
      return service;
    },
    forget: (ip) => {
      all.delete(ip);
    },
    send: (service, event, because, at) => {
      const from: ServiceIpState = stateOf(service.snapshot);
      const stepped = serviceIpStepper.step(service.snapshot, event);
      // The same snapshot may still come with actions: a transition without a target changes nothing but asks.
      const isQuiet = stepped.actions.length === 0 && stepped.delays.length === 0;
      if (stepped.snapshot === service.snapshot && isQuiet) return false;
      apply(service, stepped, at);
      const to = stateOf(service.snapshot);
      if (to === from) return false;
      service.since = at;
      service.because = because;
      if (to === 'leader') service.isKnownFree = true;
      const { epoch } = service.snapshot.context;
      emit({ type: 'record', ip: service.ip, from, to, epoch, ...because });
      return true;
    },
    checkpoint: () =>
      [...all.values()].map(({ snapshot, ...rest }) => ({
        ...rest,
        value: snapshot.value,
        context: snapshot.context,
      })),
  };
};
