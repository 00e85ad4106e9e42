import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DROPPED } from '../../../src/io/packets/dropped.ts';
import { decodeFrame, encodeFrame, LONGEST_FRAME, writeFrame } from '../../../src/io/packets/frame.ts';
import type { DropReason } from '../../../src/machines/frames.ts';
import { ADVERTISEMENT, ARP_REQUEST, DAD_PROBE, hex, SOLICITATION } from '../../support/frames.ts';

/** The frame with octets put in after its two addresses. */
const tagged = (frame: Uint8Array, tag: string): Uint8Array =>
  Uint8Array.from([...frame.slice(0, 12), ...hex(tag), ...frame.slice(12)]);
const decode = (frame: Uint8Array) => decodeFrame(frame, frame.length);

test('a priority tag, VLAN ID 0, is read past, whatever its priority (IEEE 802.1Q)', () => {
  for (const frame of [ARP_REQUEST, SOLICITATION, ADVERTISEMENT, DAD_PROBE]) {
    for (const tag of ['8100 0000', '8100 e000', '8100 f000']) {
      assert.deepEqual(decode(tagged(encodeFrame(frame), tag)), frame);
    }
  }
});

// what, the octets after the addresses, reason
const REFUSED: readonly (readonly [string, string, DropReason])[] = [
  ['VLAN 1', '8100 0001', 'vlan-tagged'],
  ['VLAN 4094 with priority', '8100 effe', 'vlan-tagged'],
  ['VLAN 256, whose low octet is 0', '8100 0100', 'vlan-tagged'],
  ['a service tag', '88a8 0000', 'vlan-tagged'],
  ['a VLAN tag inside a priority tag', '8100 0000 8100 0001', 'vlan-tagged'],
  ['a priority tag inside a priority tag', '8100 0000 8100 0000', 'vlan-tagged'],
  ['our hello', '88b5', 'ethertype'],
  ['IPv4', '0800', 'ethertype'],
  ['an 802.3 length', '002e', 'ethertype'],
];

for (const [what, octets, reason] of REFUSED) {
  test(`${what} is dropped: ${reason}`, () => {
    assert.equal(decode(tagged(encodeFrame(ARP_REQUEST), octets)), DROPPED[reason]);
  });
}

test('a tag cut off is dropped as truncated', () => {
  const frame = tagged(encodeFrame(ARP_REQUEST), '8100 0000');
  for (let length = 0; length < 46; length += 1) assert.equal(decodeFrame(frame, length), DROPPED.truncated);
  assert.deepEqual(decodeFrame(frame, 46), ARP_REQUEST);
});

test('a length beyond the buffer (MSG_TRUNC) is taken for a frame cut to the buffer', () => {
  const frame = encodeFrame(SOLICITATION);
  assert.deepEqual(decodeFrame(frame, 9000), SOLICITATION);
  assert.equal(decodeFrame(frame.slice(0, 80), 9000), DROPPED.truncated);
});

test('a decoded frame does not change when the receive buffer is used again', () => {
  const buffer = encodeFrame(SOLICITATION);
  const frame = decode(buffer);
  buffer.fill(0xee);
  assert.deepEqual(frame, SOLICITATION);
});

test('a send buffer that held another frame gets the same octets as a fresh one', () => {
  for (const frame of [ARP_REQUEST, SOLICITATION, ADVERTISEMENT, DAD_PROBE]) {
    const buffer = new Uint8Array(2048).fill(0xee);
    const length = writeFrame(frame, buffer);
    assert.deepEqual(buffer.slice(0, length), encodeFrame(frame));
    assert.equal(buffer[length], 0xee);
  }
});

test('a send buffer that might be too short is a programming error', () => {
  assert.throws(() => writeFrame(ARP_REQUEST, new Uint8Array(LONGEST_FRAME - 1)), { name: 'AssertionError' });
});

test('two encoded frames do not share their octets', () => {
  const first = encodeFrame(ARP_REQUEST);
  const copy = Uint8Array.from(first);
  encodeFrame(SOLICITATION);
  assert.deepEqual(first, copy);
});

test('text that is no address is a programming error, never a frame', () => {
  assert.throws(() => encodeFrame({ ...ARP_REQUEST, spa: 'fd99::1' }), RangeError);
  assert.throws(() => encodeFrame({ ...ARP_REQUEST, sha: '02:00' }), RangeError);
  assert.throws(() => encodeFrame({ ...SOLICITATION, target: '10.99.0.1' }), RangeError);
});

test('every drop reason has one constant, frozen', () => {
  for (const [reason, frame] of Object.entries(DROPPED)) {
    assert.deepEqual(frame, { kind: 'dropped', reason });
    assert.ok(Object.isFrozen(frame));
  }
});
