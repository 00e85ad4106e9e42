// Arithmetic on addresses in canonical text: which prefix holds one, which multicast group and MAC an IPv6
// address listens on. Pure, so that the core and the wire step can use it without the codecs of src/io.
import type { Ip, Mac } from './frames.ts';

/** An on-link prefix as an interface reports it: the interface's own address and its prefix length. */
export interface Prefix {
  readonly ip: Ip;
  readonly length: number;
}

const ipv4Value = (ip: Ip): bigint => {
  let value = 0n;
  for (const part of ip.split('.')) value = (value << 8n) | BigInt(part);
  return value;
};

/** The dotted tail of an IPv4-mapped address is two groups. */
const asGroups = (text: string): string[] => {
  if (!text.includes('.')) return [text];
  const value = ipv4Value(text);
  return [(value >> 16n).toString(16), (value & 0xffffn).toString(16)];
};

const groups = (text: string): string[] => {
  if (text === '') return [];
  const parts = text.split(':');
  return text.includes('.') ? parts.flatMap(asGroups) : parts;
};

const ipv6Value = (ip: Ip): bigint => {
  const [head = '', tail] = ip.split('::');
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  let digits = '0x';
  for (const group of before) digits += group.padStart(4, '0');
  digits += '0000'.repeat(zeros);
  for (const group of after) digits += group.padStart(4, '0');
  return BigInt(digits);
};

/** An address as a number, of 32 or 128 bits. */
export const addressValue = (ip: Ip): bigint => (ip.includes(':') ? ipv6Value(ip) : ipv4Value(ip));

/** An IPv4 address as a number; asked for every peer and IP when a peer dies, hence without big integers. */
const ipv4Bits = (ip: Ip): number => {
  let value = 0;
  let octet = 0;
  for (let index = 0; index < ip.length; index += 1) {
    const code = ip.charCodeAt(index);
    if (code === DOT) {
      value = value * 256 + octet;
      octet = 0;
    } else octet = octet * 10 + code - ZERO;
  }
  return value * 256 + octet;
};
const DOT = '.'.charCodeAt(0);
const ZERO = '0'.charCodeAt(0);

/** True when the canonical address `ip` lies within `prefix`; false across families. */
export const holds = (prefix: Prefix, ip: Ip): boolean => {
  const isIpv6 = ip.includes(':');
  if (isIpv6 !== prefix.ip.includes(':')) return false;
  if (!isIpv6) {
    const size = 2 ** (32 - prefix.length);
    return Math.floor(ipv4Bits(ip) / size) === Math.floor(ipv4Bits(prefix.ip) / size);
  }
  const shift = BigInt(128 - prefix.length);
  return ipv6Value(ip) >> shift === ipv6Value(prefix.ip) >> shift;
};

const SOLICITED_NODE_PREFIX = 0xff02_0000_0000_0000_0000_0001_ff00_0000n;

const hex = (value: bigint, digits: number): string => value.toString(16).padStart(digits, '0');

/** The solicited-node multicast address of an IPv6 address: ff02::1:ffXX:XXXX (RFC 4291 §2.7.1). */
export const solicitedNodeAddress = (ip: Ip): Ip => {
  const low = SOLICITED_NODE_PREFIX | (ipv6Value(ip) & 0xff_ffffn);
  return `ff02::1:${((low >> 16n) & 0xffffn).toString(16)}:${(low & 0xffffn).toString(16)}`;
};

/** The Ethernet address of an IPv6 multicast group: 33:33 and its low 32 bits (RFC 2464 §7). */
export const multicastMac = (group: Ip): Mac => {
  const digits = hex(ipv6Value(group) & 0xffff_ffffn, 8);
  return `33:33:${digits.slice(0, 2)}:${digits.slice(2, 4)}:${digits.slice(4, 6)}:${digits.slice(6, 8)}`;
};

/** True for a group address: the lowest bit of the first octet (IEEE 802). Broadcast counts. */
export const isGroupMac = (mac: Mac): boolean => (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
