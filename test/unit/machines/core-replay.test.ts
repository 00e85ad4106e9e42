// The replay promise: the same checkpoint and the same inputs give the same effects.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CoreCheckpoint, createCore } from '../../../src/machines/core.ts';
import type { Effect } from '../../../src/machines/effects.ts';
import type { Input } from '../../../src/machines/inputs.ts';
import { type RecordedStep, replay } from '../../../src/machines/replay.ts';
import {
  any,
  CLOCK,
  ETH0,
  ETH1,
  loaded,
  RIVAL,
  reborn,
  rival,
  START,
  V4,
  V4_OTHER,
  V6,
} from '../../support/core.ts';

const ips = fc.constantFrom(V4, V4_OTHER, V6);
const serviceIp = fc.record(
  {
    ip: ips,
    nodes: fc.constantFrom(null, ['n1'], ['n2']),
    interfaces: fc.constantFrom(null, null, ['eth0'], ['eth1']),
  },
  { noNullPrototype: true },
);
const configs: fc.Arbitrary<Input> = fc
  .record(
    {
      serviceIPs: fc.uniqueArray(serviceIp, { selector: ({ ip }) => ip }),
      serve: fc.constantFrom('host', 'none'),
      probe: fc.constantFrom('off', 'quick', 'full'),
      drain: fc.constantFrom(
        { windowMs: 120_000, quietMs: 10_000, style: 'prompt' } as const,
        { windowMs: 500, quietMs: 0, style: 'patient' } as const,
      ),
    },
    { noNullPrototype: true },
  )
  .map((over) => loaded(over));
const links: fc.Arbitrary<Input> = fc
  .tuple(fc.constantFrom(ETH0, ETH1), fc.boolean(), fc.constantFrom('02:00:00:00:00:01', '02:00:00:00:00:77'))
  .map(([fact, up, mac]) => ({ type: 'interface.changed', interface: { ...fact, up, mac } }));
const inputs: fc.Arbitrary<Input> = fc.oneof(
  { weight: 2, arbitrary: configs },
  { weight: 2, arbitrary: links },
  {
    weight: 1,
    arbitrary: fc.constantFrom('eth0', 'eth1').map((name) => ({ type: 'interface.gone', name }) as const),
  },
  {
    weight: 4,
    arbitrary: fc
      .subarray([V4, V4_OTHER, V6])
      .map((list) => ({ type: 'addresses.confirmed', ips: list }) as const),
  },
  {
    weight: 3,
    arbitrary: fc
      .subarray([V4, V4_OTHER, V6])
      .map((list) => ({ type: 'addresses.probed', ips: list }) as const),
  },
  { weight: 1, arbitrary: ips.map((ip) => ({ type: 'address.failed', ip, code: 'EPERM' }) as const) },
  {
    weight: 3,
    arbitrary: fc.tuple(ips, fc.constantFrom('eth0', 'eth1')).map(([ip, name]) => rival(ip, RIVAL, name)),
  },
  { weight: 3, arbitrary: fc.constant(CLOCK) },
  { weight: 1, arbitrary: fc.integer({ min: 2, max: 5 }).map((index) => reborn('test', index)) },
  { weight: 1, arbitrary: fc.constant({ type: 'source.failed', source: 's', reason: 'r' } as const) },
);
const waits = fc.oneof(
  fc.constant(0),
  fc.integer({ min: -50_000, max: 2_000_000 }).map((us) => us / 1000),
  fc.integer({ min: 0, max: 60_000 }),
);
const stories = fc.array(fc.tuple(waits, inputs), { minLength: 1, maxLength: 60 }).map((list) => {
  let at = START;
  const early: [number, Input][] = [
    [START, loaded({ serviceIPs: [any(V4), any(V6)] })],
    [START, { type: 'interface.changed', interface: ETH0 }],
  ];
  const rest = list.map(([wait, input]): [number, Input] => {
    at += wait;
    return [at, input];
  });
  return [...early, ...rest];
});
const written = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

test('going on from a checkpoint, written and read, is the same as never having stopped', () => {
  fc.assert(
    fc.property(stories, fc.nat({ max: 61 }), (story, cut) => {
      const going = createCore();
      let restored: ReturnType<typeof createCore> | null = null;
      for (const [index, [at, input]] of story.entries()) {
        if (index === Math.min(cut, story.length - 1)) restored = createCore(written(going.checkpoint()));
        const effects = going.step(at, input);
        if (restored === null) continue;
        assert.deepEqual(restored.step(at, written(input)), effects);
        assert.equal(restored.nextDeadline(), going.nextDeadline());
        assert.deepEqual(restored.view(), going.view());
      }
      assert.deepEqual(restored?.checkpoint(), going.checkpoint());
    }),
    { numRuns: 1_000 },
  );
});

test('a checkpoint is JSON: what is read back is what was written', () => {
  fc.assert(
    fc.property(stories, (story) => {
      const core = createCore();
      for (const [at, input] of story) core.step(at, input);
      const checkpoint = core.checkpoint();
      assert.deepEqual(written(checkpoint), checkpoint);
      assert.deepEqual(createCore(written(checkpoint)).checkpoint(), checkpoint);
    }),
    { numRuns: 300 },
  );
});

test('a checkpoint is a picture, not a window: later steps do not change it', () => {
  const core = createCore();
  core.step(START, loaded({ serviceIPs: [any(V4), any(V6)] }));
  core.step(START, { type: 'interface.changed', interface: ETH0 });
  const checkpoint = core.checkpoint();
  const text = JSON.stringify(checkpoint);
  core.step(START + 60_000, CLOCK);
  core.step(START + 60_000, { type: 'addresses.confirmed', ips: [V4, V6] });
  assert.equal(JSON.stringify(checkpoint), text);
});

// Whatever happens, what is promised of every state holds.
test('only a leader is answered for, the host has what is led, and nothing is left of what is not configured', () => {
  fc.assert(
    fc.property(stories, (story) => {
      const core = createCore();
      const answered = new Set<string>();
      const addresses = new Set<string>();
      const groups = new Map<string, string>();
      for (const [at, input] of story) {
        // Changing who serves is a matter of its own (core.test.ts).
        const given: Input =
          input.type === 'config.loaded' ? { ...input, config: { ...input.config, serve: 'host' } } : input;
        // A refusal means something for a candidate only: the host's word about what is served came before.
        const isCandidate = (ip: string) =>
          core.view().serviceIPs.some((view) => view.ip === ip && view.state === 'candidate');
        if (given.type === 'address.failed' && isCandidate(given.ip)) addresses.delete(given.ip);
        for (const effect of core.step(at, given).filter(core.wants)) {
          if (effect.type === 'answer.start') answered.add(effect.ip);
          if (effect.type === 'answer.stop') answered.delete(effect.ip);
          if (effect.type === 'address.add') addresses.add(effect.ip);
          if (effect.type === 'address.remove') addresses.delete(effect.ip);
          if (effect.type === 'group.join') groups.set(effect.ip, effect.interface);
          if (effect.type === 'group.leave') groups.delete(effect.ip);
        }
        const view = core.view();
        const leaders = view.serviceIPs.filter(({ state }) => state === 'leader').map(({ ip }) => ip);
        assert.deepEqual([...answered].sort(), leaders.sort());
        for (const ip of leaders) assert.ok(addresses.has(ip), `${ip} is led and not served`);
        for (const { ip, state } of view.serviceIPs) {
          if (state === 'unowned') assert.ok(!addresses.has(ip), `${ip} is unowned and still served`);
        }
        const known = new Set(view.serviceIPs.map(({ ip }) => ip));
        for (const ip of [...groups.keys(), ...addresses])
          assert.ok(known.has(ip), `${ip} is configured no more`);
        for (const name of groups.values()) assert.ok(view.interfaces.some((fact) => fact.name === name));
        const next = core.nextDeadline();
        assert.ok(next === null || next >= core.now(), 'a deadline was passed over');
      }
    }),
    { numRuns: 500 },
  );
});

const record = (
  story: readonly (readonly [number, Input])[],
): { checkpoint: CoreCheckpoint; steps: RecordedStep[] } => {
  const core = createCore();
  const checkpoint = core.checkpoint();
  const steps = story.map(([at, input]) => {
    const effects: Effect[] = core.step(at, input);
    return { at, input, effects: effects.length === 0 ? null : effects };
  });
  return { checkpoint, steps };
};
const STORY: readonly (readonly [number, Input])[] = [
  [START, loaded({ serviceIPs: [any(V4)] })],
  [START, { type: 'interface.changed', interface: ETH0 }],
  [START + 250, CLOCK],
  [START + 260, { type: 'addresses.confirmed', ips: [V4] }],
  [START + 900, { type: 'interface.gone', name: 'eth0' }],
];

test('a replay of what was recorded is identical, and counts its transitions', () => {
  const { checkpoint, steps } = record(STORY);
  const { divergence, inputs: count, transitions } = replay(written(checkpoint), written(steps), false);
  assert.deepEqual([divergence, count, transitions], [null, 5, 3]);
});

test('a replay names the first step that went differently, with both sides', () => {
  const { checkpoint, steps } = record(STORY);
  const changed = steps.map((step, index) =>
    index === 3 ? { ...step, effects: [{ type: 'exit' } as const] } : step,
  );
  const { divergence } = replay(checkpoint, changed, false);
  assert.deepEqual(
    [divergence?.step, divergence?.recorded, divergence?.replayed.length],
    [3, [{ type: 'exit' }], 3],
  );
  const silent = steps.map((step, index) => (index === 4 ? { ...step, effects: null } : step));
  assert.equal(replay(checkpoint, silent, false).divergence?.step, 4);
});

test('effects missing at the very end of a record that was cut are no divergence; those before are', () => {
  const { checkpoint, steps } = record(STORY);
  const cut = (from: number) =>
    steps.map((step, index) => (index >= from ? { ...step, effects: null } : step));
  assert.equal(replay(checkpoint, cut(3), true).divergence, null);
  const hole = steps.map((step, index) => (index === 3 ? { ...step, effects: null } : step));
  assert.equal(replay(checkpoint, hole, true).divergence?.step, 3);
});
