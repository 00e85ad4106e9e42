// What others did with the service IPs on the wire, laid beside what nodes in shadow mode would have done.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createChronicler } from '../../../src/machines/chronicle.ts';
import { createCore } from '../../../src/machines/core.ts';
import type { Effect } from '../../../src/machines/effects.ts';
import { compare, usesOf } from '../../../src/machines/incumbents.ts';
import type { Input } from '../../../src/machines/inputs.ts';
import { ownershipOf } from '../../../src/machines/ownership.ts';
import { coreConfig, ETH0, START, V4 } from '../../support/core.ts';

const [MAC_A, MAC_B] = ['02:00:00:00:01:01', '02:00:00:00:01:02'];

type Line = readonly [number, Input, ...Effect[]];

const transition = (from: 'unowned' | 'leader', to: 'unowned' | 'leader'): Effect => ({
  type: 'record',
  ip: V4,
  from,
  to,
  epoch: 1,
  cause: 'holder-dead',
  reason: '',
});
const clock: Input = { type: 'clock' };
const rival = (mac: string): Input => ({ type: 'rival.heard', ip: V4, interface: 'eth0', mac });
const addresses = (mac: string, ...ips: readonly string[]): Input => ({
  type: 'interface.changed',
  interface: { ...ETH0, mac, prefixes: ips.map((ip) => ({ ip, length: 24 })) },
});

/** The chronicle of a node in shadow mode (or not), of these lines. */
const lifeOf = (node: string, lines: readonly Line[], isShadow = true) => {
  const life = { node, instance: `${node}00000000000000`, version: '0' };
  const chronicler = createChronicler(life, () => false);
  chronicler.begin(`${node}:1`, createCore().checkpoint(), true);
  const config = isShadow ? coreConfig({ node, shadow: true }) : coreConfig({ node });
  chronicler.step(`${node}:2`, START, { type: 'config.loaded', config }, []);
  for (const [index, [at, input, ...effects]] of lines.entries())
    chronicler.step(`${node}:${index + 3}`, START + at, input, effects);
  return chronicler.end();
};

const A: readonly Line[] = [
  [0, addresses(MAC_A, '10.99.0.1')],
  [100, clock, transition('unowned', 'leader')],
  [500, addresses(MAC_A, '10.99.0.1', V4)],
  [10_000, clock, transition('leader', 'unowned')],
  [10_001, clock],
];
const B: readonly Line[] = [
  [0, addresses(MAC_B, '10.99.0.2')],
  [600, rival(MAC_A)],
  [1_700, rival(MAC_A)],
  [10_200, clock, transition('unowned', 'leader')],
  [13_000, addresses(MAC_B, '10.99.0.2', V4)],
  [20_000, clock],
];

test('an address on an interface of the host, and frames that others hear, are one use until the next', () => {
  const uses = usesOf(ownershipOf([lifeOf('n2', B), lifeOf('n1', A)]));
  assert.deepEqual(
    uses.map(({ mac, node, from, lastAt, seen }) => [mac, node, from - START, lastAt - START, seen]),
    [
      [MAC_A, 'n1', 500, 1_700, 3],
      [MAC_B, 'n2', 13_000, 13_000, 1],
    ],
  );
});

test("a move on the wire is laid beside the shadow's, with how long it was dark for each", () => {
  const ownership = ownershipOf([lifeOf('n2', B), lifeOf('n1', A)]);
  const [comparison, ...others] = compare(ownership, usesOf(ownership));
  assert.deepEqual(others, []);
  assert.equal(comparison?.wire?.darkMs, 3_000);
  assert.deepEqual(
    [comparison?.shadow?.before.node, comparison?.shadow?.after.node, comparison?.shadow?.gapMs],
    ['n1', 'n2', 200],
  );
});

test('how long it was dark is not said where the user was not the owner in shadow', () => {
  const elsewhere = B.map(
    ([at, input, ...effects]): Line => [
      at,
      input.type === 'rival.heard' ? rival('02:00:00:00:09:09') : input,
      ...effects,
    ],
  );
  const bare = A.filter(([at]) => at !== 500);
  const ownership = ownershipOf([lifeOf('n2', elsewhere), lifeOf('n1', bare)]);
  const [comparison] = compare(ownership, usesOf(ownership));
  assert.equal(comparison?.wire?.before.node, null);
  assert.equal(comparison?.wire?.darkMs, null);
});

test('a move that only one of the two made is told as such', () => {
  const wireOnly = ownershipOf([
    lifeOf('n2', [...B.slice(0, 3), [13_000, rival('02:00:00:00:09:09')], [20_000, clock]]),
  ]);
  assert.deepEqual(
    compare(wireOnly, usesOf(wireOnly)).map(({ wire, shadow }) => [wire?.after.mac, shadow]),
    [['02:00:00:00:09:09', null]],
  );
  const shadowOnly = ownershipOf([
    lifeOf(
      'n2',
      B.filter(([at]) => at !== 13_000),
    ),
    lifeOf('n1', A),
  ]);
  assert.deepEqual(
    compare(shadowOnly, usesOf(shadowOnly)).map(({ wire, shadow }) => [wire, shadow?.after.node]),
    [[null, 'n2']],
  );
});

test('without shadow mode nothing is compared, and addresses of the host are no news', () => {
  const ownership = ownershipOf([lifeOf('n2', B, false), lifeOf('n1', A, false)]);
  assert.deepEqual(
    usesOf(ownership).map(({ mac }) => mac),
    [MAC_A],
  );
  assert.deepEqual(compare(ownership, usesOf(ownership)), []);
});

test('moves more than a minute apart do not belong together', () => {
  const late: readonly Line[] = B.map(([at, input, ...effects]) => [
    at === 13_000 ? 71_000 : at === 20_000 ? 80_000 : at,
    input,
    ...effects,
  ]);
  const ownership = ownershipOf([lifeOf('n2', late), lifeOf('n1', A)]);
  assert.deepEqual(
    compare(ownership, usesOf(ownership)).map(({ wire, shadow }) => [wire !== null, shadow !== null]),
    [
      [true, false],
      [false, true],
    ],
  );
});
