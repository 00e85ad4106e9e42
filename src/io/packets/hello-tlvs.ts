// The TLVs of a hello, read: types, flags and entries as docs/protocol.md has them. An unknown type is skipped, so
// that versions mix; an entry that does not fit its TLV makes the whole hello malformed.

import type { Prefix } from '../../machines/addresses.ts';
import type { Instance, SaidChange, SaidClaim, Slice, WitnessedClaim } from '../../machines/hello.ts';
import { readU8, readU16 } from './big-endian.ts';
import {
  addressOctets,
  boundaryEnd,
  comparePoint,
  INSTANCE_OCTETS,
  KIND_IPV4,
  KIND_IPV6,
  readAddress,
  readBoundary,
  readInstance,
  readName,
  readU32,
  readU48,
} from './hello-fields.ts';

export const TLV_HEARS = 1;
export const TLV_SUBNETS = 2;
export const TLV_CHANGES = 3;
export const TLV_SLICE = 4;
export const TLV_WITNESSED = 5;
export const TLV_ECHOES = 6;
/** Type and length. */
export const TLV_HEAD = 3;

// Flags of an entry. Unassigned bits are written as zero and not looked at.
export const HELD = 1;
export const WEAK = 2;
export const IPV6 = 4;
export const SUCCESSOR = 8;
export const KEPT = 16;

export const EPOCH_OCTETS = 6;
export const ECHO_OCTETS = 4;

/** Each slice costs its reader a look at all claims of the peer: a hello of 1,500 octets has room for 290. */
export const MAX_SLICES = 16;

/** What the TLVs of one hello say. */
export interface HelloTables {
  readonly hears: Instance[];
  readonly echoes: number[];
  readonly subnets: Prefix[];
  readonly changes: SaidChange[];
  readonly slices: Slice[];
  readonly witnessed: WitnessedClaim[];
}

/** Reads one TLV's value [from, end) into `tables`; false if it is malformed. */
type TlvReader = (bytes: Uint8Array, from: number, end: number, tables: HelloTables) => boolean;

const readHears: TlvReader = (bytes, from, end, { hears }) => {
  if ((end - from) % INSTANCE_OCTETS !== 0) return false;
  for (let at = from; at < end; at += INSTANCE_OCTETS) hears.push(readInstance(bytes, at));
  return true;
};

const readEchoes: TlvReader = (bytes, from, end, { echoes }) => {
  if ((end - from) % ECHO_OCTETS !== 0) return false;
  for (let at = from; at < end; at += ECHO_OCTETS) echoes.push(readU32(bytes, at));
  return true;
};

const readSubnets: TlvReader = (bytes, from, end, { subnets }) => {
  for (let at = from; at < end; ) {
    if (end - at < 2) return false;
    const length = readU8(bytes, at);
    const family = readU8(bytes, at + 1);
    const isIpv6 = family === KIND_IPV6;
    if (!isIpv6 && family !== KIND_IPV4) return false;
    const octets = addressOctets(isIpv6);
    if (length > 8 * octets || at + 2 + octets > end) return false;
    subnets.push({ ip: readAddress(bytes, at + 2, isIpv6), length });
    at += 2 + octets;
  }
  return true;
};

/** Where the flags, address and epoch at `at` end. */
const claimEnd = (flags: number, at: number): number =>
  at + 1 + addressOctets((flags & IPV6) !== 0) + EPOCH_OCTETS;

const readChanges: TlvReader = (bytes, from, end, { changes }) => {
  for (let at = from; at < end; ) {
    const flags = readU8(bytes, at);
    const next = claimEnd(flags, at);
    if (next > end) return false;
    const successor = (flags & SUCCESSOR) === 0 ? null : readName(bytes, next, end);
    if (successor === null && (flags & SUCCESSOR) !== 0) return false;
    changes.push({
      ip: readAddress(bytes, at + 1, (flags & IPV6) !== 0),
      epoch: readU48(bytes, next - EPOCH_OCTETS),
      weak: (flags & WEAK) !== 0,
      held: (flags & HELD) !== 0,
      successor,
      kept: (flags & KEPT) !== 0,
    });
    at = successor === null ? next : next + 1 + successor.length;
  }
  return true;
};

const kindOf = (flags: number): number => ((flags & IPV6) === 0 ? KIND_IPV4 : KIND_IPV6);

/** Whether the entry at `at` lies in the range from the boundary at `from` to that at `to`. */
export const isInRange = (bytes: Uint8Array, at: number, from: number, to: number): boolean => {
  const kind = kindOf(readU8(bytes, at));
  return comparePoint(bytes, kind, at + 1, from) >= 0 && comparePoint(bytes, kind, at + 1, to) < 0;
};

const readSlice: TlvReader = (bytes, from, end, { slices }) => {
  if (slices.length === MAX_SLICES) return false;
  const to = boundaryEnd(bytes, from, end);
  const first = to === null ? null : boundaryEnd(bytes, to, end);
  if (to === null || first === null) return false;
  if (comparePoint(bytes, readU8(bytes, from), from + 1, to) >= 0) return false;
  const claims: SaidClaim[] = [];
  for (let at = first; at < end; ) {
    const flags = readU8(bytes, at);
    const next = claimEnd(flags, at);
    if (next > end || !isInRange(bytes, at, from, to)) return false;
    claims.push({
      ip: readAddress(bytes, at + 1, (flags & IPV6) !== 0),
      epoch: readU48(bytes, next - EPOCH_OCTETS),
      weak: (flags & WEAK) !== 0,
    });
    at = next;
  }
  slices.push({ from: readBoundary(bytes, from), to: readBoundary(bytes, to), claims });
  return true;
};

const readWitnessed: TlvReader = (bytes, from, end, { witnessed }) => {
  for (let at = from; at < end; ) {
    const flags = readU8(bytes, at);
    const instance = claimEnd(flags, at);
    const name = instance + INSTANCE_OCTETS;
    const node = readName(bytes, name, end);
    if (node === null) return false;
    witnessed.push({
      ip: readAddress(bytes, at + 1, (flags & IPV6) !== 0),
      epoch: readU48(bytes, instance - EPOCH_OCTETS),
      weak: (flags & WEAK) !== 0,
      node,
      instance: readInstance(bytes, instance),
    });
    at = name + 1 + node.length;
  }
  return true;
};

const readTlv = (
  type: number,
  bytes: Uint8Array,
  from: number,
  end: number,
  tables: HelloTables,
): boolean => {
  switch (type) {
    case TLV_HEARS:
      return readHears(bytes, from, end, tables);
    case TLV_SUBNETS:
      return readSubnets(bytes, from, end, tables);
    case TLV_CHANGES:
      return readChanges(bytes, from, end, tables);
    case TLV_SLICE:
      return readSlice(bytes, from, end, tables);
    case TLV_WITNESSED:
      return readWitnessed(bytes, from, end, tables);
    case TLV_ECHOES:
      return readEchoes(bytes, from, end, tables);
    default:
      return true;
  }
};

/** All TLVs of [from, end), which lies within `bytes`; null if one is malformed. */
export const readTlvs = (bytes: Uint8Array, from: number, end: number): HelloTables | null => {
  const tables: HelloTables = { hears: [], echoes: [], subnets: [], changes: [], slices: [], witnessed: [] };
  for (let at = from; at < end; ) {
    const value = at + TLV_HEAD;
    if (value > end) return null;
    const next = value + readU16(bytes, at + 1);
    if (next > end || !readTlv(readU8(bytes, at), bytes, value, next, tables)) return null;
    at = next;
  }
  return tables;
};
