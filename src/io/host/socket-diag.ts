// TCP connections that end in this network namespace, from NETLINK_SOCK_DIAG (man 7 sock_diag, linux/inet_diag.h):
// `serve: host`. Everybody may ask. UDP is left out: servers do not connect their UDP sockets, so the kernel does
// not know who is talking to them.

import { familyOf, type Ip } from '../../machines/frames.ts';
import { AF_INET, AF_INET6 } from '../native/libc.ts';
import { formatIpv4, formatIpv6, ipToBytes } from '../packets/address.ts';
import { assemble, attribute, HEADER, put16, put32 } from './netlink-bytes.ts';
import { type DumpFailure, takeDump } from './netlink-dump.ts';
import type { Header } from './netlink-messages.ts';
import type { RemoteTable } from './remote-table.ts';

/** linux/netlink.h, linux/sock_diag.h, linux/in.h, linux/inet_diag.h */
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const IPPROTO_TCP = 6;
const INET_DIAG_REQ_BYTECODE = 1;
const INET_DIAG_BC_JMP = 1;
const INET_DIAG_BC_S_COND = 7;

/** struct inet_diag_req_v2: family, protocol, extensions, padding, states (at 4), identity (all zeros: any). */
const REQUEST_BODY = 56;
/** struct inet_diag_msg: family, state, timer, retransmissions, two ports, source, destination, and more. */
const MESSAGE_BODY = 72;
const SOURCE = 8;
const DESTINATION = 24;

/**
 * net/tcp_states.h: in these a move would break a connection. Not TIME_WAIT, which only remembers one, SYN_SENT,
 * which is this host's own attempt, CLOSE and LISTEN. A FIN_WAIT2 that no process holds any more ends by itself
 * within net.ipv4.tcp_fin_timeout (60 s).
 */
const STATES = {
  ESTABLISHED: 1,
  SYN_RECV: 3,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  CLOSING: 11,
} as const;
const STATE_MASK = Object.values(STATES).reduce((mask, state) => mask | (1 << state), 0);

/**
 * The kernel tries one condition after the other on every socket, 20 ns each, and does not return before it has
 * something to tell; to read of a socket that nobody wants costs 1 µs (measured), in slices.
 */
const MAX_CONDITIONS = 8;

/** struct inet_diag_bc_op and struct inet_diag_hostcond: `ip` whole, any port. */
const CONDITION = 12;
const JUMP = 4;
const ANY_PORT = -1;

/**
 * "The local address is one of these", in the filter language of inet_diag.c. A condition goes on behind itself when
 * it holds, where a jump leads to the very end (accept), else behind that jump; four octets beyond the end: refuse.
 * A condition of AF_INET also holds for IPv4-mapped addresses (inet_diag_bc_run).
 */
const encodeConditions = (ips: readonly Ip[]): Uint8Array => {
  const sizes = ips.map((ip) => CONDITION + (familyOf(ip) === 'ipv4' ? 4 : 16));
  const total = sizes.reduce((sum, size) => sum + size + JUMP, -JUMP);
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const [index, ip] of ips.entries()) {
    const address = ipToBytes(ip);
    const size = sizes[index] as number;
    bytes[at] = INET_DIAG_BC_S_COND;
    bytes[at + 1] = size;
    put16(bytes, at + 2, size + JUMP);
    bytes[at + 4] = address.length === 4 ? AF_INET : AF_INET6;
    bytes[at + 5] = 8 * address.length;
    put32(bytes, at + 8, ANY_PORT);
    bytes.set(address, at + CONDITION);
    at += size;
    if (at === total) break;
    bytes[at] = INET_DIAG_BC_JMP;
    bytes[at + 1] = JUMP;
    put16(bytes, at + 2, total - at);
    at += JUMP;
  }
  return bytes;
};

/**
 * Asks for the TCP sockets of one socket family in the states above whose local address is one of `ips`; with more
 * than 8 of these, for those of every address.
 */
export const encodeSocketRequest = (
  family: typeof AF_INET | typeof AF_INET6,
  ips: readonly Ip[],
  header: Header,
): Uint8Array => {
  const body = new Uint8Array(REQUEST_BODY);
  body[0] = family;
  body[1] = IPPROTO_TCP;
  put32(body, 4, STATE_MASK);
  const parts: Uint8Array[] = [body];
  if (ips.length <= MAX_CONDITIONS) parts.push(attribute(INET_DIAG_REQ_BYTECODE, encodeConditions(ips)));
  return assemble(SOCK_DIAG_BY_FAMILY, header, parts);
};

/** RFC 4291 §2.5.5.2: "80 bits of zero, 16 bits of ones", then the IPv4 address. */
const isMapped = (bytes: Uint8Array, at: number): boolean => {
  for (let index = 0; index < 10; index += 1) if (bytes[at + index] !== 0) return false;
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
};

const formatAddress = (bytes: Uint8Array, at: number, family: number): Ip => {
  if (family === AF_INET) return formatIpv4(bytes, at);
  return isMapped(bytes, at) ? formatIpv4(bytes, at + 12) : formatIpv6(bytes, at);
};

/**
 * Local and remote address of the struct inet_diag_msg of a message, IPv4 where they are IPv4-mapped (a dual-stack
 * socket's); null when the local one is not wanted, `malformed` when it is too short or of another family.
 */
export const decodeSocket = (
  bytes: Uint8Array,
  at: number,
  end: number,
  isWanted: (ip: Ip) => boolean,
): { readonly local: Ip; readonly remote: Ip } | 'malformed' | null => {
  const body = at + HEADER;
  if (end - body < MESSAGE_BODY) return 'malformed';
  const family = bytes[body] as number;
  if (family !== AF_INET && family !== AF_INET6) return 'malformed';
  const local = formatAddress(bytes, body + SOURCE, family);
  if (!isWanted(local)) return null;
  return { local, remote: formatAddress(bytes, body + DESTINATION, family) };
};

/**
 * Fills the table with the open TCP connections of this network namespace. Two dumps where an IPv4 address is asked
 * for, since a dual-stack socket is one of AF_INET6. Null when all were seen, else why not.
 */
export const findSockets = async (
  table: RemoteTable,
  isClosed: () => boolean,
): Promise<DumpFailure | null> => {
  const take = (bytes: Uint8Array, at: number, end: number): boolean => {
    const socket = decodeSocket(bytes, at, end, table.isWanted);
    if (socket === 'malformed') return false;
    if (socket !== null) table.add(socket.local, socket.remote);
    return true;
  };
  const ipv4 = table.ips.filter((ip) => familyOf(ip) === 'ipv4');
  for (const [family, ips] of [[AF_INET, ipv4] as const, [AF_INET6, table.ips] as const]) {
    if (ips.length === 0) continue;
    const failure = await takeDump({
      protocol: NETLINK_SOCK_DIAG,
      encode: (header) => encodeSocketRequest(family, ips, header),
      entryType: SOCK_DIAG_BY_FAMILY,
      take,
      isClosed,
    });
    if (failure !== null) return failure;
  }
  return null;
};
