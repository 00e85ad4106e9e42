// A number as an address in its one canonical text (RFC 5952), so that the allocator can count through a pool.
// The codec of src/io/packets does the same for bytes; this one exists because src/machines may not import it.
import type { Ip } from '../frames.ts';
import type { Family } from './cluster-facts.ts';

const ipv4Text = (value: bigint): Ip =>
  [24n, 16n, 8n, 0n].map((shift) => Number((value >> shift) & 0xffn)).join('.');

/** Where the longest run of zero groups begins and its length: the first of equals (RFC 5952 §4.2.3). */
const longestGap = (groups: readonly number[]): { at: number; length: number } => {
  let best = { at: 0, length: 0 };
  for (let at = 0; at < groups.length; at += 1) {
    let length = 0;
    while (groups[at + length] === 0) length += 1;
    if (length > best.length) best = { at, length };
    at += length;
  }
  return best;
};

const ipv6Text = (value: bigint): Ip => {
  const groups = Array.from({ length: 8 }, (_, index) =>
    Number((value >> BigInt(112 - 16 * index)) & 0xffffn),
  );
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  const { at, length } = longestGap(groups);
  // RFC 5952 §4.2.2: "The symbol "::" MUST NOT be used to shorten just one 16-bit 0 field."
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, at))}::${hex(groups.slice(at + length))}`;
};

/** The canonical text of `value`, which must fit the family. Mapped IPv4 (`::ffff:0:0/96`) has no place in a pool. */
export const addressText = (value: bigint, family: Family): Ip =>
  family === 'IPv4' ? ipv4Text(value) : ipv6Text(value);
