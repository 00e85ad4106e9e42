import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY, Subject, VirtualTimeScheduler } from 'rxjs';
import { createCore } from '../../../src/machines/core.ts';
import type { Effect } from '../../../src/machines/effects.ts';
import type { StampedInput } from '../../../src/machines/inputs.ts';
import type { Fact } from '../../../src/streams/facts.ts';
import { createRuntime, effectsOf } from '../../../src/streams/runtime.ts';
import {
  CLOCK,
  confirmed,
  ETH0,
  LISTENED,
  link,
  loaded,
  RIVAL,
  rival,
  START,
  V4,
} from '../../support/core.ts';
import { createTurns } from './turns.ts';

const live = (deliver: (wire: Subject<Fact>) => void = () => {}) => {
  const turns = createTurns();
  const time = new VirtualTimeScheduler(undefined, Number.POSITIVE_INFINITY);
  const log: string[] = [];
  const journaled: StampedInput[] = [];
  const real = createCore();
  const core = {
    ...real,
    step: (at: number, input: StampedInput['input']) => {
      log.push(`step ${input.type}`);
      return real.step(at, input);
    },
  };
  const journal = {
    appendInputs: (inputs: readonly StampedInput[]) => {
      log.push(`journal ${inputs.map(({ input }) => input.type).join(' ')}`);
      journaled.push(...inputs);
    },
    appendEffects: (n: number, effects: readonly Effect[]) => {
      if (effects.length > 0) log.push(`journal effects of ${n}`);
    },
    nextNumber: () => journaled.length + 1,
    settle: () => log.push('settle'),
  };
  const wire = new Subject<Fact>();
  const config = new Subject<Fact>();
  const performed: Effect[] = [];
  const runtime = createRuntime({
    core,
    journal,
    now: () => START + time.now(),
    sources: { wire, config, idle: EMPTY },
    turns: turns.scheduler,
    time,
    deliver: () => {
      log.push('deliver');
      deliver(wire);
    },
  });
  runtime.effects$.subscribe((effects) => {
    log.push(`perform ${effects.map(({ type }) => type).join(' ')}`);
    performed.push(...effects);
  });
  runtime.start();
  /** Lets virtual time run until `ms`, one alarm at a time. */
  const until = (ms: number): void => {
    time.maxFrames = ms;
    time.flush();
    turns.run();
  };
  const hear = (input: Fact['input'], at?: number): void =>
    wire.next(at === undefined ? { input } : { at: START + at, input });
  return { runtime, core: real, turns, time, log, journaled, performed, until, hear, wire, config };
};

test('in a turn sources deliver, the journal has every input before the first step, effects leave last', () => {
  const { log, hear, turns } = live();
  hear(link());
  hear(loaded({ serve: 'none' }));
  turns.run();
  assert.deepEqual(log.slice(0, 4), [
    'deliver',
    'journal interface.changed config.loaded',
    'step interface.changed',
    'step config.loaded',
  ]);
  assert.deepEqual(log.at(-1), 'settle');
  assert.ok(
    log.findIndex((line) => line.startsWith('perform')) >
      log.findLastIndex((line) => line.startsWith('step')),
  );
});

test('a deadline of the core becomes a clock fact at that time, and the IP is led', () => {
  const node = live();
  node.hear(link());
  node.hear(loaded({ serve: 'none' }));
  node.turns.run();
  node.until(LISTENED - 1);
  assert.equal(node.core.view().serviceIPs[0]?.state, 'unowned');
  node.until(LISTENED);
  assert.equal(node.core.view().serviceIPs[0]?.state, 'leader');
  assert.deepEqual(node.journaled.at(-1), { at: START + LISTENED, input: CLOCK });
});

test('news that waited is stepped before the timer that is due: silence is never assumed too early', () => {
  let isLate = false;
  const node = live((wire) => {
    if (isLate) wire.next({ at: START + 100, input: link({ up: false }) });
    isLate = false;
  });
  node.hear(link());
  node.hear(loaded({ serve: 'none' }));
  node.turns.run();
  isLate = true;
  node.until(LISTENED + 5);
  const tail = node.journaled.slice(-2).map(({ at, input }) => [at - START, input.type]);
  assert.deepEqual(tail[0], [100, 'interface.changed']);
  assert.deepEqual([tail[1]?.[1], node.core.view().serviceIPs[0]?.state], ['clock', 'unowned']);
});

test('a stamp older than the logical clock is raised to it, and so journaled', () => {
  const node = live();
  node.hear(link(), 500);
  node.turns.run();
  node.hear(rival(V4), 100);
  node.hear(rival(V4), 700);
  node.turns.run();
  assert.deepEqual(
    node.journaled.map(({ at }) => at - START),
    [500, 500, 700],
  );
  assert.equal(node.core.now(), START + 700);
});

test('the batch is stepped in the order of its stamps, whichever source was quicker', () => {
  const node = live();
  node.hear(rival(V4), 300);
  node.config.next({ at: START + 100, input: loaded() });
  node.hear(link(), 200);
  node.turns.run();
  assert.deepEqual(
    node.journaled.map(({ input }) => input.type),
    ['config.loaded', 'interface.changed', 'rival.heard'],
  );
});

test('of a level only the newest word is stepped', () => {
  const node = live();
  node.hear(link({ prefixes: [] }));
  node.hear(link());
  node.config.next({ input: loaded() });
  node.config.next({ input: loaded({ serve: 'none' }) });
  node.turns.run();
  assert.equal(node.journaled.length, 2);
  assert.deepEqual(node.core.view().interfaces, [ETH0]);
  assert.equal(node.core.view().at, START);
});

test('a link that is another device, has another MAC or has flapped is no mere newer word', () => {
  const node = live();
  for (const over of [{}, { index: 9 }, { mac: RIVAL }, { up: false }, {}]) node.hear(link(over));
  node.turns.run();
  // The last word equals the first: it replaces that one, in its place.
  assert.equal(node.journaled.length, 4);
});

// Issue 3: "a link that returns … re-announces at once and re-joins its groups".
test('a link that went down and came back within one turn is still announced again', () => {
  const node = live();
  node.hear(link());
  node.hear(loaded({ serve: 'none' }));
  node.turns.run();
  node.until(LISTENED);
  node.performed.length = 0;
  node.hear(link({ up: false }));
  node.hear(link({ up: true }));
  node.turns.run();
  assert.ok(
    node.performed.some(({ type }) => type === 'announce'),
    'the flap was conflated away',
  );
});

test('an effect that the state wants no more at the end of the turn does not leave', () => {
  const node = live();
  node.hear(link());
  node.hear(loaded());
  node.turns.run();
  node.until(LISTENED);
  node.hear(confirmed(V4));
  node.hear(link({ up: false }), LISTENED + 1);
  node.turns.run();
  assert.equal(
    node.performed.some(({ type }) => type === 'answer.start' || type === 'announce'),
    false,
  );
  assert.equal(node.performed.at(-1)?.type, 'record');
});

test('a fact that a performer causes is handled in the next turn, not within this one', () => {
  const node = live();
  effectsOf(node.runtime.effects$, 'address.add').subscribe((effects) => {
    node.wire.next({ input: confirmed(...effects.map(({ ip }) => ip)) });
  });
  node.hear(link());
  node.hear(loaded());
  node.turns.run();
  node.until(LISTENED);
  assert.equal(node.core.view().serviceIPs[0]?.state, 'candidate');
  node.turns.run();
  assert.equal(node.core.view().serviceIPs[0]?.state, 'leader');
});

test('a source that fails is journaled as a fact, and the others go on', () => {
  const node = live();
  node.config.error(new Error('ENOENT'));
  node.hear(link());
  node.turns.run();
  assert.deepEqual(
    node.journaled.map(({ input }) => input.type),
    ['source.failed', 'interface.changed'],
  );
});

test('after stop nothing is stepped and no effect leaves', () => {
  const node = live();
  let isComplete = false;
  node.runtime.effects$.subscribe({ complete: () => (isComplete = true) });
  node.hear(link());
  node.runtime.stop();
  node.turns.run();
  node.until(10_000);
  assert.deepEqual([node.journaled, isComplete], [[], true]);
});
