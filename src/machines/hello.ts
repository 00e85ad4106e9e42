// The hello: what every node says on the wire, several times a second, about itself, whom it hears and what it
// holds. Plain data here; octets, hash and limits are in docs/protocol.md and src/io/packets/hello.ts.

import type { Prefix } from './addresses.ts';
import { type NodeName, rendezvousRank } from './claims.ts';
import type { Ip, Mac } from './frames.ts';

export const HELLO_VERSION = 1;

/** 64 random bits in hexadecimal, drawn at each birth of a wire thread. */
export type Instance = string;

/**
 * The instance of a birth on one interface. Each has its own, so that a hello recorded on one segment proves
 * nothing when it is replayed on another.
 */
export const instanceOn = (birth: Instance, interfaceName: string): Instance => {
  const mix = (digits: string, mask: number): string =>
    ((Number.parseInt(digits, 16) ^ mask) >>> 0).toString(16).padStart(8, '0');
  const high = mix(birth.slice(0, 8), rendezvousRank(interfaceName, ''));
  return high + mix(birth.slice(8, 16), rendezvousRank('', interfaceName));
};

/** One claim as its maker says it. */
export interface SaidClaim {
  readonly ip: Ip;
  readonly epoch: number;
  readonly weak: boolean;
}

/** A change of the sender's table, said in three successive hellos. */
export interface SaidChange extends SaidClaim {
  /** False: given up. */
  readonly held: boolean;
  /** A planned move: this node is to take it, with the next epoch. */
  readonly successor: NodeName | null;
  /**
   * The sender keeps the clients that it still carries (patient drain): until it says otherwise, or is silent, the
   * holder answers but does not announce.
   */
  readonly kept: boolean;
}

/**
 * All the sender's claims with `from` <= key < `to`. Keys are those of address-key.ts, which order addresses; a
 * claim that lies in the range and is not listed is not held.
 */
export interface Slice {
  readonly from: string;
  readonly to: string;
  readonly claims: readonly SaidClaim[];
}

/** The better of two claims that the sender hears for one IP, repeated for those who hear only the worse one. */
export interface WitnessedClaim extends SaidClaim {
  readonly node: NodeName;
  /** The claimant's birth: it counts only if the sender lists it among those it hears. */
  readonly instance: Instance;
}

export interface HelloFlags {
  /** Listening after its birth: takes nothing yet. */
  readonly starting: boolean;
  /** Eligible: may be given IPs. */
  readonly ready: boolean;
  /** On its way out: gives what it has, takes nothing. */
  readonly leaving: boolean;
}

export interface HelloFrame {
  readonly kind: 'hello';
  readonly ethernetSource: Mac;
  readonly node: NodeName;
  readonly instance: Instance;
  /** Grows with each hello of the instance. */
  readonly sequence: number;
  readonly intervalMs: number;
  readonly holdMs: number;
  readonly flags: HelloFlags;
  /** On-link prefixes of the sender on this segment. */
  readonly subnets: readonly Prefix[];
  /** How many IPs the sender holds on this segment. */
  readonly heldCount: number;
  /** Instances heard within their hold time. */
  readonly hears: readonly Instance[];
  /** Of each in `hears`, in its order: the low 32 bits of the last sequence heard. It tells how old this hello is. */
  readonly echoes: readonly number[];
  readonly changes: readonly SaidChange[];
  readonly slices: readonly Slice[];
  readonly witnessed: readonly WitnessedClaim[];
}

/** Octets that the TLVs may take: an Ethernet payload of 1,500 less IP and UDP, the fixed part and the signature. */
export const HELLO_ROOM = 1_340;
/** Of these, for everything but changes and slices; the rest keeps the table moving whatever else is said. */
export const BESIDE_TABLE_ROOM = 960;
/** Nodes that one hello can say it hears: what a segment may have. */
export const MAX_HEARS = 64;
/** Prefixes that one hello names. */
export const MAX_SUBNETS = 4;
/** Octets of one claim in a change or a slice (docs/protocol.md). */
export const claimOctets = (ip: Ip): number => (ip.includes(':') ? 16 : 4) + 7;
/** What a slice costs beside its claims: TLV head and two boundaries. */
export const SLICE_OCTETS = 3 + 2 * 17;
