// No hello is an exception, and parses ⇒ encodes ⇒ parses the same: over 300,000 frames from one seed, which a
// failure names (HOLDFAST_FUZZ_SEED=n repeats it), and over every hello that fast-check thinks of.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipFromBytes } from '../../../src/io/packets/address.ts';
import { DROPPED } from '../../../src/io/packets/dropped.ts';
import { type HelloCodec, helloCodec, LONGEST_HELLO } from '../../../src/io/packets/hello-codec.ts';
import { helloSigner } from '../../../src/io/packets/hello-signature.ts';
import { addressKey, FIRST_KEY, LAST_KEY } from '../../../src/machines/address-key.ts';
import { MAX_EPOCH } from '../../../src/machines/claims.ts';
import type { HelloFrame } from '../../../src/machines/hello.ts';
import { seeded } from '../../support/frames.ts';

const FRAMES = 300_000;
const BUFFER = LONGEST_HELLO + 100;
const GROUP = 'default';
const KEY = Uint8Array.from({ length: 32 }, (_, index) => index);
const PLAIN = helloCodec({ keys: [], group: GROUP });
const SIGNED = helloCodec({ keys: [KEY], group: GROUP });
const SIGNER = helloSigner([KEY]);

const FOLDER = new URL('../../fixtures/hello/', import.meta.url);
const HELLOS = readdirSync(FOLDER).map(
  (name) => JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')).hello as HelloFrame,
);
const SIXTY: HelloFrame = {
  ...HELLOS[0]!,
  slices: [
    {
      from: FIRST_KEY,
      to: LAST_KEY,
      claims: Array.from({ length: 60 }, (_, index) => ({
        ip: `10.99.0.${index}`,
        epoch: index,
        weak: false,
      })),
    },
  ],
};

const written = (codec: HelloCodec, hello: HelloFrame): Uint8Array => {
  const buffer = new Uint8Array(LONGEST_HELLO);
  return buffer.slice(0, codec.write(hello, buffer));
};

const INTERESTING = [
  0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x08, 0x20, 0x21, 0x40, 0x61, 0x7f, 0x80, 0xff,
];

/** One to four octets overwritten, bits flipped, octets doubled, the end cut; returns the new length. */
const mutate = (buffer: Uint8Array, length: number, random: () => number): number => {
  let now = length;
  for (let times = 1 + (random() & 3); times > 0; times -= 1) {
    const choice = random() % 8;
    // Mostly behind the Ethernet header; in every other round behind the fixed part.
    const from = random() & 1 ? 52 : random() & 3 ? 14 : 0;
    const at = Math.min(from, now) + ((random() >>> 3) % Math.max(now - from, 1));
    if (choice < 3) buffer[at] = random() & 0xff;
    else if (choice < 5) buffer[at] = INTERESTING[random() % INTERESTING.length]!;
    else if (choice === 5) buffer[at]! ^= 1 << (random() & 7);
    else if (choice === 6) now = (random() & 3) === 0 ? random() % (now + 1) : now;
    else {
      const by = 1 + (random() % 24);
      buffer.copyWithin(Math.min(at + by, BUFFER), at, Math.max(now, at));
      now = Math.min(now + by, BUFFER);
    }
  }
  return now;
};

/** Makes the length and the signature right again, so that mutations reach what lies behind those checks. */
const mend = (buffer: Uint8Array, length: number, isSigned: boolean): number => {
  const payload = length - 14;
  if (payload < 37 || payload > 1400) return length;
  [buffer[18], buffer[19]] = [payload >>> 8, payload & 0xff];
  buffer[17] = isSigned ? 1 : 0;
  return isSigned ? SIGNER.sign(buffer, 14, length) : length;
};

test('300,000 random and mutated hellos give no exception, and what parses, encodes and parses the same', (t) => {
  const seed = Number(process.env.HOLDFAST_FUZZ_SEED ?? Date.now() >>> 0);
  const random = seeded(seed);
  const samples = [...HELLOS, SIXTY].flatMap((hello) => [written(PLAIN, hello), written(SIGNED, hello)]);
  const buffer = new Uint8Array(BUFFER);
  const again = new Uint8Array(LONGEST_HELLO);
  const seen = new Map<string, number>();
  for (let round = 0; round < FRAMES; round += 1) {
    const isSigned = round % 8 === 0;
    const codec = isSigned ? SIGNED : PLAIN;
    const sample = samples[random() % samples.length]!;
    buffer.set(sample);
    let length = sample.length;
    if (round % 16 === 1) for (let at = 14; at < length; at += 1) buffer[at] = random() & 0xff;
    else length = mutate(buffer, length - (random() & 1 && sample[17] === 1 ? 32 : 0), random);
    if (random() & 7) length = mend(buffer, length, isSigned);
    try {
      const hello = codec.read(buffer, length);
      const outcome = hello.kind === 'dropped' ? hello.reason : hello.kind;
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
      if (hello.kind === 'dropped') {
        if (hello !== DROPPED[hello.reason]) throw new Error('a dropped frame that is not the constant');
        continue;
      }
      const back = codec.read(again, codec.write(hello, again));
      if (JSON.stringify(hello) !== JSON.stringify(back)) {
        throw new Error(`${JSON.stringify(hello)} came back as ${JSON.stringify(back)}`);
      }
    } catch (error) {
      const octets = Buffer.from(buffer.subarray(0, length)).toString('hex');
      assert.fail(`HOLDFAST_FUZZ_SEED=${seed}, frame ${round}, ${octets}: ${error}`);
    }
  }
  t.diagnostic(`seed ${seed}: ${[...seen].map(([outcome, count]) => `${outcome} ${count}`).join(', ')}`);
  // A fuzz that never reaches a check proves nothing about it.
  const reasons = ['truncated', 'malformed', 'version', 'group', 'signature'].map(
    (reason) => `hello-${reason}`,
  );
  for (const outcome of ['hello', 'ethertype', ...reasons]) {
    assert.ok(seen.has(outcome), `HOLDFAST_FUZZ_SEED=${seed}: no frame came out as ${outcome}`);
  }
});

const octets = (count: number) => fc.uint8Array({ minLength: count, maxLength: count });
const hexText = (count: number) => octets(count).map((all) => Buffer.from(all).toString('hex'));
const ip = fc.oneof(octets(4), octets(16)).map(ipFromBytes);
const unsigned = (bits: number) => fc.bigInt(0n, 2n ** BigInt(bits) - 1n).map(Number);
const node = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?)?$/);
const claim = { ip, epoch: fc.oneof(unsigned(48), fc.constant(MAX_EPOCH)), weak: fc.boolean() };
const mac = hexText(5).map((text) => `02:${text.match(/../g)!.join(':')}`);
const key = fc.oneof(fc.constant(FIRST_KEY), fc.constant(LAST_KEY), ip.map(addressKey));
const slice = fc
  .record({ a: key, b: key, claims: fc.array(fc.record(claim), { maxLength: 6 }) })
  .filter(({ a, b }) => a !== b)
  .map(({ a, b, claims }) => {
    const [from, to] = a < b ? [a, b] : [b, a];
    const inside = claims.filter((each) => addressKey(each.ip) >= from && addressKey(each.ip) < to);
    return { from, to, claims: inside };
  });
const hello: fc.Arbitrary<HelloFrame> = fc
  .record({
    kind: fc.constant('hello' as const),
    ethernetSource: mac,
    node,
    instance: hexText(8),
    sequence: unsigned(48),
    intervalMs: fc.integer({ min: 1, max: 65_535 }),
    holdMs: unsigned(32),
    flags: fc.record({ starting: fc.boolean(), ready: fc.boolean(), leaving: fc.boolean() }),
    subnets: fc.array(fc.record({ ip, length: fc.integer({ min: 0, max: 32 }) }), { maxLength: 4 }),
    heldCount: unsigned(32),
    hears: fc.array(hexText(8), { maxLength: 8 }),
    echoes: fc.array(unsigned(32), { maxLength: 8 }),
    changes: fc.array(
      fc.record({
        ...claim,
        held: fc.boolean(),
        successor: fc.option(node, { nil: null }),
        kept: fc.boolean(),
      }),
      { maxLength: 4 },
    ),
    slices: fc.array(slice, { maxLength: 3 }),
    witnessed: fc.array(fc.record({ ...claim, node, instance: hexText(8) }), { maxLength: 3 }),
  })
  .map((all) => ({ ...all, holdMs: Math.max(all.holdMs, all.intervalMs) }));

test('every hello that can be said comes back from its frame as it was, signed or not', () => {
  fc.assert(
    fc.property(hello, fc.boolean(), (said, isSigned) => {
      const codec = isSigned ? SIGNED : PLAIN;
      const frame = written(codec, said);
      // fast-check's records have no prototype.
      assert.deepEqual(codec.read(frame, frame.length), JSON.parse(JSON.stringify(said)));
    }),
    { numRuns: 500 },
  );
});
