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

const ipv6Value = (ip: Ip): bigint => {
  const [head = '', tail] = ip.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':').flatMap(asGroups));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  let value = 0n;
  for (const group of [...before, ...Array<string>(zeros).fill('0'), ...after]) {
    value = (value << 16n) | BigInt(`0x${group}`);
  }
  return value;
};

/** An address as a number, of 32 or 128 bits. */
export const addressValue = (ip: Ip): bigint => (ip.includes(':') ? ipv6Value(ip) : ipv4Value(ip));

/** True when the canonical address `ip` lies within `prefix`; false across families. */
export const holds = (prefix: Prefix, ip: Ip): boolean => {
  const isIpv6 = ip.includes(':');
  if (isIpv6 !== prefix.ip.includes(':')) return false;
  const bits = isIpv6 ? 128 : 32;
  const shift = BigInt(bits - prefix.length);
  return addressValue(ip) >> shift === addressValue(prefix.ip) >> shift;
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
