// The internet checksum (RFC 1071), its ICMPv6 form with the IPv6 pseudo-header (RFC 8200 §8.1) and its UDP form with
// that of IPv4 (RFC 768). To verify, compute over the message with its checksum field in place: a good one gives 0.

import { readU8, readU16 } from './big-endian.ts';

const NEXT_HEADER_ICMPV6 = 58;
const PROTOCOL_UDP = 17;

/** Sum of big-endian 16-bit words of [from, to), an odd last octet padded with zero; the carries stay in it. */
const sumWords = (bytes: Uint8Array, from: number, to: number): number => {
  // An IPv6 packet has at most 32,788 words, so that the sum stays below 2^32.
  let sum = 0;
  let at = from;
  for (; at + 1 < to; at += 2) sum += readU16(bytes, at);
  // RFC 1071 §4.1: "Add left-over byte, if any"; in network order it is the high half of its word.
  return at < to ? sum + (readU8(bytes, at) << 8) : sum;
};

/** One's complement of the folded sum, 0–65535. */
const complement = (sum: number): number => {
  const once = (sum >>> 16) + (sum & 0xffff);
  return ~((once >>> 16) + once) & 0xffff;
};

/** RFC 1071 checksum of the octets [from, to); at most 65,575 of them. */
export const internetChecksum = (bytes: Uint8Array, from: number, to: number): number =>
  complement(sumWords(bytes, from, to));

/**
 * Checksum of the ICMPv6 message of `length` octets that follows the IPv6 header at `header`, pseudo-header
 * included: source, destination (octets 8–39 of the header, contiguous), upper-layer length, next header 58.
 */
export const icmpv6Checksum = (bytes: Uint8Array, header: number, length: number): number =>
  complement(sumWords(bytes, header + 8, header + 40 + length) + length + NEXT_HEADER_ICMPV6);

/**
 * Checksum of the UDP datagram of `length` octets that follows the IPv4 header of 20 octets at `header`,
 * pseudo-header included: source, destination (octets 12–19 of the header, contiguous), protocol 17, length.
 */
export const udpChecksum = (bytes: Uint8Array, header: number, length: number): number =>
  complement(sumWords(bytes, header + 12, header + 20 + length) + length + PROTOCOL_UDP);
