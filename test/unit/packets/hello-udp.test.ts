import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { internetChecksum, udpChecksum } from '../../../src/io/packets/checksum.ts';
import { DROPPED } from '../../../src/io/packets/dropped.ts';
import { frameFilter, packFilter } from '../../../src/io/packets/filter.ts';
import { helloCodec, LONGEST_HELLO } from '../../../src/io/packets/hello-codec.ts';
import { addressKey, FIRST_KEY, LAST_KEY } from '../../../src/machines/address-key.ts';
import type { DropReason } from '../../../src/machines/frames.ts';
import { HELLO_ROOM, type HelloFrame, SLICE_OCTETS } from '../../../src/machines/hello.ts';
import { runFilter } from '../../support/cbpf.ts';
import { hex, patched, seeded } from '../../support/frames.ts';

const VECTOR = JSON.parse(
  readFileSync(new URL('../../fixtures/hello/three-nodes.json', import.meta.url), 'utf8'),
) as { readonly keys: readonly string[]; readonly hello: HelloFrame; readonly frame: string };
const HELLO = VECTOR.hello;
const KEYS = VECTOR.keys.map((key) => hex(key));
const options = { keys: KEYS, group: 'default' };
const UDP = helloCodec({ ...options, transport: 'udp' });
const ETHERNET = helloCodec({ ...options, transport: 'ethernet' });
const PLAIN = helloCodec({ keys: [], group: 'default', transport: 'udp' });

const written = (codec: typeof UDP, hello: HelloFrame): Uint8Array => {
  const buffer = new Uint8Array(LONGEST_HELLO).fill(0xee);
  return buffer.slice(0, codec.write(hello, buffer));
};
const read = (codec: typeof UDP, frame: Uint8Array) => codec.read(frame, frame.length);

// By hand from docs/protocol.md; checksums and signature are Python's.
const ROWS = [
  '01 00 5e 00 00 fe', // destination: the MAC of 224.0.0.254
  '02 00 00 00 00 01', // source
  '0800', // ethertype: IPv4
  '45 c0', // version 4, five words, CS6
  '00b0', // total length: 176
  '0000 4000', // no identification, don't fragment
  'ff', // TTL
  '11', // UDP
  '8f19', // header checksum
  '0a630002', // source: n2's address on the segment
  'e00000fe', // destination
  '03fd 03fd', // ports
  '009c', // UDP length: 156
  '39e9', // UDP checksum
];
const PAYLOAD = VECTOR.frame.slice(28, -64);
const SIGNATURE = ['433429ce4fa7960dd36018e4ff97f5c3', '85b7001e0ff87fc58b10ef7a8a3440e0'];
const FRAME = hex(...ROWS, PAYLOAD, ...SIGNATURE);

test('a hello over UDP is its rows, is what is written, and is read field by field', () => {
  assert.deepEqual(written(UDP, HELLO), FRAME);
  assert.deepEqual(read(UDP, FRAME), HELLO);
});

test('each end reads what the other transport brings: two nodes that disagree do not both take everything', () => {
  assert.deepEqual(read(ETHERNET, FRAME), HELLO);
  assert.deepEqual(read(UDP, hex(VECTOR.frame)), HELLO);
});

test('a hello of one transport does not verify as one of the other', () => {
  const signed = FRAME.slice(42);
  const recast = patched(hex(VECTOR.frame), 14, signed);
  assert.equal(read(ETHERNET, recast), DROPPED['hello-signature']);
});

test('every bit of a signed hello over UDP counts: with any one turned it is dropped', () => {
  for (let bit = 0; bit < 8 * FRAME.length; bit += 1) {
    const frame = FRAME.slice();
    frame[bit >>> 3]! ^= 1 << (bit & 7);
    assert.equal(read(UDP, frame).kind, 'dropped', `bit ${bit}`);
  }
});

test('a frame cut anywhere is dropped as truncated, whatever the buffer holds beyond its length', () => {
  for (let length = 0; length < FRAME.length; length += 1) {
    assert.equal(UDP.read(FRAME, length), DROPPED['hello-truncated'], `length ${length}`);
  }
});

test('octets behind the datagram are padding', () => {
  assert.deepEqual(read(UDP, patched(FRAME, FRAME.length, hex('ffff'))), HELLO);
});

test('a priority tag put in on the way does not break it', () => {
  const tagged = patched(patched(FRAME, 12, hex('8100', 'e000')), 16, FRAME.subarray(12));
  assert.deepEqual(read(UDP, tagged.slice(0, FRAME.length + 4)), HELLO);
});

/** The frame with octets laid over it and both checksums made right again. */
const mended = (at: number, octets: string, frame = FRAME): Uint8Array => {
  const copy = patched(patched(patched(frame, at, hex(octets)), 24, hex('0000')), 40, hex('0000'));
  const ip = internetChecksum(copy, 14, 34);
  const length = Math.min((copy[38]! << 8) | copy[39]!, copy.length - 34);
  const udp = udpChecksum(copy, 14, length) || 0xffff;
  return patched(
    patched(copy, 24, Uint8Array.of(ip >>> 8, ip & 0xff)),
    40,
    Uint8Array.of(udp >>> 8, udp & 0xff),
  );
};

// what, where, octets, the reason
const REFUSED: readonly (readonly [string, number, string, DropReason])[] = [
  ['a TTL of 254: it was forwarded (RFC 5082)', 22, 'fe', 'hop-limit'],
  ['a TTL of 1', 22, '01', 'hop-limit'],
  ['IP options', 14, '46', 'ip-version'],
  ['IP version 6', 14, '65', 'ip-version'],
  ['another protocol', 23, '06', 'ip-next-header'],
  ['more fragments', 20, '2000', 'hello-malformed'],
  ['a fragment', 20, '0001', 'hello-malformed'],
  ['another group', 30, 'e00000fd', 'hello-malformed'],
  ['a unicast destination', 30, '0a630001', 'hello-malformed'],
  ['another port', 36, '03fe', 'hello-malformed'],
  ['another destination address in Ethernet', 0, '01005e0000fd', 'hello-malformed'],
  ['a UDP length that is not the rest of the packet', 38, '009b', 'ip-length'],
  ['a UDP length below its header', 38, '0007', 'ip-length'],
  ['another source address in Ethernet', 6, '020000000009', 'hello-signature'],
];
for (const [what, at, octets, reason] of REFUSED) {
  test(`refused: ${what}`, () => assert.equal(read(UDP, mended(at, octets)), DROPPED[reason]));
}

test('a UDP checksum of nothing, or a wrong one of either kind, is refused', () => {
  for (const at of [24, 40]) {
    assert.equal(read(UDP, patched(FRAME, at, hex('0000'))), DROPPED.checksum);
    assert.equal(read(UDP, patched(FRAME, at, hex('1234'))), DROPPED.checksum);
  }
});

test('who has no IPv4 address on the segment says hello from 0.0.0.0', () => {
  const homeless = { ...HELLO, subnets: [{ ip: 'fd99::2', length: 64 }] };
  const frame = written(UDP, homeless);
  assert.deepEqual(frame.slice(26, 30), hex('00000000'));
  assert.deepEqual(read(UDP, frame), homeless);
});

test('the fullest hello of the longest name, signed, fits an Ethernet payload of 1,500 octets', () => {
  const claims = Array.from({ length: Math.floor((HELLO_ROOM - SLICE_OCTETS) / 11) }, (_, index) => ({
    ip: `10.99.${index >> 8}.${index & 255}`,
    epoch: 1,
    weak: false,
  }));
  const hello = {
    ...HELLO,
    node: 'a'.repeat(63),
    subnets: [],
    hears: [],
    echoes: [],
    changes: [],
    slices: [{ from: addressKey('10.99.0.0'), to: LAST_KEY, claims }],
  };
  const frame = written(UDP, hello);
  assert.ok(frame.length >= 1_470 && frame.length <= 14 + 1_500, `${frame.length}`);
  assert.deepEqual(read(UDP, frame), hello);
});

test('a hello that would not fit is a fault of this program', () => {
  const claims = Array.from({ length: 135 }, (_, index) => ({
    ip: `10.99.0.${index}`,
    epoch: 1,
    weak: false,
  }));
  const hello = { ...HELLO, slices: [{ from: FIRST_KEY, to: LAST_KEY, claims }] };
  assert.throws(() => written(UDP, hello), { name: 'AssertionError' });
});

const PROGRAM = packFilter(frameFilter());
const accepts = (frame: Uint8Array): boolean =>
  runFilter(PROGRAM, frame, { packetType: 2, vlanTagPresent: false, vlanTag: 0 }) > 0;

test("the kernel's filter accepts the hello, and no other UDP", () => {
  assert.ok(accepts(FRAME));
  assert.ok(accepts(written(PLAIN, HELLO)));
  for (const [what, at, octets] of [
    ['TCP', 23, '06'],
    ['another group', 30, 'e00000fb'],
    ['unicast', 30, '0a630001'],
    ['a later fragment', 20, '0001'],
    ['another port', 36, '14e9'],
  ] as const) {
    assert.ok(!accepts(patched(FRAME, at, hex(octets))), what);
  }
  for (let length = 0; length < 38; length += 1) assert.ok(!accepts(FRAME.slice(0, length)), `${length}`);
});

test('200,000 mutated datagrams give no exception, none passes that the filter refuses, and what parses comes back', () => {
  const seed = Number(process.env.HOLDFAST_FUZZ_SEED ?? Date.now() >>> 0);
  const random = seeded(seed);
  const sample = written(PLAIN, HELLO);
  const seen = new Set<string>();
  for (let round = 0; round < 200_000; round += 1) {
    let frame: Uint8Array = sample.slice();
    for (let times = 1 + (random() & 3); times > 0; times -= 1) {
      const from = random() & 1 ? 42 : random() & 1 ? 14 : 0;
      frame[from + (random() % (frame.length - from))] = random() & 0xff;
    }
    if (random() & 3) frame = mended(0, '', frame);
    const length = random() & 15 ? frame.length : random() % frame.length;
    try {
      const hello = PLAIN.read(frame, length);
      seen.add(hello.kind === 'dropped' ? hello.reason : hello.kind);
      if (hello.kind === 'dropped') continue;
      if (frame[12] === 8) assert.ok(accepts(frame.slice(0, length)));
      assert.deepEqual(read(PLAIN, written(PLAIN, hello)), hello);
    } catch (error) {
      const octets = Buffer.from(frame.subarray(0, length)).toString('hex');
      assert.fail(`HOLDFAST_FUZZ_SEED=${seed}, frame ${round}, ${octets}: ${error}`);
    }
  }
  for (const outcome of ['hello', 'hop-limit', 'checksum', 'ip-length', 'hello-malformed', 'hello-truncated'])
    assert.ok(seen.has(outcome), `HOLDFAST_FUZZ_SEED=${seed}: no frame came out as ${outcome}`);
});
