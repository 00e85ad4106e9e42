import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frameFilter, packFilter } from '../../../src/io/packets/filter.ts';
import { decodeFrame, encodeFrame } from '../../../src/io/packets/frame.ts';
import { type FrameFacts, runFilter } from '../../support/cbpf.ts';
import {
  ADVERTISEMENT,
  ARP_REQUEST,
  DAD_PROBE,
  hex,
  patched,
  SOLICITATION,
  sampleFrames,
  seeded,
} from '../../support/frames.ts';

const PLAIN: FrameFacts = { packetType: 1, vlanTagPresent: false, vlanTag: 0 };
const PROGRAM = packFilter(frameFilter());
const accepts = (frame: Uint8Array, facts: Partial<FrameFacts> = {}, program = PROGRAM): boolean =>
  runFilter(program, frame, { ...PLAIN, ...facts }) > 0;

const ARP = encodeFrame(ARP_REQUEST);
const NS = encodeFrame(SOLICITATION);
const NA = encodeFrame(ADVERTISEMENT);
const hello = (etherType: string) => patched(new Uint8Array(60), 12, hex(etherType));

// what, the frame, what the kernel knows of it
const ACCEPTED: readonly (readonly [string, Uint8Array, Partial<FrameFacts>])[] = [
  ['ARP', ARP, {}],
  ['a neighbor solicitation', NS, { packetType: 2 }],
  ['a DAD probe', encodeFrame(DAD_PROBE), { packetType: 2 }],
  ['a neighbor advertisement', NA, { packetType: 0 }],
  ['a frame for another host, seen in promiscuous mode', NA, { packetType: 3 }],
  ['our hello', hello('88b5'), { packetType: 2 }],
  ['priority-tagged ARP', ARP, { vlanTagPresent: true, vlanTag: 0xe000 }],
  ['ARP with a priority tag of priority 0', ARP, { vlanTagPresent: true, vlanTag: 0 }],
  ['a priority-tagged solicitation with DEI', NS, { vlanTagPresent: true, vlanTag: 0x1000 }],
];
const REFUSED: readonly (readonly [string, Uint8Array, Partial<FrameFacts>])[] = [
  ['our own outgoing ARP', ARP, { packetType: 4 }],
  ['our own outgoing hello', hello('88b5'), { packetType: 4 }],
  ['our own outgoing solicitation', NS, { packetType: 4 }],
  ['ARP of VLAN 1', ARP, { vlanTagPresent: true, vlanTag: 1 }],
  ['a solicitation of VLAN 4095 with priority', NS, { vlanTagPresent: true, vlanTag: 0xefff }],
  ['a hello of VLAN 256', hello('88b5'), { vlanTagPresent: true, vlanTag: 0x0100 }],
  ['another experimental ethertype', hello('88b6'), {}],
  ['IPv4', hello('0800'), {}],
  ['a second tag left in the frame', hello('8100'), {}],
  ['an 802.3 length', hello('0026'), {}],
  ['an echo request', patched(NS, 54, hex('80')), {}],
  ['a router advertisement', patched(NS, 54, hex('86')), {}],
  ['a redirect', patched(NS, 54, hex('89')), {}],
  ['UDP whose first octet is 135', patched(NS, 20, hex('11')), {}],
  ['a solicitation behind a hop-by-hop header', patched(NS, 20, hex('00')), {}],
  ['a frame that ends within the Ethernet header', ARP.slice(0, 13), {}],
  ['a frame that ends within the IPv6 header', NS.slice(0, 20), {}],
  ['a frame that ends before the ICMPv6 type', NS.slice(0, 54), {}],
  ['an empty frame', new Uint8Array(0), {}],
];

for (const [what, frame, facts] of ACCEPTED) {
  test(`the filter accepts ${what}`, () => assert.ok(accepts(frame, facts)));
}
for (const [what, frame, facts] of REFUSED) {
  test(`the filter refuses ${what}`, () => assert.ok(!accepts(frame, facts)));
}

test('the hello ethertype is a parameter', () => {
  const program = packFilter(frameFilter(0x88b6));
  assert.ok(accepts(hello('88b6'), {}, program));
  assert.ok(!accepts(hello('88b5'), {}, program));
  assert.ok(accepts(ARP, {}, program));
});

test('an 802.3 length or a number beyond 16 bits is refused as ethertype', () => {
  assert.throws(() => frameFilter(0x05ff), { name: 'AssertionError' });
  assert.throws(() => frameFilter(0x10000), { name: 'AssertionError' });
  for (const etherType of [0x0600, 0xffff]) assert.ok(frameFilter(etherType).length > 0);
});

test('an accepted frame is kept whole', () => assert.ok(runFilter(PROGRAM, ARP, PLAIN) >= 65_535));

test('every jump goes forward and stays within the program, whose last line returns', () => {
  const program = frameFilter();
  program.forEach(({ jt, jf }, index) => {
    for (const skip of [jt, jf]) assert.ok(skip >= 0 && skip < 256 && index + 1 + skip <= program.length);
  });
  assert.equal(program.at(-1)?.code, 0x06);
});

test('an instruction is packed as struct sock_filter: code 16 bits, jt, jf, k 32 bits, native order', () => {
  const little = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
  const packed = packFilter([{ code: 0x0102, jt: 3, jf: 4, k: 0xfffff004 }]);
  assert.deepEqual(packed, little ? hex('0201 03 04 04f0ffff') : hex('0102 03 04 fffff004'));
  assert.equal(PROGRAM.length, 8 * frameFilter().length);
});

test('the filter refuses no frame that the codec would decode', () => {
  const seed = Date.now() >>> 0;
  const random = seeded(seed);
  const samples = sampleFrames();
  for (let round = 0; round < 50_000; round += 1) {
    const frame = Uint8Array.from(samples[random() % samples.length]!);
    frame[random() % frame.length] = random() & 0xff;
    if (decodeFrame(frame, frame.length).kind !== 'dropped') {
      assert.ok(accepts(frame), `seed ${seed}, round ${round}: ${Buffer.from(frame).toString('hex')}`);
    }
  }
});
