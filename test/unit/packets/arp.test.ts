import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DROPPED } from '../../../src/io/packets/dropped.ts';
import { decodeFrame, encodeFrame } from '../../../src/io/packets/frame.ts';
import type { DropReason } from '../../../src/machines/frames.ts';
import { ARP_REPLY, ARP_REQUEST, hex, patched } from '../../support/frames.ts';

// Captured from a Linux 6.18 kernel.
const REQUEST = hex(
  'ff ff ff ff ff ff', // destination
  '02 00 00 00 00 0a', // source
  '0806', // ethertype: ARP
  '0001', // ar$hrd: Ethernet
  '0800', // ar$pro: IPv4
  '06', // ar$hln
  '04', // ar$pln
  '0001', // ar$op: request
  '02 00 00 00 00 0a', // sha
  '0a 63 00 0a', // spa
  '00 00 00 00 00 00', // tha
  '0a 63 00 0b', // tpa
);
const REPLY = hex(
  '02 00 00 00 00 0a', // destination
  '02 00 00 00 00 0b', // source
  '0806', // ethertype: ARP
  '0001', // ar$hrd: Ethernet
  '0800', // ar$pro: IPv4
  '06', // ar$hln
  '04', // ar$pln
  '0002', // ar$op: reply
  '02 00 00 00 00 0b', // sha
  '0a 63 00 0b', // spa
  '02 00 00 00 00 0a', // tha
  '0a 63 00 0a', // tpa
);

test('a request and a reply of a Linux kernel are read field by field', () => {
  assert.deepEqual(decodeFrame(REQUEST, REQUEST.length), ARP_REQUEST);
  assert.deepEqual(decodeFrame(REPLY, REPLY.length), ARP_REPLY);
});

test('what is written is what the kernel wrote, padded with zeros to the 60 octets of an Ethernet frame', () => {
  assert.deepEqual(encodeFrame(ARP_REQUEST), patched(new Uint8Array(60), 0, REQUEST));
  assert.deepEqual(encodeFrame(ARP_REPLY), patched(new Uint8Array(60), 0, REPLY));
});

test('Ethernet padding after the packet is not looked at', () => {
  const padded = new Uint8Array(60).fill(0xee);
  padded.set(REQUEST);
  assert.deepEqual(decodeFrame(padded, padded.length), ARP_REQUEST);
});

// what, offset in the frame, octets, reason
const REFUSED: readonly (readonly [string, number, string, DropReason])[] = [
  ['hardware other than Ethernet', 14, '0006', 'arp-hardware'],
  ['a protocol other than IPv4', 16, '86dd', 'arp-protocol'],
  ['a hardware length other than 6', 18, '08', 'arp-length'],
  ['hardware length 0', 18, '00', 'arp-length'],
  ['a protocol length other than 4', 19, '10', 'arp-length'],
  ['operation 0', 20, '0000', 'arp-operation'],
  ['reverse ARP', 20, '0003', 'arp-operation'],
  ['operation 257, whose low octet is a request', 20, '0101', 'arp-operation'],
  ['InfiniBand, whose addresses are longer', 14, '0020 0800 14', 'arp-hardware'],
];

for (const [what, at, octets, reason] of REFUSED) {
  test(`${what} is dropped: ${reason} (RFC 826)`, () => {
    const frame = patched(REQUEST, at, hex(octets));
    assert.equal(decodeFrame(frame, frame.length), DROPPED[reason]);
  });
}

test('a packet cut anywhere is dropped as truncated, whatever the buffer holds beyond its length', () => {
  for (let length = 0; length < REQUEST.length; length += 1) {
    assert.equal(decodeFrame(REQUEST, length), DROPPED.truncated, `length ${length}`);
    assert.equal(decodeFrame(REQUEST.slice(0, length), length), DROPPED.truncated, `length ${length}`);
  }
});
