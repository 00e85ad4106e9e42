// What the parts of the wire step share. Owned by wire-step.ts.
import { type AddressProbes, createAddressProbes } from './address-probes.ts';
import { type Announcer, createAnnouncer } from './announcer.ts';
import { type Carrier, createCarrier } from './carrier.ts';
import { type Clients, createClients } from './clients.ts';
import type { Ip, Mac } from './frames.ts';
import type { HelloFlags, Instance } from './hello.ts';
import type { HelloDesk } from './hello-desk.ts';
import type { InterfaceFact } from './inputs.ts';
import type { BeforeSleep } from './oversleep.ts';
import { createRivalReports, type RivalReports } from './rival-reports.ts';
import type { WireConfig, WireCounters } from './wire-facts.ts';

/** What `leader` programs: this node answers for the IP there, by this claim. */
export interface Answer {
  readonly ip: Ip;
  readonly interface: string;
  readonly epoch: number;
  readonly weak: boolean;
}

export interface WireState {
  config: WireConfig;
  instance: Instance;
  flags: HelloFlags;
  watched: ReadonlySet<Ip>;
  readonly answers: Map<Ip, Answer>;
  readonly interfaces: Map<string, InterfaceFact>;
  readonly ownMacs: Set<Mac>;
  /** One for each interface that service IPs live on. */
  readonly desks: Map<string, HelloDesk>;
  /** What was said last where service IPs lived before: the same instance goes on from there. */
  readonly lastSequences: Map<string, number>;
  readonly announcer: Announcer;
  readonly probes: AddressProbes;
  readonly clients: Clients;
  /** Clients of IPs that drain here. */
  readonly carrier: Carrier;
  /** IPs held here whose clients their former owner keeps, and its instance: announced when it does so no longer. */
  readonly deferred: Map<Ip, Instance>;
  readonly rivals: RivalReports;
  readonly counters: WireCounters;
  /** When to say again whose clients are kept. */
  restateAt: number;
  mainAliveAt: number | null;
  /** Nothing is answered or sent: the main thread hangs, or a birth is under way. */
  isShut: boolean;
  /** The watchdog fired: stays shut until the main thread shows life. */
  isMainHung: boolean;
  /** While it hangs: when to look for its sign of life again; nothing else may wake the thread. */
  lookAgainAt: number;
  /** While what queued during a sleep is read: what had been heard before it. */
  beforeSleep: BeforeSleep | null;
  /** Why the next birth is. */
  rebirthReason: string;
}

export const createWireState = (config: WireConfig, instance: Instance): WireState => {
  const state: WireState = {
    config,
    instance,
    flags: { starting: true, ready: false, leaving: false },
    watched: new Set(config.watched),
    answers: new Map(),
    interfaces: new Map(),
    ownMacs: new Set(),
    desks: new Map(),
    lastSequences: new Map(),
    announcer: createAnnouncer(() => state.config.refreshMs),
    probes: createAddressProbes(),
    clients: createClients(),
    carrier: createCarrier(),
    deferred: new Map(),
    rivals: createRivalReports(),
    counters: {
      answers: {},
      announcements: { arp: 0, ndp: 0 },
      probes: 0,
      questions: 0,
      carriedQuestions: 0,
      hellosSent: 0,
      hellosHeard: 0,
      hellosRefused: {},
      rivals: {},
      rebirths: 0,
      standstills: 0,
    },
    restateAt: 0,
    mainAliveAt: null,
    isShut: false,
    isMainHung: false,
    lookAgainAt: 0,
    beforeSleep: null,
    rebirthReason: '',
  };
  return state;
};

/** Frames leave: not in shadow mode, not while shut. What does not leave is not counted either. */
export const isSending = ({ config, isShut }: WireState): boolean => config.announce && !isShut;

/** Hellos leave: always where frames do, in shadow mode if it is wanted. */
export const isSaying = ({ config, isShut }: WireState): boolean =>
  (config.announce || config.shadowHellos === true) && !isShut;

/** The MAC that answers on an interface, or null while it is down or gone. */
export const macOf = ({ interfaces }: WireState, name: string): Mac | null => {
  const fact = interfaces.get(name);
  return fact?.up ? fact.mac : null;
};
