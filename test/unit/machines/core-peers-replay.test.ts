// The replay promise with peers: from a checkpoint taken at any point of any story of several nodes, the same
// inputs give the same effects.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createCore } from '../../../src/machines/core.ts';
import { instanceOn } from '../../../src/machines/hello.ts';
import type { Input, PeerClaim, PeerFact } from '../../../src/machines/inputs.ts';
import { any, CLOCK, ETH0, ETH1, loaded, reborn, START, V4, V4_OTHER, V6 } from '../../support/core.ts';
import {
  BIRTH,
  claim,
  claimed,
  DRAINED,
  heard,
  LEAVING,
  LISTENING,
  peerFact,
  READY,
  started,
} from '../../support/peers.ts';
import { birthOf } from '../../support/wire-step.ts';

const ips = fc.constantFrom(V4, V4_OTHER, V6);
const names = fc.constantFrom('n2', 'n3', 'n4');
const interfaces = fc.constantFrom('eth0', 'eth0', 'eth0', 'eth1');
const births = fc.constantFrom(1, 1, 1, 2);
const instances = (on: string): readonly string[] => [
  instanceOn(BIRTH, on),
  instanceOn('0000000000000002', on),
  ...['n2', 'n3', 'n4'].map((name) => instanceOn(birthOf(name, 1), on)),
];

const who = fc
  .tuple(names, interfaces, births)
  .map(([node, on, birth]) => ({ node, interface: on, instance: instanceOn(birthOf(node, birth), on) }));
const facts: fc.Arbitrary<PeerFact> = fc
  .tuple(
    who,
    fc.constantFrom(true, true, true, false),
    fc.constantFrom(READY, READY, LISTENING, DRAINED, LEAVING),
    fc.subarray([0, 1, 2, 3, 4]),
    fc.boolean(),
    fc.constantFrom(200, 200, 60),
  )
  .map(([peer, proven, flags, hears, isMine, holdMs]) =>
    peerFact(peer.node, {
      ...peer,
      proven,
      flags,
      holdMs,
      hears: instances(peer.interface).filter((_, index) => hears.includes(index) || (index === 0 && isMine)),
    }),
  );
const claims = (node: string): fc.Arbitrary<PeerClaim> =>
  fc.record(
    {
      ip: ips,
      node: fc.constant(node),
      epoch: fc.integer({ min: 1, max: 6 }),
      weak: fc.boolean(),
      successor: fc.constantFrom(null, null, 'n1', 'n3'),
    },
    { noNullPrototype: true },
  );
const news: fc.Arbitrary<Input> = fc.oneof(
  { weight: 6, arbitrary: facts.map((peer) => ({ type: 'peer.heard', peer }) as const) },
  {
    weight: 3,
    arbitrary: who.map((peer) => ({ type: 'peer.late', ...peer, lastHeardAt: START }) as const),
  },
  { weight: 2, arbitrary: who.map((peer) => ({ type: 'peer.back', ...peer }) as const) },
  { weight: 4, arbitrary: who.map((peer) => ({ type: 'peer.whole', ...peer }) as const) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(who, fc.subarray([V4, V4_OTHER, V6]))
      .chain(([{ node, interface: on }, released]) =>
        fc
          .array(claims(node), { maxLength: 3 })
          .map((list) => ({ type: 'claims.heard', interface: on, node, claims: list, released }) as const),
      ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(who, fc.array(fc.tuple(who, ips, fc.integer({ min: 1, max: 6 })), { maxLength: 2 }))
      .map(
        ([peer, list]) =>
          ({
            type: 'claims.witnessed',
            interface: peer.interface,
            node: peer.node,
            claims: list.map(([{ node, instance }, ip, epoch]) => ({
              ip,
              node,
              instance,
              epoch,
              weak: false,
            })),
          }) as const,
      ),
  },
);
const orders: fc.Arbitrary<Input> = fc.oneof(
  fc.constant({ type: 'drain.requested', ips: null, to: null } as const),
  fc
    .tuple(ips, fc.constantFrom(null, 'n2', 'n9'))
    .map(([ip, to]) => ({ type: 'drain.requested', ips: [ip], to }) as const),
  fc.constant({ type: 'undrain.requested' } as const),
  fc.constant({ type: 'stop.requested', reason: 'test' } as const),
);
const world: fc.Arbitrary<Input> = fc.oneof(
  fc.constant(CLOCK),
  fc.subarray([V4, V4_OTHER, V6]).map((list) => ({ type: 'addresses.confirmed', ips: list }) as const),
  fc.subarray([V4, V4_OTHER, V6]).map((list) => ({ type: 'addresses.probed', ips: list }) as const),
  fc.boolean().map((up) => ({ type: 'interface.changed', interface: { ...ETH0, up } }) as const),
  fc.constant({ type: 'interface.changed', interface: ETH1 } as const),
  fc.constant({ type: 'interface.gone', name: 'eth1' } as const),
  ips.map((ip) => ({ type: 'rival.heard', ip, interface: 'eth0', mac: '02:00:00:00:01:02' }) as const),
  fc.constant(reborn('test')),
  fc.constantFrom('quick', 'off').map((probe) => loaded({ serviceIPs: [any(V4), any(V6)], probe })),
);
const inputs = fc.oneof(
  { weight: 12, arbitrary: news },
  { weight: 6, arbitrary: world },
  { weight: 1, arbitrary: orders },
);
const waits = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 60_000 }).map((us) => us / 1000) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 400 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 15_000 }) },
);
const stories = fc.array(fc.tuple(waits, inputs), { minLength: 1, maxLength: 60 }).map((list) => {
  let at = START;
  const early: [number, Input][] = [
    [START, started()],
    [START, loaded({ serviceIPs: [any(V4), any(V4_OTHER), any(V6)] })],
    [START, { type: 'interface.changed', interface: ETH0 }],
  ];
  const rest = list.map(([wait, input]): [number, Input] => {
    at += wait;
    // Late since an interval or two ago, as the wire step would say it.
    return [at, input.type === 'peer.late' ? { ...input, lastHeardAt: at - 100 } : input];
  });
  return [...early, ...rest];
});
/** A checkpoint in the middle of a life with peers, of which one is deaf. */
const AMONG_DEAF: readonly Input[] = [
  started(),
  loaded({ serviceIPs: [any(V4)] }),
  { type: 'interface.changed', interface: ETH0 },
  heard('n3'),
  heard('n2', { hears: [] }),
  claimed('n2', claim('n2', V4, 3)),
];
const written = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

test('with peers too, going on from a checkpoint, written and read, is the same as never having stopped', () => {
  fc.assert(
    fc.property(stories, fc.nat({ max: 62 }), (story, cut) => {
      const going = createCore();
      let restored: ReturnType<typeof createCore> | null = null;
      for (const [index, [at, input]] of story.entries()) {
        if (index === Math.min(cut, story.length - 1)) {
          restored = createCore(written(going.checkpoint()));
          assert.deepEqual(restored.view(), going.view());
        }
        const effects = going.step(at, input);
        if (restored === null) continue;
        assert.deepEqual(restored.step(at, written(input)), effects);
        assert.equal(restored.nextDeadline(), going.nextDeadline());
        assert.deepEqual(restored.view(), going.view());
      }
      assert.deepEqual(restored?.checkpoint(), going.checkpoint());
    }),
    { numRuns: 3_000 },
  );
});

test('who is deaf is still known after a restore: it depends on the instance that peers list', () => {
  const core = createCore();
  for (const input of AMONG_DEAF) core.step(START, input);
  assert.equal(core.view().serviceIPs[0]?.holder, null);
  assert.deepEqual(createCore(written(core.checkpoint())).view(), core.view());
});

test('with peers too, a checkpoint is JSON, and a picture that later steps do not change', () => {
  fc.assert(
    fc.property(stories, (story) => {
      const core = createCore();
      const half = story.length >> 1;
      for (const [at, input] of story.slice(0, half)) core.step(at, input);
      const checkpoint = core.checkpoint();
      const text = JSON.stringify(checkpoint);
      assert.deepEqual(written(checkpoint), checkpoint);
      for (const [at, input] of story.slice(half)) core.step(at, input);
      assert.equal(JSON.stringify(checkpoint), text);
    }),
    { numRuns: 300 },
  );
});

test('whatever peers say, a node answers for what it leads and nothing else, and no deadline is passed over', () => {
  fc.assert(
    fc.property(stories, (story) => {
      const core = createCore();
      const answered = new Set<string>();
      for (const [at, input] of story) {
        if (input.type === 'wire.reborn') answered.clear();
        for (const effect of core.step(at, input).filter(core.wants)) {
          if (effect.type === 'answer.start') answered.add(effect.ip);
          if (effect.type === 'answer.stop') answered.delete(effect.ip);
        }
        const led = core.view().serviceIPs.filter(({ state }) => state === 'leader');
        assert.deepEqual([...answered].sort(), led.map(({ ip }) => ip).sort());
        const next = core.nextDeadline();
        assert.ok(next === null || next >= core.now(), 'a deadline was passed over');
      }
    }),
    { numRuns: 500 },
  );
});

test('with no input at all the core comes to rest: it never asks to be woken again and again for nothing', () => {
  fc.assert(
    fc.property(stories, (story) => {
      const core = createCore();
      for (const [at, input] of story) core.step(at, input);
      for (let wakes = 0; wakes < 200; wakes += 1) {
        const next = core.nextDeadline();
        if (next === null) return;
        core.step(next, CLOCK);
        assert.notEqual(core.nextDeadline(), next, 'the same deadline again');
      }
      assert.fail('200 deadlines, one after the other, and still another');
    }),
    { numRuns: 300 },
  );
});
