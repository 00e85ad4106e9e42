// No frame is an exception, and parses ⇒ encodes ⇒ parses the same: over a million frames from one seed, which a
// failure names (HOLDFAST_FUZZ_SEED=n repeats it), and over every valid frame that fast-check thinks of.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipFromBytes } from '../../../src/io/packets/address.ts';
import { icmpv6Checksum } from '../../../src/io/packets/checksum.ts';
import { DROPPED } from '../../../src/io/packets/dropped.ts';
import { decodeFrame, encodeFrame } from '../../../src/io/packets/frame.ts';
import { multicastMac, solicitedNodeAddress } from '../../../src/machines/addresses.ts';
import type { DropReason, NeighborFrame } from '../../../src/machines/frames.ts';
import { sampleFrames, seeded } from '../../support/frames.ts';

const FRAMES = 1_000_000;
const BUFFER = 160;

const INTERESTING = [
  0x00, 0x01, 0x02, 0x04, 0x06, 0x08, 0x3a, 0x60, 0x7f, 0x80, 0x81, 0x86, 0x87, 0x88, 0xdd, 0xfe, 0xff,
];

/** One to four octets overwritten, bits flipped, octets doubled or taken out; returns the new length. */
const mutate = (buffer: Uint8Array, length: number, random: () => number): number => {
  let now = length;
  for (let times = 1 + (random() & 3); times > 0; times -= 1) {
    const choice = random();
    const at = (random() >>> 3) % Math.max(now, 1);
    if (choice % 8 < 3) buffer[at] = random() & 0xff;
    else if (choice % 8 < 5) buffer[at] = INTERESTING[random() % INTERESTING.length]!;
    else if (choice % 8 === 5) buffer[at]! ^= 1 << (random() & 7);
    else if (choice % 8 === 6) now = random() % (BUFFER + 1);
    else {
      const by = 8 * (1 + (random() & 1));
      buffer.copyWithin(Math.min(at + by, BUFFER), at, Math.max(now, at));
      now = Math.min(now + by, BUFFER);
    }
  }
  return now;
};

/** Makes lengths and checksum right again, so that mutations reach what lies behind those checks. */
const mend = (buffer: Uint8Array, length: number, random: () => number): void => {
  if (length < 55 || buffer[12] !== 0x86) return;
  const payload = length - 54;
  if (random() & 3) [buffer[18], buffer[19]] = [payload >>> 8, payload & 0xff];
  buffer.fill(0, 56, 58);
  const checksum = icmpv6Checksum(buffer, 14, payload);
  [buffer[56], buffer[57]] = [checksum >>> 8, checksum & 0xff];
};

/** Puts a VLAN tag in, of ID 0 every other time; returns the new length. */
const tag = (buffer: Uint8Array, length: number, random: () => number): number => {
  buffer.copyWithin(16, 12, BUFFER - 4);
  buffer.set([0x81, 0x00, random() & 0xf0, random() & 1], 12);
  return Math.min(length + 4, BUFFER);
};

const same = (left: NeighborFrame, right: object): boolean => JSON.stringify(left) === JSON.stringify(right);

test('a million random and mutated frames give no exception, and what parses, encodes and parses the same', (t) => {
  const seed = Number(process.env.HOLDFAST_FUZZ_SEED ?? Date.now() >>> 0);
  const random = seeded(seed);
  const samples = sampleFrames();
  const buffer = new Uint8Array(BUFFER);
  const seen = new Map<string, number>();
  for (let round = 0; round < FRAMES; round += 1) {
    let length: number;
    if (round % 8 === 0) {
      length = random() % (BUFFER + 1);
      for (let at = 0; at < length; at += 1) buffer[at] = random() & 0xff;
      // Random octets alone would stop at the ethertype.
      if (random() & 1) buffer.set(random() & 1 ? [0x08, 0x06] : [0x86, 0xdd], 12);
    } else {
      const sample = samples[random() % samples.length]!;
      buffer.set(sample);
      length = mutate(buffer, sample.length, random);
      if (random() & 1) mend(buffer, length, random);
      if ((random() & 31) === 0) length = tag(buffer, length, random);
    }
    try {
      const frame = decodeFrame(buffer, length);
      const outcome = frame.kind === 'dropped' ? frame.reason : frame.kind;
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
      if (frame.kind === 'dropped') {
        if (frame !== DROPPED[frame.reason]) throw new Error('a dropped frame that is not the constant');
        continue;
      }
      const encoded = encodeFrame(frame);
      const again = decodeFrame(encoded, encoded.length);
      if (!same(frame, again))
        throw new Error(`${JSON.stringify(frame)} came back as ${JSON.stringify(again)}`);
    } catch (error) {
      const octets = Buffer.from(buffer.subarray(0, length)).toString('hex');
      assert.fail(`HOLDFAST_FUZZ_SEED=${seed}, frame ${round}, ${octets}: ${error}`);
    }
  }
  t.diagnostic(`seed ${seed}: ${[...seen].map(([outcome, count]) => `${outcome} ${count}`).join(', ')}`);
  // A fuzz that never reaches a check proves nothing about it.
  // Hellos have a codec and a fuzz of their own (hello-fuzz.test.ts).
  const reasons = (Object.keys(DROPPED) as DropReason[]).filter((reason) => !reason.startsWith('hello-'));
  for (const outcome of ['arp', 'ns', 'na', ...reasons]) {
    assert.ok(seen.has(outcome), `HOLDFAST_FUZZ_SEED=${seed}: no frame came out as ${outcome}`);
  }
});

const octets = (count: number) => fc.uint8Array({ minLength: count, maxLength: count });
const mac = octets(6).map((all) => Array.from(all, (octet) => octet.toString(16).padStart(2, '0')).join(':'));
const ipv4 = octets(4).map(ipFromBytes);
const unicast = octets(16).map((all) => {
  all[0] = all[0] === 0xff ? 0xfe : all[0]!;
  return ipFromBytes(all);
});
const group = octets(16).map((all) => ipFromBytes(all.fill(0xff, 0, 1)));
const ethernet = { ethernetSource: mac, ethernetDestination: mac };

const arp = fc.record({
  kind: fc.constant('arp' as const),
  ...ethernet,
  operation: fc.constantFrom('request' as const, 'reply' as const),
  ...{ sha: mac, spa: ipv4, tha: mac, tpa: ipv4 },
});
const solicitation = fc.record({
  kind: fc.constant('ns' as const),
  ...ethernet,
  source: unicast.filter((ip) => ip !== '::'),
  destination: fc.oneof(unicast, group),
  target: unicast,
  sourceLinkLayerAddress: fc.option(mac),
});
const probe = fc.record({ ethernetSource: mac, target: unicast }).map(({ ethernetSource, target }) => {
  const destination = solicitedNodeAddress(target);
  const ethernetDestination = multicastMac(destination);
  const addresses = { source: '::', destination, target, sourceLinkLayerAddress: null };
  return { kind: 'ns' as const, ethernetSource, ethernetDestination, ...addresses };
});
const advertisement = fc
  .record({
    kind: fc.constant('na' as const),
    ...ethernet,
    source: unicast,
    destination: fc.oneof(unicast, group),
    target: unicast,
    ...{ router: fc.boolean(), solicited: fc.boolean(), override: fc.boolean() },
    targetLinkLayerAddress: fc.option(mac),
  })
  .filter((frame) => !(frame.solicited && frame.destination.startsWith('ff')));

test('every valid frame comes back from its octets as it was', () => {
  fc.assert(
    fc.property(fc.oneof(arp, solicitation, probe, advertisement), (frame) => {
      const bytes = encodeFrame(frame);
      // fast-check's records have no prototype.
      assert.deepEqual(decodeFrame(bytes, bytes.length), { ...frame });
    }),
    { numRuns: 5000 },
  );
});
