// Canonical text ⇄ bytes for MAC, IPv4 and IPv6 addresses (RFC 5952 for IPv6), and what an address is for
// (RFC 4291). Everything that decides compares addresses as text, so one address must have exactly one text.
// The formatters run several times a frame on the wire thread: tables, no intermediate arrays.

import { isIP } from 'node:net';
import type { Ip, Mac } from '../../machines/frames.ts';
import { readU8, readU16, writeU16 } from './big-endian.ts';

const octets = Array.from({ length: 256 }, (_, value) => value);
const DECIMAL: readonly string[] = octets.map(String);
const DECIMAL_DOT: readonly string[] = octets.map((value) => `${value}.`);
const HEX: readonly string[] = octets.map((value) => value.toString(16).padStart(2, '0'));
/** Without leading zeros: RFC 5952 §4.1 "Leading zeros MUST be suppressed." */
const HEX_SHORT: readonly string[] = octets.map((value) => value.toString(16));
const HIGH_DIGIT = Uint8Array.from(HEX, (text) => text.charCodeAt(0));
const LOW_DIGIT = Uint8Array.from(HEX, (text) => text.charCodeAt(1));

const COLON = 0x3a;
const DOT = 0x2e;
const GROUPS = 8;

const high = (octet: number): number => HIGH_DIGIT[octet] as number;
const low = (octet: number): number => LOW_DIGIT[octet] as number;

/** Six octets at `at` as `02:00:00:00:00:01`. */
export const formatMac = (bytes: Uint8Array, at: number): Mac => {
  const [a, b, c] = [readU8(bytes, at), readU8(bytes, at + 1), readU8(bytes, at + 2)];
  const [d, e, f] = [readU8(bytes, at + 3), readU8(bytes, at + 4), readU8(bytes, at + 5)];
  // fromCharCode makes a flat string; concatenation makes a rope that the next Map lookup must flatten (measured:
  // 60 against 97 ns, lookup included).
  // biome-ignore format: one row per octet
  return String.fromCharCode(
    high(a), low(a), COLON,
    high(b), low(b), COLON,
    high(c), low(c), COLON,
    high(d), low(d), COLON,
    high(e), low(e), COLON,
    high(f), low(f),
  );
};

const decimal = (octet: number): string => DECIMAL[octet] as string;
const decimalDot = (octet: number): string => DECIMAL_DOT[octet] as string;

/** Four octets at `at` as dotted decimal. */
export const formatIpv4 = (bytes: Uint8Array, at: number): Ip =>
  decimalDot(readU8(bytes, at)) +
  decimalDot(readU8(bytes, at + 1)) +
  decimalDot(readU8(bytes, at + 2)) +
  decimal(readU8(bytes, at + 3));

const group = (value: number): string =>
  value < 0x100
    ? (HEX_SHORT[value] as string)
    : (HEX_SHORT[value >>> 8] as string) + (HEX[value & 0xff] as string);

/** Sixteen octets at `at` as RFC 5952 text. */
export const formatIpv6 = (bytes: Uint8Array, at: number): Ip => {
  // RFC 5952 §4.2.2: "The symbol "::" MUST NOT be used to shorten just one 16-bit 0 field."
  let gapLength = 1;
  let gapStart = -1;
  let run = 0;
  for (let index = 0; index < GROUPS; index += 1) {
    run = readU16(bytes, at + 2 * index) === 0 ? run + 1 : 0;
    // §4.2.3: "the longest run of consecutive 16-bit 0 fields MUST be shortened"; of equals "the first".
    if (run > gapLength) {
      gapLength = run;
      gapStart = index - run + 1;
    }
  }
  // §5: an address with a well-known IPv4 prefix is written mixed; as inet_ntop does, for ::ffff:0:0/96.
  if (gapStart === 0 && gapLength === 5 && readU16(bytes, at + 10) === 0xffff) {
    return `::ffff:${formatIpv4(bytes, at + 12)}`;
  }
  if (gapStart < 0) return groups(bytes, at, 0, GROUPS);
  return `${groups(bytes, at, 0, gapStart)}::${groups(bytes, at, gapStart + gapLength, GROUPS)}`;
};

const groups = (bytes: Uint8Array, at: number, from: number, to: number): string => {
  if (from >= to) return '';
  let text = group(readU16(bytes, at + 2 * from));
  for (let index = from + 1; index < to; index += 1) text += `:${group(readU16(bytes, at + 2 * index))}`;
  return text;
};

const hexValue = (code: number): number => {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
};

/** Writes six octets. Throws RangeError on anything but `xx:xx:xx:xx:xx:xx`: text in the core is canonical. */
export const writeMac = (mac: Mac, bytes: Uint8Array, at: number): void => {
  for (let index = 0; index < 6; index += 1) {
    const value = (hexValue(mac.charCodeAt(3 * index)) << 4) | hexValue(mac.charCodeAt(3 * index + 1));
    const separated = index === 5 ? mac.length === 17 : mac.charCodeAt(3 * index + 2) === COLON;
    if (value < 0 || !separated) throw new RangeError(`not a MAC address: ${mac}`);
    bytes[at + index] = value;
  }
};

/** Strict dotted decimal from `from` to the end of the text: four octets, no leading zeros. */
const readIpv4 = (text: string, from: number, bytes: Uint8Array, at: number): boolean => {
  let index = from;
  for (let octet = 0; octet < 4; octet += 1) {
    const start = index;
    let value = 0;
    for (; index < text.length && index < start + 3; index += 1) {
      const digit = text.charCodeAt(index) - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const leadingZero = index - start > 1 && text.charCodeAt(start) === 0x30;
    if (index === start || leadingZero || value > 255) return false;
    bytes[at + octet] = value;
    if (octet < 3 && text.charCodeAt(index++) !== DOT) return false;
  }
  return index === text.length;
};

/** RFC 4291 §2.2, all three forms; no zone. Leaves `bytes` half written when it returns false. */
const readIpv6 = (text: string, bytes: Uint8Array, at: number): boolean => {
  let index = text.startsWith('::') ? 2 : 0;
  let gap = index === 2 ? 0 : -1;
  let count = 0;
  while (index < text.length) {
    const start = index;
    let value = 0;
    for (; index < text.length && index <= start + 4; index += 1) {
      const digit = hexValue(text.charCodeAt(index));
      if (digit < 0) break;
      value = (value << 4) | digit;
    }
    if (text.charCodeAt(index) === DOT) {
      if (count > 6 || !readIpv4(text, start, bytes, at + 2 * count)) return false;
      count += 2;
      break;
    }
    if (index === start || index > start + 4 || count === GROUPS) return false;
    writeU16(bytes, at + 2 * count, value);
    count += 1;
    if (index === text.length) break;
    if (text.charCodeAt(index) !== COLON || ++index === text.length) return false;
    if (text.charCodeAt(index) !== COLON) continue;
    if (gap >= 0) return false;
    gap = count;
    index += 1;
  }
  if (gap < 0) return count === GROUPS;
  if (count === GROUPS) return false;
  const moved = at + 2 * (gap + GROUPS - count);
  bytes.copyWithin(moved, at + 2 * gap, at + 2 * count);
  bytes.fill(0, at + 2 * gap, moved);
  return true;
};

/** Writes four octets. Throws RangeError if the text is not an IPv4 address. */
export const writeIpv4 = (ip: Ip, bytes: Uint8Array, at: number): void => {
  if (!readIpv4(ip, 0, bytes, at)) throw new RangeError(`not an IPv4 address: ${ip}`);
};

/** Writes sixteen octets. Throws RangeError if the text is not an IPv6 address. */
export const writeIpv6 = (ip: Ip, bytes: Uint8Array, at: number): void => {
  if (!readIpv6(ip, bytes, at)) throw new RangeError(`not an IPv6 address: ${ip}`);
};

/** The 4 or 16 octets of an address. Throws RangeError on anything else. */
export const ipToBytes = (ip: Ip): Uint8Array => {
  const bytes = new Uint8Array(ip.includes(':') ? 16 : 4);
  if (bytes.length === 16) writeIpv6(ip, bytes, 0);
  else writeIpv4(ip, bytes, 0);
  return bytes;
};

/** 4 or 16 octets as canonical text. Throws RangeError on any other length. */
export const ipFromBytes = (bytes: Uint8Array): Ip => {
  if (bytes.length === 4) return formatIpv4(bytes, 0);
  if (bytes.length === 16) return formatIpv6(bytes, 0);
  throw new RangeError(`an address has 4 or 16 octets, not ${bytes.length}`);
};

/** What a user wrote, in canonical text; null for all else, `010.1.1.1` and zones (`fe80::1%eth0`) included. */
export const parseIp = (text: string): Ip | null => {
  // isIP lets a zone pass. A service IP is an address on an interface chosen elsewhere, so a zone is a mistake.
  if (isIP(text) === 0 || text.includes('%')) return null;
  return ipFromBytes(ipToBytes(text));
};

/** Whether a canonical address is a multicast group: 224.0.0.0/4 (RFC 1112 §4), ff00::/8 (RFC 4291 §2.7). */
export const isMulticast = (ip: Ip): boolean =>
  ip.includes(':') ? /^ff[0-9a-f]{2}:/.test(ip) : (Number.parseInt(ip, 10) & 0xf0) === 0xe0;

/** Whether a canonical address is link-local: 169.254.0.0/16 (RFC 3927), fe80::/10 (RFC 4291 §2.5.6). */
export const isLinkLocal = (ip: Ip): boolean =>
  ip.includes(':') ? /^fe[89ab][0-9a-f]:/.test(ip) : ip.startsWith('169.254.');
