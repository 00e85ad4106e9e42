// The service IP machine, walked: xstate's graph utilities generate every path, and what they reach must be what the
// tables here name: each state, each transition, each event that a state ignores. A state or transition more, or one
// less, fails; so does an event that nobody has thought of in some state.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AnyStateNode, createMachine } from 'xstate';
import { adjacencyMapToArray, getAdjacencyMap } from 'xstate/graph';
import {
  type ServiceIpEvent,
  type ServiceIpPolicy,
  type ServiceIpSnapshot,
  serviceIpMachine,
} from '../../../src/machines/service-ip.ts';

const IP = '10.0.0.1';
const policy = (serve: 'host' | 'none'): ServiceIpPolicy => ({
  serve,
  drainWindowMs: 1_000,
  drainQuietMs: 100,
});
const take = (probeMs: number): ServiceIpEvent => ({
  type: 'TAKE',
  interface: 'eth0',
  epoch: 1,
  weak: true,
  probeMs,
  probeDelayMs: 0,
});

/** Every event that the machine knows, in each form that a guard tells apart. */
const EVENTS: readonly ServiceIpEvent[] = [
  take(0),
  take(1_000),
  { type: 'PROBED' },
  { type: 'ADDRESS_CONFIRMED' },
  { type: 'ADDRESS_FAILED' },
  { type: 'CONFLICT' },
  { type: 'OUTBID' },
  { type: 'OUTBID', patient: true },
  { type: 'WITHDRAW' },
  { type: 'STRENGTHEN' },
  { type: 'REANNOUNCE' },
  { type: 'CARRIED' },
  { type: 'POLICY', policy: policy('host') },
  { type: 'POLICY', policy: policy('none') },
  { type: 'BACKOFF_DUE' },
  { type: 'DEFEND_DUE' },
  { type: 'QUIET_DUE' },
  { type: 'WINDOW_DUE' },
];

const DUE_ELSEWHERE = ['BACKOFF_DUE', 'DEFEND_DUE', 'QUIET_DUE', 'WINDOW_DUE'];
const without = (from: readonly string[], ...names: readonly string[]): readonly string[] =>
  from.filter((name) => !names.includes(name));
/** Facts about an address, a claim or clients that this node has no part in (any more). */
const NOT_CONCERNED = ['ADDRESS_CONFIRMED', 'ADDRESS_FAILED', 'CARRIED', 'CONFLICT', 'PROBED'];
const NOT_LEADING = ['REANNOUNCE', 'STRENGTHEN'];

/**
 * Per state: where each event leads (`-`: it stays, with an effect or a note), and what it ignores. POLICY only changes
 * what is known, except where it is named.
 */
const STATES: Readonly<
  Record<string, { readonly on: Readonly<Record<string, string>>; readonly ignores: readonly string[] }>
> = {
  'unowned.idle': {
    on: { TAKE: 'candidate.probing candidate.confirming leader.settled' },
    ignores: [...NOT_CONCERNED, ...NOT_LEADING, 'OUTBID', 'WITHDRAW', ...DUE_ELSEWHERE],
  },
  'unowned.blocked': {
    on: { BACKOFF_DUE: 'unowned.idle' },
    // Not taken before the backoff is over, whoever asks (`isBlocked`).
    ignores: [
      ...NOT_CONCERNED,
      ...NOT_LEADING,
      'OUTBID',
      'WITHDRAW',
      'TAKE',
      ...without(DUE_ELSEWHERE, 'BACKOFF_DUE'),
    ],
  },
  'candidate.probing': {
    on: {
      PROBED: 'candidate.confirming leader.settled',
      CONFLICT: 'unowned.blocked',
      OUTBID: 'unowned.idle',
      WITHDRAW: 'unowned.idle',
    },
    // It asked for no address yet; who takes already is not told to take again.
    ignores: [...without(NOT_CONCERNED, 'PROBED', 'CONFLICT'), ...NOT_LEADING, 'TAKE', ...DUE_ELSEWHERE],
  },
  'candidate.confirming': {
    on: {
      ADDRESS_CONFIRMED: 'leader.settled',
      ADDRESS_FAILED: 'unowned.blocked',
      CONFLICT: 'unowned.blocked',
      OUTBID: 'unowned.idle',
      WITHDRAW: 'unowned.idle',
      // With `serve: none` there is nothing to wait for.
      POLICY: '- leader.settled',
    },
    ignores: ['CARRIED', 'PROBED', ...NOT_LEADING, 'TAKE', ...DUE_ELSEWHERE],
  },
  'leader.settled': {
    on: {
      CONFLICT: 'leader.defending',
      OUTBID: 'draining.following draining.keeping',
      WITHDRAW: 'unowned.idle',
      STRENGTHEN: '-',
      REANNOUNCE: '-',
    },
    // The address was confirmed once, and it has the IP already.
    ignores: [...without(NOT_CONCERNED, 'CONFLICT'), 'TAKE', ...DUE_ELSEWHERE],
  },
  'leader.defending': {
    on: {
      CONFLICT: 'unowned.blocked',
      DEFEND_DUE: 'leader.settled',
      OUTBID: 'draining.following draining.keeping',
      WITHDRAW: 'unowned.idle',
      STRENGTHEN: '-',
      REANNOUNCE: '-',
    },
    ignores: [...without(NOT_CONCERNED, 'CONFLICT'), 'TAKE', ...without(DUE_ELSEWHERE, 'DEFEND_DUE')],
  },
  'draining.keeping': {
    on: {
      TAKE: 'leader.settled',
      WITHDRAW: 'unowned.idle',
      CARRIED: '-',
      QUIET_DUE: 'draining.following',
      WINDOW_DUE: 'draining.following',
    },
    // Another node owns it: its conflicts and claims are that one's.
    ignores: [...without(NOT_CONCERNED, 'CARRIED'), ...NOT_LEADING, 'OUTBID', 'BACKOFF_DUE', 'DEFEND_DUE'],
  },
  'draining.following': {
    on: {
      TAKE: 'leader.settled',
      WITHDRAW: 'unowned.idle',
      CARRIED: '-',
      QUIET_DUE: 'unowned.idle',
      WINDOW_DUE: 'unowned.idle',
    },
    ignores: [...without(NOT_CONCERNED, 'CARRIED'), ...NOT_LEADING, 'OUTBID', 'BACKOFF_DUE', 'DEFEND_DUE'],
  },
};

const nameOf = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : Object.entries(value as Record<string, unknown>)
        .map(([key, child]) => `${key}.${nameOf(child)}`)
        .join(' ');

/** What decides where an event leads: the state, who serves, and nothing else of the context. */
const keyOf = (snapshot: ServiceIpSnapshot): string =>
  `${nameOf(snapshot.value)} ${snapshot.context.policy.serve}`;

const nodesOf = (node: AnyStateNode): readonly AnyStateNode[] => [
  node,
  ...Object.values(node.states).flatMap((child) => nodesOf(child)),
];

interface Walked {
  /** State → event → where it led, sorted; `-`: itself. */
  readonly on: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly ignored: Readonly<Record<string, readonly string[]>>;
  /** What generated paths did not reach, though the machine has it. */
  readonly unreached: readonly string[];
}

const walk = (machine: typeof serviceIpMachine): Walked => {
  const on: Record<string, Record<string, Set<string>>> = {};
  const ignored: Record<string, Set<string>> = {};
  const used = new Set<unknown>();
  for (const serve of ['host', 'none'] as const) {
    const map = getAdjacencyMap(machine, {
      input: { ip: IP, policy: policy(serve) },
      events: [...EVENTS],
      serializeState: keyOf,
    });
    for (const { state, event, nextState } of adjacencyMapToArray(map)) {
      const [from, to] = [nameOf(state.value), nameOf(nextState.value)];
      const enabled = machine.getTransitionData(state, event);
      for (const transition of enabled) used.add(transition);
      on[from] ??= {};
      ignored[from] ??= new Set();
      if (enabled.length === 0) ignored[from].add(event.type);
      else {
        on[from][event.type] ??= new Set();
        on[from][event.type]?.add(to === from ? '-' : to);
      }
    }
  }
  const nodes = nodesOf(machine.root);
  const leaves = nodes.filter(({ states }) => Object.keys(states).length === 0);
  const transitions = nodes.flatMap((node) => [...node.transitions.values()].flat());
  return {
    on: Object.fromEntries(
      Object.entries(on).map(([state, table]) => [
        state,
        Object.fromEntries(Object.entries(table).map(([event, led]) => [event, [...led].sort().join(' ')])),
      ]),
    ),
    ignored: Object.fromEntries(
      Object.entries(ignored).map(([state, events]) => [state, [...events].sort()]),
    ),
    unreached: [
      ...leaves.map(({ path }) => path.join('.')).filter((state) => on[state] === undefined),
      ...transitions
        .filter((transition) => !used.has(transition))
        .map(({ source, eventType }) => `${source.path.join('.')} ${eventType}`),
    ],
  };
};

/** What differs from the tables; empty: nothing. */
const differences = (machine: typeof serviceIpMachine): readonly string[] => {
  const { on, ignored, unreached } = walk(machine);
  const found = unreached.map((what) => `not reached: ${what}`);
  for (const state of new Set([...Object.keys(on), ...Object.keys(STATES)])) {
    const named = STATES[state];
    if (named === undefined) {
      found.push(`${state} is not named`);
      continue;
    }
    for (const { type } of EVENTS) {
      const led = on[state]?.[type] ?? null;
      const right = named.on[type] ?? (type === 'POLICY' ? '-' : null);
      const isIgnored = ignored[state]?.includes(type) ?? false;
      if (led !== (right === null ? null : right.split(' ').sort().join(' ')))
        found.push(`${state} ${type}: leads to ${led}, named is ${right}`);
      if (isIgnored !== named.ignores.includes(type))
        found.push(
          `${state} ${type}: is ${isIgnored ? 'ignored, and not named so' : 'not ignored as named'}`,
        );
    }
  }
  return [...new Set(found)];
};

test('every state and transition of the service IP machine is reached, and every event has its place in each', () => {
  assert.deepEqual(differences(serviceIpMachine), []);
});

test('the events walked with are all that the machine knows', () => {
  const known = new Set(serviceIpMachine.events.filter((name) => !name.startsWith('xstate.')));
  assert.deepEqual([...new Set(EVENTS.map(({ type }) => type))].sort(), [...known].sort());
});

type Config = { states: Record<string, Config>; on?: Record<string, unknown> };

/** The machine with its definition changed. */
const planted = (change: (config: Config) => void): typeof serviceIpMachine => {
  const copy = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(copy);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, copy(child)]));
  };
  const config = copy(serviceIpMachine.config) as Config;
  change(config);
  return createMachine(config as never, serviceIpMachine.implementations as never) as never;
};

const stateIn = (config: Config, ...path: readonly string[]): Config =>
  path.reduce((node, name) => node.states[name] as Config, config);

test('a planted transition, state, or missing transition is found', () => {
  assert.deepEqual(differences(planted(() => {})), []);
  const cases: readonly [string, (config: Config) => void, RegExp][] = [
    [
      'a transition more',
      (config) => {
        const idle = stateIn(config, 'unowned', 'idle');
        idle.on = { ...idle.on, CONFLICT: 'blocked' };
      },
      /unowned\.idle CONFLICT/,
    ],
    [
      'a transition less',
      (config) => {
        const { WITHDRAW: _, ...rest } = stateIn(config, 'leader').on ?? {};
        stateIn(config, 'leader').on = rest;
      },
      /leader\.settled WITHDRAW/,
    ],
    [
      'a transition that no path takes',
      (config) => {
        const idle = stateIn(config, 'unowned', 'idle');
        idle.on = { ...idle.on, NEVER: 'blocked' };
      },
      /not reached: unowned\.idle NEVER/,
    ],
    [
      'a state that no path reaches',
      (config) => {
        stateIn(config, 'draining').states.stuck = {} as Config;
      },
      /not reached: draining\.stuck/,
    ],
    [
      'a state more',
      (config) => {
        stateIn(config, 'draining').states.stuck = {} as Config;
        const keeping = stateIn(config, 'draining', 'keeping');
        keeping.on = { ...keeping.on, WINDOW_DUE: 'stuck' };
      },
      /draining\.stuck is not named/,
    ],
  ];
  for (const [what, change, expected] of cases)
    assert.match(differences(planted(change)).join('\n'), expected, what);
});
