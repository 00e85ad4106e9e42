// The fields that hellos are made of (docs/protocol.md): long integers, instances, node names and the boundaries
// of slices. Readers trust their caller to have checked that the octets are there, except where they take `end`.

import assert from 'node:assert/strict';
import { FIRST_KEY, LAST_KEY } from '../../machines/address-key.ts';
import type { NodeName } from '../../machines/claims.ts';
import type { Ip } from '../../machines/frames.ts';
import type { Instance } from '../../machines/hello.ts';
import { formatIpv4, formatIpv6, writeIpv4, writeIpv6 } from './address.ts';
import { readU8, readU16, writeU16 } from './big-endian.ts';

const DIGITS = '0123456789abcdef';
const DIGIT_CODE = Uint8Array.from(DIGITS, (digit) => digit.charCodeAt(0));
const HEX: readonly string[] = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'));
const TWO_32 = 2 ** 32;

export const readU32 = (bytes: Uint8Array, at: number): number =>
  readU16(bytes, at) * 0x1_0000 + readU16(bytes, at + 2);

/** Six octets, exact: below 2^53. */
export const readU48 = (bytes: Uint8Array, at: number): number =>
  readU16(bytes, at) * TWO_32 + readU32(bytes, at + 2);

/** Asserts that `value` is a whole number of at most `bits` bits: the core never says another. */
export const assertUnsigned = (value: number, bits: number, what: string): void =>
  assert(Number.isInteger(value) && value >= 0 && value < 2 ** bits, `${what} ${value} is no u${bits}`);

export const writeU32 = (bytes: Uint8Array, at: number, value: number): void => {
  writeU16(bytes, at, value >>> 16);
  writeU16(bytes, at + 2, value);
};

export const writeU48 = (bytes: Uint8Array, at: number, value: number): void => {
  writeU16(bytes, at, Math.floor(value / TWO_32));
  writeU32(bytes, at + 2, value);
};

export const INSTANCE_OCTETS = 8;

const high = (bytes: Uint8Array, at: number): number => DIGIT_CODE[readU8(bytes, at) >>> 4] as number;
const low = (bytes: Uint8Array, at: number): number => DIGIT_CODE[readU8(bytes, at) & 15] as number;

/** Eight octets as 16 hexadecimal digits. A flat string (see formatMac): it is the key of several maps. */
export const readInstance = (bytes: Uint8Array, at: number): Instance =>
  // biome-ignore format: one row per two octets
  String.fromCharCode(
    high(bytes, at), low(bytes, at), high(bytes, at + 1), low(bytes, at + 1),
    high(bytes, at + 2), low(bytes, at + 2), high(bytes, at + 3), low(bytes, at + 3),
    high(bytes, at + 4), low(bytes, at + 4), high(bytes, at + 5), low(bytes, at + 5),
    high(bytes, at + 6), low(bytes, at + 6), high(bytes, at + 7), low(bytes, at + 7),
  );

/** Writes the octets of hexadecimal digits from `from` to the end of `text`; returns where they end. */
const writeHex = (bytes: Uint8Array, at: number, text: string, from: number): number => {
  let next = at;
  for (let index = from; index < text.length; index += 2) {
    const octet = 16 * DIGITS.indexOf(text[index] ?? '?') + DIGITS.indexOf(text[index + 1] ?? '?');
    // A digit that is none gives an octet whose text is another, or no octet.
    assert(HEX[octet] === text.slice(index, index + 2), `not hexadecimal: ${text}`);
    bytes[next] = octet;
    next += 1;
  }
  return next;
};

export const writeInstance = (bytes: Uint8Array, at: number, instance: Instance): number => {
  assert(instance.length === 2 * INSTANCE_OCTETS, `not an instance: ${instance}`);
  return writeHex(bytes, at, instance, 0);
};

const MAX_NAME = 63;
const HYPHEN = 0x2d;
const DOT = 0x2e;

const isAlphanumeric = (code: number): boolean =>
  (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39);

/** DNS-1123 subdomain: labels of a–z, 0–9 and inner hyphens, with single dots between them. */
const isName = (bytes: Uint8Array, from: number, end: number): boolean => {
  let isInside = false;
  for (let at = from; at < end; at += 1) {
    const code = readU8(bytes, at);
    if (isAlphanumeric(code)) isInside = true;
    else if (code === HYPHEN && isInside) continue;
    else if (code === DOT && isInside && isAlphanumeric(readU8(bytes, at - 1))) isInside = false;
    else return false;
  }
  return isInside && isAlphanumeric(readU8(bytes, end - 1));
};

/** A length octet at `at` and that many of a node's name; null if that is no name or goes beyond `end`. */
export const readName = (bytes: Uint8Array, at: number, end: number): NodeName | null => {
  if (at >= end) return null;
  const length = readU8(bytes, at);
  const from = at + 1;
  if (length > MAX_NAME || from + length > end || !isName(bytes, from, from + length)) return null;
  let name = '';
  for (let index = from; index < from + length; index += 1) name += String.fromCharCode(readU8(bytes, index));
  return name;
};

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const NAME = new RegExp(`^${LABEL}(\\.${LABEL})*$`);

export const writeName = (bytes: Uint8Array, at: number, name: NodeName): number => {
  assert(name.length <= MAX_NAME && NAME.test(name), `not a node name: ${name}`);
  const from = at + 1;
  bytes[at] = name.length;
  for (let index = 0; index < name.length; index += 1) bytes[from + index] = name.charCodeAt(index);
  return from + name.length;
};

const IPV4_OCTETS = 4;
const IPV6_OCTETS = 16;

export const addressOctets = (isIpv6: boolean): number => (isIpv6 ? IPV6_OCTETS : IPV4_OCTETS);

export const readAddress = (bytes: Uint8Array, at: number, isIpv6: boolean): Ip =>
  isIpv6 ? formatIpv6(bytes, at) : formatIpv4(bytes, at);

export const writeAddress = (bytes: Uint8Array, at: number, ip: Ip): number => {
  const isIpv6 = ip.includes(':');
  if (isIpv6) writeIpv6(ip, bytes, at);
  else writeIpv4(ip, bytes, at);
  return at + addressOctets(isIpv6);
};

// Kinds of boundaries. Their numbers sort as what they stand for does.
const BEFORE_EVERYTHING = 0;
export const KIND_IPV4 = 4;
export const KIND_IPV6 = 6;
const BEHIND_EVERYTHING = 255;

/** Where the boundary at `at` ends; null if it is none or goes beyond `end`. */
export const boundaryEnd = (bytes: Uint8Array, at: number, end: number): number | null => {
  if (at >= end) return null;
  const kind = readU8(bytes, at);
  if (kind === BEFORE_EVERYTHING || kind === BEHIND_EVERYTHING) return at + 1;
  if (kind !== KIND_IPV4 && kind !== KIND_IPV6) return null;
  const next = at + 1 + addressOctets(kind === KIND_IPV6);
  return next <= end ? next : null;
};

/** The boundary at `at` as a key of address-key.ts. */
export const readBoundary = (bytes: Uint8Array, at: number): string => {
  const kind = readU8(bytes, at);
  if (kind === BEFORE_EVERYTHING) return FIRST_KEY;
  if (kind === BEHIND_EVERYTHING) return LAST_KEY;
  let key = String(kind);
  const end = at + 1 + addressOctets(kind === KIND_IPV6);
  for (let index = at + 1; index < end; index += 1) key += HEX[readU8(bytes, index)] as string;
  return key;
};

export const writeBoundary = (bytes: Uint8Array, at: number, key: string): number => {
  if (key === FIRST_KEY || key === LAST_KEY) {
    bytes[at] = key === FIRST_KEY ? BEFORE_EVERYTHING : BEHIND_EVERYTHING;
    return at + 1;
  }
  const kind = Number(key[0]);
  const isSound = kind === KIND_IPV4 || kind === KIND_IPV6;
  assert(isSound && key.length === 1 + 2 * addressOctets(kind === KIND_IPV6), `not a key: ${key}`);
  bytes[at] = kind;
  return writeHex(bytes, at + 1, key, 1);
};

/** Compares (kind, octets) with the boundary at `boundary`: negative, 0 or positive. */
export const comparePoint = (bytes: Uint8Array, kind: number, octets: number, boundary: number): number => {
  const other = readU8(bytes, boundary);
  if (kind !== other || kind === BEFORE_EVERYTHING || kind === BEHIND_EVERYTHING) return kind - other;
  const count = addressOctets(kind === KIND_IPV6);
  for (let index = 0; index < count; index += 1) {
    const difference = readU8(bytes, octets + index) - readU8(bytes, boundary + 1 + index);
    if (difference !== 0) return difference;
  }
  return 0;
};
