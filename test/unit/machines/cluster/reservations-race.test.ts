import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ServiceFact } from '../../../../src/machines/cluster/cluster-facts.ts';
import { openPoolBook } from '../../../../src/machines/cluster/pool-book.ts';
import { planReservations, type Step } from '../../../../src/machines/cluster/reservations.ts';
import { canShare } from '../../../../src/machines/cluster/sharing.ts';
import { AllocatorStore, type Flight, type View } from '../../../support/allocator-store.ts';
import { pool, RULE, service } from '../../../support/cluster-facts.ts';

const BOOK = openPoolBook(
  [pool('blue', ['10.0.0.1-10.0.0.6', 'fd00::1-fd00::6']), pool('red', ['10.0.1.1-10.0.1.2', 'fd01::1'])],
  [],
);
/** Six addresses a family and at most six Services that share nothing: there is always enough. */
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];

interface Act {
  readonly kind: 'look' | 'plan' | 'work' | 'perform' | 'crash' | 'create' | 'delete' | 'request';
  readonly who: number;
  readonly seed: number;
}
const kinds = fc.constantFrom<Act['kind']>(
  ...(['look', 'plan', 'perform', 'perform', 'work', 'work', 'work', 'work', 'work', 'work'] as const),
  ...(['crash', 'create', 'create', 'delete', 'request'] as const),
);
const acts = fc.array(fc.record({ kind: kinds, who: fc.nat(1), seed: fc.nat(0x7fff_ffff) }), {
  minLength: 40,
  maxLength: 250,
  size: 'max',
});

const dice = (seed: number): ((sides: number) => number) => {
  let state = seed | 1;
  return (sides) => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return ((state >>> 8) & 0xffff) % sides;
  };
};

const draw = (name: string, births: number, roll: (sides: number) => number): ServiceFact => {
  const dual = roll(3) === 0;
  return service(name, {
    uid: `${name}-${births}`,
    created: `2026-11-20T12:00:0${roll(3)}Z`,
    families: dual ? ['IPv6', 'IPv4'] : ['IPv4'],
    familyPolicy: dual ? (roll(2) === 0 ? 'RequireDualStack' : 'PreferDualStack') : 'SingleStack',
    ports: [`TCP/${80 + roll(3)}`],
    sharingKey: roll(3) === 0 ? 'web' : null,
    requestedIps: roll(6) === 0 ? [`10.0.0.${1 + roll(6)}`] : [],
  });
};

/** What a user changes his mind to. */
const ask = (roll: (sides: number) => number): Partial<ServiceFact> =>
  roll(2) === 0
    ? { requestedIps: roll(4) === 0 ? [] : [`10.0.0.${1 + roll(6)}`], requestedPool: null }
    : { requestedIps: [], requestedPool: ['red', 'blue', null][roll(3)] ?? null };

const doubled = (store: AllocatorStore): string | null => {
  const live = NAMES.map((name) => store.service(`shop/${name}`)).filter((fact) => fact !== null);
  for (const [index, a] of live.entries()) {
    for (const b of live.slice(0, index)) {
      const both = a.ingressIps.find((ip) => b.ingressIps.includes(ip));
      if (both !== undefined && !canShare(a, b)) return `${both} is given to ${a.uid} and to ${b.uid}`;
    }
  }
  return null;
};

/** Which of the protocol's rules the allocators break. */
type Mutant = 'none' | 'release without reading' | 'publish without a reservation' | 'trust any reservation';

/** As if a reservation named the Service only, not the intent. */
const withoutTokens = ({ services, serviceIps }: ReturnType<AllocatorStore['seen']>) => ({
  services,
  serviceIps: serviceIps.map((each) => ({
    ...each,
    services: each.services.map((entry) => ({
      ...entry,
      token: services.find(({ uid }) => uid === entry.uid)?.intent?.token ?? entry.token,
    })),
  })),
});

const plan = (store: AllocatorStore, view: View, mutant: Mutant = 'none'): readonly Step[] => {
  const seen = store.seen(view);
  return planReservations({
    rule: RULE,
    book: BOOK,
    namespaces: new Map(),
    nodeAddresses: new Map(),
    ...(mutant === 'trust any reservation' ? withoutTokens(seen) : seen),
  }).steps;
};

const weaken = (step: Step, mutant: Mutant): Flight[] => {
  if (mutant === 'release without reading') return [{ step, checked: true }];
  if (mutant === 'publish without a reservation' && step.type === 'intend') {
    const pools = step.ips.map(() => null);
    return [
      { step, checked: false },
      { step: { type: 'publish', service: step.service, ips: step.ips, pools }, checked: false },
    ];
  }
  return [{ step, checked: false }];
};

/** One watch may be far behind the other, and news of one Service may not come for a long time. */
const lagging = (late: string, roll: (sides: number) => number) => {
  const behind = roll(8);
  return (key: string): number => {
    if (key === `shop/${late}`) return 0;
    if (behind === (key.includes('/') ? 0 : 1)) return 0;
    return roll(12) === 0 ? 0 : 1 + roll(40);
  };
};

/** Two allocators through all of `acts`; the first address given twice, or null. */
const run = (script: readonly Act[], mutant: Mutant): { store: AllocatorStore; fault: string | null } => {
  const store = new AllocatorStore();
  const views = [store.look(), store.look()];
  const flights: Flight[][] = [[], []];
  const late = [NAMES[0], NAMES[3]];
  let births = 0;
  for (const { kind, who, seed } of script) {
    const roll = dice(seed);
    const name = NAMES[roll(NAMES.length)] as string;
    const view = views[who] as View;
    const mine = flights[who] as Flight[];
    const present = store.service(`shop/${name}`);
    const isWork = kind === 'work';
    if (isWork || kind === 'look') store.catchUp(view, lagging(late[who] as string, roll));
    if (isWork || kind === 'plan')
      mine.push(...plan(store, view, mutant).flatMap((step) => weaken(step, mutant)));
    if (isWork || kind === 'perform') {
      const left = kind === 'work' && roll(2) === 0 ? 1 + roll(3) : 0;
      while (mine.length > left) {
        const [flight] = mine.splice(roll(mine.length), 1);
        const rest = store.perform(flight as Flight);
        if (rest !== null) mine.push(rest);
      }
    }
    if (roll(12) === 0) late[who] = name;
    // The writes of the dead arrive as late as they like; its successor knows less, and other things.
    if (kind === 'crash') views[who] = { services: new Map(view.services), serviceIps: new Map() };
    if (kind === 'crash' && roll(2) === 0) flights[who] = [];
    if (kind === 'create' && present === null) {
      births += 1;
      store.putService(draw(name, births, roll));
    }
    if (kind === 'delete' && roll(2) === 0) store.deleteService(`shop/${name}`);
    if (kind === 'request' && present !== null) store.putService({ ...present, ...ask(roll) });
    const fault = doubled(store);
    if (fault !== null) return { store, fault };
  }
  return { store, fault: null };
};

/** Rounds until neither allocator has anything to write: each step is part of a chain of at most a few. */
const MAX_ROUNDS = 40;

const settle = (store: AllocatorStore): number => {
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const steps = plan(store, store.look());
    if (steps.length === 0) return round;
    for (const step of steps) {
      let flight: Flight | null = { step, checked: false };
      while (flight !== null) flight = store.perform(flight);
    }
    assert.equal(doubled(store), null);
  }
  return MAX_ROUNDS;
};

test('two allocators with views of any age, writes that come late and crashes never give an address twice', () => {
  fc.assert(
    fc.property(acts, (script) => {
      assert.equal(run(script, 'none').fault, null);
    }),
    { numRuns: 400 },
  );
});

test('whatever happened, in the end each Service has its addresses, reserved for it and for nobody else', () => {
  fc.assert(
    fc.property(acts, (script) => {
      const { store } = run(script, 'none');
      assert.ok(settle(store) < MAX_ROUNDS, 'they never come to rest');
      const { services, serviceIps } = store.seen(store.look());
      for (const { uid, ingressIps, families, requestedIps, requestedPool } of services) {
        const isHopeless =
          requestedPool === 'red' ||
          requestedIps.some((ip) =>
            services.some((other) => other.uid !== uid && other.ingressIps.includes(ip)),
          );
        if (!isHopeless) assert.equal(ingressIps.length, families.length, uid);
        for (const ip of ingressIps) {
          const reserved = serviceIps.filter((each) => each.services.some((entry) => entry.uid === uid));
          assert.ok(reserved.some((each) => each.ip === ip));
          assert.equal(reserved.length, ingressIps.length);
        }
      }
      const known = new Set(services.map(({ uid }) => uid));
      const reservedFor = serviceIps.flatMap((each) => each.services.map(({ uid }) => uid));
      assert.deepEqual(
        reservedFor.filter((uid) => !known.has(uid)),
        [],
      );
    }),
    { numRuns: 300 },
  );
});

for (const mutant of ['release without reading', 'publish without a reservation'] as const) {
  test(`the race is real: allocators that ${mutant} give an address twice`, () => {
    const found = fc.check(
      fc.property(acts, (script) => run(script, mutant).fault === null),
      { numRuns: 2_000, endOnFailure: true },
    );
    assert.equal(found.failed, true);
  });
}

/**
 * The one order of events for which intents have tokens; drawn at random it comes about once in 20,000 runs.
 * An allocator is about to take a reservation back, having seen that its Service gave the address up; meanwhile the
 * Service wants it again.
 */
const takeBackTooLate = (mutant: Mutant): string | null => {
  const store = new AllocatorStore();
  const finish = (steps: readonly Step[], type: Step['type']): void => {
    for (const step of steps) if (step.type === type) store.perform({ step, checked: false });
  };
  const proceed = (): void => {
    for (const type of ['intend', 'reserve', 'publish'] as const) {
      finish(plan(store, store.look(), mutant), type);
    }
  };
  const request = (ip: string): void => {
    const fact = store.service('shop/a');
    if (fact !== null) store.putService({ ...fact, requestedIps: [ip] });
  };
  store.putService(service('a', { requestedIps: ['10.0.0.1'] }));
  proceed();
  request('10.0.0.2');
  proceed();
  const release = plan(store, store.look(), mutant).find(({ type }) => type === 'release') as Step;
  const checked = store.perform({ step: release, checked: false }) as Flight;
  request('10.0.0.1');
  finish(plan(store, store.look(), mutant), 'intend');
  const publish = (): void => finish(plan(store, store.look(), mutant), 'publish');
  publish();
  store.perform(checked);
  // A view from before `a` came back: its address looks free.
  store.putService(service('b', { requestedIps: ['10.0.0.1'] }));
  const view = store.look();
  view.services.set('shop/a', 0);
  for (const type of ['intend', 'reserve', 'publish'] as const) {
    view.services.set('shop/b', store.look().services.get('shop/b') as number);
    view.serviceIps.set('10.0.0.1', store.look().serviceIps.get('10.0.0.1') as number);
    finish(plan(store, view, mutant), type);
  }
  return doubled(store);
};

test('a reservation that is wanted again cannot be taken back by who read it before', () => {
  assert.equal(takeBackTooLate('none'), null);
  assert.match(takeBackTooLate('trust any reservation') ?? '', /10\.0\.0\.1 is given to/);
});
