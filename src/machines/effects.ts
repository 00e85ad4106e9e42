// What the core wants done, as plain data: imperatives that src/io performs. An effect never says how.
import type { NodeName } from './claims.ts';
import type { Ip } from './frames.ts';
import type { HelloFlags, WitnessedClaim } from './hello.ts';
import type { ServiceIpState } from './service-ip.ts';

/** Why a service IP changed its state; a stable word for scripts, beside the sentence in `reason`. */
export type Cause =
  | 'unclaimed'
  | 'address-failed'
  | 'foreign-use'
  | 'link-down'
  | 'not-configured'
  | 'moved-interface'
  | 'holder-dead'
  | 'released'
  | 'planned'
  | 'outbid'
  | 'one-way'
  | 'drained'
  | 'wire-reborn'
  | 'stopping';

export type Effect =
  /** The interfaces that service IPs live on: open packet sockets there, and only there. */
  | { readonly type: 'listen'; readonly interfaces: readonly string[] }
  /** Make this host accept traffic for the IP (`serve: host`); comes back as `addresses.confirmed`. */
  | { readonly type: 'address.add'; readonly ip: Ip }
  | { readonly type: 'address.remove'; readonly ip: Ip }
  /** Join the solicited-node group of an IPv6 service IP, so that switches and the NIC let its NS through. */
  | { readonly type: 'group.join'; readonly ip: Ip; readonly interface: string }
  | { readonly type: 'group.leave'; readonly ip: Ip; readonly interface: string }
  /** Program the answer table. The entry is this node's claim as well: hellos list the table. */
  | {
      readonly type: 'answer.start';
      readonly ip: Ip;
      readonly interface: string;
      readonly epoch: number;
      readonly weak: boolean;
    }
  | { readonly type: 'answer.stop'; readonly ip: Ip }
  /** Tell every client at once: a burst now, paced rounds, then refreshes for as long as the answer stands. */
  | { readonly type: 'announce'; readonly ip: Ip; readonly interface: string }
  /** Ask whether somebody uses the address (RFC 5227 §2.1.1, RFC 4862 §5.4). */
  | {
      readonly type: 'probe';
      readonly ip: Ip;
      readonly interface: string;
      readonly delayMs: number;
      readonly durationMs: number;
    }
  | { readonly type: 'probe.stop'; readonly ip: Ip; readonly interface: string }
  /** One announcement against a foreign claim (RFC 5227 §2.4 (b)). */
  | { readonly type: 'defend'; readonly ip: Ip; readonly interface: string }
  /** Tell the peers that `successor` is to take the IP; null: not any more. */
  | {
      readonly type: 'yield';
      readonly ip: Ip;
      readonly interface: string;
      readonly successor: NodeName | null;
      /** Clients are to be kept until their connections end: the successor must not announce meanwhile. */
      readonly patient: boolean;
    }
  /** Another node owns the IP, and clients may still send here: watch for them and ask them to follow. */
  | {
      readonly type: 'carry';
      readonly ip: Ip;
      readonly interface: string;
      readonly patient: boolean;
      readonly quietMs: number;
    }
  | { readonly type: 'carry.stop'; readonly ip: Ip }
  /** What the hellos of every interface say of this node. */
  | { readonly type: 'hello.flags'; readonly flags: HelloFlags }
  /** Have the wire step say again all that it knows of a peer's claims. */
  | { readonly type: 'retell'; readonly interface: string; readonly node: NodeName }
  /** Repeat these claims in hellos: the better of two that are heard for one IP (all that are to be repeated). */
  | { readonly type: 'witness'; readonly interface: string; readonly claims: readonly WitnessedClaim[] }
  /** Write this node into the IP's object, if that is as it was last seen; comes back as `reserve.answered`. */
  | { readonly type: 'reserve'; readonly ip: Ip; readonly epoch: number; readonly weak: boolean }
  /** Remember over restarts whether this node is drained. */
  | { readonly type: 'remember.drained'; readonly drained: boolean }
  /** This node must not run: another one has its name. */
  | { readonly type: 'refuse'; readonly reason: string }
  /** Say and count a transition. */
  | {
      readonly type: 'record';
      readonly ip: Ip;
      readonly from: ServiceIpState;
      readonly to: ServiceIpState;
      readonly epoch: number;
      readonly cause: Cause;
      readonly reason: string;
    }
  /** Everything is handed over or released: the process may end. */
  | { readonly type: 'exit' };

export type EffectType = Effect['type'];
