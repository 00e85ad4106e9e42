// ARP for IPv4 over Ethernet (RFC 826; field names of RFC 5227). The codec judges form only: probe, announcement
// or conflict are meanings, and belong to the wire step.

import type { ArpFrame, DroppedFrame } from '../../machines/frames.ts';
import { formatIpv4, formatMac, writeIpv4, writeMac } from './address.ts';
import { readU8, readU16, writeU16 } from './big-endian.ts';
import { DROPPED } from './dropped.ts';
import {
  ETHERNET_HEADER,
  ETHERNET_MINIMUM,
  ETHERTYPE_ARP,
  readEthernetDestination,
  readEthernetSource,
  writeEthernet,
} from './ethernet.ts';

const ARP_LENGTH = 28;
const HARDWARE_ETHERNET = 1;
const PROTOCOL_IPV4 = 0x0800;
const REQUEST = 1;
const REPLY = 2;

/** The ARP packet at `at` of a frame that ends before `end`; octets after it are Ethernet padding. */
export const decodeArp = (bytes: Uint8Array, at: number, end: number): ArpFrame | DroppedFrame => {
  // Up to ar$op, so that a shorter packet of another hardware (legal ARP) is named as what it is.
  if (end < at + 8) return DROPPED.truncated;
  // RFC 826, Packet Reception: "?Do I have the hardware type in ar$hrd?"
  if (readU16(bytes, at) !== HARDWARE_ETHERNET) return DROPPED['arp-hardware'];
  // "?Do I speak the protocol in ar$pro?"
  if (readU16(bytes, at + 2) !== PROTOCOL_IPV4) return DROPPED['arp-protocol'];
  // "[optionally check the hardware length ar$hln]", "[optionally check the protocol length ar$pln]": not
  // optional here, since the fields that follow lie where these two say.
  if (readU8(bytes, at + 4) !== 6 || readU8(bytes, at + 5) !== 4) return DROPPED['arp-length'];
  // "(NOW look at the opcode!!)"
  const operation = readU16(bytes, at + 6);
  if (operation !== REQUEST && operation !== REPLY) return DROPPED['arp-operation'];
  if (end < at + ARP_LENGTH) return DROPPED.truncated;
  return {
    kind: 'arp',
    ethernetSource: readEthernetSource(bytes),
    ethernetDestination: readEthernetDestination(bytes),
    operation: operation === REQUEST ? 'request' : 'reply',
    sha: formatMac(bytes, at + 8),
    spa: formatIpv4(bytes, at + 14),
    tha: formatMac(bytes, at + 18),
    tpa: formatIpv4(bytes, at + 24),
  };
};

/**
 * Writes the whole Ethernet frame and returns its length, 60. Padded with zeros here and not left to the driver: what a driver pads with
 * has leaked kernel memory (CVE-2003-0001), some virtual devices do not pad, and so the octets that tests and
 * captures see are the same on every device.
 */
export const writeArpFrame = (frame: ArpFrame, bytes: Uint8Array): number => {
  const at = ETHERNET_HEADER;
  bytes.fill(0, 0, ETHERNET_MINIMUM);
  writeEthernet(bytes, frame.ethernetDestination, frame.ethernetSource, ETHERTYPE_ARP);
  writeU16(bytes, at, HARDWARE_ETHERNET);
  writeU16(bytes, at + 2, PROTOCOL_IPV4);
  bytes[at + 4] = 6;
  bytes[at + 5] = 4;
  writeU16(bytes, at + 6, frame.operation === 'request' ? REQUEST : REPLY);
  writeMac(frame.sha, bytes, at + 8);
  writeIpv4(frame.spa, bytes, at + 14);
  writeMac(frame.tha, bytes, at + 18);
  writeIpv4(frame.tpa, bytes, at + 24);
  return ETHERNET_MINIMUM;
};
