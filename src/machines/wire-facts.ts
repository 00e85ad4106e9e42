// What goes into the wire step and what comes out: plain data, so that the thread, the simulator and the tests
// drive the same step. Commands come from the main thread's performers, facts go to its inbox.
import type { NodeName } from './claims.ts';
import type { Effect, EffectType } from './effects.ts';
import type { Ip, Mac, NeighborFrame } from './frames.ts';
import type { HelloFrame, Instance } from './hello.ts';
import type { Input, InterfaceFact } from './inputs.ts';

export interface WireConfig {
  readonly node: NodeName;
  /** False in shadow mode: nothing is sent, nothing is answered. */
  readonly announce: boolean;
  /** In shadow mode hellos leave all the same, for other nodes in shadow mode. Absent: no. */
  readonly shadowHellos?: boolean;
  readonly refreshMs: number;
  /** No sign of life from the main thread for this long: shut everything. */
  readonly watchdogMs: number;
  readonly heartbeat: { readonly intervalMs: number; readonly deadAfterMs: number };
  /** The service IPs of this segment, held here or not: frames that use them are news. */
  readonly watched: readonly Ip[];
}

/** The effects that the wire step performs. */
export const WIRE_EFFECTS = [
  'listen',
  'hello.flags',
  'answer.start',
  'answer.stop',
  'announce',
  'probe',
  'probe.stop',
  'defend',
  'yield',
  'witness',
  'retell',
  'carry',
  'carry.stop',
] as const satisfies readonly EffectType[];
export type WireEffect = Extract<Effect, { readonly type: (typeof WIRE_EFFECTS)[number] }>;
export type WireCommand =
  | { readonly type: 'configure'; readonly config: WireConfig }
  /** Remote addresses of the connections that are open here, by service IP; of one that is missing nobody can tell. */
  | { readonly type: 'connections'; readonly remotes: readonly (readonly [Ip, readonly Ip[]])[] }
  | WireEffect;

export type WireFrame = NeighborFrame | HelloFrame;

export type WireEvent =
  | { readonly type: 'frame'; readonly interface: string; readonly frame: WireFrame }
  /** A packet came in for an IP that another node owns; `from` is the station that sent it. */
  | {
      readonly type: 'carried';
      readonly interface: string;
      readonly ip: Ip;
      readonly from: { readonly mac: Mac; readonly source: Ip };
    }
  /** `birth`: the instance for which the core decided this; another birth does not obey. */
  | { readonly type: 'command'; readonly command: WireCommand; readonly birth: Instance }
  | { readonly type: 'link.changed'; readonly interface: InterfaceFact }
  | { readonly type: 'link.gone'; readonly name: string }
  /** The main thread's last sign of life, logical milliseconds. */
  | { readonly type: 'main.alive'; readonly at: number }
  /** The thread ran this much later than it wanted to. */
  | { readonly type: 'overslept'; readonly byMs: number }
  /** The answer to a `look.back` output: all that had queued was stepped, so many frames. */
  | { readonly type: 'looked.back'; readonly frames: number }
  /** The answer to a `rebirth` output: a fresh instance. What was queued has been thrown away. */
  | { readonly type: 'born'; readonly instance: Instance }
  | { readonly type: 'clock' };

export type WireOutput =
  | { readonly type: 'send'; readonly interface: string; readonly frame: WireFrame }
  /** An unsolicited advertisement, which raw-socket sends from the main thread (design.md, The wire thread). */
  | { readonly type: 'advertise'; readonly interface: string; readonly ip: Ip; readonly mac: Mac }
  | { readonly type: 'fact'; readonly input: Input }
  /** Step every frame that has queued on any socket, now, then `looked.back`. */
  | { readonly type: 'look.back' }
  /** Throw away every queued frame and step `born` with a fresh instance (design.md, Born again). */
  | { readonly type: 'rebirth' }
  /** How long a client took to follow a move, milliseconds: for a histogram. */
  | { readonly type: 'converged'; readonly afterMs: number }
  /** How long after a move clients still sent here, milliseconds each: for a histogram. */
  | { readonly type: 'left'; readonly tookMs: readonly number[] };

/** Counters of the wire step since the thread began. */
export interface WireCounters {
  answers: Record<string, { arp: number; ndp: number }>;
  announcements: { arp: number; ndp: number };
  probes: number;
  questions: number;
  /** Questions on behalf of new owners, to clients that still send here. */
  carriedQuestions: number;
  hellosSent: number;
  hellosHeard: number;
  /** Hellos that were verified and still not taken, by reason. */
  hellosRefused: Record<string, number>;
  rivals: Record<Ip, number>;
  rebirths: number;
  /** Sleeps through which everybody else slept too. */
  standstills: number;
}
