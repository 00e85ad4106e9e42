// Echo requests and replies over one raw socket a family: bytes in fixed buffers, nothing allocated while probing.
// RFC 792 (type 8 → 0) and RFC 4443 (128 → 129); the kernel fills the ICMPv6 checksum (RFC 3542, 3.1).
import { randomBytes, randomInt } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import {
  AF_INET,
  AF_INET6,
  close,
  interfaceIndex,
  MSG_DONTWAIT,
  recv,
  SO_RCVBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_SOCKET,
  SystemError,
  sendto,
  setsockopt,
  socket,
} from '../../io/native/libc.ts';

export type Family = 'ipv4' | 'ipv6';

export type EchoTarget = Readonly<{ address: string; family: Family }>;

export type EchoSocket = Readonly<{
  fd: number;
  /** Sends probe `sequence` to target number `index`. Gives whether the kernel took it. */
  send(index: number, sequence: number): boolean;
  /** Reads until nothing is left; calls `onReply` for each reply to a probe of this process. */
  drain(onReply: (index: number, sequence: number) => void): void;
  close(): void;
}>;

const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
const SOL_RAW = 255;
const FILTER = 1; // ICMP_FILTER, and ICMP6_FILTER at its own level

const NONCE_OFFSET = 8;
const INDEX_OFFSET = 16;
const SEQUENCE_OFFSET = 20;
const PROBE_BYTES = 24;

/** A burst after a stall of the prober, a second of four targets at 2 ms, fits (each counts as some 800 bytes). */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

/** Probes read in one go at most, so that a flood cannot hold the loop. */
const MAX_DRAIN = 4_096;

const ipv6Bytes = (address: string): Uint8Array => {
  // The URL parser writes every form (also embedded IPv4) as hexadecimal groups.
  const [left = '', right] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string | undefined): number[] =>
    text === undefined || text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const head = groups(left);
  const tail = groups(right);
  const all =
    right === undefined ? head : [...head, ...new Array(8 - head.length - tail.length).fill(0), ...tail];
  const bytes = new Uint8Array(16);
  for (const [i, group] of all.entries()) new DataView(bytes.buffer).setUint16(i * 2, group);
  return bytes;
};

/** `struct sockaddr_in` or `sockaddr_in6`; the family is in host byte order (little-endian on x86-64 and arm64). */
const socketAddress = (target: EchoTarget): Uint8Array => {
  const isV4 = target.family === 'ipv4';
  const bytes = new Uint8Array(isV4 ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, isV4 ? AF_INET : AF_INET6, true);
  if (isV4) {
    bytes.set(target.address.split('.').map(Number), 4);
    return bytes;
  }
  const [address = '', scope] = target.address.split('%');
  bytes.set(ipv6Bytes(address), 8);
  if (scope !== undefined) view.setUint32(24, interfaceIndex(scope), true);
  return bytes;
};

/** The family of an address as written; throws on anything that is not an IP address. */
export const echoTarget = (address: string): EchoTarget => {
  if (isIPv4(address)) return { address, family: 'ipv4' };
  if (isIPv6(address)) return { address, family: 'ipv6' };
  throw new Error(`'${address}' is not an IP address`);
};

/** Lets only echo replies through: the filter's bits block (IPv4: by type in 32 bits; IPv6: in 256). */
const onlyReplies = (fd: number, family: Family): void => {
  if (family === 'ipv4') {
    setsockopt(fd, SOL_RAW, FILTER, new Uint8Array([0xfe, 0xff, 0xff, 0xff]));
    return;
  }
  const blocked = new Uint8Array(32).fill(0xff);
  blocked[129 >> 3] = 0xff & ~(1 << (129 & 7));
  setsockopt(fd, IPPROTO_ICMPV6, FILTER, blocked);
};

const internetChecksum = (view: DataView, length: number): number => {
  let sum = 0;
  for (let i = 0; i < length; i += 2) sum += view.getUint16(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
};

/** Opens a socket for all `targets` of one family; throws `SystemError` (EPERM without CAP_NET_RAW). */
export const openEchoSocket = (family: Family, targets: readonly EchoTarget[]): EchoSocket => {
  const isV4 = family === 'ipv4';
  const kind = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = socket(isV4 ? AF_INET : AF_INET6, kind, isV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
  onlyReplies(fd, family);
  try {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, new Uint8Array(new Int32Array([RECEIVE_BUFFER_BYTES]).buffer));
  } catch (failure) {
    if (!(failure instanceof SystemError)) throw failure; // Without CAP_NET_ADMIN the default size must do.
  }
  // No address is bound: the kernel chooses the source by the route, as for any client.
  const addresses = targets.map(socketAddress);
  const nonce = randomBytes(8);
  const probe = new Uint8Array(PROBE_BYTES);
  const out = new DataView(probe.buffer);
  out.setUint8(0, isV4 ? 8 : 128);
  out.setUint16(4, randomInt(0x10000));
  probe.set(nonce, NONCE_OFFSET);
  const input = new Uint8Array(2_048);
  const view = new DataView(input.buffer);

  const isOurs = (at: number, length: number): boolean => {
    if (length < at + PROBE_BYTES || input[at] !== (isV4 ? 0 : 129)) return false;
    for (let i = 0; i < nonce.length; i += 1) if (input[at + NONCE_OFFSET + i] !== nonce[i]) return false;
    return true;
  };

  return {
    fd,
    send: (index, sequence) => {
      out.setUint16(2, 0);
      out.setUint16(6, sequence & 0xffff);
      out.setUint32(INDEX_OFFSET, index);
      out.setUint32(SEQUENCE_OFFSET, sequence);
      if (isV4) out.setUint16(2, internetChecksum(out, PROBE_BYTES));
      return sendto(fd, probe, 0, addresses[index] as Uint8Array) === PROBE_BYTES;
    },
    drain: (onReply) => {
      for (let read = 0; read < MAX_DRAIN; read += 1) {
        const length = recv(fd, input, MSG_DONTWAIT);
        if (length < 0) return;
        // A raw IPv4 socket hands over the IP header too, an IPv6 one does not.
        const at = isV4 ? ((input[0] as number) & 0x0f) * 4 : 0;
        if (isOurs(at, length))
          onReply(view.getUint32(at + INDEX_OFFSET), view.getUint32(at + SEQUENCE_OFFSET));
      }
    },
    close: () => close(fd),
  };
};
