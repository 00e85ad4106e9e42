// Two cores through one record: the same where nothing differs, and else what the other would have done.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CoreConfig } from '../../../src/machines/config.ts';
import { createCore } from '../../../src/machines/core.ts';
import type { Input, StampedInput } from '../../../src/machines/inputs.ts';
import { createSideBySide } from '../../../src/machines/side-by-side.ts';
import { diffTransitions } from '../../../src/machines/transition-diff.ts';
import { createTranslation } from '../../../src/machines/what-if.ts';
import { CLOCK, confirmed, link, loaded, START, V4 } from '../../support/core.ts';

const at = (ms: number, input: Input): StampedInput => ({ at: START + ms, input });
const N2 = {
  interface: 'eth0',
  node: 'n2',
  instance: '2222222222222222',
  mac: '02:00:00:00:00:02',
  proven: true,
  intervalMs: 50,
  holdMs: 200,
  flags: { starting: false, ready: true, leaving: false },
  subnets: [{ ip: '10.99.0.2', length: 24 }],
  hears: ['8787878787878787'],
} as const;
const { interface: name, node, instance } = N2;

/** n2 holds the IP, falls silent at 1,000 ms, and is heard again at `back`, if at all; the host takes 3 ms. */
const story = (back: number | null, takenAt: number): readonly StampedInput[] => [
  at(0, link()),
  at(0, loaded()),
  at(10, { type: 'peer.heard', peer: N2 }),
  at(10, { type: 'peer.whole', interface: name, node, instance }),
  at(12, {
    type: 'claims.heard',
    interface: name,
    node,
    claims: [{ ip: V4, node, epoch: 1, weak: false, successor: null }],
    released: [],
  }),
  at(300, CLOCK),
  at(1_100, { type: 'peer.late', interface: name, node, instance, lastHeardAt: START + 1_000 }),
  ...(back === null ? [] : [at(back, { type: 'peer.back', interface: name, node, instance })]),
  at(takenAt, CLOCK),
  at(takenAt + 3, confirmed(V4)),
  at(5_000, CLOCK),
];

const compare = (steps: readonly StampedInput[], over: (config: CoreConfig) => CoreConfig) => {
  const sides = createSideBySide({
    was: createCore(),
    now: createCore(),
    translate: createTranslation({ config: over }, null),
  });
  const differing = steps.filter(({ at: when, input }, index) => !sides.input(String(index), when, input));
  return { sides, differing, differences: diffTransitions(sides.was, sides.now) };
};

const deadAfter =
  (deadAfterMs: number) =>
  (config: CoreConfig): CoreConfig => ({ ...config, heartbeat: { ...config.heartbeat, deadAfterMs } });

test('the same configuration does the same', () => {
  const { sides, differing, differences } = compare(story(null, 1_200), (config) => config);
  assert.deepEqual([differences, differing, sides.madeUp], [[], [], 0]);
  assert.equal(sides.was.length, 2);
});

test('with a longer deadAfter the takeover comes that much later, and the host answers at its recorded pace', () => {
  const { sides, differences } = compare(story(null, 1_200), deadAfter(500));
  assert.deepEqual(
    differences.map(({ kind, was, now }) => [kind, now?.to, (now?.at ?? 0) - (was?.at ?? 0)]),
    [
      ['time', 'candidate', 300],
      ['time', 'leader', 300],
    ],
  );
  assert.equal(sides.madeUp, 1);
});

test('with a deadAfter longer than the silence the takeover would not have come', () => {
  const { differences } = compare(story(1_400, 1_200), deadAfter(500));
  assert.deepEqual(
    differences.map(({ kind, was }) => [kind, was?.to]),
    [
      ['missing', 'candidate'],
      ['missing', 'leader'],
    ],
  );
});

test('with a shorter one it comes earlier, and what the host confirmed later is not taken for its answer', () => {
  const slow = (config: CoreConfig): CoreConfig => ({
    ...config,
    heartbeat: { intervalMs: 50, deadAfterMs: 400 },
  });
  // Recorded with 400 ms: the peer says so as well.
  const recorded = story(null, 1_400).map(({ at: when, input }) => {
    if (input.type === 'config.loaded') return { at: when, input: { ...input, config: slow(input.config) } };
    if (input.type === 'peer.heard') return { at: when, input: { ...input, peer: { ...N2, holdMs: 400 } } };
    return { at: when, input };
  });
  const { differences } = compare(recorded, deadAfter(200));
  assert.deepEqual(
    differences.map(({ kind, was, now }) => [kind, now?.to, (now?.at ?? 0) - (was?.at ?? 0)]),
    [
      ['time', 'candidate', -200],
      // The pace was not known yet: 2 ms instead of 3.
      ['time', 'leader', -201],
    ],
  );
});

const transition = (ms: number, to: 'leader' | 'unowned', cause = 'unclaimed') => ({
  at: ms,
  ip: V4,
  from: to === 'leader' ? ('unowned' as const) : ('leader' as const),
  to,
  epoch: 1,
  cause,
  reason: '',
  ref: '1',
});

test('transitions are compared with their counterparts, whatever came in between', () => {
  const was = [transition(1, 'leader'), transition(5, 'unowned'), transition(9, 'leader')];
  const now = [transition(1, 'leader'), transition(9, 'unowned', 'outbid')];
  assert.deepEqual(
    diffTransitions(was, now).map(({ kind, was: then }) => [kind, then?.at]),
    [
      ['cause', 5],
      ['missing', 9],
    ],
  );
  assert.deepEqual(
    diffTransitions(now, was).map(({ kind, now: since }) => [kind, since?.at]),
    [
      ['cause', 5],
      ['added', 9],
    ],
  );
});

test('a history of thousands of transitions is compared in pieces', () => {
  const long = Array.from({ length: 3_000 }, (_, index) =>
    transition(index, index % 2 === 0 ? 'leader' : 'unowned'),
  );
  assert.deepEqual(diffTransitions(long, long), []);
  const late = long.map((each) => (each.at === 2_000 ? { ...each, at: 2_000.5 } : each));
  assert.deepEqual(
    diffTransitions(long, late).map(({ kind }) => kind),
    ['time'],
  );
});
