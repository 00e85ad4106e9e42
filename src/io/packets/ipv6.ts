// The fixed IPv6 header (RFC 8200 §3), as far as Neighbor Discovery needs it: directly before ICMPv6.

import type { DroppedFrame, Ip } from '../../machines/frames.ts';
import { writeIpv6 } from './address.ts';
import { readU8, readU16, writeU16 } from './big-endian.ts';
import { DROPPED } from './dropped.ts';

export const IPV6_HEADER = 40;
export const IPV6_SOURCE = 8;
export const IPV6_DESTINATION = 24;
const IPV6_HOP_LIMIT = 7;
const NEXT_HEADER_ICMPV6 = 58;
/** RFC 4861 §4.3, §4.4: "Hop Limit 255". */
const HOP_LIMIT = 255;

/**
 * Octets of the ICMPv6 message after the IPv6 header at `at`. The payload length decides, not the frame's: what
 * follows is Ethernet padding.
 */
export const icmpv6Length = (bytes: Uint8Array, at: number, end: number): number | DroppedFrame => {
  if (end < at + IPV6_HEADER) return DROPPED.truncated;
  if (readU8(bytes, at) >>> 4 !== 6) return DROPPED['ip-version'];
  // Extension headers are refused: no host sends ND with one, the kernel filter does not walk them either, and
  // RFC 6980 §5 demands it of the fragment header ("Nodes MUST silently ignore").
  if (readU8(bytes, at + 6) !== NEXT_HEADER_ICMPV6) return DROPPED['ip-next-header'];
  const length = readU16(bytes, at + 4);
  if (length === 0) return DROPPED['ip-length'];
  return end < at + IPV6_HEADER + length ? DROPPED.truncated : length;
};

/** RFC 4861 §7.1.1: "The IP Hop Limit field has a value of 255". */
export const hasNeighborHopLimit = (bytes: Uint8Array, at: number): boolean =>
  readU8(bytes, at + IPV6_HOP_LIMIT) === HOP_LIMIT;

/** Whether the address at `at` is `::`. */
export const isUnspecifiedAt = (bytes: Uint8Array, at: number): boolean => {
  for (let index = at; index < at + 16; index += 1) if (bytes[index] !== 0) return false;
  return true;
};

/** Whether the address at `at` is in ff00::/8 (RFC 4291 §2.7). */
export const isMulticastAt = (bytes: Uint8Array, at: number): boolean => readU8(bytes, at) === 0xff;

/** Whether the address at `at` is in ff02::1:ff00:0/104 (RFC 4291 §2.7.1). */
export const isSolicitedNodeAt = (bytes: Uint8Array, at: number): boolean => {
  if (readU16(bytes, at) !== 0xff02 || readU16(bytes, at + 10) !== 1 || bytes[at + 12] !== 0xff) return false;
  for (let index = at + 2; index < at + 10; index += 1) if (bytes[index] !== 0) return false;
  return true;
};

/** Writes 40 octets at `at`: traffic class and flow label 0, hop limit 255. */
export const writeIpv6Header = (
  bytes: Uint8Array,
  at: number,
  source: Ip,
  destination: Ip,
  payloadLength: number,
): void => {
  bytes[at] = 6 << 4;
  writeU16(bytes, at + 4, payloadLength);
  bytes[at + 6] = NEXT_HEADER_ICMPV6;
  bytes[at + IPV6_HOP_LIMIT] = HOP_LIMIT;
  writeIpv6(source, bytes, at + IPV6_SOURCE);
  writeIpv6(destination, bytes, at + IPV6_DESTINATION);
};
