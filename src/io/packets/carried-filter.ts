// The kernel filter that finds the clients of draining IPs: packets to this station for one of these addresses,
// save from clients that have just been seen. It alone meets every packet of the node; what it accepts is sampled.
import type { Family, Ip, Mac } from '../../machines/frames.ts';
import { ipToBytes, writeMac } from './address.ts';
import {
  AND,
  type FilterInstruction,
  JUMP,
  JUMP_EQUAL,
  LOAD_WORD,
  PACKET_TYPE,
  RETURN,
  VLAN_TAG,
} from './filter.ts';

/** Beyond these the filter accepts every packet to this station, and the reader looks its address up. */
const MAX_IPS = 1_000;
/** Jumps reach 255 instructions. */
const BLOCK = 200;
/** Ethernet and the longest of both headers: all that is read. */
export const CARRIED_OCTETS = 64;

const PACKET_HOST = 0; // linux/if_packet.h
const SOURCE_MAC_LOW = 8;
const IPV4_DESTINATION = 14 + 16;
/** The last four octets: two addresses that differ before them only are told apart by the reader. */
const IPV6_DESTINATION_LOW = 14 + 24 + 12;

export interface SeenClient {
  readonly ip: Ip;
  readonly mac: Mac;
}

const word = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at, false);

/** The last four octets of an address, as the kernel loads them. */
const lowWord = (ip: Ip): number => {
  const bytes = ipToBytes(ip);
  return word(bytes, bytes.length - 4);
};

const lowWordOfMac = (mac: Mac): number => {
  const bytes = new Uint8Array(6);
  writeMac(mac, bytes, 0);
  return word(bytes, 2);
};

const line = (code: number, k: number, jt = 0, jf = 0): FilterInstruction => ({ code, jt, jf, k });

/** `value` is returned for any of `words` in the accumulator; else the program goes on. */
const anyOf = (words: readonly number[], value: number): FilterInstruction[] => {
  const program: FilterInstruction[] = [];
  for (let from = 0; from < words.length; from += BLOCK) {
    const block = words.slice(from, from + BLOCK);
    // From each comparison over those behind it and the jump to the return.
    for (const [index, k] of block.entries()) program.push(line(JUMP_EQUAL, k, block.length - index));
    program.push(line(JUMP, 1), line(RETURN, value));
  }
  return program;
};

/**
 * For a socket of one family (its protocol is that family's ethertype, so the ethertype is not looked at):
 * `ips` all of that family, `seen` the clients that need not be seen again for now.
 */
export const carriedFilter = (
  family: Family,
  ips: readonly Ip[],
  seen: readonly SeenClient[],
): readonly FilterInstruction[] => {
  const destination = line(LOAD_WORD, family === 'ipv4' ? IPV4_DESTINATION : IPV6_DESTINATION_LOW);
  const ifSeen = seen.flatMap(({ ip, mac }) => [
    line(LOAD_WORD, SOURCE_MAC_LOW),
    line(JUMP_EQUAL, lowWordOfMac(mac), 0, 3),
    destination,
    line(JUMP_EQUAL, lowWord(ip), 0, 1),
    line(RETURN, 0),
  ]);
  const isEvery = ips.length > MAX_IPS;
  return [
    line(LOAD_WORD, PACKET_TYPE),
    line(JUMP_EQUAL, PACKET_HOST, 1),
    line(RETURN, 0),
    // A frame of a VLAN belongs to another segment; the tag of an untagged one reads as 0, as a priority tag's ID.
    line(LOAD_WORD, VLAN_TAG),
    line(AND, 0x0fff),
    line(JUMP_EQUAL, 0, 1),
    line(RETURN, 0),
    ...ifSeen,
    destination,
    ...(isEvery ? [] : anyOf(ips.map(lowWord), CARRIED_OCTETS)),
    line(RETURN, isEvery ? CARRIED_OCTETS : 0),
  ];
};
