// One service IP as somebody wrote it → its one canonical text, or why it cannot be a service IP. Each refusal
// names the kind of mistake, because "invalid address" sends people to the wrong place.

import { holds } from '../../machines/addresses.ts';
import type { Ip } from '../../machines/frames.ts';
import { parseIp } from '../packets/address.ts';
import { quote, type Read, type Wrong } from './wrong.ts';

const EXAMPLE = 'one address such as 10.99.0.100 or fd99::100';

// First match speaks. Sources: IANA special-purpose registries; RFC 1122 §3.2.1.3, RFC 4291 §2.5 and §2.7.
const REFUSED: readonly (readonly [prefix: string, why: string])[] = [
  ['0.0.0.0/32', 'is the unspecified address'],
  ['0.0.0.0/8', 'means "this network" and is never a destination'],
  ['127.0.0.0/8', 'is a loopback address, which never leaves a machine'],
  ['169.254.0.0/16', 'is link-local, and each link has its own'],
  ['224.0.0.0/4', 'is a multicast group, which nobody owns'],
  ['255.255.255.255/32', 'is the broadcast address'],
  ['240.0.0.0/4', 'is reserved, and hosts refuse it'],
  ['::/128', 'is the unspecified address'],
  ['::1/128', 'is the loopback address, which never leaves a machine'],
  ['fe80::/10', 'is link-local, and each link has its own'],
  ['ff00::/8', 'is a multicast group, which nobody owns'],
];
const PREFIXES = REFUSED.map(([prefix, why]) => {
  const [ip, length] = prefix.split('/') as [Ip, string];
  return { prefix: { ip, length: Number(length) }, why };
});

const MAPPED = '::ffff:';

/** The readings of `010.1.1.1`: as decimal, and as octal where that is possible. */
const readings = (text: string): string => {
  const octets = text.split('.');
  const decimal = octets.map((octet) => Number.parseInt(octet, 10));
  const octal = octets.map((octet) => Number.parseInt(octet, octet.startsWith('0') ? 8 : 10));
  const isOctal = octets.every((octet) => !octet.startsWith('0') || /^[0-7]+$/.test(octet));
  const texts = [decimal, ...(isOctal ? [octal] : [])].map((each) => each.join('.'));
  return [...new Set(texts)].filter((each) => parseIp(each) !== null).join(' or ');
};

const notAnAddress = (text: string): Wrong => {
  if (text.includes('/')) {
    const host = parseIp(text.replace(/\/(32|128)$/, ''));
    const right = host === null ? `${EXAMPLE}, one entry each` : `${host}, without the prefix length`;
    return { wrong: `${quote(text)} is a range (CIDR), not an address`, right };
  }
  if (/^[\da-fA-F.:]+ *(-|–|\.\.+) *[\da-fA-F.:]+$/.test(text)) {
    return { wrong: `${quote(text)} is a range, not an address`, right: `${EXAMPLE}, one entry each` };
  }
  if (text.includes('%')) {
    const right = `the address without the zone; the key "interfaces" names its interface`;
    return { wrong: `${quote(text)} has a zone id`, right };
  }
  if (/^\d{1,4}(\.\d{1,4}){3}$/.test(text) && /(^|\.)0\d/.test(text)) {
    const right = readings(text);
    return {
      wrong: `${quote(text)} has leading zeros, which some programs read as octal`,
      right: right === '' ? EXAMPLE : `${right}, whichever is meant`,
    };
  }
  return { wrong: `${quote(text)} is not an IPv4 or IPv6 address`, right: EXAMPLE };
};

/** A service IP in canonical text (RFC 5952). Refuses all that no single machine can own on an Ethernet segment. */
export const readServiceIp = (text: string): Read<Ip> => {
  const ip = parseIp(text);
  if (ip === null) return notAnAddress(text);
  const refused = PREFIXES.find(({ prefix }) => holds(prefix, ip));
  if (refused !== undefined) return { wrong: `${quote(text)} ${refused.why}`, right: EXAMPLE };
  // RFC 4291 §2.5.5.2: represents an IPv4 node inside a program; never on the wire.
  if (ip.startsWith(MAPPED) && ip.includes('.')) {
    return { wrong: `${quote(text)} is an IPv4 address mapped into IPv6`, right: ip.slice(MAPPED.length) };
  }
  return { value: ip };
};
