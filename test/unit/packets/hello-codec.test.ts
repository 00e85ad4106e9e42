import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DROPPED } from '../../../src/io/packets/dropped.ts';
import { HELLO_GROUP, helloCodec, LONGEST_HELLO } from '../../../src/io/packets/hello-codec.ts';
import { addressKey, FIRST_KEY, LAST_KEY } from '../../../src/machines/address-key.ts';
import { MAX_EPOCH } from '../../../src/machines/claims.ts';
import type { DropReason } from '../../../src/machines/frames.ts';
import type { HelloFrame } from '../../../src/machines/hello.ts';
import { hex, patched } from '../../support/frames.ts';

interface Vector {
  readonly about: string;
  readonly group: string;
  readonly keys: readonly string[];
  readonly frame: string;
  readonly hello: HelloFrame;
}

const vector = (name: string): Vector =>
  JSON.parse(readFileSync(new URL(`../../fixtures/hello/${name}.json`, import.meta.url), 'utf8'));

const codecOf = ({ keys, group }: Pick<Vector, 'keys' | 'group'>) =>
  helloCodec({ keys: keys.map((key) => hex(key)), group });

// Written by hand from docs/protocol.md; the signatures are Python's hmac over the rows before them.
const ROWS: Readonly<Record<string, readonly string[]>> = {
  smallest: [
    '03 48 6f 6c 64 66', // destination: the group of hellos
    '02 00 00 00 00 01', // source
    '88b5', // ethertype
    '4846', // magic: HF
    '01', // version
    '00', // header flags: not signed
    '0025', // payload length: 37
    '82fbf5cd', // group: FNV-1a of "blue"
    '00000000000000ff', // instance
    '000000000001', // sequence
    '000f', // interval: 15 ms
    '0000003c', // hold: 60 ms
    '01', // node flags: starting
    '00000000', // held count
    '01 61', // node: a
    '00 00 00 00 00 00 00 00 00', // Ethernet padding
  ],
  'three-nodes': [
    '03 48 6f 6c 64 66', // destination
    '02 00 00 00 00 01', // source
    '88b5', // ethertype
    '4846', // magic
    '01', // version
    '01', // header flags: signed
    '0074', // payload length: 116
    '933b5bde', // group: FNV-1a of "default"
    '2222222222222222', // instance
    '0000000004b0', // sequence: 1200
    '0032', // interval: 50 ms
    '000000c8', // hold: 200 ms
    '02', // node flags: ready
    '00000002', // held count
    '02 6e32', // node: n2
    '01 0010', // TLV hears, 16 octets
    '0123456789abcdef', // an instance
    '3333333333333333', // another
    '02 0006', // TLV subnets, 6 octets
    '18 04 0a630002', // 10.99.0.2/24
    '04 0024', // TLV slice, 36 octets
    '00', // from before everything
    'ff', // to behind everything
    '00 0a630064 000000000007', // 10.99.0.100, epoch 7
    '06 fd990000000000000000000000000100 00000000000c', // fd99::100, weak, epoch 12
    '06 0008', // TLV echoes, 8 octets
    '000004a3', // 1187 of the first instance
    '0000004d', // 77 of the second
    'e0543b320fc639394ad52d989b266ed3', // HMAC-SHA256
    'cb7ddcecb4fc3609b4d94c7a4a3f0968',
  ],
  'every-tlv': [
    '03 48 6f 6c 64 66', // destination
    '02 00 00 00 00 01', // source
    '88b5', // ethertype
    '4846', // magic
    '01', // version
    '01', // header flags: signed
    '0124', // payload length: 292
    '933b5bde', // group
    '0123456789abcdef', // instance
    '000100000002', // sequence: 2^32 + 2
    '0032', // interval
    '000000c8', // hold
    '06', // node flags: ready, leaving
    '00000003', // held count
    '02 6e31', // node: n1
    '01 0010', // TLV hears, 16 octets
    '1111111111111111',
    '2222222222222222',
    '02 0018', // TLV subnets, 24 octets
    '18 04 0a630001', // 10.99.0.1/24
    '40 06 fd990000000000000000000000000001', // fd99::1/64
    '03 0030', // TLV changes, 48 octets
    '01 0a630064 000000000007', // 10.99.0.100 held, epoch 7
    '0f fd990000000000000000000000000100 ffffffffffff 02 6e32', // fd99::100 held, weak, to be taken by n2
    '00 0a630065 000000000003', // 10.99.0.101 given up
    '04 0028', // TLV slice, 40 octets
    '00', // from before everything
    '06 fd990000000000000000000000000100', // to fd99::100
    '00 0a630064 000000000007',
    '02 0a630066 000000000001', // weak
    '04 0029', // TLV slice, 41 octets
    '06 fd990000000000000000000000000100', // from fd99::100
    'ff', // to behind everything
    '06 fd990000000000000000000000000100 ffffffffffff', // weak, IPv6
    '05 0038', // TLV witnessed, 56 octets
    '00 0a630067 000000000009 2222222222222222 02 6e32', // 10.99.0.103 by n2
    '06 fd990000000000000000000000000101 000000000002 1111111111111111 02 6e33', // fd99::101, weak, by n3
    '06 0008', // TLV echoes, 8 octets
    'ffffffff 00000002',
    '9d61e83f45b703f7058d1989adfb52f6', // HMAC-SHA256
    '52bcd98d6798117d85b20f2fb66b5510',
  ],
};

const EVERY = vector('every-tlv');
const FRAME = hex(EVERY.frame);
const SMALLEST = vector('smallest');
const PLAIN = helloCodec({ keys: [], group: 'default' });
const KEY_A = new Uint8Array(32).fill(0xaa);
const KEY_B = new Uint8Array(16).fill(0xbb);

/** What is written, in an array of its own. */
const written = (codec: ReturnType<typeof helloCodec>, hello: HelloFrame): Uint8Array => {
  const buffer = new Uint8Array(LONGEST_HELLO).fill(0xee);
  return buffer.slice(0, codec.write(hello, buffer));
};

const read = (codec: ReturnType<typeof helloCodec>, frame: Uint8Array) => codec.read(frame, frame.length);

const HELLO: HelloFrame = {
  ...EVERY.hello,
  hears: [],
  echoes: [],
  subnets: [],
  changes: [],
  slices: [],
  witnessed: [],
};

/** An unsigned frame of the group "default" whose TLVs are these octets. */
const withTlvs = (...rows: readonly string[]): Uint8Array => {
  const bare = written(PLAIN, HELLO).slice(0, 14 + 38);
  const frame = patched(bare, bare.length, hex(...rows));
  const payload = frame.length - 14;
  return patched(frame, 18, Uint8Array.of(payload >>> 8, payload & 0xff));
};

for (const name of ['smallest', 'three-nodes', 'every-tlv']) {
  test(`the vector ${name} is its rows, is what is written, and is read field by field`, () => {
    const it = vector(name);
    const frame = hex(...ROWS[name]!);
    assert.equal(Buffer.from(frame).toString('hex'), it.frame);
    assert.deepEqual(written(codecOf(it), it.hello), frame);
    assert.deepEqual(read(codecOf(it), frame), it.hello);
  });
}

test('the signature is HMAC-SHA256 over both addresses, the ethertype and the payload', () => {
  const signed = FRAME.subarray(0, FRAME.length - 32);
  const hmac = createHmac('sha256', hex(EVERY.keys[0]!)).update(signed).digest();
  assert.deepEqual(new Uint8Array(hmac), FRAME.slice(-32));
});

test('every bit of a signed hello counts: with any one turned it is dropped', () => {
  const codec = codecOf(EVERY);
  for (let bit = 0; bit < 8 * FRAME.length; bit += 1) {
    const frame = FRAME.slice();
    frame[bit >>> 3]! ^= 1 << (bit & 7);
    assert.equal(read(codec, frame).kind, 'dropped', `bit ${bit}`);
  }
});

test('another source or destination address breaks the signature', () => {
  const moved = patched(FRAME, 6, hex('02 00 00 00 00 09'));
  assert.equal(read(codecOf(EVERY), moved), DROPPED['hello-signature']);
  assert.equal(read(codecOf(EVERY), patched(FRAME, 5, hex('67'))), DROPPED['hello-malformed']);
});

test('a priority tag put in on the way does not break the signature; a VLAN ID is another segment', () => {
  const tagged = (tag: string) =>
    patched(patched(FRAME, 12, hex('8100', tag)), 16, FRAME.subarray(12)).slice(0, FRAME.length + 4);
  assert.deepEqual(read(codecOf(EVERY), tagged('e000')), EVERY.hello);
  assert.equal(read(codecOf(EVERY), tagged('0001')), DROPPED['vlan-tagged']);
  const bare = tagged('0000').slice(0, 20);
  assert.equal(read(codecOf(EVERY), bare), DROPPED['hello-truncated']);
});

test('a frame cut anywhere is dropped as truncated, whatever the buffer holds beyond its length', () => {
  for (let length = 0; length < FRAME.length; length += 1) {
    assert.equal(codecOf(EVERY).read(FRAME, length), DROPPED['hello-truncated'], `length ${length}`);
    assert.equal(
      read(codecOf(EVERY), FRAME.slice(0, length)),
      DROPPED['hello-truncated'],
      `length ${length}`,
    );
  }
});

test('octets behind the signature are padding', () => {
  assert.deepEqual(read(codecOf(EVERY), patched(FRAME, FRAME.length, hex('ffff'))), EVERY.hello);
  assert.deepEqual(read(codecOf(SMALLEST), patched(hex(SMALLEST.frame), 51, hex('ff'))), SMALLEST.hello);
});

test('a foreign key, no key where one is needed, and a signature that cannot be checked are all refused', () => {
  const [a, b] = [KEY_A, KEY_B].map((key) => helloCodec({ keys: [key], group: 'default' }));
  const [byA, unsigned] = [written(a!, HELLO), written(PLAIN, HELLO)];
  assert.equal(read(b!, byA), DROPPED['hello-signature']);
  assert.equal(read(a!, unsigned), DROPPED['hello-signature']);
  assert.equal(read(PLAIN, byA), DROPPED['hello-signature']);
  assert.equal(read(PLAIN, patched(byA, 17, hex('00'))).kind, 'hello', 'the flag is what says so');
  assert.equal(read(a!, patched(byA, 17, hex('00'))), DROPPED['hello-signature']);
});

test('keys rotate: the first signs, every one verifies', () => {
  const codec = (...keys: Uint8Array[]) => helloCodec({ keys, group: 'default' });
  const [onlyA, onlyB] = [codec(KEY_A), codec(KEY_B)];
  const [ab, ba] = [codec(KEY_A, KEY_B), codec(KEY_B, KEY_A)];
  assert.deepEqual(written(ab, HELLO), written(onlyA, HELLO));
  assert.deepEqual(written(ba, HELLO), written(onlyB, HELLO));
  for (const reader of [ab, ba]) {
    assert.deepEqual(read(reader, written(onlyA, HELLO)), HELLO);
    assert.deepEqual(read(reader, written(onlyB, HELLO)), HELLO);
  }
  assert.throws(() => codec(new Uint8Array(0)), /empty key/);
});

test('a codec keeps its keys when the caller wipes the array', () => {
  const key = KEY_A.slice();
  const codec = helloCodec({ keys: [key], group: 'default' });
  key.fill(0);
  assert.deepEqual(read(codec, written(helloCodec({ keys: [KEY_A], group: 'default' }), HELLO)), HELLO);
});

test('two clusters share a segment: the hello of another group is dropped, before its signature is looked at', () => {
  const other = helloCodec({ keys: [KEY_A], group: 'other' });
  assert.equal(read(other, FRAME), DROPPED['hello-group']);
  assert.equal(read(helloCodec({ keys: [], group: 'größe' }), FRAME), DROPPED['hello-group']);
});

// what, offset in the frame, octets, reason
const REFUSED: readonly (readonly [string, number, string, DropReason])[] = [
  ['another ethertype', 12, '88b6', 'ethertype'],
  ['another magic', 14, '4847', 'hello-malformed'],
  ['a future version', 16, '02', 'hello-version'],
  ['version 255', 16, 'ff', 'hello-version'],
  ['version 0, which never was', 16, '00', 'hello-version'],
  ['another group', 20, '00000000', 'hello-group'],
  ['a payload shorter than the fixed part', 18, '0024', 'hello-malformed'],
  ['a payload of nothing', 18, '0000', 'hello-malformed'],
  ['a payload longer than Ethernet carries', 18, '05dd', 'hello-malformed'],
  ['a payload longer than the frame', 18, '0100', 'hello-truncated'],
  ['a payload that ends within its name', 18, '0025', 'hello-malformed'],
  ['a group address as source', 6, '03', 'hello-malformed'],
  ['a unicast destination', 0, '02', 'hello-malformed'],
  ['an interval of 0', 38, '0000', 'hello-malformed'],
  ['a hold time of less than an interval', 40, '00000031', 'hello-malformed'],
  ['a name of no octets', 49, '00', 'hello-malformed'],
  ['a name of 64 octets', 49, '40', 'hello-malformed'],
  ['an upper-case name', 50, '4e', 'hello-malformed'],
  ['a name that begins with a hyphen', 50, '2d', 'hello-malformed'],
  ['a name that ends with a hyphen', 51, '2d', 'hello-malformed'],
  ['a name that ends with a dot', 51, '2e', 'hello-malformed'],
  ['a name with a zero octet', 50, '00', 'hello-malformed'],
  ['a name that is not ASCII', 50, 'c3a4', 'hello-malformed'],
];

for (const [what, at, octets, reason] of REFUSED) {
  test(`${what} is dropped: ${reason}`, () => {
    assert.equal(read(PLAIN, patched(written(PLAIN, HELLO), at, hex(octets))), DROPPED[reason]);
  });
}

test('a hello of another version is counted as that, however short or differently laid out', () => {
  const frame = hex('03486f6c6466 020000000001 88b5 4846 07');
  assert.equal(read(PLAIN, frame), DROPPED['hello-version']);
});

test('bits without a meaning are not looked at: header flags, node flags, flags of entries', () => {
  const frame = patched(written(PLAIN, HELLO), 17, hex('fe'));
  assert.deepEqual(read(PLAIN, frame), HELLO);
  assert.deepEqual(read(PLAIN, patched(frame, 44, hex('fe'))), HELLO);
  const change = withTlvs('03 000b', 'e1 0a630064 000000000007');
  const changes = [{ ip: '10.99.0.100', epoch: 7, weak: false, held: true, successor: null, kept: false }];
  assert.deepEqual(read(PLAIN, change), { ...HELLO, changes });
});

const A = '0a630064';
const E = '000000000007';
// what, rows of TLVs
const MALFORMED: readonly (readonly [string, ...string[]])[] = [
  ['a lone type', '63'],
  ['a head without its second length octet', '63 00'],
  ['a TLV longer than the payload', '63 0001'],
  ['hears of seven octets', '01 0007', '11111111111111'],
  ['an echo of three octets', '06 0003', '111111'],
  ['a subnet cut after its length', '02 0001', '18'],
  ['a subnet cut in its address', '02 0005', '18 04 0a6300'],
  ['a subnet of family 0', '02 0006', '18 00', A],
  ['an IPv4 prefix of 33 bits', '02 0006', '21 04', A],
  ['an IPv6 prefix of 129 bits', '02 0012', '81 06 00000000000000000000000000000000'],
  ['a change cut in its epoch', '03 000a', '01', A, '0000000000'],
  ['an IPv6 change with an IPv4 address', '03 000b', '05', A, E],
  ['a change whose successor is missing', '03 000b', '09', A, E],
  ['a change whose successor has no octets', '03 000c', '09', A, E, '00'],
  ['a change whose successor goes beyond its TLV', '03 000d', '09', A, E, '02 6e', '63 0000'],
  ['a slice without boundaries', '04 0000'],
  ['a slice with one boundary', '04 0001', '00'],
  ['a slice with a boundary of kind 5', '04 0006', '00', '05', A],
  ['a slice whose boundary goes beyond it', '04 0005', '00', '06', '0a6300'],
  ['a slice from an address to the same', '04 000a', '04', A, '04', A],
  ['a slice from a greater address to a lesser', '04 000a', '04 0a630065', '04', A],
  ['a slice from IPv6 to IPv4', '04 0016', '06 00000000000000000000000000000000', '04 ffffffff'],
  ['a slice from before everything to there', '04 0002', '00 00'],
  ['a slice from behind everything', '04 0002', 'ff ff'],
  ['a slice with a claim before it', '04 0011', '04', A, 'ff', '00 0a630063', E],
  ['a slice with a claim at its end, which is outside', '04 0011', '00', '04', A, '00', A, E],
  [
    'a slice with an IPv4 claim among IPv6',
    '04 001d',
    '06 00000000000000000000000000000000',
    'ff',
    '00',
    A,
    E,
  ],
  ['a slice with a claim cut short', '04 000c', '00', 'ff', '00', A, '0000000000'],
  ['a witnessed claim without its name', '05 0013', '00', A, E, '1111111111111111'],
  ['a witnessed claim cut in its instance', '05 0010', '00', A, E, '1111111111'],
  ['a witnessed claim with a bad name', '05 0015', '00', A, E, '1111111111111111', '01 2e'],
  ['seventeen slices', '04 0002 00 ff'.repeat(17)],
];

for (const [what, ...rows] of MALFORMED) {
  test(`${what} makes the hello malformed`, () => {
    assert.equal(read(PLAIN, withTlvs(...rows)), DROPPED['hello-malformed']);
  });
}

test('what lies behind a signature that is wrong is not taken apart: malformed TLVs count as unsigned', () => {
  const frame = patched(FRAME, 14 + 38, hex('01 0007'));
  assert.equal(read(codecOf(EVERY), frame), DROPPED['hello-signature']);
});

test('an unknown TLV is skipped wherever it stands', () => {
  const frame = withTlvs('63 0003 aabbcc', '01 0008', '1111111111111111', '00 0000', 'ff 0001 00');
  assert.deepEqual(read(PLAIN, frame), { ...HELLO, hears: ['1111111111111111'] });
});

test('a second TLV of a type appends; so does an empty one; duplicates stay', () => {
  const frame = withTlvs(
    '01 0008 1111111111111111',
    '01 0000',
    '01 0008 1111111111111111',
    '02 0006 18 04 0a630001',
    '02 0006 20 04 0a630002',
  );
  assert.deepEqual(read(PLAIN, frame), {
    ...HELLO,
    hears: ['1111111111111111', '1111111111111111'],
    subnets: [
      { ip: '10.99.0.1', length: 24 },
      { ip: '10.99.0.2', length: 32 },
    ],
  });
});

test('boundaries are the keys of addresses, half open', () => {
  const ips = ['0.0.0.0', '10.99.0.100', '255.255.255.255', '::', '::ffff:10.99.0.100', 'fd99::100'];
  const keys = [FIRST_KEY, ...ips.map(addressKey), LAST_KEY];
  const slices = ips.map((ip, index) => ({
    from: keys[index + 1]!,
    to: keys[index + 2]!,
    claims: [{ ip, epoch: index, weak: false }],
  }));
  const hello = { ...HELLO, slices: [{ from: FIRST_KEY, to: keys[1]!, claims: [] }, ...slices] };
  assert.deepEqual(read(PLAIN, written(PLAIN, hello)), hello);
});

test('the largest numbers come through exactly', () => {
  const claim = { ip: '10.99.0.100', epoch: MAX_EPOCH, weak: true };
  const hello: HelloFrame = {
    ...HELLO,
    node: 'n'.repeat(63),
    instance: 'ffffffffffffffff',
    sequence: 2 ** 48 - 1,
    intervalMs: 65_535,
    holdMs: 2 ** 32 - 1,
    heldCount: 2 ** 32 - 1,
    changes: [{ ...claim, held: true, successor: `a.${'b'.repeat(61)}`, kept: true }],
  };
  assert.deepEqual(read(PLAIN, written(PLAIN, hello)), hello);
});

test('a hello of 1,500 octets is written and read, one of 1,501 is neither', () => {
  // 37 fixed, 3 + 182 * 8 for those heard: 1,496; the name takes the rest.
  const hears = Array.from({ length: 182 }, (_, index) => index.toString(16).padStart(16, '0'));
  const hello = { ...HELLO, node: 'abcde', hears };
  const frame = written(PLAIN, hello);
  assert.equal(frame.length, LONGEST_HELLO);
  assert.deepEqual(read(PLAIN, frame), hello);
  assert.throws(() => written(PLAIN, { ...hello, node: 'abcdef' }), /1501 octets/);
  const signing = helloCodec({ keys: [KEY_A], group: 'default' });
  assert.throws(() => written(signing, hello), /1532 octets/);
  assert.deepEqual(read(signing, written(signing, { ...hello, hears: hears.slice(4) })).kind, 'hello');
  const oversize = patched(patched(frame, 18, hex('05dd')), frame.length, hex('61'));
  assert.equal(read(PLAIN, oversize), DROPPED['hello-malformed']);
});

const CLAIM = { ip: '10.99.0.100', epoch: 1, weak: false };
const UNWRITABLE: readonly (readonly [string, Partial<HelloFrame>])[] = [
  ['512 instances heard', { hears: Array(512).fill('0123456789abcdef') }],
  [
    'an epoch of 49 bits',
    { changes: [{ ...CLAIM, epoch: 2 ** 48, held: true, successor: null, kept: false }] },
  ],
  ['a broken interval', { intervalMs: 50.5 }],
  ['an interval of 65,536 ms', { intervalMs: 65_536, holdMs: 300_000 }],
  ['a negative sequence', { sequence: -1 }],
  ['a name in capitals', { node: 'N1' }],
  ['a name that is not ASCII', { node: 'nü' }],
  ['no name', { node: '' }],
  ['an instance that is too short', { instance: '0123' }],
  ['an instance in capitals', { instance: '0123456789ABCDEF' }],
  ['an empty slice', { slices: [{ from: '40a630064', to: '40a630064', claims: [] }] }],
  ['a slice with a claim outside', { slices: [{ from: '40a630065', to: '~', claims: [CLAIM] }] }],
  ['a boundary that is no key', { slices: [{ from: '4zz', to: '~', claims: [] }] }],
  ['a prefix of 33 bits', { subnets: [{ ip: '10.99.0.1', length: 33 }] }],
  ['an address that is none', { subnets: [{ ip: 'nowhere', length: 3 }] }],
];

for (const [what, part] of UNWRITABLE) {
  test(`${what} is our own mistake: writing asserts`, () => {
    assert.throws(() => written(PLAIN, { ...HELLO, ...part }));
  });
}

test('a buffer too short for the largest hello is refused; what lies behind the frame is not touched', () => {
  assert.throws(() => PLAIN.write(HELLO, new Uint8Array(LONGEST_HELLO - 1)), /1514 octets/);
  const buffer = new Uint8Array(LONGEST_HELLO).fill(0xee);
  const length = PLAIN.write(HELLO, buffer);
  assert.ok(buffer.subarray(length).every((octet) => octet === 0xee));
});

test('the group address is a local multicast address, and no IP group', () => {
  assert.equal(Number.parseInt(HELLO_GROUP.slice(0, 2), 16) & 3, 3);
  assert.ok(!HELLO_GROUP.startsWith('33:33') && !HELLO_GROUP.startsWith('01:00:5e'));
});
