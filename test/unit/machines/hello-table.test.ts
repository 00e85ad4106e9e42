// From the voice of one node to the ears of another, with hellos lost on the way: whatever changed and whatever
// got lost, in the end the ears' table is the voice's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HelloFrame, SaidClaim } from '../../../src/machines/hello.ts';
import { createHelloEars } from '../../../src/machines/hello-ears.ts';
import { createHelloVoice } from '../../../src/machines/hello-voice.ts';
import type { Input } from '../../../src/machines/inputs.ts';
import { START } from '../../support/core.ts';
import { READY } from '../../support/peers.ts';

const OWN = { node: 'n1', instance: 'a000000000000001', isFresh: () => true } as const;
const PEER = 'b000000000000002';
const INTERVAL_MS = 50;
const HOLD_MS = 200;
const ipOf = (index: number): string =>
  index % 3 === 2 ? `fd99::${index.toString(16)}` : `10.98.${index >> 8}.${index & 255}`;

type Deed =
  | {
      readonly type: 'set';
      readonly index: number;
      readonly epoch: number;
      readonly successor: string | null;
    }
  | { readonly type: 'drop' | 'restate'; readonly index: number }
  | { readonly type: 'tellAll' | 'hurry' }
  /** Lets hellos leave; those of which a letter is false are lost. */
  | { readonly type: 'hellos'; readonly arrive: readonly boolean[] };

/** A voice on one side, on the other what its listener's core was told. */
const createLine = () => {
  const voice = createHelloVoice();
  const ears = createHelloEars('eth0');
  const held = new Map<string, SaidClaim & { readonly successor: string | null }>();
  const told = new Map<string, SaidClaim & { readonly successor: string | null }>();
  let isWhole = false;
  let sequence = 0;
  let at = START;

  const take = (news: readonly Input[]): void => {
    for (const input of news) {
      if (input.type === 'peer.whole') isWhole = true;
      if (input.type !== 'claims.heard') continue;
      for (const { node: _, ...claim } of input.claims) told.set(claim.ip, claim);
      for (const ip of input.released) told.delete(ip);
    }
  };
  const hello = (): HelloFrame => {
    sequence += 1;
    return {
      kind: 'hello',
      ethernetSource: '02:00:00:00:01:02',
      node: 'n2',
      instance: PEER,
      sequence,
      intervalMs: INTERVAL_MS,
      holdMs: HOLD_MS,
      flags: READY,
      subnets: [],
      heldCount: voice.heldCount(),
      hears: [OWN.instance],
      echoes: [],
      witnessed: [],
      ...voice.compose(at, 200),
    };
  };
  return {
    voice,
    held,
    told,
    isWhole: () => isWhole,
    set: (claim: SaidClaim, successor: string | null) => {
      held.set(claim.ip, { ...claim, successor });
      voice.setClaim(claim, successor);
    },
    drop: (ip: string) => {
      held.delete(ip);
      voice.dropClaim(ip);
    },
    speak: (arrives: boolean) => {
      at = Math.max(at, voice.dueAt(INTERVAL_MS));
      const news: Input[] = [];
      ears.runClock(at, news);
      // The core buries a silent peer as the ears do: what it claimed is void.
      if (!ears.heard().includes(PEER)) {
        told.clear();
        isWhole = false;
      }
      const frame = hello();
      if (arrives) ears.hear(at, frame, OWN, news);
      take(news);
    },
  };
};

const indexes = fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 600 }));
const deeds: fc.Arbitrary<readonly Deed[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        type: fc.constant('set' as const),
        index: indexes,
        epoch: fc.integer({ min: 1, max: 4 }),
        successor: fc.constantFrom(null, null, null, 'n3'),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ type: fc.constantFrom('drop' as const, 'restate' as const), index: indexes }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('tellAll' as const, 'hurry' as const) }) },
    {
      weight: 5,
      arbitrary: fc.record({
        type: fc.constant('hellos' as const),
        arrive: fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
      }),
    },
  ),
  { maxLength: 120 },
);

const perform = (line: ReturnType<typeof createLine>, deed: Deed): void => {
  switch (deed.type) {
    case 'set':
      return line.set({ ip: ipOf(deed.index), epoch: deed.epoch, weak: false }, deed.successor);
    case 'drop':
      return line.drop(ipOf(deed.index));
    case 'restate':
      return line.voice.restate(ipOf(deed.index));
    case 'tellAll':
    case 'hurry':
      return line.voice[deed.type]();
    case 'hellos':
      for (const arrives of deed.arrive) line.speak(arrives);
  }
};

const claimsIn = (table: ReadonlyMap<string, SaidClaim>): string[] =>
  [...table.values()].map(({ ip, epoch, weak }) => `${ip} ${epoch} ${weak}`).sort();

test('any sequence of claim changes and lost hellos ends, once all arrive, with the same table on both sides', () => {
  fc.assert(
    fc.property(deeds, (list) => {
      const line = createLine();
      for (const deed of list) perform(line, deed);
      // A whole rotation of the table and a bit: 600 claims fit into some fifteen hellos.
      for (let hellos = 0; hellos < 60; hellos += 1) line.speak(true);
      assert.deepEqual(claimsIn(line.told), claimsIn(line.held));
      assert.ok(line.isWhole());
    }),
    { numRuns: 500 },
  );
});

test('a change of which two of its three hellos are lost is heard at once, long before the table comes round', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ index: fc.nat({ max: 5_000 }), isDropped: fc.boolean() }), { maxLength: 30 }),
      fc.constantFrom([true, false, false], [false, true, false], [false, false, true]),
      (list, arrive) => {
        const line = createLine();
        for (let index = 0; index < 5_000; index += 1)
          line.set({ ip: ipOf(index), epoch: 1, weak: false }, null);
        // Every claim said three times, and the whole table at least once.
        for (let hellos = 0; hellos < 700; hellos += 1) line.speak(true);
        assert.deepEqual(claimsIn(line.told), claimsIn(line.held));
        for (const { index, isDropped } of list) {
          if (isDropped) line.drop(ipOf(index));
          else line.set({ ip: ipOf(index), epoch: 2, weak: false }, 'n3');
        }
        for (const arrives of arrive) line.speak(arrives);
        assert.deepEqual(claimsIn(line.told), claimsIn(line.held));
        const successors = [...line.held.values()].filter(({ successor }) => successor !== null);
        for (const { ip, successor } of successors) assert.equal(line.told.get(ip)?.successor, successor);
      },
    ),
    { numRuns: 30 },
  );
});
