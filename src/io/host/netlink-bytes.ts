// What every netlink family has in common: message headers and attributes, host byte order, padded to four octets
// (man 7 netlink, linux/netlink.h). Pure. Both machines Holdfast runs on (x86-64, arm64) are little-endian.

import type { Header } from './netlink-messages.ts';

/** struct nlmsghdr: length, type (at 4), flags (at 6), sequence (at 8), port. */
export const HEADER = 16;
/** struct nlattr: length, type. */
export const ATTRIBUTE_HEADER = 4;
const NLA_F_NESTED = 0x8000;

export const u16 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
const i32 = (bytes: Uint8Array, at: number): number => u16(bytes, at) | (u16(bytes, at + 2) << 16);
export const u32 = (bytes: Uint8Array, at: number): number => i32(bytes, at) >>> 0;
export const put16 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
};
export const put32 = (bytes: Uint8Array, at: number, value: number): void => {
  put16(bytes, at, value);
  put16(bytes, at + 2, value >>> 16);
};
export const aligned = (length: number): number => (length + 3) & ~3;

/**
 * Calls `visit` with where each message of a datagram begins and ends, header included. False when the length in a
 * header is wrong, which ends the datagram.
 */
export const walkMessages = (
  bytes: Uint8Array,
  length: number,
  visit: (at: number, end: number) => void,
): boolean => {
  const end = Math.min(length, bytes.length);
  for (let at = 0; at < end; ) {
    const size = end - at < HEADER ? 0 : u32(bytes, at);
    if (size < HEADER || size > end - at) return false;
    visit(at, at + size);
    at += aligned(size);
  }
  return true;
};

/** The positive errno of an NLMSG_ERROR or NLMSG_DONE at `at`, 0 for success; null when it is too short. */
export const errnoOf = (bytes: Uint8Array, at: number, end: number): number | null =>
  end - at < HEADER + 4 ? null : -i32(bytes, at + HEADER) | 0;

/** The end of the attribute at `at`, or 0 when its length is wrong. */
export const attributeEnd = (bytes: Uint8Array, at: number, end: number): number => {
  const size = end - at < ATTRIBUTE_HEADER ? 0 : u16(bytes, at);
  return size < ATTRIBUTE_HEADER || size > end - at ? 0 : at + size;
};

/** The upper two bits of an attribute's type are flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER). */
export const attributeType = (bytes: Uint8Array, at: number): number => u16(bytes, at + 2) & 0x3fff;

/** Where the first attribute of `type` between `from` and `end` begins; -1 when there is none, or behind a bad one. */
export const findAttribute = (bytes: Uint8Array, from: number, end: number, type: number): number => {
  for (let at = from; at < end; ) {
    const stop = attributeEnd(bytes, at, end);
    if (stop === 0) return -1;
    if (attributeType(bytes, at) === type) return at;
    at += aligned(stop - at);
  }
  return -1;
};

export const attribute = (type: number, value: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(aligned(ATTRIBUTE_HEADER + value.length));
  put16(bytes, 0, ATTRIBUTE_HEADER + value.length);
  put16(bytes, 2, type);
  bytes.set(value, ATTRIBUTE_HEADER);
  return bytes;
};

/** An attribute made of attributes. */
export const nested = (type: number, ...parts: readonly Uint8Array[]): Uint8Array =>
  attribute(type | NLA_F_NESTED, Buffer.concat(parts));

export const word = (...values: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(4 * values.length);
  for (const [index, value] of values.entries()) put32(bytes, 4 * index, value);
  return bytes;
};

export const octet = (value: number): Uint8Array => Uint8Array.of(value);

/** One message, padded to four octets, so that messages may simply follow each other in a datagram. */
export const assemble = (type: number, header: Header, parts: readonly Uint8Array[]): Uint8Array => {
  const size = parts.reduce((sum, part) => sum + part.length, HEADER);
  const bytes = new Uint8Array(aligned(size));
  put32(bytes, 0, size);
  put16(bytes, 4, type);
  put16(bytes, 6, header.headerFlags);
  put32(bytes, 8, header.sequence);
  let at = HEADER;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
};
