// What the outside tells the core: past facts as plain JSON. Each is journaled before it is stepped. `at` is
// logical time in milliseconds (wall clock at start plus monotonic time elapsed), whole microseconds.

import type { Prefix } from './addresses.ts';
import type { Claim, NodeName } from './claims.ts';
import type { CoreConfig, ServiceIpConfig } from './config.ts';
import type { Ip, Mac } from './frames.ts';
import type { HelloFlags, Instance, WitnessedClaim } from './hello.ts';
import type { ObjectClaim } from './unheard.ts';

/** An interface as the kernel sees it now (a level: the newest one replaces all before). */
export interface InterfaceFact {
  readonly name: string;
  readonly index: number;
  readonly mac: Mac;
  /** Administratively up and with carrier. */
  readonly up: boolean;
  readonly prefixes: readonly Prefix[];
}

/** What a peer says of itself, without its claims (a level). */
export interface PeerFact {
  readonly interface: string;
  readonly node: NodeName;
  readonly instance: Instance;
  readonly mac: Mac;
  /** A hello of this instance listed this node's present instance. */
  readonly proven: boolean;
  readonly intervalMs: number;
  readonly holdMs: number;
  readonly flags: HelloFlags;
  readonly subnets: readonly Prefix[];
  readonly hears: readonly Instance[];
}

/** A peer's claim, and whom it names as successor in a planned move. */
export interface PeerClaim extends Claim {
  readonly successor: NodeName | null;
}

/** `patient`: how it gives what it holds; absent: as configured. */
export interface ExcludedNode {
  readonly node: NodeName;
  readonly reason: string;
  readonly patient?: boolean;
}

export type Input =
  /** A new life of this node begins. `drained`: it was, when it last ended. */
  | {
      readonly type: 'node.started';
      readonly instance: Instance;
      readonly version: string;
      readonly drained: boolean;
    }
  | { readonly type: 'config.loaded'; readonly config: CoreConfig }
  | { readonly type: 'interface.changed'; readonly interface: InterfaceFact }
  | { readonly type: 'interface.gone'; readonly name: string }
  /** This host accepts traffic for the addresses now. */
  | { readonly type: 'addresses.confirmed'; readonly ips: readonly Ip[] }
  /** The probing of these addresses is over, and nobody answered. */
  | { readonly type: 'addresses.probed'; readonly ips: readonly Ip[] }
  | { readonly type: 'address.failed'; readonly ip: Ip; readonly code: string }
  /** A host that is no peer uses a service IP (RFC 5227 §2.4: its frame had our address as sender). */
  | { readonly type: 'rival.heard'; readonly ip: Ip; readonly interface: string; readonly mac: Mac }
  | { readonly type: 'peer.heard'; readonly peer: PeerFact }
  /** Nothing from a proven peer for two of its intervals. */
  | {
      readonly type: 'peer.late';
      readonly interface: string;
      readonly node: NodeName;
      readonly instance: Instance;
      readonly lastHeardAt: number;
    }
  | {
      readonly type: 'peer.back';
      readonly interface: string;
      readonly node: NodeName;
      readonly instance: Instance;
    }
  /** All ranges of the peer's table have been heard since it became alive. */
  | {
      readonly type: 'peer.whole';
      readonly interface: string;
      readonly node: NodeName;
      readonly instance: Instance;
    }
  /** What changed in a proven peer's table. */
  | {
      readonly type: 'claims.heard';
      readonly interface: string;
      readonly node: NodeName;
      readonly claims: readonly PeerClaim[];
      readonly released: readonly Ip[];
    }
  /** All that a peer witnesses now (a level): the better of two claims that it hears for one IP. */
  | {
      readonly type: 'claims.witnessed';
      readonly interface: string;
      readonly node: NodeName;
      readonly claims: readonly WitnessedClaim[];
    }
  /** Kubernetes: what some service IPs are to be now, and which are no more (levels, each by its IP). */
  | {
      readonly type: 'services.changed';
      readonly changed: readonly ServiceIpConfig[];
      readonly gone: readonly Ip[];
    }
  /** The nodes that may not hold service IPs, and why (a level: all of them). */
  | {
      readonly type: 'nodes.excluded';
      readonly nodes: readonly ExcludedNode[];
    }
  /** A peer's Lease was renewed, as was just seen. */
  | { readonly type: 'lease.renewed'; readonly node: NodeName }
  /** What ServiceIP objects say (levels by IP). `isNews`: somebody wrote them just now. */
  | {
      readonly type: 'objects.seen';
      readonly objects: readonly ObjectClaim[];
      readonly isNews: boolean;
    }
  /** What came of `reserve`: this node has, or has not, written itself into the object. */
  | { readonly type: 'reserve.answered'; readonly ip: Ip; readonly epoch: number; readonly won: boolean }
  /** How the known clients of an IP took its move to this node. */
  | {
      readonly type: 'clients.settled';
      readonly ip: Ip;
      readonly known: number;
      readonly confirmed: number;
      /** From the announcement to the last confirmation; null when nobody confirmed. */
      readonly afterMs: number | null;
    }
  /** How many clients still send to an IP that is draining here, or are kept by a connection (a level). */
  | { readonly type: 'clients.carried'; readonly ip: Ip; readonly stale: number }
  /** A drain is over: how many clients had sent here after the move, and the last of them how long after. */
  | { readonly type: 'clients.left'; readonly ip: Ip; readonly clients: number; readonly lastMs: number }
  /** Only time passed: a deadline is due. */
  | { readonly type: 'clock' }
  /** The wire thread did not run for its hold time, or its watchdog fired: answers are shut already. */
  | { readonly type: 'wire.reborn'; readonly reason: string; readonly instance: Instance }
  /** A source of inputs broke and is being tried again: what it would have said is missing. */
  | { readonly type: 'source.failed'; readonly source: string; readonly reason: string }
  /**
   * The operator wants IPs moved away: all of them (`ips` null; the node then takes nothing until undrained) or
   * some; to `to`, or to whom the rules choose. `patient`: clients are kept until their connections end; without
   * it as configured.
   */
  | {
      readonly type: 'drain.requested';
      readonly ips: readonly Ip[] | null;
      readonly to: NodeName | null;
      readonly patient?: boolean;
    }
  | { readonly type: 'undrain.requested' }
  /** The operator, or the supervisor's SIGTERM, wants this node to end. */
  | { readonly type: 'stop.requested'; readonly reason: string };

export interface StampedInput {
  readonly at: number;
  readonly input: Input;
}
