// A hello ⇄ its Ethernet frame (docs/protocol.md, version 1), with or without IP and UDP between. Reading never throws
// and is bounded: cheap checks first, then the signature, and only what is signed is taken apart. Writing asserts: our
// own hellos always fit.

import assert from 'node:assert/strict';
import { type DroppedFrame, type Ip, UNSPECIFIED_IPV4 } from '../../machines/frames.ts';
import { HELLO_VERSION, type HelloFlags, type HelloFrame } from '../../machines/hello.ts';
import { readU8, readU16, writeU16 } from './big-endian.ts';
import { DROPPED } from './dropped.ts';
import {
  ETHERNET_HEADER,
  ETHERNET_MINIMUM,
  ETHERTYPE_HELLO,
  ETHERTYPE_IPV4,
  payloadOffset,
  readEthernetDestination,
  readEthernetSource,
  writeEthernet,
} from './ethernet.ts';
import {
  assertUnsigned,
  readInstance,
  readName,
  readU32,
  readU48,
  writeInstance,
  writeName,
  writeU32,
  writeU48,
} from './hello-fields.ts';
import { helloSigner, SIGNATURE_OCTETS } from './hello-signature.ts';
import { readTlvs } from './hello-tlvs.ts';
import { writeTlvs } from './hello-tlvs-write.ts';
import {
  type HelloTransport,
  refuseUdp,
  UDP_GROUP_MAC,
  UDP_OVERHEAD,
  udpPayloadLength,
  writeUdpHeaders,
} from './hello-udp.ts';

/** Where hellos go: a group address (IEEE 802 local, multicast) that is no IP group, so that snooping floods it. */
export const HELLO_GROUP = '03:48:6f:6c:64:66';
/** Octets of Ethernet payload, signature included: hellos are never fragmented. */
const MAX_HELLO_PAYLOAD = 1_500;
/** The longest frame that `write` writes. */
export const LONGEST_HELLO = ETHERNET_HEADER + MAX_HELLO_PAYLOAD;

const MAGIC = 0x4846; // 'HF'
const SIGNED = 1;
const STARTING = 1;
const READY = 2;
const LEAVING = 4;

// Offsets in the payload.
const VERSION = 2;
const HEADER_FLAGS = 3;
const LENGTH = 4;
const GROUP = 6;
const INSTANCE = 10;
const SEQUENCE = 18;
const INTERVAL = 24;
const HOLD = 26;
const NODE_FLAGS = 30;
const HELD_COUNT = 31;
const NAME = 35;
/** With a name of one octet. */
const SHORTEST = NAME + 2;

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a 32 of the group's UTF-8: keeps clusters on one segment apart. A collision only costs the separation. */
const groupHash = (group: string): number => {
  let hash = FNV_OFFSET;
  for (const octet of Buffer.from(group)) hash = Math.imul(hash ^ octet, FNV_PRIME);
  return hash >>> 0;
};

const flagsOf = (octet: number): HelloFlags => ({
  starting: (octet & STARTING) !== 0,
  ready: (octet & READY) !== 0,
  leaving: (octet & LEAVING) !== 0,
});

const octetOf = ({ starting, ready, leaving }: HelloFlags): number =>
  (starting ? STARTING : 0) | (ready ? READY : 0) | (leaving ? LEAVING : 0);

/** The hello in the payload [at, end), whose form up to the name's length was checked. */
const readBody = (bytes: Uint8Array, at: number, end: number): HelloFrame | DroppedFrame => {
  const node = readName(bytes, at + NAME, end);
  const intervalMs = readU16(bytes, at + INTERVAL);
  const holdMs = readU32(bytes, at + HOLD);
  // Both are divided by or waited for: an interval of nothing would make its sender late at once, for ever.
  if (node === null || intervalMs === 0 || holdMs < intervalMs) return DROPPED['hello-malformed'];
  const tables = readTlvs(bytes, at + NAME + 1 + node.length, end);
  if (tables === null) return DROPPED['hello-malformed'];
  return {
    kind: 'hello',
    ethernetSource: readEthernetSource(bytes),
    node,
    instance: readInstance(bytes, at + INSTANCE),
    sequence: readU48(bytes, at + SEQUENCE),
    intervalMs,
    holdMs,
    flags: flagsOf(readU8(bytes, at + NODE_FLAGS)),
    subnets: tables.subnets,
    heldCount: readU32(bytes, at + HELD_COUNT),
    hears: tables.hears,
    echoes: tables.echoes,
    changes: tables.changes,
    slices: tables.slices,
    witnessed: tables.witnessed,
  };
};

/** What every version has in common, and the group: null if the frame is one of ours to read. */
const refusal = (
  bytes: Uint8Array,
  at: number,
  end: number,
  group: number,
  destination: string,
): DroppedFrame | null => {
  if (end < at + HEADER_FLAGS) return DROPPED['hello-truncated'];
  if (readU16(bytes, at) !== MAGIC) return DROPPED['hello-malformed'];
  // Another version may lay out all that follows differently.
  if (readU8(bytes, at + VERSION) !== HELLO_VERSION) return DROPPED['hello-version'];
  if (end < at + SHORTEST) return DROPPED['hello-truncated'];
  if (readU32(bytes, at + GROUP) !== group) return DROPPED['hello-group'];
  // A station's own address is never a group (IEEE 802); and what is not for all would be news for some only.
  const isFromGroup = (readU8(bytes, 6) & 1) === 1;
  return isFromGroup || readEthernetDestination(bytes) !== destination ? DROPPED['hello-malformed'] : null;
};

/** By which transport the frame came, and where its hello lies. */
interface Place {
  readonly transport: HelloTransport;
  readonly typeAt: number;
  readonly at: number;
  readonly end: number;
}

const placeOf = (bytes: Uint8Array, frameEnd: number): Place | DroppedFrame => {
  const at = payloadOffset(bytes, frameEnd);
  if (typeof at !== 'number') return at === DROPPED.truncated ? DROPPED['hello-truncated'] : at;
  const typeAt = at - 2;
  const etherType = readU16(bytes, typeAt);
  if (etherType === ETHERTYPE_HELLO) return { transport: 'ethernet', typeAt, at, end: frameEnd };
  if (etherType !== ETHERTYPE_IPV4) return DROPPED.ethertype;
  const refused = refuseUdp(bytes, at, frameEnd);
  if (refused !== null) return refused;
  const payloadAt = at + UDP_OVERHEAD;
  return { transport: 'udp', typeAt, at: payloadAt, end: payloadAt + udpPayloadLength(bytes, at) };
};

/** Where a hello leaves from: an address of the sender on the segment, if it has one (docs/protocol.md, UDP). */
const sourceOf = ({ subnets }: HelloFrame): Ip =>
  subnets.find(({ ip }) => !ip.includes(':'))?.ip ?? UNSPECIFIED_IPV4;

const GROUP_MAC: Readonly<Record<HelloTransport, string>> = { ethernet: HELLO_GROUP, udp: UDP_GROUP_MAC };
const OVERHEAD: Readonly<Record<HelloTransport, number>> = { ethernet: 0, udp: UDP_OVERHEAD };

export interface HelloCodec {
  /**
   * Writes the frame at the start of `bytes` (LONGEST_HELLO octets or more) and returns its length, frame check
   * sequence excluded. Asserts that it fits MAX_HELLO_PAYLOAD and that every field fits its octets.
   */
  write(hello: HelloFrame, bytes: Uint8Array): number;
  /** Reads the first `length` octets of `bytes`, a buffer that may be longer and is not kept. Never throws. */
  read(bytes: Uint8Array, length: number): HelloFrame | DroppedFrame;
}

/**
 * `keys`: the first signs, every one verifies; with none, hellos are unsigned and signed ones are refused.
 * `group` keeps apart the clusters that share a segment. `transport`: how hellos are written; both are read, so that
 * nodes of which one was configured otherwise do not both take everything.
 */
export const helloCodec = (options: {
  readonly keys: readonly Uint8Array[];
  readonly group: string;
  readonly transport?: HelloTransport;
}): HelloCodec => {
  const transport = options.transport ?? 'ethernet';
  const etherType = transport === 'udp' ? ETHERTYPE_IPV4 : ETHERTYPE_HELLO;
  const signer = helloSigner(options.keys);
  const group = groupHash(options.group);
  const signatureOctets = signer.isSigning ? SIGNATURE_OCTETS : 0;

  const writeFixedPart = (hello: HelloFrame, bytes: Uint8Array, at: number): number => {
    assertUnsigned(hello.sequence, 48, 'sequence');
    assertUnsigned(hello.intervalMs, 16, 'interval');
    assertUnsigned(hello.holdMs, 32, 'hold time');
    assertUnsigned(hello.heldCount, 32, 'held count');
    assert(hello.intervalMs > 0 && hello.holdMs >= hello.intervalMs, 'a hold time of one interval or more');
    writeU16(bytes, at, MAGIC);
    bytes[at + VERSION] = HELLO_VERSION;
    bytes[at + HEADER_FLAGS] = signer.isSigning ? SIGNED : 0;
    writeU32(bytes, at + GROUP, group);
    writeInstance(bytes, at + INSTANCE, hello.instance);
    writeU48(bytes, at + SEQUENCE, hello.sequence);
    writeU16(bytes, at + INTERVAL, hello.intervalMs);
    writeU32(bytes, at + HOLD, hello.holdMs);
    bytes[at + NODE_FLAGS] = octetOf(hello.flags);
    writeU32(bytes, at + HELD_COUNT, hello.heldCount);
    return writeName(bytes, at + NAME, hello.node);
  };

  return {
    write: (hello, bytes) => {
      assert(bytes.length >= LONGEST_HELLO, `a hello may need ${LONGEST_HELLO} octets, not ${bytes.length}`);
      writeEthernet(bytes, GROUP_MAC[transport], hello.ethernetSource, etherType);
      const at = ETHERNET_HEADER + OVERHEAD[transport];
      const end = writeTlvs(hello, bytes, writeFixedPart(hello, bytes, at));
      const octets = end - ETHERNET_HEADER + signatureOctets;
      assert(octets <= MAX_HELLO_PAYLOAD, `a hello of ${octets} octets; at most ${MAX_HELLO_PAYLOAD}`);
      writeU16(bytes, at + LENGTH, end - at);
      const length = signer.sign(bytes, at, end, ETHERNET_HEADER - 2);
      if (transport === 'udp') writeUdpHeaders(bytes, ETHERNET_HEADER, sourceOf(hello), length - at);
      if (length >= ETHERNET_MINIMUM) return length;
      bytes.fill(0, length, ETHERNET_MINIMUM);
      return ETHERNET_MINIMUM;
    },
    read: (bytes, length) => {
      const place = placeOf(bytes, Math.min(length, bytes.length));
      if ('kind' in place) return place;
      const { at, end: frameEnd, typeAt } = place;
      const refused = refusal(bytes, at, frameEnd, group, GROUP_MAC[place.transport]);
      if (refused !== null) return refused;
      const isSigned = (readU8(bytes, at + HEADER_FLAGS) & SIGNED) !== 0;
      const payload = readU16(bytes, at + LENGTH);
      const whole = payload + (isSigned ? SIGNATURE_OCTETS : 0);
      if (payload < SHORTEST || whole + OVERHEAD[place.transport] > MAX_HELLO_PAYLOAD)
        return DROPPED['hello-malformed'];
      if (frameEnd < at + whole) return DROPPED['hello-truncated'];
      if (isSigned !== signer.isSigning) return DROPPED['hello-signature'];
      const end = at + payload;
      if (isSigned && !signer.verify(bytes, at, end, typeAt)) return DROPPED['hello-signature'];
      return readBody(bytes, at, end);
    },
  };
};
