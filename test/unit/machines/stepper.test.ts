import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AnyStateMachine, assign, cancel, initialTransition, raise, setup, transition } from 'xstate';
import { serviceIpMachine } from '../../../src/machines/service-ip.ts';
import { createStepper, type Stepped } from '../../../src/machines/stepper.ts';

/** What xstate's own pure functions say, in the shape of our stepper. */
const officially = (
  actions: readonly { type: string; params?: unknown }[],
): Pick<Stepped<unknown, unknown>, 'actions' | 'delays'> => {
  const named = actions.filter(({ type }) => !type.startsWith('xstate.'));
  return {
    actions: named.map(({ type, params }) => ({ type, params: (params ?? {}) as Record<string, unknown> })),
    delays: actions.flatMap(({ type, params }): Stepped<unknown, unknown>['delays'] => {
      if (type === 'xstate.cancel') return [{ cancel: (params as { sendId: string }).sendId }];
      if (type !== 'xstate.raise') return [];
      const { id, event, delay } = params as { id: string; event: unknown; delay?: number };
      return delay === undefined ? [] : [{ start: { id, event, delayMs: delay } }];
    }),
  };
};

const holdEqual = (machine: AnyStateMachine, input: unknown, events: readonly { type: string }[]): void => {
  const stepper = createStepper(machine);
  let ours = stepper.initial(input);
  let [theirs, actions] = initialTransition(machine, input as never);
  for (const event of [null, ...events]) {
    if (event !== null) {
      ours = stepper.step(ours.snapshot, event);
      [theirs, actions] = transition(machine, theirs, event);
    }
    assert.deepEqual(ours.snapshot.value, theirs.value);
    assert.deepEqual(ours.snapshot.context, theirs.context);
    assert.equal(ours.snapshot.status, theirs.status);
    assert.deepEqual({ actions: ours.actions, delays: ours.delays }, officially(actions));
  }
};

const policies = fc.record({
  serve: fc.constantFrom('host', 'none'),
  drainWindowMs: fc.constantFrom(0, 120_000),
  drainQuietMs: fc.constantFrom(0, 10_000),
});
const serviceIpEvents = fc.oneof(
  fc.record({
    type: fc.constant('TAKE'),
    interface: fc.constantFrom('eth0', 'eth1'),
    epoch: fc.nat({ max: 9 }),
    weak: fc.boolean(),
    probeMs: fc.constantFrom(0, 1_000),
    probeDelayMs: fc.constantFrom(0, 0.3),
  }),
  fc.record({ type: fc.constant('POLICY'), policy: policies }),
  fc.record({
    type: fc.constantFrom(
      ...[
        'ADDRESS_CONFIRMED',
        'ADDRESS_FAILED',
        'CONFLICT',
        'OUTBID',
        'WITHDRAW',
        'STRENGTHEN',
        'REANNOUNCE',
      ],
      ...['CARRIED', 'PROBE_DUE', 'BACKOFF_DUE', 'DEFEND_DUE', 'QUIET_DUE', 'WINDOW_DUE', 'UNHEARD_OF'],
    ),
  }),
);

test('the service IP machine steps as xstate itself steps it, over any sequence of events', () => {
  fc.assert(
    fc.property(policies, fc.array(serviceIpEvents, { maxLength: 40 }), (policy, events) => {
      holdEqual(serviceIpMachine, { ip: '10.99.0.100', policy }, events);
    }),
    { numRuns: 300 },
  );
});

// What the service IP machine has not: parallel regions, params, a final state, a raise within the step, an
// `always` with a context guard, entry effects of the initial state, re-entry.
const oddMachine = setup({
  types: {} as {
    context: { count: number };
    events:
      | { type: 'ADD'; by: number }
      | { type: 'KICK' }
      | { type: 'AGAIN' }
      | { type: 'END' }
      | { type: 'DUE' };
    input: { from: number };
  },
  actions: { say: (_, _params: { text: string; count: number }) => {} },
  guards: { isMany: ({ context }) => context.count > 5 },
  delays: { long: ({ context }) => context.count * 10 },
}).createMachine({
  context: ({ input }) => ({ count: input.from }),
  type: 'parallel',
  states: {
    counter: {
      initial: 'few',
      entry: { type: 'say', params: ({ context }) => ({ text: 'born', count: context.count }) },
      states: {
        few: {
          always: { guard: 'isMany', target: 'many' },
          on: { ADD: { actions: assign({ count: ({ context, event }) => context.count + event.by }) } },
        },
        many: {
          entry: [raise({ type: 'KICK' }), raise({ type: 'DUE' }, { delay: 'long', id: 'due' })],
          exit: cancel('due'),
          on: {
            DUE: 'few',
            AGAIN: { target: 'many', reenter: true },
            ADD: { actions: { type: 'say', params: ({ event }) => ({ text: 'more', count: event.by }) } },
            END: { target: 'few', actions: assign({ count: 0 }) },
          },
        },
      },
    },
    switch: {
      initial: 'off',
      states: {
        off: { on: { KICK: 'on' } },
        on: { on: { KICK: 'off', END: 'over' } },
        over: { type: 'final' },
      },
    },
  },
});

test('a machine with parallel states, params and raised events steps as xstate itself steps it', () => {
  const events = fc.oneof(
    fc.record({ type: fc.constant('ADD'), by: fc.integer({ min: -2, max: 4 }) }),
    fc.record({ type: fc.constantFrom('KICK', 'AGAIN', 'END', 'DUE') }),
  );
  fc.assert(
    fc.property(fc.nat({ max: 8 }), fc.array(events, { maxLength: 30 }), (from, list) => {
      holdEqual(oddMachine, { from }, list);
    }),
    { numRuns: 300 },
  );
});

const brittle = setup({
  types: {} as { context: { n: number }; events: { type: 'GUARD' } | { type: 'ASSIGN' } | { type: 'ADD' } },
  actions: { shout: () => {} },
}).createMachine({
  context: { n: 1 },
  on: {
    GUARD: {
      actions: 'shout',
      guard: () => {
        throw new Error('the guard broke');
      },
    },
    ASSIGN: {
      actions: [
        'shout',
        assign({ n: 2 }),
        assign({
          n: () => {
            throw new Error('the assign broke');
          },
        }),
      ],
    },
    ADD: { actions: assign({ n: ({ context }) => context.n + 1 }) },
  },
});

for (const [type, message] of [
  ['GUARD', /guard broke/],
  ['ASSIGN', /assign broke/],
] as const) {
  test(`a throwing ${type.toLowerCase()} throws, and leaves the old snapshot and the next step intact`, () => {
    const stepper = createStepper(brittle);
    const { snapshot } = stepper.initial({} as never);
    assert.throws(() => stepper.step(snapshot, { type }), message);
    assert.deepEqual([snapshot.status, snapshot.context], ['active', { n: 1 }]);
    const after = stepper.step(snapshot, { type: 'ADD' });
    assert.deepEqual([after.snapshot.context, after.actions, after.delays], [{ n: 2 }, [], []]);
  });
}

test('a context factory that throws is an exception, not a half-born machine', () => {
  const stillborn = setup({ types: {} as { context: { n: number }; input: { n: number } } }).createMachine({
    context: ({ input }) => {
      if (input.n === 1) throw new Error('no context');
      return { n: 1 };
    },
  });
  assert.throws(() => createStepper(stillborn).initial({ n: 1 }), /no context/);
});

test('an event that means nothing returns the same snapshot, by reference', () => {
  const stepper = createStepper(brittle);
  const { snapshot } = stepper.initial({} as never);
  assert.equal(stepper.step(snapshot, { type: 'NOBODY' } as never).snapshot, snapshot);
});
