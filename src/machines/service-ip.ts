// The service IP machine: one per IP per node, the same on every node. It decides nothing about others (that is
// the register's and succession's work); it orders what this node does to take, hold, hand over and drop an IP.
// Its actions are named effects with params; its delays are data. The four top states are what users see.
import { assign, cancel, raise, type SnapshotFrom, setup } from 'xstate';
import type { Ip } from './frames.ts';
import { createStepper } from './stepper.ts';

export type ServiceIpState = 'unowned' | 'candidate' | 'leader' | 'draining';

/** What a machine needs of the configuration; all durations in milliseconds. */
export interface ServiceIpPolicy {
  readonly serve: 'host' | 'none';
  readonly drainWindowMs: number;
  readonly drainQuietMs: number;
}

export interface ServiceIpContext {
  readonly ip: Ip;
  /** The interface the IP lives on, null while there is none. */
  readonly interface: string | null;
  readonly epoch: number;
  readonly weak: boolean;
  /** The probing before a first claim ever; 0 when there was none. */
  readonly probeMs: number;
  readonly probeDelayMs: number;
  /** Foreign uses met, which lengthens the backoff until a defence has held. */
  readonly conflicts: number;
  /** The drain under way keeps clients until their connections end. */
  readonly patient: boolean;
  /** How long the present part of a drain may last. */
  readonly windowMs: number;
  readonly policy: ServiceIpPolicy;
}

export type ServiceIpEvent =
  /**
   * This node is to take the IP, with this claim. `probeMs`: how long to ask first whether somebody uses the
   * address, starting after `probeDelayMs`; 0: do not ask.
   */
  | {
      readonly type: 'TAKE';
      readonly interface: string;
      readonly epoch: number;
      readonly weak: boolean;
      readonly probeMs: number;
      readonly probeDelayMs: number;
    }
  /** The probing is over and nobody answered. */
  | { readonly type: 'PROBED' }
  | { readonly type: 'ADDRESS_CONFIRMED' }
  | { readonly type: 'ADDRESS_FAILED' }
  /** A frame showed that a host which is no peer uses the address. */
  | { readonly type: 'CONFLICT' }
  /** A better claim was heard. `patient`: a planned one, whose maker leaves the clients to this node for now. */
  | { readonly type: 'OUTBID'; readonly patient?: boolean }
  /** The IP cannot be served here any more: link, configuration, shutdown. */
  | { readonly type: 'WITHDRAW' }
  /** The claim became strong: same epoch, told to everybody. */
  | { readonly type: 'STRENGTHEN' }
  /** Clients may have missed frames, or this node's MAC changed. */
  | { readonly type: 'REANNOUNCE' }
  /** A client was seen that still sends to this draining node. */
  | { readonly type: 'CARRIED' }
  | { readonly type: 'POLICY'; readonly policy: ServiceIpPolicy }
  | { readonly type: 'BACKOFF_DUE' }
  | { readonly type: 'DEFEND_DUE' }
  | { readonly type: 'QUIET_DUE' }
  | { readonly type: 'WINDOW_DUE' };

/** RFC 5227 §1.1: a second conflict within DEFEND_INTERVAL of the first means that the address is given up. */
export const DEFEND_INTERVAL_MS = 10_000;
/** First wait after foreign use, doubled with each conflict in a row up to the limit. */
export const BACKOFF_MS = 10_000;
export const BACKOFF_LIMIT_MS = 300_000;

const effect = (): void => {};

export const serviceIpMachine = setup({
  types: {} as {
    context: ServiceIpContext;
    events: ServiceIpEvent;
    input: { readonly ip: Ip; readonly policy: ServiceIpPolicy };
  },
  actions: {
    'address.add': effect,
    'address.remove': effect,
    'answer.start': effect,
    'answer.stop': effect,
    announce: effect,
    probe: effect,
    'probe.stop': effect,
    defend: effect,
    carry: effect,
    'carry.stop': effect,
    beginDrain: assign(({ context, event }) =>
      event.type === 'OUTBID'
        ? { ...context, patient: event.patient ?? false, windowMs: context.policy.drainWindowMs }
        : context,
    ),
    // The window is over, or nearly: what follows is for those who were on their way.
    becomePrompt: assign(({ context }) => ({ patient: false, windowMs: context.policy.drainQuietMs })),
    adopt: assign(({ context, event }) => {
      if (event.type !== 'TAKE') return context;
      const { type: _, ...claim } = event;
      return { ...context, ...claim };
    }),
    countConflict: assign(({ context }) => ({ conflicts: context.conflicts + 1 })),
    forgetConflicts: assign({ conflicts: 0 }),
  },
  guards: {
    isProbeWanted: ({ event }) => event.type === 'TAKE' && event.probeMs > 0,
    isPatientMove: ({ event }) => event.type === 'OUTBID' && event.patient === true,
    isServedElsewhere: ({ context }) => context.policy.serve === 'none',
  },
  delays: {
    backoff: ({ context }) =>
      Math.min(BACKOFF_MS * 2 ** Math.max(context.conflicts - 1, 0), BACKOFF_LIMIT_MS),
    defend: DEFEND_INTERVAL_MS,
    quiet: ({ context }) => context.policy.drainQuietMs,
    window: ({ context }) => context.windowMs,
  },
}).createMachine({
  id: 'serviceIp',
  context: ({ input }) => ({
    ip: input.ip,
    interface: null,
    epoch: 0,
    weak: false,
    probeMs: 0,
    probeDelayMs: 0,
    conflicts: 0,
    patient: false,
    windowMs: input.policy.drainWindowMs,
    policy: input.policy,
  }),
  initial: 'unowned',
  on: { POLICY: { actions: assign(({ event }) => ({ policy: event.policy })) } },
  states: {
    unowned: {
      initial: 'idle',
      states: {
        idle: {
          on: {
            TAKE: [
              { guard: 'isProbeWanted', target: '#serviceIp.candidate.probing', actions: 'adopt' },
              { target: '#serviceIp.candidate.confirming', actions: 'adopt' },
            ],
          },
        },
        // In foreign use, or the host refused the address: not taken again before the backoff is over.
        blocked: {
          entry: raise({ type: 'BACKOFF_DUE' }, { delay: 'backoff', id: 'backoff' }),
          exit: cancel('backoff'),
          on: { BACKOFF_DUE: 'idle' },
        },
      },
    },
    candidate: {
      initial: 'probing',
      states: {
        probing: {
          entry: 'probe',
          exit: 'probe.stop',
          on: {
            PROBED: 'confirming',
            CONFLICT: { target: '#serviceIp.unowned.blocked', actions: 'countConflict' },
            OUTBID: '#serviceIp.unowned',
            WITHDRAW: '#serviceIp.unowned',
          },
        },
        confirming: {
          entry: 'address.add',
          always: { guard: 'isServedElsewhere', target: '#serviceIp.leader' },
          on: {
            ADDRESS_CONFIRMED: '#serviceIp.leader',
            ADDRESS_FAILED: { target: '#serviceIp.unowned.blocked', actions: 'countConflict' },
            CONFLICT: { target: '#serviceIp.unowned.blocked', actions: ['countConflict', 'address.remove'] },
            OUTBID: { target: '#serviceIp.unowned', actions: 'address.remove' },
            WITHDRAW: { target: '#serviceIp.unowned', actions: 'address.remove' },
          },
        },
      },
    },
    leader: {
      // In this order: answers (and with them the claim that hellos carry), then the first announcement.
      entry: ['answer.start', 'announce'],
      exit: 'answer.stop',
      initial: 'settled',
      on: {
        OUTBID: [
          { guard: 'isPatientMove', target: '#serviceIp.draining.keeping', actions: 'beginDrain' },
          { target: 'draining', actions: 'beginDrain' },
        ],
        // A handover may have been announced as patient: whoever was to take it need not be quiet now.
        WITHDRAW: { target: 'unowned', actions: ['carry.stop', 'address.remove'] },
        STRENGTHEN: { actions: [assign({ weak: false }), 'answer.start'] },
        REANNOUNCE: { actions: 'announce' },
      },
      states: {
        settled: { on: { CONFLICT: { target: 'defending', actions: 'defend' } } },
        // RFC 5227 §2.4 (b): one defence; a second conflict within DEFEND_INTERVAL gives the address up.
        defending: {
          entry: raise({ type: 'DEFEND_DUE' }, { delay: 'defend', id: 'defend' }),
          exit: cancel('defend'),
          on: {
            DEFEND_DUE: { target: 'settled', actions: 'forgetConflicts' },
            CONFLICT: {
              target: '#serviceIp.unowned.blocked',
              actions: ['countConflict', 'carry.stop', 'address.remove'],
            },
          },
        },
      },
    },
    draining: {
      exit: 'carry.stop',
      initial: 'following',
      on: {
        TAKE: { target: 'leader', actions: 'adopt' },
        WITHDRAW: { target: 'unowned', actions: 'address.remove' },
      },
      states: {
        // Clients are left alone until their connections end; the new owner keeps quiet about the IP.
        keeping: {
          entry: [
            'carry',
            raise({ type: 'QUIET_DUE' }, { delay: 'quiet', id: 'quiet' }),
            raise({ type: 'WINDOW_DUE' }, { delay: 'window', id: 'window' }),
          ],
          exit: [cancel('quiet'), cancel('window'), 'becomePrompt'],
          on: {
            CARRIED: { actions: raise({ type: 'QUIET_DUE' }, { delay: 'quiet', id: 'quiet' }) },
            QUIET_DUE: 'following',
            WINDOW_DUE: 'following',
          },
        },
        // The new owner announces, and who still sends here is asked to follow, and carried meanwhile.
        following: {
          entry: [
            'carry',
            raise({ type: 'QUIET_DUE' }, { delay: 'quiet', id: 'quiet' }),
            raise({ type: 'WINDOW_DUE' }, { delay: 'window', id: 'window' }),
          ],
          exit: [cancel('quiet'), cancel('window')],
          on: {
            CARRIED: { actions: raise({ type: 'QUIET_DUE' }, { delay: 'quiet', id: 'quiet' }) },
            QUIET_DUE: { target: '#serviceIp.unowned', actions: 'address.remove' },
            WINDOW_DUE: { target: '#serviceIp.unowned', actions: 'address.remove' },
          },
        },
      },
    },
  },
});

export type ServiceIpSnapshot = SnapshotFrom<typeof serviceIpMachine>;

/** The top state, the one of the four that users see. */
export const stateOf = ({ value }: ServiceIpSnapshot): ServiceIpState => {
  if (typeof value === 'string') return value;
  // One region: the first key is the only one. This is asked more often than anything else.
  for (const state in value) return state as ServiceIpState;
  throw new Error('a snapshot without a state');
};

/** The state inside the top state, null where there is none. */
export const substateOf = ({ value }: ServiceIpSnapshot): string | null => {
  if (typeof value === 'string') return null;
  const [inner] = Object.values(value);
  return inner ?? null;
};

/** Foreign use or a refused address keeps this node from taking the IP for now. */
export const isBlocked = ({ value }: ServiceIpSnapshot): boolean =>
  typeof value === 'object' && 'unowned' in value && value.unowned === 'blocked';

/** A candidate that still asks whether somebody uses the address. */
export const isProbing = ({ value }: ServiceIpSnapshot): boolean =>
  typeof value === 'object' && 'candidate' in value && value.candidate === 'probing';

export const serviceIpStepper = createStepper(serviceIpMachine);
