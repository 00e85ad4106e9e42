import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLease } from '../../../src/io/kubernetes/node-lease.ts';
import {
  isLeaseFresh,
  LEASE_MS,
  type LeaseTable,
  leaseEndsAt,
  leaseGone,
  leaseSeen,
} from '../../../src/machines/lease-table.ts';

const seen = (table: LeaseTable, version: string, at: number, holder = 'life-1'): LeaseTable =>
  leaseSeen(table, 'n2', { holder, version }, at);

test('a Lease counts for its time from when its change was seen here, whatever time it bears', () => {
  const table = seen({}, '7', 1000);
  assert.equal(leaseEndsAt(table, 'n2'), 1000 + LEASE_MS);
  assert.ok(isLeaseFresh(table, 'n2', 1000 + LEASE_MS - 1));
  assert.ok(!isLeaseFresh(table, 'n2', 1000 + LEASE_MS));
});

test('the same version told again, by a relist, is no renewal', () => {
  const table = seen(seen({}, '7', 1000), '7', 9000);
  assert.equal(leaseEndsAt(table, 'n2'), 1000 + LEASE_MS);
});

test('a new version is a renewal', () => {
  assert.equal(leaseEndsAt(seen(seen({}, '7', 1000), '8', 9000), 'n2'), 9000 + LEASE_MS);
});

test('a Lease given up, deleted or never seen does not count', () => {
  const given = seen(seen({}, '7', 1000), '8', 2000, '');
  assert.equal(leaseEndsAt(given, 'n2'), null);
  assert.equal(leaseEndsAt(leaseGone(seen({}, '7', 1000), 'n2'), 'n2'), null);
  assert.equal(leaseEndsAt({}, 'n2'), null);
});

const lease = (name: string, spec: unknown): unknown => ({ metadata: { name, resourceVersion: '7' }, spec });
const PARSES: readonly [what: string, object: unknown, expected: unknown][] = [
  ["somebody else's", lease('kube-scheduler', {}), { ok: true, value: undefined }],
  [
    "a daemon's",
    lease('holdfast-n1', { holderIdentity: 'x', renewTime: 't' }),
    { ok: true, value: { node: 'n1', holder: 'x', renewTime: 't', resourceVersion: '7' } },
  ],
  [
    'one that was given up',
    lease('holdfast-n1', undefined),
    { ok: true, value: { node: 'n1', holder: '', renewTime: '', resourceVersion: '7' } },
  ],
  [
    'a malformed one',
    lease('holdfast-n1', { holderIdentity: 7 }),
    { ok: false, reason: 'spec.holderIdentity and spec.renewTime must be text' },
  ],
];
for (const [what, object, expected] of PARSES)
  test(`${what} is read as what it is`, () => assert.deepEqual(parseLease(object), expected));
