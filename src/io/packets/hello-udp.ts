// A hello in UDP, for networks that lose what is not IP (docs/protocol.md, UDP): an IPv4 datagram to a link-local
// group, written and read here and never by the kernel, so that neither its firewall nor its routes are in the way.
// What comes with a TTL below 255 was forwarded by somebody and is refused (RFC 5082, GTSM).
import type { DroppedFrame, Ip, Mac } from '../../machines/frames.ts';
import { writeIpv4 } from './address.ts';
import { readU8, readU16, writeU16 } from './big-endian.ts';
import { internetChecksum, udpChecksum } from './checksum.ts';
import { DROPPED } from './dropped.ts';

export type HelloTransport = 'ethernet' | 'udp';

/** RFC 4727 §2.2: 224.0.0.254, for experiments in the Local Network Control Block, which no router forwards. */
export const UDP_GROUP = 0xe00000fe;
/** RFC 1112 §6.4: 01:00:5e and the low 23 bits of the group. */
export const UDP_GROUP_MAC: Mac = '01:00:5e:00:00:fe';
/** RFC 4727 §6: exp1, for experiments; source and destination. */
export const UDP_PORT = 1021;
/** RFC 5082 §3: the TTL that nobody can send who is a hop away. */
const TTL = 255;
/** Version 4, five words: no options. */
const VERSION_AND_LENGTH = 0x45;
/** CS6 (RFC 2474), what routing protocols use: switches with queues let it pass first. */
const NETWORK_CONTROL = 0xc0;
const DO_NOT_FRAGMENT = 0x4000;
/** Offset and "more fragments". */
const FRAGMENT = 0x3fff;
export const PROTOCOL_UDP = 17;

const IPV4_HEADER = 20;
const UDP_HEADER = 8;
/** Octets before the hello. */
export const UDP_OVERHEAD = IPV4_HEADER + UDP_HEADER;

const TOTAL_LENGTH = 2;
const FRAGMENT_OFFSET = 6;
const TTL_OFFSET = 8;
const PROTOCOL = 9;
const HEADER_CHECKSUM = 10;
const SOURCE = 12;
const DESTINATION = 16;
const UDP_LENGTH = IPV4_HEADER + 4;
const UDP_CHECKSUM = IPV4_HEADER + 6;

/** Writes both headers at `at`; `source` is 0.0.0.0 where the sender has no address. The payload stands already. */
export const writeUdpHeaders = (bytes: Uint8Array, at: number, source: Ip, payloadLength: number): void => {
  bytes.fill(0, at, at + UDP_OVERHEAD);
  bytes[at] = VERSION_AND_LENGTH;
  bytes[at + 1] = NETWORK_CONTROL;
  writeU16(bytes, at + TOTAL_LENGTH, UDP_OVERHEAD + payloadLength);
  writeU16(bytes, at + FRAGMENT_OFFSET, DO_NOT_FRAGMENT);
  bytes[at + TTL_OFFSET] = TTL;
  bytes[at + PROTOCOL] = PROTOCOL_UDP;
  writeIpv4(source, bytes, at + SOURCE);
  writeU16(bytes, at + DESTINATION, UDP_GROUP >>> 16);
  writeU16(bytes, at + DESTINATION + 2, UDP_GROUP & 0xffff);
  writeU16(bytes, at + HEADER_CHECKSUM, internetChecksum(bytes, at, at + IPV4_HEADER));
  writeU16(bytes, at + IPV4_HEADER, UDP_PORT);
  writeU16(bytes, at + IPV4_HEADER + 2, UDP_PORT);
  writeU16(bytes, at + UDP_LENGTH, UDP_HEADER + payloadLength);
  // RFC 768: "If the computed checksum is zero, it is transmitted as all ones".
  writeU16(bytes, at + UDP_CHECKSUM, udpChecksum(bytes, at, UDP_HEADER + payloadLength) || 0xffff);
};

/** What is wrong with the headers at `at`, or null. The hello is the `udpPayloadLength` octets behind them. */
export const refuseUdp = (bytes: Uint8Array, at: number, end: number): DroppedFrame | null => {
  if (end < at + UDP_OVERHEAD) return DROPPED['hello-truncated'];
  if (readU8(bytes, at) !== VERSION_AND_LENGTH) return DROPPED['ip-version'];
  if (readU8(bytes, at + PROTOCOL) !== PROTOCOL_UDP) return DROPPED['ip-next-header'];
  const udpLength = readU16(bytes, at + UDP_LENGTH);
  if (udpLength < UDP_HEADER || readU16(bytes, at + TOTAL_LENGTH) !== IPV4_HEADER + udpLength)
    return DROPPED['ip-length'];
  if ((readU16(bytes, at + FRAGMENT_OFFSET) & FRAGMENT) !== 0) return DROPPED['hello-malformed'];
  const group = readU16(bytes, at + DESTINATION) * 0x10000 + readU16(bytes, at + DESTINATION + 2);
  if (group !== UDP_GROUP || readU16(bytes, at + IPV4_HEADER + 2) !== UDP_PORT)
    return DROPPED['hello-malformed'];
  // RFC 5082 §3: "If the TTL is not in the range [...] the packet is [...] discarded".
  if (readU8(bytes, at + TTL_OFFSET) !== TTL) return DROPPED['hop-limit'];
  if (end < at + IPV4_HEADER + udpLength) return DROPPED['hello-truncated'];
  if (internetChecksum(bytes, at, at + IPV4_HEADER) !== 0) return DROPPED.checksum;
  // A checksum of nothing would mean none (RFC 768): senders of hellos always make one.
  if (readU16(bytes, at + UDP_CHECKSUM) === 0) return DROPPED.checksum;
  return udpChecksum(bytes, at, udpLength) === 0 ? null : DROPPED.checksum;
};

/** Octets of the payload, by the UDP header; what follows is Ethernet padding. */
export const udpPayloadLength = (bytes: Uint8Array, at: number): number =>
  readU16(bytes, at + UDP_LENGTH) - UDP_HEADER;
