// Connections that this host forwards (kube-proxy with iptables, nftables or IPVS), from a ctnetlink dump: `serve:
// none` (linux/netfilter/nfnetlink_conntrack.h). Takes CAP_NET_ADMIN, to open the socket and to ask (nfnetlink.c).
// What conntrack does not track is not seen: eBPF datapaths, `notrack` rules, IPVS without net.ipv4.vs.conntrack=1.

import { familyOf, type Ip } from '../../machines/frames.ts';
import { AF_INET, AF_INET6 } from '../native/libc.ts';
import { formatIpv4, formatIpv6, ipToBytes } from '../packets/address.ts';
import {
  ATTRIBUTE_HEADER,
  assemble,
  attribute,
  attributeEnd,
  findAttribute,
  HEADER,
  nested,
  word,
} from './netlink-bytes.ts';
import { type DumpFailure, takeDump } from './netlink-dump.ts';
import type { Header } from './netlink-messages.ts';
import type { RemoteTable } from './remote-table.ts';

/** linux/netlink.h; message types are subsystem and operation, linux/netfilter/nfnetlink.h. */
const NETLINK_NETFILTER = 12;
const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_NEW = (NFNL_SUBSYS_CTNETLINK << 8) | 0;
const IPCTNL_MSG_CT_GET = (NFNL_SUBSYS_CTNETLINK << 8) | 1;
/** struct nfgenmsg: family, version, resource. */
const BODY = 4;

/** linux/netfilter/nfnetlink_conntrack.h */
const CTA_TUPLE_ORIG = 1;
const CTA_STATUS = 3;
const CTA_PROTOINFO = 4;
const CTA_FILTER = 25;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_SRC = 3;
const CTA_IP_V6_DST = 4;
const CTA_PROTO_NUM = 1;
const CTA_PROTOINFO_TCP = 1;
const CTA_PROTOINFO_TCP_STATE = 1;
const CTA_FILTER_ORIG_FLAGS = 1;
/** net/netfilter/nf_internals.h: compare the destination address. */
const CTA_FILTER_F_CTA_IP_DST = 1 << 1;

const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

/** linux/netfilter/nf_conntrack_tcp.h; not SYN_SENT, TIME_WAIT, CLOSE. */
const OPEN_STATES: ReadonlySet<number> = new Set([
  2, // SYN_RECV
  3, // ESTABLISHED
  4, // FIN_WAIT
  5, // CLOSE_WAIT
  6, // LAST_ACK
  9, // SYN_SENT2
]);
/** linux/netfilter/nf_conntrack_common.h */
const IPS_SEEN_REPLY = 1 << 1;
const IPS_ASSURED = 1 << 2;

/**
 * Up to this many IPv4 addresses are asked for one by one, which the kernel filters since 5.8; an older one sends
 * all, each time. To walk 262,144 buckets and 100,000 entries takes it 30 ms (measured), during which it does not
 * return; to tell of all of them 240 ms, in slices. Never IPv6: there the filter lets through all but the address
 * asked for (nf_conntrack_netlink.c, ctnetlink_filter_match_tuple, `!ipv6_addr_cmp`; so up to 6.18 at least).
 */
const MAX_SINGLE_REQUESTS = 2;

/** Asks for the entries of one family (AF_…, 0 for both); for AF_INET, of one original destination if it is given. */
export const encodeEntryRequest = (family: number, ipv4: Ip | null, header: Header): Uint8Array => {
  const parts: Uint8Array[] = [Uint8Array.of(family, 0, 0, 0)];
  if (ipv4 !== null) {
    parts.push(
      nested(CTA_TUPLE_ORIG, nested(CTA_TUPLE_IP, attribute(CTA_IP_V4_DST, ipToBytes(ipv4)))),
      nested(CTA_FILTER, attribute(CTA_FILTER_ORIG_FLAGS, word(CTA_FILTER_F_CTA_IP_DST))),
    );
  }
  return assemble(IPCTNL_MSG_CT_GET, header, parts);
};

/** Where the value of an attribute begins that lies within others, outermost first; -1 unless it has `size` octets. */
const findValue = (
  bytes: Uint8Array,
  from: number,
  end: number,
  path: readonly number[],
  size: number,
): number => {
  let value = from;
  let stop = end;
  for (const type of path) {
    const at = findAttribute(bytes, value, stop, type);
    if (at < 0) return -1;
    value = at + ATTRIBUTE_HEADER;
    stop = attributeEnd(bytes, at, stop);
  }
  return stop - value >= size ? value : -1;
};

const PROTOCOL = [CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, CTA_PROTO_NUM];
const TCP_STATE = [CTA_PROTOINFO, CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE];
const ADDRESSES = {
  [AF_INET]: {
    size: 4,
    format: formatIpv4,
    source: [CTA_TUPLE_ORIG, CTA_TUPLE_IP, CTA_IP_V4_SRC],
    destination: [CTA_TUPLE_ORIG, CTA_TUPLE_IP, CTA_IP_V4_DST],
  },
  [AF_INET6]: {
    size: 16,
    format: formatIpv6,
    source: [CTA_TUPLE_ORIG, CTA_TUPLE_IP, CTA_IP_V6_SRC],
    destination: [CTA_TUPLE_ORIG, CTA_TUPLE_IP, CTA_IP_V6_DST],
  },
} as const;

const isOpen = (bytes: Uint8Array, from: number, end: number, protocol: number): boolean => {
  if (protocol === IPPROTO_TCP) {
    const state = findValue(bytes, from, end, TCP_STATE, 1);
    // Handed to a flow table (IPS_OFFLOAD), an established connection is told of without its state
    // (nf_conntrack_netlink.c, ctnetlink_dump_info).
    return state < 0 || OPEN_STATES.has(bytes[state] as number);
  }
  if (protocol !== IPPROTO_UDP) return false;
  // Four octets in network byte order: the flags are in the last.
  const status = findValue(bytes, from, end, [CTA_STATUS], 4);
  return status >= 0 && ((bytes[status + 3] as number) & (IPS_SEEN_REPLY | IPS_ASSURED)) !== 0;
};

/**
 * The original direction of an open TCP connection, or of UDP that was answered: service IP and client. Null for any
 * other entry, and for one whose destination is not wanted; `malformed` without addresses or protocol.
 */
export const decodeEntry = (
  bytes: Uint8Array,
  at: number,
  end: number,
  isWanted: (ip: Ip) => boolean,
): { readonly serviceIp: Ip; readonly client: Ip } | 'malformed' | null => {
  const from = at + HEADER + BODY;
  if (from > end) return 'malformed';
  const family = bytes[at + HEADER];
  if (family !== AF_INET && family !== AF_INET6) return null;
  const { size, format, source, destination } = ADDRESSES[family];
  const target = findValue(bytes, from, end, destination, size);
  const origin = findValue(bytes, from, end, source, size);
  const protocol = findValue(bytes, from, end, PROTOCOL, 1);
  if (target < 0 || origin < 0 || protocol < 0) return 'malformed';
  const serviceIp = format(bytes, target);
  if (!isWanted(serviceIp) || !isOpen(bytes, from, end, bytes[protocol] as number)) return null;
  return { serviceIp, client: format(bytes, origin) };
};

/** What to ask the kernel, one dump each. */
const requestsFor = (ips: readonly Ip[]): { readonly family: number; readonly ipv4: Ip | null }[] => {
  const ipv4 = ips.filter((ip) => familyOf(ip) === 'ipv4');
  const wantsIpv6 = ipv4.length < ips.length;
  if (ipv4.length > MAX_SINGLE_REQUESTS) return [{ family: wantsIpv6 ? 0 : AF_INET, ipv4: null }];
  const requests = ipv4.map((ip) => ({ family: AF_INET, ipv4: ip }));
  return wantsIpv6 ? [...requests, { family: AF_INET6, ipv4: null }] : requests;
};

/** Fills the table with the connections that this network namespace forwards. Null when all were seen, else why not. */
export const findEntries = async (
  table: RemoteTable,
  isClosed: () => boolean,
): Promise<DumpFailure | null> => {
  const take = (bytes: Uint8Array, at: number, end: number): boolean => {
    const entry = decodeEntry(bytes, at, end, table.isWanted);
    if (entry === 'malformed') return false;
    if (entry !== null) table.add(entry.serviceIp, entry.client);
    return true;
  };
  for (const { family, ipv4 } of requestsFor(table.ips)) {
    const failure = await takeDump({
      protocol: NETLINK_NETFILTER,
      encode: (header) => encodeEntryRequest(family, ipv4, header),
      entryType: IPCTNL_MSG_CT_NEW,
      take,
      isClosed,
    });
    if (failure !== null) return failure;
  }
  return null;
};
