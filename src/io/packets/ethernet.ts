// The Ethernet II header (RFC 894, RFC 2464 §3) and the one VLAN tag that is none: a priority tag, IEEE 802.1Q
// §3 "tag header carries priority information, but no VLAN identification information" (VID 0).

import type { DroppedFrame, Mac } from '../../machines/frames.ts';
import { formatMac, writeMac } from './address.ts';
import { readU16, writeU16 } from './big-endian.ts';
import { DROPPED } from './dropped.ts';

export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;
/** IEEE Std 802 local experimental ethertype 1, which our hellos use. */
export const ETHERTYPE_HELLO = 0x88b5;
const ETHERTYPE_CUSTOMER_TAG = 0x8100;
const ETHERTYPE_SERVICE_TAG = 0x88a8;

export const ETHERNET_HEADER = 14;
const TAG = 4;
/** IEEE 802.3 §4.2.3.3: minFrameSize is 64 octets, 4 of them the frame check sequence that hardware adds. */
export const ETHERNET_MINIMUM = 60;

/**
 * Where the payload starts, past a priority tag if there is one; the ethertype is the two octets before it.
 * A tag with a VLAN ID, a service tag or a second tag belongs to some other segment.
 */
export const payloadOffset = (bytes: Uint8Array, end: number): number | DroppedFrame => {
  if (end < ETHERNET_HEADER) return DROPPED.truncated;
  let offset = ETHERNET_HEADER;
  if (readU16(bytes, offset - 2) === ETHERTYPE_CUSTOMER_TAG) {
    offset += TAG;
    if (end < offset) return DROPPED.truncated;
    if ((readU16(bytes, ETHERNET_HEADER) & 0x0fff) !== 0) return DROPPED['vlan-tagged'];
  }
  const etherType = readU16(bytes, offset - 2);
  const tagged = etherType === ETHERTYPE_CUSTOMER_TAG || etherType === ETHERTYPE_SERVICE_TAG;
  return tagged ? DROPPED['vlan-tagged'] : offset;
};

export const readEthernetDestination = (bytes: Uint8Array): Mac => formatMac(bytes, 0);
export const readEthernetSource = (bytes: Uint8Array): Mac => formatMac(bytes, 6);

/** Writes 14 octets at the start of `bytes`: always untagged. */
export const writeEthernet = (bytes: Uint8Array, destination: Mac, source: Mac, etherType: number): void => {
  writeMac(destination, bytes, 0);
  writeMac(source, bytes, 6);
  writeU16(bytes, 12, etherType);
};
