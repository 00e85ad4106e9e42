import assert from 'node:assert/strict';
import { test } from 'node:test';
import { icmpv6Checksum, internetChecksum } from '../../../src/io/packets/checksum.ts';
import { hex } from '../../support/frames.ts';

test('the example of RFC 1071 §3 sums to ddf2', () => {
  assert.equal(internetChecksum(hex('0001 f203 f4f5 f6f7'), 0, 8), 0xffff - 0xddf2);
});

test('an odd last octet is padded with zero, not with what follows it', () => {
  assert.equal(internetChecksum(hex('0001 f2 ff'), 0, 3), internetChecksum(hex('0001 f200'), 0, 4));
});

test('nothing sums to zero', () => assert.equal(internetChecksum(hex('ffff'), 1, 1), 0xffff));

test('only the given range counts', () => {
  assert.equal(internetChecksum(hex('aaaa 0001 bbbb'), 2, 4), 0xfffe);
});

test('carries are folded until none is left: the longest packet of all ones', () => {
  assert.equal(internetChecksum(new Uint8Array(65_574).fill(0xff), 0, 65_574), 0);
});

const PACKET = hex(
  '60 00 00 00', // version 6, traffic class, flow label
  '00 20', // payload length
  '3a', // next header: ICMPv6
  'ff', // hop limit
  'fd990000 00000000 00000000 00000010', // source
  'ff020000 00000000 00000001 ff000011', // destination
  '87', // type: neighbor solicitation
  '00', // code
  '7c2f', // checksum, as a Linux kernel computed it
  '00000000', // reserved
  'fd990000 00000000 00000000 00000011', // target
  '01 01 02000000000a', // source link-layer address
);

test('a checksum that a Linux kernel filled verifies, which is: the sum over it is 0', () => {
  assert.equal(icmpv6Checksum(PACKET, 0, 32), 0);
});

test('an ICMPv6 checksum covers the pseudo-header: source, destination, length', () => {
  for (const at of [8, 23, 24, 39]) {
    const other = Uint8Array.from(PACKET);
    other[at] = 0x55;
    assert.notEqual(icmpv6Checksum(other, 0, 32), 0, `octet ${at}`);
  }
  assert.notEqual(icmpv6Checksum(PACKET, 0, 24), 0);
});

test('the hop limit is not under the checksum', () => {
  const other = Uint8Array.from(PACKET);
  other[7] = 1;
  assert.equal(icmpv6Checksum(other, 0, 32), 0);
});
