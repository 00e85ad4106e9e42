import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Claim,
  compareClaims,
  compareRank,
  isBetter,
  MAX_EPOCH,
  rendezvousRank,
} from '../../../src/machines/claims.ts';

const IP = '10.99.0.100';
const claims: fc.Arbitrary<Claim> = fc.record({
  ip: fc.constant(IP),
  node: fc.oneof(fc.constantFrom('n1', 'n2', 'n3'), fc.string({ maxLength: 6 })),
  epoch: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom(MAX_EPOCH - 1, MAX_EPOCH)),
  weak: fc.boolean(),
});
const isSame = (a: Claim, b: Claim): boolean => a.node === b.node && a.epoch === b.epoch && a.weak === b.weak;

test('of two different claims exactly one is better, from whichever side one looks', () => {
  fc.assert(
    fc.property(claims, claims, (a, b) => {
      assert.equal(Math.sign(compareClaims(a, b)) + Math.sign(compareClaims(b, a)), 0);
      assert.equal(compareClaims(a, b) === 0, isSame(a, b));
      assert.equal(isBetter(a, b) && isBetter(b, a), false);
    }),
    { numRuns: 2_000 },
  );
});

test('the order is transitive: three nodes never go round in a circle', () => {
  fc.assert(
    fc.property(claims, claims, claims, (a, b, c) => {
      if (compareClaims(a, b) <= 0 && compareClaims(b, c) <= 0) assert.ok(compareClaims(a, c) <= 0);
    }),
    { numRuns: 5_000 },
  );
});

const claim = (over: Partial<Claim>): Claim => ({ ip: IP, node: 'n1', epoch: 1, weak: false, ...over });
const RANKED = ['n1', 'n2'].sort((a, b) => compareRank(IP, a, b)) as [string, string];

// why, the better one, the worse one
const BETTER: readonly (readonly [string, Claim, Claim])[] = [
  ['strong beats weak, whatever the epochs', claim({ epoch: 1 }), claim({ epoch: MAX_EPOCH, weak: true })],
  ['the higher epoch beats the lower', claim({ epoch: 3 }), claim({ epoch: 2, node: 'n2' })],
  [
    'the higher epoch beats the lower among weak ones',
    claim({ epoch: 3, weak: true }),
    claim({ epoch: 2, weak: true }),
  ],
  ['the higher rank settles a tie', claim({ node: RANKED[0] }), claim({ node: RANKED[1] })],
];
for (const [why, better, worse] of BETTER) {
  test(`${why}`, () => {
    assert.equal(isBetter(better, worse), true);
    assert.equal(isBetter(worse, better), false);
  });
}

// Part of the protocol: another implementation must come to these numbers.
const VECTORS: readonly (readonly [string, string, number])[] = [
  ['10.99.0.100', 'n1', 1835097989],
  ['10.99.0.100', 'n2', 2508281620],
  ['10.99.0.101', 'n1', 263024938],
  ['fd99::100', 'n1', 3528506613],
  ['fd99::100', 'worker-17.example.net', 2674053926],
  ['10.99.0.100', '', 450005273],
];
for (const [ip, node, rank] of VECTORS) {
  test(`the rendezvous rank of (${ip}, ${node}) is ${rank}`, () => {
    assert.equal(rendezvousRank(ip, node), rank);
  });
}

test('nodes whose names differ in the last letter share the IPs evenly', () => {
  const nodes = ['node-a', 'node-b', 'node-c', 'node-d', 'node-e'];
  const won = new Map<string, number>();
  const ips = 10_000;
  for (let index = 0; index < ips; index += 1) {
    const ip = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
    const [best] = [...nodes].sort((a, b) => compareRank(ip, a, b));
    won.set(best as string, (won.get(best as string) ?? 0) + 1);
  }
  for (const node of nodes) {
    const share = (won.get(node) ?? 0) / ips;
    assert.ok(Math.abs(share - 0.2) < 0.02, `${node} has ${share}`);
  }
});

test('taking one node away moves only the IPs that it had', () => {
  const best = (ip: string, nodes: readonly string[]) => [...nodes].sort((a, b) => compareRank(ip, a, b))[0];
  for (let index = 0; index < 500; index += 1) {
    const ip = `fd99::${index.toString(16)}`;
    const before = best(ip, ['n1', 'n2', 'n3', 'n4']);
    if (before !== 'n3') assert.equal(best(ip, ['n1', 'n2', 'n4']), before);
  }
});
