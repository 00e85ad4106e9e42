// One entry of a pool's `addresses`: `10.0.0.0/24`, or `10.0.0.1-10.0.0.9`.
import { addressValue } from '../../../machines/addresses.ts';
import { addressText } from '../../../machines/cluster/address-text.ts';
import { type AddressRange, familyOf } from '../../../machines/cluster/cluster-facts.ts';
import { readServiceIp } from '../../config/service-address.ts';
import type { Read } from '../../config/wrong.ts';
import { quote } from '../../config/wrong.ts';
import { parseIp } from '../../packets/address.ts';

const RIGHT = 'a CIDR such as 10.0.0.0/24, or a range such as 10.0.0.1-10.0.0.9';

/** Both ends must be addresses that a node can hold, so that no pool reaches into multicast or loopback. */
const between = (first: string, last: string, text: string): Read<AddressRange> => {
  for (const end of [first, last]) {
    const read = readServiceIp(end);
    if ('wrong' in read) return { wrong: `${quote(text)}: ${read.wrong}`, right: RIGHT };
  }
  return { value: { first, last, text } };
};

const readCidr = (text: string, ip: string, digits: string): Read<AddressRange> => {
  const bits = familyOf(ip) === 'IPv6' ? 128 : 32;
  const length = /^\d{1,3}$/.test(digits) ? Number(digits) : Number.NaN;
  if (!(length <= bits))
    return { wrong: `${quote(text)} has no prefix length from 0 to ${bits}`, right: RIGHT };
  const size = 1n << BigInt(bits - length);
  const first = (addressValue(ip) / size) * size;
  const at = (value: bigint): string => addressText(value, familyOf(ip));
  return between(at(first), at(first + size - 1n), text);
};

/** A CIDR counts as a whole, from the lowest address that has its prefix to the highest. */
export const readAddressRange = (written: string): Read<AddressRange> => {
  const text = written.trim();
  const [head = '', tail, ...rest] = text.split(text.includes('/') ? '/' : '-').map((part) => part.trim());
  const first = parseIp(head);
  if (first === null || tail === undefined || rest.length > 0)
    return { wrong: `${quote(text)} is no range of addresses`, right: RIGHT };
  if (text.includes('/')) return readCidr(text, first, tail);
  const last = parseIp(tail);
  if (last === null) return { wrong: `${quote(text)} is no range of addresses`, right: RIGHT };
  if (familyOf(first) !== familyOf(last))
    return {
      wrong: `${quote(text)} begins in ${familyOf(first)} and ends in ${familyOf(last)}`,
      right: RIGHT,
    };
  if (addressValue(first) > addressValue(last))
    return { wrong: `${quote(text)} ends before it begins`, right: `${last}-${first}` };
  return between(first, last, text);
};
