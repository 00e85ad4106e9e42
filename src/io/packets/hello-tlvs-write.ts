// The TLVs of a hello, written: the counterpart of hello-tlvs.ts. A part with nothing in it is left out. Writing
// beyond the end of `bytes` does nothing: the codec asserts the length when all is written.

import assert from 'node:assert/strict';
import { MAX_EPOCH } from '../../machines/claims.ts';
import type { HelloFrame, SaidClaim, Slice } from '../../machines/hello.ts';
import { writeU16 } from './big-endian.ts';
import {
  assertUnsigned,
  KIND_IPV4,
  KIND_IPV6,
  writeAddress,
  writeBoundary,
  writeInstance,
  writeName,
  writeU32,
  writeU48,
} from './hello-fields.ts';
import {
  ECHO_OCTETS,
  EPOCH_OCTETS,
  HELD,
  IPV6,
  isInRange,
  KEPT,
  MAX_SLICES,
  SUCCESSOR,
  TLV_CHANGES,
  TLV_ECHOES,
  TLV_HEAD,
  TLV_HEARS,
  TLV_SLICE,
  TLV_SUBNETS,
  TLV_WITNESSED,
  WEAK,
} from './hello-tlvs.ts';

/** Writes one entry at `at`; returns where it ends. */
type EntryWriter<T> = (bytes: Uint8Array, at: number, entry: T) => number;

const closeTlv = (bytes: Uint8Array, at: number, type: number, end: number): number => {
  bytes[at] = type;
  writeU16(bytes, at + 1, end - at - TLV_HEAD);
  return end;
};

const writeList = <T>(
  bytes: Uint8Array,
  at: number,
  type: number,
  entries: readonly T[],
  writeEntry: EntryWriter<T>,
): number => {
  if (entries.length === 0) return at;
  let next = at + TLV_HEAD;
  for (const entry of entries) next = writeEntry(bytes, next, entry);
  return closeTlv(bytes, at, type, next);
};

const writeSubnet: EntryWriter<HelloFrame['subnets'][number]> = (bytes, at, { ip, length }) => {
  const isIpv6 = ip.includes(':');
  assert(
    Number.isInteger(length) && length >= 0 && length <= (isIpv6 ? 128 : 32),
    `not a prefix: ${ip}/${length}`,
  );
  bytes[at] = length;
  bytes[at + 1] = isIpv6 ? KIND_IPV6 : KIND_IPV4;
  return writeAddress(bytes, at + 2, ip);
};

const writeEcho: EntryWriter<number> = (bytes, at, echo) => {
  assertUnsigned(echo, 32, 'echo');
  writeU32(bytes, at, echo);
  return at + ECHO_OCTETS;
};

/** Flags, address and epoch. */
const writeClaim = (bytes: Uint8Array, at: number, { ip, epoch, weak }: SaidClaim, flags: number): number => {
  assert(Number.isInteger(epoch) && epoch >= 0 && epoch <= MAX_EPOCH, `not an epoch: ${epoch}`);
  bytes[at] = flags | (weak ? WEAK : 0) | (ip.includes(':') ? IPV6 : 0);
  const next = writeAddress(bytes, at + 1, ip);
  writeU48(bytes, next, epoch);
  return next + EPOCH_OCTETS;
};

const writeChange: EntryWriter<HelloFrame['changes'][number]> = (bytes, at, change) => {
  const { held, successor, kept } = change;
  const flags = (held ? HELD : 0) | (successor === null ? 0 : SUCCESSOR) | (kept ? KEPT : 0);
  const next = writeClaim(bytes, at, change, flags);
  return successor === null ? next : writeName(bytes, next, successor);
};

const writeWitnessed: EntryWriter<HelloFrame['witnessed'][number]> = (bytes, at, claim) => {
  const instance = writeClaim(bytes, at, claim, 0);
  return writeName(bytes, writeInstance(bytes, instance, claim.instance), claim.node);
};

const writeSlice = (bytes: Uint8Array, at: number, { from, to, claims }: Slice): number => {
  assert(from < to, `a slice from ${from} to ${to}`);
  const fromAt = at + TLV_HEAD;
  const toAt = writeBoundary(bytes, fromAt, from);
  let next = writeBoundary(bytes, toAt, to);
  for (const claim of claims) {
    const entry = next;
    next = writeClaim(bytes, entry, claim, 0);
    // Entries beyond the buffer read as nothing; the length is asserted by the codec.
    if (next <= bytes.length) {
      assert(isInRange(bytes, entry, fromAt, toAt), `${claim.ip} is not in the slice from ${from} to ${to}`);
    }
  }
  return closeTlv(bytes, at, TLV_SLICE, next);
};

/** Writes all TLVs of `hello` at `at`, in the order of their types; returns where they end. */
export const writeTlvs = (hello: HelloFrame, bytes: Uint8Array, at: number): number => {
  assert(hello.slices.length <= MAX_SLICES, `${hello.slices.length} slices in one hello`);
  let next = writeList(bytes, at, TLV_HEARS, hello.hears, writeInstance);
  next = writeList(bytes, next, TLV_SUBNETS, hello.subnets, writeSubnet);
  next = writeList(bytes, next, TLV_CHANGES, hello.changes, writeChange);
  for (const slice of hello.slices) next = writeSlice(bytes, next, slice);
  next = writeList(bytes, next, TLV_WITNESSED, hello.witnessed, writeWitnessed);
  return writeList(bytes, next, TLV_ECHOES, hello.echoes, writeEcho);
};
