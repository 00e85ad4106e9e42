// What Holdfast says and hears over rtnetlink, as plain data: addresses, links, dump requests, errors (man 7
// rtnetlink, linux/if_link.h, linux/if_addr.h). The bytes are netlink-codec.ts's business.

import type { Ip, Mac } from '../../machines/frames.ts';

/** Message types (linux/netlink.h, linux/rtnetlink.h). */
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
export const RTM_NEWROUTE = 24;
export const RTM_GETROUTE = 26;

/** Address families (linux/socket.h). */
export const AF_INET = 2;
export const AF_INET6 = 10;

/** Attributes of a link (linux/if_link.h). */
export const IFLA_ADDRESS = 1;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
export const IFLA_OPERSTATE = 16;
export const IFLA_EXT_MASK = 29;
export const IFLA_CARRIER = 33;
/** Leaves the statistics, most of a link message, out of a dump (linux/rtnetlink.h). */
export const RTEXT_FILTER_SKIP_STATS = 8;

/** Attributes of an address (linux/if_addr.h). */
export const RTA_DST = 1;
export const RTN_LOCAL = 2;
/**
 * Asks for the entry of the routing table, not for the route that a packet would take: of those the kernel makes one
 * for each address asked for (measured with 5,000 addresses: 0.27 ms a question without, 5 µs with).
 */
export const RTM_F_FIB_MATCH = 0x2000;
export const IFA_ADDRESS = 1;
export const IFA_LOCAL = 2;
export const IFA_CACHEINFO = 6;
export const IFA_FLAGS = 8;
export const IFA_PROTO = 11;
/** An infinite lifetime. */
export const FOREVER = 0xffffffff;

/** Header flags (linux/netlink.h). */
export const NLM_F_REQUEST = 0x001;
export const NLM_F_MULTI = 0x002;
export const NLM_F_ACK = 0x004;
export const NLM_F_DUMP_INTR = 0x010;
export const NLM_F_EXCL = 0x200;
export const NLM_F_DUMP = 0x300;
export const NLM_F_CREATE = 0x400;

/** Interface flags (linux/if.h) and the hardware type of Ethernet (linux/if_arp.h). */
export const IFF_UP = 0x1;
export const IFF_LOOPBACK = 0x8;
export const IFF_LOWER_UP = 0x10000;
export const ARPHRD_ETHER = 1;

/** Address flags and scopes (linux/if_addr.h, linux/rtnetlink.h). */
export const IFA_F_NODAD = 0x02;
export const IFA_F_NOPREFIXROUTE = 0x200;
export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_HOST = 254;

export interface Header {
  /** NLM_F_… bits. */
  readonly headerFlags: number;
  readonly sequence: number;
}

export interface AddressMessage extends Header {
  readonly kind: 'address';
  readonly change: 'new' | 'deleted';
  readonly index: number;
  /** The host's own address: IFA_LOCAL where there is one, else IFA_ADDRESS. */
  readonly ip: Ip;
  /** The far end of a point-to-point address, null where it is the address itself. */
  readonly peer: Ip | null;
  readonly prefixLength: number;
  readonly scope: number;
  readonly flags: number;
  /** IFA_PROTO: who put it there; 0 when nobody said, or when the kernel is older than 5.18. */
  readonly protocol: number;
  /** Seconds for which it is preferred as a source (0: deprecated); null leaves it to the kernel (forever). */
  readonly preferredSeconds: number | null;
}

export interface LinkMessage extends Header {
  readonly kind: 'link';
  readonly change: 'new' | 'deleted';
  /** AF_UNSPEC (0) speaks of the interface; AF_BRIDGE of its being a bridge port, with `deleted` for leaving. */
  readonly family: number;
  readonly index: number;
  readonly hardwareType: number;
  readonly flags: number;
  readonly name: string;
  /** Null unless the hardware address has six octets. */
  readonly mac: Mac | null;
  /** Octets of payload that a frame may have; null when absent. */
  readonly mtu: number | null;
  /** RFC 2863 ifOperStatus as linux/if.h numbers it, null when absent. */
  readonly operState: number | null;
  readonly carrier: boolean | null;
}

export interface DumpRequest extends Header {
  readonly kind: 'dump';
  readonly of: 'links' | 'addresses';
}

/** Asks how the kernel would treat a packet to `ip`; the kernel answers with the same kind. */
export interface RouteMessage extends Header {
  readonly kind: 'route';
  readonly ip: Ip;
  /** RTN_…: 2 (RTN_LOCAL) where this host accepts it; 0 in a question. */
  readonly routeType: number;
}

export interface ErrorMessage extends Header {
  readonly kind: 'error';
  /** Positive; 0 is an acknowledgement. */
  readonly errno: number;
}

export interface DoneMessage extends Header {
  readonly kind: 'done';
  /** Positive; 0 when the dump went well. */
  readonly errno: number;
}

export type MalformedReason = 'header' | 'body' | 'attribute' | 'address' | 'name';

export interface MalformedMessage {
  readonly kind: 'malformed';
  readonly reason: MalformedReason;
}

export type NetlinkMessage =
  | AddressMessage
  | LinkMessage
  | RouteMessage
  | DumpRequest
  | ErrorMessage
  | DoneMessage;
