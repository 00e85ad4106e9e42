// rtnetlink messages ⇄ plain data: addresses, links, route questions, dump requests, errors (man 7 netlink, man 7 rtnetlink,
// linux/if_link.h, linux/if_addr.h). Pure. Every length is checked; a malformed message is a value, never an
// exception. Headers and attributes: netlink-bytes.ts.

import type { Ip, Mac } from '../../machines/frames.ts';
import { formatIpv4, formatIpv6, formatMac, ipToBytes, writeMac } from '../packets/address.ts';
import {
  ATTRIBUTE_HEADER,
  aligned,
  assemble,
  attribute,
  attributeEnd,
  attributeType,
  errnoOf,
  HEADER,
  octet,
  put16,
  put32,
  u16,
  u32,
  walkMessages,
  word,
} from './netlink-bytes.ts';
import type {
  AddressMessage,
  LinkMessage,
  MalformedMessage,
  MalformedReason,
  NetlinkMessage,
  RouteMessage,
} from './netlink-messages.ts';
import * as K from './netlink-messages.ts';

const ADDRESS_BODY = 8;
const LINK_BODY = 16;
const ROUTE_BODY = 12;
/** linux/if.h: IFNAMSIZ, with the final NUL. */
const NAME_SIZE = 16;

const malformed = (reason: MalformedReason): MalformedMessage => ({ kind: 'malformed', reason });

/**
 * The messages of one datagram, in order; of types not used here, none. A message whose own length is wrong ends
 * the datagram; one whose content is wrong becomes `malformed`, and those after it are still read.
 */
export const decodeMessages = (
  bytes: Uint8Array,
  length = bytes.length,
): readonly (NetlinkMessage | MalformedMessage)[] => {
  const messages: (NetlinkMessage | MalformedMessage)[] = [];
  const isWhole = walkMessages(bytes, length, (at, end) => {
    const message = decodeMessage(bytes, at, end);
    if (message !== null) messages.push(message);
  });
  if (!isWhole) messages.push(malformed('header'));
  return messages;
};

const decodeMessage = (
  bytes: Uint8Array,
  at: number,
  end: number,
): NetlinkMessage | MalformedMessage | null => {
  const headerFlags = u16(bytes, at + 6);
  const sequence = u32(bytes, at + 8);
  switch (u16(bytes, at + 4)) {
    case K.NLMSG_ERROR: {
      const errno = errnoOf(bytes, at, end);
      return errno === null ? malformed('body') : { kind: 'error', headerFlags, sequence, errno };
    }
    case K.NLMSG_DONE:
      // The dump's result follows, but a bare header is allowed too.
      return { kind: 'done', headerFlags, sequence, errno: errnoOf(bytes, at, end) ?? 0 };
    case K.RTM_GETLINK:
      return { kind: 'dump', of: 'links', headerFlags, sequence };
    case K.RTM_GETADDR:
      return { kind: 'dump', of: 'addresses', headerFlags, sequence };
    case K.RTM_NEWADDR:
      return decodeAddress(bytes, at, end, 'new');
    case K.RTM_DELADDR:
      return decodeAddress(bytes, at, end, 'deleted');
    case K.RTM_NEWROUTE:
      return decodeRoute(bytes, at, end);
    case K.RTM_NEWLINK:
      return decodeLink(bytes, at, end, 'new');
    case K.RTM_DELLINK:
      return decodeLink(bytes, at, end, 'deleted');
    default:
      return null;
  }
};

/** struct rtmsg: of an answer only the type of the route and its destination matter here. */
const decodeRoute = (bytes: Uint8Array, at: number, end: number): RouteMessage | MalformedMessage => {
  const body = at + HEADER;
  if (end - body < ROUTE_BODY) return malformed('body');
  const octets = bytes[body] === K.AF_INET ? 4 : 16;
  let ip: Ip = octets === 4 ? '0.0.0.0' : '::';
  for (let next = body + ROUTE_BODY; next < end; ) {
    const stop = attributeEnd(bytes, next, end);
    if (stop === 0) return malformed('attribute');
    const value = next + ATTRIBUTE_HEADER;
    if (attributeType(bytes, next) === K.RTA_DST && stop - value === octets) {
      ip = octets === 4 ? formatIpv4(bytes, value) : formatIpv6(bytes, value);
    }
    next += aligned(stop - next);
  }
  const routeType = bytes[body + 7] as number;
  return { kind: 'route', headerFlags: u16(bytes, at + 6), sequence: u32(bytes, at + 8), ip, routeType };
};

const decodeAddress = (
  bytes: Uint8Array,
  at: number,
  end: number,
  change: 'new' | 'deleted',
): AddressMessage | MalformedMessage | null => {
  const body = at + HEADER;
  if (end - body < ADDRESS_BODY) return malformed('body');
  const family = bytes[body];
  if (family !== K.AF_INET && family !== K.AF_INET6) return null;
  const octets = family === K.AF_INET ? 4 : 16;
  const format = family === K.AF_INET ? formatIpv4 : formatIpv6;
  const prefixLength = bytes[body + 1] as number;
  if (prefixLength > 8 * octets) return malformed('address');
  let flags = bytes[body + 2] as number;
  let local: Ip | null = null;
  let address: Ip | null = null;
  let protocol = 0;
  let preferredSeconds: number | null = null;
  for (let next = body + ADDRESS_BODY; next < end; ) {
    const stop = attributeEnd(bytes, next, end);
    if (stop === 0) return malformed('attribute');
    const value = next + ATTRIBUTE_HEADER;
    const size = stop - value;
    const type = attributeType(bytes, next);
    if (type === K.IFA_ADDRESS || type === K.IFA_LOCAL) {
      if (size !== octets) return malformed('address');
      if (type === K.IFA_LOCAL) local = format(bytes, value);
      else address = format(bytes, value);
    } else if (type === K.IFA_FLAGS && size >= 4) flags = u32(bytes, value);
    else if (type === K.IFA_PROTO && size >= 1) protocol = bytes[value] as number;
    else if (type === K.IFA_CACHEINFO && size >= 8) preferredSeconds = u32(bytes, value);
    next += aligned(stop - next);
  }
  const ip = local ?? address;
  if (ip === null) return malformed('address');
  return {
    kind: 'address',
    change,
    headerFlags: u16(bytes, at + 6),
    sequence: u32(bytes, at + 8),
    index: u32(bytes, body + 4),
    ip,
    peer: address === null || address === ip ? null : address,
    prefixLength,
    scope: bytes[body + 3] as number,
    flags,
    protocol,
    preferredSeconds: preferredSeconds === K.FOREVER ? null : preferredSeconds,
  };
};

const decodeLink = (
  bytes: Uint8Array,
  at: number,
  end: number,
  change: 'new' | 'deleted',
): LinkMessage | MalformedMessage => {
  const body = at + HEADER;
  if (end - body < LINK_BODY) return malformed('body');
  let name = '';
  let mac: Mac | null = null;
  let mtu: number | null = null;
  let operState: number | null = null;
  let carrier: boolean | null = null;
  for (let next = body + LINK_BODY; next < end; ) {
    const stop = attributeEnd(bytes, next, end);
    if (stop === 0) return malformed('attribute');
    const value = next + ATTRIBUTE_HEADER;
    const size = stop - value;
    const type = attributeType(bytes, next);
    if (type === K.IFLA_IFNAME) {
      const nul = bytes.indexOf(0, value);
      if (nul <= value || nul >= stop || size > NAME_SIZE) return malformed('name');
      name = Buffer.from(bytes.buffer, bytes.byteOffset + value, nul - value).toString();
      // Not UTF-8: a name that no configuration could write.
      if (name.includes('\ufffd')) return malformed('name');
    } else if (type === K.IFLA_ADDRESS && size === 6) mac = formatMac(bytes, value);
    else if (type === K.IFLA_MTU && size >= 4) mtu = u32(bytes, value);
    else if (type === K.IFLA_OPERSTATE && size >= 1) operState = bytes[value] as number;
    else if (type === K.IFLA_CARRIER && size >= 1) carrier = bytes[value] !== 0;
    next += aligned(stop - next);
  }
  return {
    kind: 'link',
    change,
    headerFlags: u16(bytes, at + 6),
    sequence: u32(bytes, at + 8),
    family: bytes[body] as number,
    index: u32(bytes, body + 4),
    hardwareType: u16(bytes, body + 2),
    flags: u32(bytes, body + 8),
    name,
    mac,
    mtu,
    operState,
    carrier,
  };
};

const encodeAddress = (message: AddressMessage): Uint8Array => {
  const local = ipToBytes(message.ip);
  const body = new Uint8Array(ADDRESS_BODY);
  body[0] = local.length === 4 ? K.AF_INET : K.AF_INET6;
  body[1] = message.prefixLength;
  body[2] = message.flags;
  body[3] = message.scope;
  put32(body, 4, message.index);
  const parts: Uint8Array[] = [
    body,
    attribute(K.IFA_LOCAL, local),
    attribute(K.IFA_ADDRESS, message.peer === null ? local : ipToBytes(message.peer)),
    attribute(K.IFA_FLAGS, word(message.flags)),
  ];
  if (message.protocol !== 0) parts.push(attribute(K.IFA_PROTO, octet(message.protocol)));
  // struct ifa_cacheinfo: preferred, valid (both seconds), created, updated.
  const preferred = message.preferredSeconds;
  if (preferred !== null) parts.push(attribute(K.IFA_CACHEINFO, word(preferred, K.FOREVER, 0, 0)));
  return assemble(message.change === 'new' ? K.RTM_NEWADDR : K.RTM_DELADDR, message, parts);
};

const encodeLink = (message: LinkMessage): Uint8Array => {
  const body = new Uint8Array(LINK_BODY);
  body[0] = message.family;
  put16(body, 2, message.hardwareType);
  put32(body, 4, message.index);
  put32(body, 8, message.flags);
  const parts: Uint8Array[] = [body];
  if (message.name !== '') parts.push(attribute(K.IFLA_IFNAME, Buffer.from(`${message.name}\0`)));
  if (message.mac !== null) {
    const mac = new Uint8Array(6);
    writeMac(message.mac, mac, 0);
    parts.push(attribute(K.IFLA_ADDRESS, mac));
  }
  if (message.mtu !== null) parts.push(attribute(K.IFLA_MTU, word(message.mtu)));
  if (message.operState !== null) parts.push(attribute(K.IFLA_OPERSTATE, octet(message.operState)));
  if (message.carrier !== null) parts.push(attribute(K.IFLA_CARRIER, octet(message.carrier ? 1 : 0)));
  return assemble(message.change === 'new' ? K.RTM_NEWLINK : K.RTM_DELLINK, message, parts);
};

const encodeRoute = (message: RouteMessage): Uint8Array => {
  const destination = ipToBytes(message.ip);
  const body = new Uint8Array(ROUTE_BODY);
  body[0] = destination.length === 4 ? K.AF_INET : K.AF_INET6;
  body[1] = 8 * destination.length;
  body[7] = message.routeType;
  const isQuestion = message.routeType === 0;
  if (isQuestion) put32(body, 8, K.RTM_F_FIB_MATCH);
  const type = isQuestion ? K.RTM_GETROUTE : K.RTM_NEWROUTE;
  return assemble(type, message, [body, attribute(K.RTA_DST, destination)]);
};

/** The octets of one message. Throws RangeError on an address or MAC that is not one: a programmer's error. */
export const encodeMessage = (message: NetlinkMessage): Uint8Array => {
  switch (message.kind) {
    case 'address':
      return encodeAddress(message);
    case 'link':
      return encodeLink(message);
    case 'route':
      return encodeRoute(message);
    case 'error':
      // The header of the refused message follows; whoever reads goes by the sequence number.
      return assemble(K.NLMSG_ERROR, message, [word(-message.errno), new Uint8Array(HEADER)]);
    case 'done':
      return assemble(K.NLMSG_DONE, message, [word(-message.errno)]);
    case 'dump':
      // struct ifaddrmsg and ifinfomsg of zeros: every family, every interface.
      if (message.of === 'addresses') return assemble(K.RTM_GETADDR, message, [new Uint8Array(ADDRESS_BODY)]);
      return assemble(K.RTM_GETLINK, message, [
        new Uint8Array(LINK_BODY),
        attribute(K.IFLA_EXT_MASK, word(K.RTEXT_FILTER_SKIP_STATS)),
      ]);
  }
};
