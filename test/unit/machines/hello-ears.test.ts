import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressKey, FIRST_KEY, LAST_KEY } from '../../../src/machines/address-key.ts';
import type { HelloFrame, SaidChange, SaidClaim, Slice } from '../../../src/machines/hello.ts';
import {
  createHelloEars,
  type HelloVerdict,
  MAX_PEER_CLAIMS,
  MAX_PEERS,
} from '../../../src/machines/hello-ears.ts';
import type { Input } from '../../../src/machines/inputs.ts';
import { START, V4, V4_OTHER, V6 } from '../../support/core.ts';
import { READY } from '../../support/peers.ts';

const OWN = { node: 'n1', instance: 'a000000000000001', isFresh: () => true } as const;
const PEER = 'b000000000000002';
const REBORN = 'b000000000000003';
const claimOf = (ip: string, epoch = 1): SaidClaim => ({ ip, epoch, weak: false });
const change = (ip: string, epoch: number, over: Partial<SaidChange> = {}): SaidChange => ({
  ...claimOf(ip, epoch),
  held: true,
  successor: null,
  kept: false,
  ...over,
});
const slice = (claims: readonly SaidClaim[], from = FIRST_KEY, to = LAST_KEY): Slice => ({
  from,
  to,
  claims,
});

let sequence = 0;
const hello = (over: Partial<HelloFrame> = {}): HelloFrame => {
  sequence += 1;
  return {
    kind: 'hello',
    ethernetSource: '02:00:00:00:01:02',
    node: 'n2',
    instance: PEER,
    sequence,
    intervalMs: 50,
    holdMs: 200,
    flags: READY,
    subnets: [{ ip: '10.99.0.0', length: 24 }],
    heldCount: 0,
    hears: [OWN.instance],
    echoes: [],
    changes: [],
    slices: [],
    witnessed: [],
    ...over,
  };
};

/** Ears, and what they say, as `type node` and details. */
const listen = () => {
  const ears = createHelloEars('eth0');
  const words = (news: readonly Input[]): string[] =>
    news.map((input) => {
      switch (input.type) {
        case 'peer.heard':
          return `heard ${input.peer.node} ${input.peer.proven ? 'proven' : 'unproven'}`;
        case 'peer.late':
          return `late ${input.node} since ${input.lastHeardAt - START}`;
        case 'peer.back':
          return `back ${input.node}`;
        case 'peer.whole':
          return `whole ${input.node}`;
        case 'claims.heard': {
          const held = input.claims.map(
            ({ ip, epoch, successor }) => `+${ip} ${epoch}${successor === null ? '' : ` to ${successor}`}`,
          );
          return `claims ${input.node} ${[...held, ...input.released.map((ip) => `-${ip}`)].join(' ')}`;
        }
        case 'claims.witnessed':
          return `witnessed ${input.node} ${input.claims.map(({ ip }) => ip).join(' ')}`;
        default:
          return input.type;
      }
    });
  const verdicts: HelloVerdict[] = [];
  return {
    ears,
    verdicts,
    hear: (ms: number, frame: HelloFrame): string[] => {
      const news: Input[] = [];
      verdicts.push(ears.hear(START + ms, frame, OWN, news));
      return words(news);
    },
    clock: (ms: number): string[] => {
      const news: Input[] = [];
      ears.runClock(START + ms, news);
      return words(news);
    },
    next: (): number | null => {
      const at = ears.nextDeadline();
      return at === null ? null : at - START;
    },
  };
};

test('a peer is proven by a hello that lists this birth; until then it is listed, and its table is not taken', () => {
  const { ears, hear } = listen();
  const said = { slices: [slice([claimOf(V4)])], changes: [change(V6, 2)] };
  assert.deepEqual(hear(0, hello({ hears: [], ...said })), ['heard n2 unproven']);
  assert.deepEqual(hear(50, hello({ hears: ['f000000000000009'], ...said })), ['heard n2 unproven']);
  assert.deepEqual([ears.heard(), ears.provenCount()], [[PEER], 0]);
  assert.deepEqual(hear(100, hello(said)), ['heard n2 proven', `claims n2 +${V4} 1 +${V6} 2`, 'whole n2']);
  assert.deepEqual(hear(150, hello({ hears: [] })), ['heard n2 proven'], 'once proven, proven');
  assert.equal(ears.provenCount(), 1);
});

test('what a peer held when it fell silent and does not hold when it is heard again is said to be given up', () => {
  const { hear, clock } = listen();
  hear(0, hello({ slices: [slice([claimOf(V4), claimOf(V4_OTHER)])] }));
  clock(1_000);
  const back = hear(1_000, hello({ slices: [slice([claimOf(V4_OTHER)])] }));
  assert.deepEqual(
    back.filter((said) => said.startsWith('claims')),
    [`claims n2 +${V4_OTHER} 1 -${V4}`],
  );
  clock(2_000);
  const [again] = hear(2_000, hello({ changes: [change(V4_OTHER, 1, { held: false })] })).filter((said) =>
    said.startsWith('claims'),
  );
  assert.equal(again, `claims n2 -${V4_OTHER}`);
});

test('a hello that lists this birth and repeats what it said long ago is dropped, whatever it says', () => {
  const ears = createHelloEars('eth0');
  const own = { ...OWN, isFresh: (_: number, echo: number | undefined) => echo === 7 };
  const news: Input[] = [];
  const say = (over: Partial<HelloFrame>): HelloVerdict => ears.hear(START, hello(over), own, news);
  const held = { changes: [change(V4, 9)] };
  assert.equal(say({ echoes: [6], ...held }), 'stale');
  assert.equal(say({ echoes: [], ...held }), 'stale', 'it repeats nothing');
  assert.deepEqual([news, ears.heard()], [[], []]);
  assert.equal(say({ echoes: [7], ...held }), 'taken');
  assert.equal(ears.provenCount(), 1);
  assert.equal(say({ hears: [REBORN, OWN.instance], echoes: [7, 6] }), 'stale', 'echoes go by their place');
  assert.equal(say({ hears: [REBORN, OWN.instance], echoes: [6, 7] }), 'taken');
  assert.equal(
    say({ hears: [REBORN], echoes: [6] }),
    'taken',
    'it does not list this birth: nothing to compare',
  );
});

test('a hello that says the same as the one before is no news', () => {
  const { hear } = listen();
  const same = { slices: [slice([claimOf(V4)])], changes: [change(V4, 1)] };
  assert.equal(hear(0, hello(same)).length, 3);
  for (const ms of [50, 100, 150]) assert.deepEqual(hear(ms, hello(same)), []);
});

test('a sequence that does not grow is a replay, also long after the peer was forgotten', () => {
  const { ears, hear, verdicts, clock } = listen();
  const old = hello({ changes: [change(V4, 9)] });
  hear(0, hello());
  const before = ears.heardVersion();
  assert.deepEqual([hear(10, old), hear(11, { ...old, sequence: 0 })], [[], []]);
  clock(250);
  clock(700_000);
  assert.equal(ears.lastHeard()[PEER], undefined, 'it is forgotten');
  assert.deepEqual(hear(700_001, old), []);
  assert.deepEqual(verdicts, ['taken', 'replayed', 'replayed', 'replayed']);
  assert.ok(ears.heardVersion() > before);
  assert.deepEqual(hear(700_002, hello()), ['heard n2 proven']);
});

test('a replay does not keep a dead peer alive', () => {
  const { ears, hear, clock } = listen();
  const frame = hello();
  hear(0, frame);
  for (let ms = 10; ms < 200; ms += 10) hear(ms, frame);
  clock(200);
  assert.deepEqual([ears.heard(), ears.lastHeard()[PEER]], [[], START]);
});

test('a proven new instance voids the old one, which never returns; an unproven one voids nothing', () => {
  const { ears, hear, verdicts } = listen();
  hear(0, hello());
  hear(10, hello({ instance: REBORN, hears: [] }));
  assert.deepEqual([...ears.heard()].sort(), [PEER, REBORN]);
  hear(20, hello());
  hear(130, hello({ instance: REBORN }));
  assert.deepEqual(ears.heard(), [REBORN]);
  assert.deepEqual(hear(140, hello({ changes: [change(V4, 99)] })), []);
  assert.deepEqual(verdicts, ['taken', 'taken', 'taken', 'taken', 'void-instance']);
});

test('while a node speaks on time, another one under its name voids nothing: it is not believed', () => {
  const { ears, hear, verdicts } = listen();
  hear(0, hello({ changes: [change(V4, 1)] }));
  for (let ms = 25; ms < 1_000; ms += 50) {
    assert.deepEqual(
      hear(ms, hello({ instance: REBORN })).filter((said) => said !== 'heard n2 unproven'),
      [],
    );
    assert.deepEqual(hear(ms + 25, hello()), []);
  }
  assert.deepEqual([ears.provenCount(), verdicts.includes('void-instance')], [1, false]);
});

test('the own hello, come back by a loop, is not heard; a namesake of another instance is', () => {
  const { ears, hear, verdicts } = listen();
  assert.deepEqual(hear(0, hello({ node: 'n1', instance: OWN.instance })), []);
  assert.deepEqual([verdicts, ears.heard()], [['own'], []]);
  assert.deepEqual(hear(10, hello({ node: 'n1' })), ['heard n1 proven']);
});

test('a peer is late after two of its own intervals, silent after its own hold time, and back when it speaks', () => {
  const { ears, hear, clock, next } = listen();
  hear(0, hello({ intervalMs: 20, holdMs: 90 }));
  assert.equal(next(), 40);
  assert.deepEqual(clock(39.9), []);
  assert.deepEqual(clock(40), ['late n2 since 0']);
  assert.deepEqual([clock(60), next()], [[], 90], 'said once');
  assert.deepEqual(hear(70, hello({ intervalMs: 20, holdMs: 90 })), ['back n2']);
  assert.deepEqual([clock(110), next()], [['late n2 since 70'], 160]);
  const version = ears.heardVersion();
  clock(159.9);
  assert.deepEqual(ears.heard(), [PEER]);
  clock(160);
  assert.deepEqual([ears.heard(), ears.provenCount(), next()], [[], 0, null]);
  assert.ok(ears.heardVersion() > version);
});

test('whoever is heard again after its silence says all anew: itself, its claims, its whole table', () => {
  const { hear, clock } = listen();
  const all = { slices: [slice([claimOf(V4)])] };
  hear(0, hello(all));
  clock(100);
  clock(200);
  assert.deepEqual(hear(5_000, hello(all)), ['heard n2 proven', `claims n2 +${V4} 1`, 'whole n2']);
});

// before: what the peer held; then what it says; the news
const HELD = [claimOf(V4), claimOf(V6)];
const MIDDLE = addressKey('10.99.0.255');
const NEWS: readonly (readonly [string, Partial<HelloFrame>, readonly string[]])[] = [
  ['a higher epoch', { changes: [change(V4, 2)] }, [`claims n2 +${V4} 2`]],
  ['another strength', { changes: [change(V4, 1, { weak: true })] }, [`claims n2 +${V4} 1`]],
  ['a successor', { changes: [change(V4, 1, { successor: 'n3' })] }, [`claims n2 +${V4} 1 to n3`]],
  ['giving up', { changes: [change(V4, 1, { held: false })] }, [`claims n2 -${V4}`]],
  ['giving up what it never held', { changes: [change(V4_OTHER, 1, { held: false })] }, []],
  ['a slice in which one is missing', { slices: [slice([claimOf(V6)])] }, [`claims n2 -${V4}`]],
  ['a slice of another range', { slices: [slice([], MIDDLE, addressKey('10.99.1.0'))] }, []],
  ['a slice that ends before it', { slices: [slice([], FIRST_KEY, addressKey(V4))] }, []],
  ['a slice that begins with it', { slices: [slice([], addressKey(V4), MIDDLE)] }, [`claims n2 -${V4}`]],
  [
    'a slice with one more',
    { slices: [slice([...HELD, claimOf(V4_OTHER, 4)])] },
    [`claims n2 +${V4_OTHER} 4`],
  ],
];
for (const [what, said, news] of NEWS) {
  test(`of a peer's table, ${what} is ${news.length === 0 ? 'no news' : 'news'}`, () => {
    const { hear } = listen();
    hear(0, hello({ slices: [slice(HELD)] }));
    assert.deepEqual(hear(50, hello(said)), news);
    assert.deepEqual(hear(100, hello({ ...said, slices: [] })), []);
  });
}

test('a slice, which names no successor, does not take back one that a change named; a higher epoch does', () => {
  const { hear } = listen();
  hear(0, hello({ changes: [change(V4, 1, { successor: 'n3' })] }));
  assert.deepEqual(hear(50, hello({ slices: [slice([claimOf(V4, 1)])] })), ['whole n2']);
  assert.deepEqual(hear(100, hello({ slices: [slice([claimOf(V4, 2)])] })), [`claims n2 +${V4} 2`]);
});

test('what a peer witnesses is said when it changes', () => {
  const { hear } = listen();
  const claim = { ...claimOf(V4, 3), node: 'n3', instance: 'c000000000000001' };
  hear(0, hello());
  assert.deepEqual(hear(10, hello({ witnessed: [claim] })), [`witnessed n2 ${V4}`]);
  assert.deepEqual(hear(20, hello({ witnessed: [claim] })), []);
  assert.deepEqual(hear(30, hello()), ['witnessed n2 ']);
  assert.deepEqual(hear(40, hello()), []);
});

test('a table is whole once its ranges, in whatever order they come, leave no gap', () => {
  const cuts = fc.uniqueArray(fc.nat({ max: 255 }), { maxLength: 8 });
  const orders = cuts.chain((list) => {
    const keys = [
      FIRST_KEY,
      ...list.sort((a, b) => a - b).map((byte) => addressKey(`10.0.0.${byte}`)),
      LAST_KEY,
    ];
    const ranges = keys.slice(1).map((to, index) => slice([], keys[index], to));
    return fc.shuffledSubarray(ranges, { minLength: ranges.length });
  });
  fc.assert(
    fc.property(orders, fc.nat({ max: 8 }), (ranges, again) => {
      const { hear } = listen();
      hear(0, hello());
      const [twice] = ranges.slice(again % ranges.length);
      const all = twice === undefined ? ranges : [twice, ...ranges];
      const said = all.map((range, index) => hear(index + 1, hello({ slices: [range] })).length);
      // With the repeated one first, the last new range completes it; one range alone does at once.
      const completing = said.indexOf(1);
      assert.equal(said.filter((count) => count > 0).length, 1);
      const seen = new Set(all.slice(0, completing + 1));
      assert.equal(seen.size, ranges.length);
    }),
    { numRuns: 300 },
  );
});

test('peers beyond the bound are refused and counted; unproven or silent ones make room', () => {
  const { hear, verdicts, ears } = listen();
  const instance = (index: number): string => index.toString(16).padStart(16, '0');
  for (let index = 1; index <= MAX_PEERS; index += 1)
    hear(index, hello({ node: `p${index}`, instance: instance(index), holdMs: 60_000 }));
  assert.equal(ears.provenCount(), MAX_PEERS);
  hear(600, hello({ node: 'late', instance: instance(9_999) }));
  assert.equal(verdicts.at(-1), 'too-many-peers');
  // A flood of made-up nodes that were never proven does not keep a real one out.
  const flooded = listen();
  for (let index = 1; index <= 2 * MAX_PEERS; index += 1)
    flooded.hear(index, hello({ node: `p${index}`, instance: instance(index), hears: [] }));
  flooded.hear(2_000, hello());
  assert.deepEqual([flooded.verdicts.at(-1), flooded.ears.heard()[0]], ['taken', PEER]);
  assert.ok(flooded.ears.heard().length <= MAX_PEERS);
});

test('a peer that claims more than the bound is not taken in beyond it', () => {
  const { ears } = listen();
  let count = 0;
  const news: Input[] = [];
  for (let block = 0; count <= MAX_PEER_CLAIMS + 1_000; block += 1) {
    const claims = Array.from({ length: 256 }, (_, index) =>
      change(`10.${block >> 8}.${block & 255}.${index}`, 1),
    );
    count += claims.length;
    ears.hear(START + block, hello({ changes: claims }), OWN, news);
  }
  const heard = news.reduce(
    (sum, input) => sum + (input.type === 'claims.heard' ? input.claims.length : 0),
    0,
  );
  assert.equal(heard, MAX_PEER_CLAIMS);
});

test('a new birth has heard nobody, and still knows which hellos are replays', () => {
  const { ears, hear, verdicts } = listen();
  const frame = hello();
  hear(0, frame);
  ears.forgetAll();
  assert.deepEqual([ears.heard(), ears.provenCount(), ears.isPeerMac('02:00:00:00:01:02')], [[], 0, false]);
  hear(10, frame);
  assert.equal(verdicts.at(-1), 'replayed');
  assert.deepEqual(hear(20, hello({ hears: [] })), ['heard n2 unproven']);
});

test('what a peer is known to hold can be told again, without what it told before being lost', () => {
  const { ears, hear } = listen();
  hear(0, hello({ slices: [slice([claimOf(V4)])], changes: [change(V4, 1, { successor: 'n3' })] }));
  const news: Input[] = [];
  ears.retell('n2', news);
  ears.retell('n9', news);
  assert.deepEqual(
    news.map((input) => (input.type === 'claims.heard' ? input.claims : input.type)),
    [[{ ...claimOf(V4), successor: 'n3', node: 'n2' }], 'peer.whole'],
  );
});
