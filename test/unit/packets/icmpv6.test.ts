import assert from 'node:assert/strict';
import { test } from 'node:test';
import { icmpv6Checksum } from '../../../src/io/packets/checksum.ts';
import { DROPPED } from '../../../src/io/packets/dropped.ts';
import { decodeFrame, encodeFrame } from '../../../src/io/packets/frame.ts';
import { encodeNeighborMessage, encodeNeighborPacket } from '../../../src/io/packets/icmpv6.ts';
import type { DropReason } from '../../../src/machines/frames.ts';
import { ADVERTISEMENT, DAD_PROBE, hex, patched, SOLICITATION } from '../../support/frames.ts';

// Captured from a Linux 6.18 kernel.
const NS = hex(
  '33 33 ff 00 00 11', // destination
  '02 00 00 00 00 0a', // source
  '86dd', // ethertype: IPv6
  '60 00 00 00', // version 6, traffic class, flow label
  '0020', // payload length
  '3a', // next header: ICMPv6
  'ff', // hop limit
  'fd990000 00000000 00000000 00000010', // source
  'ff020000 00000000 00000001 ff000011', // destination
  '87', // type: neighbor solicitation
  '00', // code
  '7c2f', // checksum
  '00000000', // reserved
  'fd990000 00000000 00000000 00000011', // target
  '01 01', // source link-layer address, 8 octets
  '02 00 00 00 00 0a',
);
const NA = hex(
  '02 00 00 00 00 0a', // destination
  '02 00 00 00 00 0b', // source
  '86dd', // ethertype: IPv6
  '60 00 00 00', // version 6, traffic class, flow label
  '0020', // payload length
  '3a', // next header: ICMPv6
  'ff', // hop limit
  'fd990000 00000000 00000000 00000011', // source
  'fd990000 00000000 00000000 00000010', // destination
  '88', // type: neighbor advertisement
  '00', // code
  '1a99', // checksum
  '60000000', // flags: solicited, override
  'fd990000 00000000 00000000 00000011', // target
  '02 01', // target link-layer address, 8 octets
  '02 00 00 00 00 0b',
);
const DAD = hex(
  '33 33 ff 00 00 11', // destination
  '02 00 00 00 00 0b', // source
  '86dd', // ethertype: IPv6
  '60 00 00 00', // version 6, traffic class, flow label
  '0020', // payload length
  '3a', // next header: ICMPv6
  'ff', // hop limit
  '00000000 00000000 00000000 00000000', // source
  'ff020000 00000000 00000001 ff000011', // destination
  '87', // type: neighbor solicitation
  '00', // code
  '62b8', // checksum
  '00000000', // reserved
  'fd990000 00000000 00000000 00000011', // target
  '0e 01', // nonce (RFC 7527), 8 octets
  'd3 e8 81 00 b7 41',
);

const IP = 14;
const PAYLOAD_LENGTH = IP + 4;
const HOP_LIMIT = IP + 7;
const SOURCE = IP + 8;
const DESTINATION = IP + 24;
const ICMP = IP + 40;
const FLAGS = ICMP + 4;
const TARGET = ICMP + 8;
const OPTIONS = ICMP + 24;

/** Sets the payload length to what the frame holds, and fills the checksum: only the fault under test is left. */
const mended = (frame: Uint8Array): Uint8Array => {
  const length = frame.length - ICMP;
  const copy = patched(frame, PAYLOAD_LENGTH, Uint8Array.of(length >>> 8, length & 0xff));
  copy.fill(0, ICMP + 2, ICMP + 4);
  const checksum = icmpv6Checksum(copy, IP, length);
  return patched(copy, ICMP + 2, Uint8Array.of(checksum >>> 8, checksum & 0xff));
};
const decode = (frame: Uint8Array) => decodeFrame(frame, frame.length);

test('a solicitation, an advertisement and a DAD probe of a Linux kernel are read field by field', () => {
  assert.deepEqual(decode(NS), SOLICITATION);
  assert.deepEqual(decode(NA), ADVERTISEMENT);
  assert.deepEqual(decode(DAD), DAD_PROBE);
});

test('what is written is octet by octet what the kernel wrote', () => {
  assert.deepEqual(encodeFrame(SOLICITATION), NS);
  assert.deepEqual(encodeFrame(ADVERTISEMENT), NA);
  assert.deepEqual(encodeFrame(DAD_PROBE), mended(DAD.slice(0, OPTIONS)));
});

test('for IPV6_HDRINCL the packet is the frame without its Ethernet header', () => {
  assert.deepEqual(encodeNeighborPacket(SOLICITATION), NS.slice(IP));
  assert.deepEqual(encodeNeighborPacket(ADVERTISEMENT), NA.slice(IP));
});

test('for a raw ICMPv6 socket the message is the frame without its headers, its checksum left to the kernel', () => {
  assert.deepEqual(encodeNeighborMessage(SOLICITATION), patched(NS, ICMP + 2, hex('0000')).slice(ICMP));
  assert.deepEqual(encodeNeighborMessage(ADVERTISEMENT), patched(NA, ICMP + 2, hex('0000')).slice(ICMP));
});

test('each flag of an advertisement has its own bit, both ways', () => {
  for (const flag of ['router', 'solicited', 'override'] as const) {
    const frame = { ...ADVERTISEMENT, router: false, solicited: false, override: false, [flag]: true };
    assert.equal(encodeFrame(frame)[FLAGS], { router: 0x80, solicited: 0x40, override: 0x20 }[flag]);
    assert.deepEqual(decode(encodeFrame(frame)), frame);
  }
});

test('reserved bits are ignored (RFC 4861 §7.1.1)', () => {
  assert.deepEqual(decode(mended(patched(NS, FLAGS, hex('ffffffff')))), SOLICITATION);
  assert.deepEqual(decode(mended(patched(NA, FLAGS, hex('7fffffff')))), ADVERTISEMENT);
});

test('traffic class and flow label are ignored', () => {
  assert.deepEqual(decode(patched(NS, IP, hex('6e 0b ee ef'))), SOLICITATION);
});

test('unknown options, and the other link-layer option, are skipped (RFC 4861 §7.1.1)', () => {
  const before = hex('0e01 d3e88100b741', '0502 0000000005dc 0000000000000000', '0201 0200000000ee');
  assert.deepEqual(
    decode(mended(patched(patched(NS, OPTIONS, before), OPTIONS + 32, NS.slice(OPTIONS)))),
    SOLICITATION,
  );
});

test('of two source link-layer addresses the first counts', () => {
  assert.deepEqual(decode(mended(patched(NS, NS.length, hex('0101 0200000000ee')))), SOLICITATION);
});

test('a message without options has no link-layer address', () => {
  assert.deepEqual(decode(mended(NS.slice(0, OPTIONS))), { ...SOLICITATION, sourceLinkLayerAddress: null });
  assert.deepEqual(decode(mended(NA.slice(0, OPTIONS))), { ...ADVERTISEMENT, targetLinkLayerAddress: null });
});

test('Ethernet padding after the packet is not looked at', () => {
  assert.deepEqual(decode(patched(NS, NS.length, hex('0000 eeee ee'))), SOLICITATION);
});

test('a unicast solicitation, which is what a NUD probe is, is read', () => {
  const probe = {
    ...SOLICITATION,
    ethernetDestination: '02:00:00:00:00:0b',
    destination: 'fd99::11',
    sourceLinkLayerAddress: null,
  };
  assert.deepEqual(decode(encodeFrame(probe)), probe);
});

const option = (octets: string) => mended(patched(NS.slice(0, OPTIONS), OPTIONS, hex(octets)));
const MULTICAST = hex('ff020000 00000000 00000000 00000001');

// what, the frame, reason, section
const REFUSED: readonly (readonly [string, Uint8Array, DropReason, string])[] = [
  ['IP version 4', patched(NS, IP, hex('45')), 'ip-version', 'RFC 8200 §3'],
  ['UDP', patched(NS, IP + 6, hex('11')), 'ip-next-header', 'RFC 8200 §3'],
  ['a hop-by-hop header', patched(NS, IP + 6, hex('00')), 'ip-next-header', 'RFC 8200 §4.3'],
  ['a fragment header', patched(NS, IP + 6, hex('2c')), 'ip-next-header', 'RFC 6980 §5'],
  ['payload length 0', patched(NS, PAYLOAD_LENGTH, hex('0000')), 'ip-length', 'RFC 8200 §3'],
  ['a payload longer than the frame', patched(NS, PAYLOAD_LENGTH, hex('0021')), 'truncated', 'RFC 8200 §3'],
  ['an echo request', patched(NS, ICMP, hex('80')), 'icmp-type', 'RFC 4861 §4'],
  ['a router advertisement', patched(NS, ICMP, hex('86')), 'icmp-type', 'RFC 4861 §4'],
  ['a redirect', patched(NS, ICMP, hex('89')), 'icmp-type', 'RFC 4861 §4'],
  ['an NS with hop limit 254', patched(NS, HOP_LIMIT, hex('fe')), 'hop-limit', 'RFC 4861 §7.1.1'],
  ['an NA with hop limit 254', patched(NA, HOP_LIMIT, hex('fe')), 'hop-limit', 'RFC 4861 §7.1.2'],
  ['an NS with hop limit 0', patched(NS, HOP_LIMIT, hex('00')), 'hop-limit', 'RFC 4861 §7.1.1'],
  ['an NS with a wrong checksum', patched(NS, ICMP + 2, hex('7c2e')), 'checksum', 'RFC 4861 §7.1.1'],
  ['an NA with a wrong checksum', patched(NA, TARGET, hex('fc')), 'checksum', 'RFC 4861 §7.1.2'],
  ['an NS with checksum 0', patched(NS, ICMP + 2, hex('0000')), 'checksum', 'RFC 4861 §7.1.1'],
  ['an NS with code 1', mended(patched(NS, ICMP + 1, hex('01'))), 'icmp-code', 'RFC 4861 §7.1.1'],
  ['an NA with code 1', mended(patched(NA, ICMP + 1, hex('01'))), 'icmp-code', 'RFC 4861 §7.1.2'],
  ['an NS of 23 octets', mended(NS.slice(0, OPTIONS - 1)), 'ip-length', 'RFC 4861 §7.1.1'],
  ['an NA of 23 octets', mended(NA.slice(0, OPTIONS - 1)), 'ip-length', 'RFC 4861 §7.1.2'],
  [
    'an NS of 1 octet',
    patched(NS.slice(0, ICMP + 1), PAYLOAD_LENGTH, hex('0001')),
    'ip-length',
    'RFC 4861 §7.1.1',
  ],
  ['an NS for a group', mended(patched(NS, TARGET, MULTICAST)), 'target-multicast', 'RFC 4861 §7.1.1'],
  ['an NA for a group', mended(patched(NA, TARGET, MULTICAST)), 'target-multicast', 'RFC 4861 §7.1.2'],
  ['an option of length 0', option('0100 02000000000a'), 'option-length', 'RFC 4861 §7.1.1'],
  ['an unknown option of length 0', option('0e00 02000000000a'), 'option-length', 'RFC 4861 §4.6'],
  [
    'a later option of length 0',
    option('0101 02000000000a 0e00 000000000000'),
    'option-length',
    'RFC 4861 §4.6',
  ],
  ['an option longer than the message', option('0e02 d3e88100b741'), 'option-length', 'RFC 4861 §4.6'],
  ['half an option', option('0101 0200'), 'option-length', 'RFC 4861 §4.6'],
  ['one octet of an option', option('01'), 'option-length', 'RFC 4861 §4.6'],
  [
    'a link-layer address of 14 octets',
    option('0102 02000000000a 0000000000000000'),
    'option-length',
    'RFC 2464 §6',
  ],
  [
    'an option of length 0 in an NA',
    mended(patched(NA, OPTIONS + 1, hex('00'))),
    'option-length',
    'RFC 4861 §7.1.2',
  ],
  [
    'a DAD probe to the address itself',
    mended(patched(DAD, DESTINATION, DAD.slice(TARGET, TARGET + 16))),
    'dad-destination',
    'RFC 4861 §7.1.1',
  ],
  [
    'a DAD probe to all nodes',
    mended(patched(DAD, DESTINATION, MULTICAST)),
    'dad-destination',
    'RFC 4861 §7.1.1',
  ],
  [
    'a DAD probe to a group that ends like a solicited-node one',
    mended(patched(DAD, DESTINATION + 9, hex('01'))),
    'dad-destination',
    'RFC 4861 §7.1.1',
  ],
  [
    'a DAD probe with a source link-layer address',
    mended(patched(DAD, OPTIONS, hex('0101 02000000000b'))),
    'dad-source-link-layer',
    'RFC 4861 §7.1.1',
  ],
  [
    'a solicited NA to all nodes',
    mended(patched(NA, DESTINATION, MULTICAST)),
    'solicited-multicast',
    'RFC 4861 §7.1.2',
  ],
  ['an NS from a group', mended(patched(NS, SOURCE, MULTICAST)), 'solicited-multicast', 'RFC 4291 §2.7'],
];

for (const [what, frame, reason, section] of REFUSED) {
  test(`${what} is dropped: ${reason} (${section})`, () => assert.equal(decode(frame), DROPPED[reason]));
}

test('each of the first 13 octets tells a solicited-node group from another (RFC 4291 §2.7.1)', () => {
  for (let octet = 0; octet < 13; octet += 1) {
    const at = DESTINATION + octet;
    const frame = mended(patched(DAD, at, Uint8Array.of(DAD[at]! ^ 0x10)));
    assert.equal(decode(frame), DROPPED['dad-destination'], `octet ${octet}`);
  }
});

test('an unsolicited advertisement to all nodes is read', () => {
  const frame = {
    ...ADVERTISEMENT,
    ethernetDestination: '33:33:00:00:00:01',
    destination: 'ff02::1',
    solicited: false,
  };
  assert.deepEqual(decode(encodeFrame(frame)), frame);
});

test('a frame cut anywhere is dropped as truncated, whatever the buffer holds beyond its length', () => {
  for (const frame of [NS, NA, DAD]) {
    for (let length = 0; length < frame.length; length += 1) {
      assert.equal(decodeFrame(frame, length), DROPPED.truncated, `length ${length}`);
    }
  }
});
