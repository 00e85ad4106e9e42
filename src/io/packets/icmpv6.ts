// Neighbor Solicitations and Advertisements (RFC 4861 §4.3, §4.4), with the checks that §7.1.1 and §7.1.2 demand
// before anyone believes them. The hop limit of 255 is what keeps senders from beyond the link out.

import type { AdvertisementFrame, DroppedFrame, SolicitationFrame } from '../../machines/frames.ts';
import { formatIpv6, writeIpv6 } from './address.ts';
import { readU8, writeU16 } from './big-endian.ts';
import { icmpv6Checksum } from './checksum.ts';
import { DROPPED } from './dropped.ts';
import {
  ETHERNET_HEADER,
  ETHERTYPE_IPV6,
  readEthernetDestination,
  readEthernetSource,
  writeEthernet,
} from './ethernet.ts';
import {
  hasNeighborHopLimit,
  IPV6_DESTINATION,
  IPV6_HEADER,
  IPV6_SOURCE,
  icmpv6Length,
  isMulticastAt,
  isSolicitedNodeAt,
  isUnspecifiedAt,
  writeIpv6Header,
} from './ipv6.ts';
import {
  findLinkLayerOption,
  LINK_LAYER_OPTION,
  readLinkLayerOption,
  SOURCE_LINK_LAYER_ADDRESS,
  TARGET_LINK_LAYER_ADDRESS,
  writeLinkLayerOption,
} from './neighbor-options.ts';

type NeighborMessage = SolicitationFrame | AdvertisementFrame;

export const SOLICITATION = 135;
export const ADVERTISEMENT = 136;
/** Type, code, checksum, flags, target: what both messages have before their options. */
const FIXED_PART = 24;
const CHECKSUM = 2;
const FLAGS = 4;
const TARGET = 8;
const ROUTER = 0x80;
const SOLICITED = 0x40;
const OVERRIDE = 0x20;

/** The Neighbor Discovery message in the IPv6 packet at `at` of a frame that ends before `end`. */
export const decodeNeighbor = (
  bytes: Uint8Array,
  at: number,
  end: number,
): NeighborMessage | DroppedFrame => {
  const length = icmpv6Length(bytes, at, end);
  if (typeof length !== 'number') return length;
  const icmp = at + IPV6_HEADER;
  const type = readU8(bytes, icmp);
  if (type !== SOLICITATION && type !== ADVERTISEMENT) return DROPPED['icmp-type'];
  // §7.1.1, §7.1.2: "The IP Hop Limit field has a value of 255, i.e., the packet could not possibly have been
  // forwarded by a router."
  if (!hasNeighborHopLimit(bytes, at)) return DROPPED['hop-limit'];
  // "ICMP length (derived from the IP length) is 24 or more octets."
  if (length < FIXED_PART) return DROPPED['ip-length'];
  // "ICMP Checksum is valid."
  if (icmpv6Checksum(bytes, at, length) !== 0) return DROPPED.checksum;
  // "ICMP Code is 0."
  if (readU8(bytes, icmp + 1) !== 0) return DROPPED['icmp-code'];
  // "Target Address is not a multicast address."
  if (isMulticastAt(bytes, icmp + TARGET)) return DROPPED['target-multicast'];
  // RFC 4291 §2.7: "Multicast addresses must not be used as source addresses in IPv6 packets". The answer to such
  // a solicitation would be what §7.1.2 forbids, solicited and to a multicast address; hence the reason.
  if (isMulticastAt(bytes, at + IPV6_SOURCE)) return DROPPED['solicited-multicast'];
  return type === SOLICITATION
    ? decodeSolicitation(bytes, at, icmp, icmp + length)
    : decodeAdvertisement(bytes, at, icmp, icmp + length);
};

const decodeSolicitation = (
  bytes: Uint8Array,
  at: number,
  icmp: number,
  end: number,
): SolicitationFrame | DroppedFrame => {
  // §7.1.1: "All included options have a length that is greater than zero."
  const option = findLinkLayerOption(bytes, icmp + FIXED_PART, end, SOURCE_LINK_LAYER_ADDRESS);
  if (typeof option !== 'number') return option;
  if (isUnspecifiedAt(bytes, at + IPV6_SOURCE)) {
    // "If the IP source address is the unspecified address, the IP destination address is a solicited-node
    // multicast address."
    if (!isSolicitedNodeAt(bytes, at + IPV6_DESTINATION)) return DROPPED['dad-destination'];
    // "If the IP source address is the unspecified address, there is no source link-layer address option in the
    // message."
    if (option !== 0) return DROPPED['dad-source-link-layer'];
  }
  return {
    kind: 'ns',
    ethernetSource: readEthernetSource(bytes),
    ethernetDestination: readEthernetDestination(bytes),
    source: formatIpv6(bytes, at + IPV6_SOURCE),
    destination: formatIpv6(bytes, at + IPV6_DESTINATION),
    target: formatIpv6(bytes, icmp + TARGET),
    sourceLinkLayerAddress: readLinkLayerOption(bytes, option),
  };
};

const decodeAdvertisement = (
  bytes: Uint8Array,
  at: number,
  icmp: number,
  end: number,
): AdvertisementFrame | DroppedFrame => {
  const flags = readU8(bytes, icmp + FLAGS);
  // §7.1.2: "If the IP Destination Address is a multicast address the Solicited flag is zero."
  if ((flags & SOLICITED) !== 0 && isMulticastAt(bytes, at + IPV6_DESTINATION)) {
    return DROPPED['solicited-multicast'];
  }
  // §7.1.2: "All included options have a length that is greater than zero."
  const option = findLinkLayerOption(bytes, icmp + FIXED_PART, end, TARGET_LINK_LAYER_ADDRESS);
  if (typeof option !== 'number') return option;
  return {
    kind: 'na',
    ethernetSource: readEthernetSource(bytes),
    ethernetDestination: readEthernetDestination(bytes),
    source: formatIpv6(bytes, at + IPV6_SOURCE),
    destination: formatIpv6(bytes, at + IPV6_DESTINATION),
    target: formatIpv6(bytes, icmp + TARGET),
    router: (flags & ROUTER) !== 0,
    solicited: (flags & SOLICITED) !== 0,
    override: (flags & OVERRIDE) !== 0,
    targetLinkLayerAddress: readLinkLayerOption(bytes, option),
  };
};

const messageLength = (frame: NeighborMessage): number => {
  const mac = frame.kind === 'ns' ? frame.sourceLinkLayerAddress : frame.targetLinkLayerAddress;
  return mac === null ? FIXED_PART : FIXED_PART + LINK_LAYER_OPTION;
};

const writeMessage = (frame: NeighborMessage, bytes: Uint8Array, icmp: number): void => {
  writeIpv6(frame.target, bytes, icmp + TARGET);
  if (frame.kind === 'ns') {
    bytes[icmp] = SOLICITATION;
    writeLinkLayerOption(bytes, icmp + FIXED_PART, SOURCE_LINK_LAYER_ADDRESS, frame.sourceLinkLayerAddress);
    return;
  }
  bytes[icmp] = ADVERTISEMENT;
  bytes[icmp + FLAGS] =
    (frame.router ? ROUTER : 0) | (frame.solicited ? SOLICITED : 0) | (frame.override ? OVERRIDE : 0);
  writeLinkLayerOption(bytes, icmp + FIXED_PART, TARGET_LINK_LAYER_ADDRESS, frame.targetLinkLayerAddress);
};

const writePacket = (frame: NeighborMessage, bytes: Uint8Array, at: number, length: number): void => {
  writeIpv6Header(bytes, at, frame.source, frame.destination, length);
  writeMessage(frame, bytes, at + IPV6_HEADER);
  writeU16(bytes, at + IPV6_HEADER + CHECKSUM, icmpv6Checksum(bytes, at, length));
};

/** The ICMPv6 message alone, checksum 0: for a raw ICMPv6 socket, where the kernel adds header and checksum. */
export const encodeNeighborMessage = (frame: NeighborMessage): Uint8Array => {
  const bytes = new Uint8Array(messageLength(frame));
  writeMessage(frame, bytes, 0);
  return bytes;
};

/** IPv6 header and message, checksum filled: for a raw socket with IPV6_HDRINCL. */
export const encodeNeighborPacket = (frame: NeighborMessage): Uint8Array => {
  const length = messageLength(frame);
  const bytes = new Uint8Array(IPV6_HEADER + length);
  writePacket(frame, bytes, 0, length);
  return bytes;
};

/** Writes the whole Ethernet frame and returns its length: 78 or 86 octets, so that it needs no padding. */
export const writeNeighborFrame = (frame: NeighborMessage, bytes: Uint8Array): number => {
  const length = messageLength(frame);
  const end = ETHERNET_HEADER + IPV6_HEADER + length;
  bytes.fill(0, 0, end);
  writeEthernet(bytes, frame.ethernetDestination, frame.ethernetSource, ETHERTYPE_IPV6);
  writePacket(frame, bytes, ETHERNET_HEADER, length);
  return end;
};
