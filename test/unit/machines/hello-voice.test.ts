import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressKey, FIRST_KEY, LAST_KEY } from '../../../src/machines/address-key.ts';
import {
  BESIDE_TABLE_ROOM,
  claimOctets,
  HELLO_ROOM,
  type SaidChange,
  type SaidClaim,
  SLICE_OCTETS,
  type Slice,
} from '../../../src/machines/hello.ts';
import {
  CHANGE_REPEATS,
  createHelloVoice,
  type HelloVoice,
  MIN_SPACING_MS,
} from '../../../src/machines/hello-voice.ts';
import { START, V4, V6 } from '../../support/core.ts';

const INTERVAL_MS = 50;
const ipOf = (index: number): string =>
  index % 3 === 2 ? `fd99::${index.toString(16)}` : `10.98.${index >> 8}.${index & 255}`;
const claimOf = (ip: string, epoch = 1): SaidClaim => ({ ip, epoch, weak: false });

interface Said {
  readonly at: number;
  readonly changes: readonly SaidChange[];
  readonly slices: readonly Slice[];
}

/** The next `count` hellos, each at the moment when it is due (at `from` at the earliest). */
const speak = (voice: HelloVoice, count: number, from = START, otherOctets = 100): Said[] => {
  const said: Said[] = [];
  let at = from;
  for (let index = 0; index < count; index += 1) {
    at = Math.max(at, voice.dueAt(INTERVAL_MS));
    said.push({ at, ...voice.compose(at, otherOctets) });
  }
  return said;
};
/** Lets everything that waits be said. */
const settle = (voice: HelloVoice, from = START): number => {
  let at = from;
  while (voice.dueAt(INTERVAL_MS) <= at + MIN_SPACING_MS) at = speak(voice, 1, at)[0]?.at as number;
  return at;
};
const withClaims = (count: number): HelloVoice => {
  const voice = createHelloVoice();
  for (let index = 0; index < count; index += 1) voice.setClaim(claimOf(ipOf(index)));
  return voice;
};
const octetsOf = ({ changes, slices }: Omit<Said, 'at'>): number =>
  changes.reduce((sum, { ip, successor }) => sum + claimOctets(ip) + 1 + (successor?.length ?? 0), 0) +
  slices.reduce(
    (sum, { claims }) => sum + SLICE_OCTETS + claims.reduce((all, { ip }) => all + claimOctets(ip), 0),
    0,
  );

test('the rotation covers the whole table: ranges follow each other from the first key to the last', () => {
  for (const count of [0, 1, 40, 1_000, 3_000]) {
    const voice = withClaims(count);
    const from = settle(voice);
    let cursor: string | null = null;
    const listed: string[] = [];
    for (let hellos = 0; hellos < 400; hellos += 1) {
      const [slice, more] = speak(voice, 1, from)[0]?.slices ?? [];
      assert.ok(slice !== undefined && more === undefined);
      if (cursor === null && slice.from !== FIRST_KEY) continue;
      assert.equal(slice.from, cursor ?? FIRST_KEY);
      for (const { ip } of slice.claims) {
        assert.ok(addressKey(ip) >= slice.from && addressKey(ip) < slice.to, `${ip} lies in its range`);
        listed.push(ip);
      }
      cursor = slice.to;
      if (cursor === LAST_KEY) break;
    }
    assert.equal(cursor, LAST_KEY, `${count} claims are told within 400 hellos`);
    assert.deepEqual(listed.sort(), Array.from({ length: count }, (_, index) => ipOf(index)).sort());
  }
});

test('a table that fits into one hello is told whole in each', () => {
  const voice = withClaims(30);
  for (const { slices } of speak(voice, 10, settle(voice))) {
    assert.deepEqual([slices[0]?.from, slices[0]?.to, slices[0]?.claims.length], [FIRST_KEY, LAST_KEY, 30]);
  }
});

test('a change rides on three hellos, the first of them at once; then the usual interval is back', () => {
  const voice = createHelloVoice();
  const [first] = speak(voice, 1);
  assert.deepEqual(first?.changes, []);
  assert.equal(voice.dueAt(INTERVAL_MS), START + INTERVAL_MS);
  voice.setClaim(claimOf(V4, 7));
  assert.equal(voice.dueAt(INTERVAL_MS), START + MIN_SPACING_MS);
  const said = speak(voice, 5, START + 20);
  const change = { ...claimOf(V4, 7), held: true, successor: null, kept: false };
  assert.deepEqual(
    said.map(({ changes }) => changes),
    [[change], [change], [change], [], []],
  );
  assert.deepEqual(
    said.map(({ at }) => at - START),
    [20, 22, 24, 74, 124],
  );
});

test('giving up is a change like another, and the last word about an IP is the one that is said', () => {
  const voice = createHelloVoice();
  voice.setClaim(claimOf(V4, 1));
  voice.setClaim(claimOf(V4, 1), 'n2');
  const [yielded] = speak(voice, 1);
  assert.deepEqual(yielded?.changes, [{ ...claimOf(V4, 1), held: true, successor: 'n2', kept: false }]);
  voice.dropClaim(V4);
  const said = speak(voice, 4);
  assert.deepEqual(
    said.map(({ changes }) => changes.map(({ held }) => held)),
    [[false], [false], [false], []],
  );
  for (const { slices } of said) assert.deepEqual(slices[0]?.claims, []);
  voice.dropClaim(V6);
  assert.deepEqual(speak(voice, 1)[0]?.changes, [], 'what was never held is not given up');
});

test('what was not said yet goes before what is said again', () => {
  const voice = withClaims(500);
  const order = speak(voice, 500).flatMap(({ changes }) => changes.map(({ ip }) => ip));
  assert.equal(order.length, CHANGE_REPEATS * 500);
  for (let round = 0; round < CHANGE_REPEATS; round += 1)
    assert.equal(new Set(order.slice(round * 500, (round + 1) * 500)).size, 500);
});

test('each of a thousand changes is said three times, whatever else is going on', () => {
  const voice = withClaims(1_000);
  const times = new Map<string, number>();
  for (const { changes } of speak(voice, 400)) {
    assert.equal(new Set(changes.map(({ ip }) => ip)).size, changes.length, 'twice in one hello');
    for (const { ip } of changes) times.set(ip, (times.get(ip) ?? 0) + 1);
  }
  assert.deepEqual([...new Set(times.values())], [CHANGE_REPEATS]);
  assert.equal(times.size, 1_000);
});

test('restating says a held claim again, with its successor; not what is being said already, nor what is not held', () => {
  const voice = createHelloVoice();
  voice.setClaim(claimOf(V4, 3), 'n2');
  voice.restate(V4);
  speak(voice, 3);
  assert.deepEqual(speak(voice, 1)[0]?.changes, []);
  voice.restate(V4);
  voice.restate(V6);
  assert.deepEqual(
    speak(voice, 4).map(({ changes }) => changes.map(({ ip, successor }) => `${ip} ${successor}`)),
    [[`${V4} n2`], [`${V4} n2`], [`${V4} n2`], []],
  );
});

test('hurrying brings one hello forward, and no more', () => {
  const voice = createHelloVoice();
  speak(voice, 1);
  voice.hurry();
  voice.hurry();
  assert.deepEqual(
    speak(voice, 3).map(({ at }) => at - START),
    [2, 52, 102],
  );
});

const deeds = fc.array(
  fc.oneof(
    fc
      .nat({ max: 300 })
      .map((index) => (voice: HelloVoice) => voice.setClaim(claimOf(ipOf(index)), 'n'.repeat(63))),
    fc.nat({ max: 300 }).map((index) => (voice: HelloVoice) => voice.dropClaim(ipOf(index))),
    fc.nat({ max: 300 }).map((index) => (voice: HelloVoice) => voice.restate(ipOf(index))),
    fc.constant((voice: HelloVoice) => voice.hurry()),
    fc.constant((voice: HelloVoice) => voice.tellAll()),
  ),
  { maxLength: 400 },
);

test('no hello takes more room than there is, each moves the table on, and none follows another within 2 ms', () => {
  fc.assert(
    fc.property(deeds, fc.nat({ max: BESIDE_TABLE_ROOM }), (list, otherOctets) => {
      const voice = createHelloVoice();
      let last = Number.NEGATIVE_INFINITY;
      for (const [index, deed] of list.entries()) {
        deed(voice);
        if (index % 7 !== 6) continue;
        const [said] = speak(voice, 1, START, otherOctets);
        assert.ok(said !== undefined);
        assert.ok(octetsOf(said) <= HELLO_ROOM - otherOctets, `${octetsOf(said)} beside ${otherOctets}`);
        assert.ok(said.at - last >= MIN_SPACING_MS);
        const [slice] = said.slices;
        assert.ok(slice !== undefined && slice.to > slice.from, 'the table stands still');
        last = said.at;
      }
    }),
    { numRuns: 200 },
  );
});

test('a peer that appears is told the whole table at once, wherever the rotation stands', () => {
  for (const already of [0, 1, 7, 20]) {
    const voice = withClaims(2_000);
    const from = settle(voice);
    speak(voice, already, from);
    voice.tellAll();
    const begin = voice.dueAt(INTERVAL_MS);
    const missing = new Set(Array.from({ length: 2_000 }, (_, index) => ipOf(index)));
    const ranges: string[] = [];
    let at = begin;
    while (voice.dueAt(INTERVAL_MS) <= at + MIN_SPACING_MS) {
      const [said] = speak(voice, 1, at);
      at = said?.at as number;
      for (const { claims, from: start, to } of said?.slices ?? []) {
        for (const { ip } of claims) missing.delete(ip);
        ranges.push(`${start}>${to}`);
      }
    }
    assert.equal(missing.size, 0, `${missing.size} claims were not told after ${already} hellos`);
    assert.ok(ranges.some((range) => range.startsWith('>')) && ranges.some((range) => range.endsWith('>~')));
    assert.ok(at - begin < 500, `it took ${at - begin} ms`);
  }
});

test('a new birth has nothing to say, and forgets what it was about to say', () => {
  const voice = withClaims(10);
  voice.tellAll();
  voice.clear();
  assert.equal(voice.heldCount(), 0);
  assert.deepEqual(
    speak(voice, 2).map(({ changes, slices }) => [changes, slices]),
    [
      [[], [{ from: FIRST_KEY, to: LAST_KEY, claims: [] }]],
      [[], [{ from: FIRST_KEY, to: LAST_KEY, claims: [] }]],
    ],
  );
});

test('a claim whose clients are kept is given up with that word, said again, and ended once', () => {
  const voice = createHelloVoice();
  const heldAndKept = (at: number) =>
    speak(voice, at).map(({ changes }) => changes.map(({ held, kept }) => [held, kept]));
  voice.setClaim(claimOf(V4, 1), 'n2', true);
  assert.deepEqual(heldAndKept(1), [[[true, true]]]);
  voice.dropClaim(V4);
  assert.deepEqual(heldAndKept(4), [[[false, true]], [[false, true]], [[false, true]], []]);
  voice.restateKept();
  assert.deepEqual(heldAndKept(1), [[[false, true]]]);
  voice.endKeep(V4);
  assert.deepEqual(heldAndKept(4), [[[false, false]], [[false, false]], [[false, false]], []]);
  voice.endKeep(V4);
  voice.restateKept();
  assert.deepEqual(heldAndKept(1), [[]], 'nothing is kept any more');
});
