import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BACKOFF_LIMIT_MS,
  BACKOFF_MS,
  DEFEND_INTERVAL_MS,
  type ServiceIpEvent,
  type ServiceIpSnapshot,
  serviceIpStepper as stepper,
} from '../../../src/machines/service-ip.ts';

const POLICY = { serve: 'host', drainWindowMs: 120_000, drainQuietMs: 10_000 } as const;
const take = (probeMs = 0): ServiceIpEvent => ({
  type: 'TAKE',
  interface: 'eth0',
  epoch: 4,
  weak: true,
  probeMs,
  probeDelayMs: probeMs > 0 ? 0.3 : 0,
});
const event = (type: Exclude<ServiceIpEvent['type'], 'TAKE' | 'POLICY'>): ServiceIpEvent => ({ type });

const after = (...events: readonly ServiceIpEvent[]): ServiceIpSnapshot => {
  let { snapshot } = stepper.initial({ ip: '10.99.0.100', policy: POLICY });
  for (const each of events) snapshot = stepper.step(snapshot, each).snapshot;
  return snapshot;
};

const LEADS = [take(), event('ADDRESS_CONFIRMED')] as const;
const PATIENT: ServiceIpEvent = { type: 'OUTBID', patient: true };
/** How each state is reached. */
const STATES = {
  'unowned.idle': after(),
  'unowned.blocked': after(take(), event('ADDRESS_FAILED')),
  'candidate.probing': after(take(1_000)),
  'candidate.confirming': after(take()),
  'leader.settled': after(...LEADS),
  'leader.defending': after(...LEADS, event('CONFLICT')),
  'draining.keeping': after(...LEADS, { type: 'OUTBID', patient: true }),
  'draining.following': after(...LEADS, event('OUTBID')),
} as const;
type StateName = keyof typeof STATES;

const nameOf = ({ value }: ServiceIpSnapshot): string =>
  typeof value === 'string' ? value : Object.entries(value).flat().join('.');

/** Delays as `+id ms` and `-id`. */
const step = (snapshot: ServiceIpSnapshot, input: ServiceIpEvent) => {
  const stepped = stepper.step(snapshot, input);
  const delays = stepped.delays.map((delay) =>
    'cancel' in delay ? `-${delay.cancel}` : `+${delay.start.id} ${delay.start.delayMs}`,
  );
  const effects = stepped.actions.map(({ type }) => type);
  return { snapshot: stepped.snapshot, to: nameOf(stepped.snapshot), effects, delays };
};

test('the states of the table are reached as said', () => {
  for (const [name, snapshot] of Object.entries(STATES)) assert.equal(nameOf(snapshot), name);
});

type Row = readonly [event: ServiceIpEvent, to: StateName, effects: string, delays: string];
// Every pair of state and event stands here or in IGNORED.
const TRANSITIONS: Readonly<Record<StateName, readonly Row[]>> = {
  'unowned.idle': [
    [take(), 'candidate.confirming', 'address.add', ''],
    [take(1_000), 'candidate.probing', 'probe', ''],
  ],
  'unowned.blocked': [[event('BACKOFF_DUE'), 'unowned.idle', '', '-backoff']],
  'candidate.probing': [
    [event('PROBED'), 'candidate.confirming', 'probe.stop address.add', ''],
    [event('CONFLICT'), 'unowned.blocked', 'probe.stop', '+backoff 10000'],
    [event('OUTBID'), 'unowned.idle', 'probe.stop', ''],
    [event('WITHDRAW'), 'unowned.idle', 'probe.stop', ''],
  ],
  'candidate.confirming': [
    [event('ADDRESS_CONFIRMED'), 'leader.settled', 'answer.start announce', ''],
    [event('ADDRESS_FAILED'), 'unowned.blocked', '', '+backoff 10000'],
    [event('CONFLICT'), 'unowned.blocked', 'address.remove', '+backoff 10000'],
    [event('OUTBID'), 'unowned.idle', 'address.remove', ''],
    [event('WITHDRAW'), 'unowned.idle', 'address.remove', ''],
  ],
  'leader.settled': [
    [event('CONFLICT'), 'leader.defending', 'defend', '+defend 10000'],
    [event('OUTBID'), 'draining.following', 'answer.stop carry', '+quiet 10000 +window 120000'],
    [PATIENT, 'draining.keeping', 'answer.stop carry', '+quiet 10000 +window 120000'],
    [event('WITHDRAW'), 'unowned.idle', 'answer.stop carry.stop address.remove', ''],
    [event('STRENGTHEN'), 'leader.settled', 'answer.start', ''],
    [event('REANNOUNCE'), 'leader.settled', 'announce', ''],
  ],
  'leader.defending': [
    [event('DEFEND_DUE'), 'leader.settled', '', '-defend'],
    [event('CONFLICT'), 'unowned.blocked', 'answer.stop carry.stop address.remove', '-defend +backoff 10000'],
    [event('OUTBID'), 'draining.following', 'answer.stop carry', '-defend +quiet 10000 +window 120000'],
    [PATIENT, 'draining.keeping', 'answer.stop carry', '-defend +quiet 10000 +window 120000'],
    [event('WITHDRAW'), 'unowned.idle', 'answer.stop carry.stop address.remove', '-defend'],
    [event('STRENGTHEN'), 'leader.defending', 'answer.start', ''],
    [event('REANNOUNCE'), 'leader.defending', 'announce', ''],
  ],
  'draining.keeping': [
    [take(), 'leader.settled', 'carry.stop answer.start announce', '-quiet -window'],
    [take(1_000), 'leader.settled', 'carry.stop answer.start announce', '-quiet -window'],
    [event('CARRIED'), 'draining.keeping', '', '+quiet 10000'],
    // Not over: those who were on their way are carried for one more quiet time at most.
    [event('QUIET_DUE'), 'draining.following', 'carry', '-quiet -window +quiet 10000 +window 10000'],
    [event('WINDOW_DUE'), 'draining.following', 'carry', '-quiet -window +quiet 10000 +window 10000'],
    [event('WITHDRAW'), 'unowned.idle', 'carry.stop address.remove', '-quiet -window'],
  ],
  'draining.following': [
    [take(), 'leader.settled', 'carry.stop answer.start announce', '-quiet -window'],
    [take(1_000), 'leader.settled', 'carry.stop answer.start announce', '-quiet -window'],
    [event('CARRIED'), 'draining.following', '', '+quiet 10000'],
    [event('QUIET_DUE'), 'unowned.idle', 'carry.stop address.remove', '-quiet -window'],
    [event('WINDOW_DUE'), 'unowned.idle', 'carry.stop address.remove', '-quiet -window'],
    [event('WITHDRAW'), 'unowned.idle', 'carry.stop address.remove', '-quiet -window'],
  ],
};
const OWN_DELAYS = ['BACKOFF_DUE', 'DEFEND_DUE', 'QUIET_DUE', 'WINDOW_DUE'] as const;
const HOST = ['ADDRESS_CONFIRMED', 'ADDRESS_FAILED'] as const;
/** The wire thread's word that a probing is over, when none is wanted any more. */
const LATE_PROBED = 'PROBED';
const HOLDING = ['STRENGTHEN', 'REANNOUNCE', 'CARRIED'] as const;
// Ignored on purpose: late words about what is over, and orders that the state has carried out already.
const IGNORED: Readonly<Record<StateName, readonly ServiceIpEvent['type'][]>> = {
  'unowned.idle': [LATE_PROBED, 'CONFLICT', 'OUTBID', 'WITHDRAW', ...HOST, ...HOLDING, ...OWN_DELAYS],
  'unowned.blocked': [
    LATE_PROBED,
    'TAKE',
    'CONFLICT',
    'OUTBID',
    'WITHDRAW',
    ...HOST,
    ...HOLDING,
    ...OWN_DELAYS,
  ],
  'candidate.probing': ['TAKE', ...HOST, ...HOLDING, ...OWN_DELAYS],
  'candidate.confirming': [LATE_PROBED, 'TAKE', ...HOLDING, ...OWN_DELAYS],
  'leader.settled': [LATE_PROBED, 'TAKE', ...HOST, 'CARRIED', ...OWN_DELAYS],
  'leader.defending': [LATE_PROBED, 'TAKE', ...HOST, 'CARRIED', ...OWN_DELAYS],
  'draining.keeping': [LATE_PROBED, 'CONFLICT', 'OUTBID', ...HOST, 'STRENGTHEN', 'REANNOUNCE', ...OWN_DELAYS],
  'draining.following': [
    LATE_PROBED,
    'CONFLICT',
    'OUTBID',
    ...HOST,
    'STRENGTHEN',
    'REANNOUNCE',
    ...OWN_DELAYS,
  ],
};
const ALL_TYPES = [...new Set([...Object.values(IGNORED).flat(), 'TAKE' as const])];

for (const name of Object.keys(STATES) as StateName[]) {
  const handled = new Set(TRANSITIONS[name].map(([{ type }]) => type));
  for (const [input, to, effects, delays] of TRANSITIONS[name]) {
    const how = input.type === 'TAKE' && input.probeMs > 0 ? 'TAKE with probing' : input.type;
    test(`${name}: ${how} leads to ${to}${effects === '' ? '' : `, ${effects}`}`, () => {
      const result = step(STATES[name], input);
      assert.deepEqual([result.to, result.effects.join(' '), result.delays.join(' ')], [to, effects, delays]);
    });
  }
  test(`${name}: every other event is ignored, and named so`, () => {
    for (const type of ALL_TYPES) {
      if (handled.has(type)) continue;
      assert.ok(IGNORED[name].includes(type), `${type} is neither handled nor named as ignored`);
      const input = type === 'TAKE' ? take() : event(type as Exclude<typeof type, 'TAKE' | 'POLICY'>);
      assert.equal(stepper.step(STATES[name], input).snapshot, STATES[name], type);
    }
  });
  test(`${name}: a new policy is taken over`, () => {
    const policy = { ...POLICY, drainQuietMs: 1 };
    const result = step(STATES[name], { type: 'POLICY', policy });
    assert.deepEqual(result.snapshot.context.policy, policy);
    assert.deepEqual([result.to, result.effects, result.delays], [name, [], []]);
  });
}

test('how long and from when an address is probed is what the TAKE said', () => {
  const { context } = STATES['candidate.probing'];
  assert.deepEqual([context.probeMs, context.probeDelayMs], [1_000, 0.3]);
});

test('a claim is the TAKE that led to it, also one that ends a draining', () => {
  const { context } = STATES['leader.settled'];
  assert.deepEqual([context.interface, context.epoch, context.weak], ['eth0', 4, true]);
  const again = stepper.step(STATES['draining.following'], {
    ...take(),
    epoch: 9,
    weak: false,
  } as ServiceIpEvent);
  assert.deepEqual([again.snapshot.context.epoch, again.snapshot.context.weak], [9, false]);
  assert.equal(stepper.step(STATES['leader.settled'], event('STRENGTHEN')).snapshot.context.weak, false);
});

const served = (snapshot: ServiceIpSnapshot) =>
  step(snapshot, { type: 'POLICY', policy: { ...POLICY, serve: 'none' } }).snapshot;

test('where something else serves the address, nothing is waited for after the probing', () => {
  assert.equal(step(served(STATES['unowned.idle']), take()).to, 'leader.settled');
  assert.equal(step(served(STATES['candidate.probing']), event('PROBED')).to, 'leader.settled');
  assert.equal(nameOf(served(STATES['candidate.confirming'])), 'leader.settled');
});

test('the backoff doubles with each refusal in a row, up to its limit', () => {
  let snapshot = after();
  const waits: number[] = [];
  for (let round = 0; round < 8; round += 1) {
    snapshot = step(snapshot, take()).snapshot;
    const refused = stepper.step(snapshot, event('ADDRESS_FAILED'));
    waits.push(...refused.delays.map((delay) => ('start' in delay ? delay.start.delayMs : 0)));
    snapshot = stepper.step(refused.snapshot, event('BACKOFF_DUE')).snapshot;
  }
  const expected = [1, 2, 4, 8, 16, 32, 64, 128].map((factor) =>
    Math.min(factor * BACKOFF_MS, BACKOFF_LIMIT_MS),
  );
  assert.deepEqual(waits, expected);
});

test('the backoff starts anew after a defence that held', () => {
  let snapshot = after(take(), event('ADDRESS_FAILED'), event('BACKOFF_DUE'), ...LEADS);
  assert.equal(snapshot.context.conflicts, 1);
  for (const type of ['CONFLICT', 'DEFEND_DUE'] as const) snapshot = step(snapshot, event(type)).snapshot;
  assert.equal(snapshot.context.conflicts, 0);
});

// A claim that nobody opposes says nothing about the rival: it may only have been off for the night.
test('a claim that is merely unopposed for a DEFEND_INTERVAL does not shorten the backoff', () => {
  const born = stepper.step(
    after(take(), event('ADDRESS_FAILED'), event('BACKOFF_DUE'), take()),
    event('ADDRESS_CONFIRMED'),
  );
  let { snapshot } = born;
  for (const delay of born.delays) {
    if ('start' in delay && delay.start.delayMs <= DEFEND_INTERVAL_MS)
      snapshot = stepper.step(snapshot, delay.start.event).snapshot;
  }
  assert.equal(snapshot.context.conflicts, 1);
});

test('delays bear names, never random ids, so that a replay finds them again', () => {
  const ids = Object.values(STATES).flatMap((snapshot) =>
    [
      take(),
      take(1_000),
      ...ALL_TYPES.filter((type) => type !== 'TAKE').map((type) => event(type as 'CONFLICT')),
    ].flatMap((input) =>
      stepper.step(snapshot, input).delays.map((delay) => ('start' in delay ? delay.start.id : delay.cancel)),
    ),
  );
  assert.deepEqual([...new Set(ids)].sort(), ['backoff', 'defend', 'quiet', 'window']);
});
