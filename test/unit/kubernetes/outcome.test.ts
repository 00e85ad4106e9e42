import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureOf } from '../../../src/io/kubernetes/outcome.ts';

const status = (reason: string, message = 'words'): unknown => ({ kind: 'Status', reason, message });

const KINDS: readonly [status: number, body: unknown, retryAfter: string | undefined, kind: string][] = [
  [409, status('AlreadyExists'), undefined, 'exists'],
  [409, status('Conflict'), undefined, 'conflict'],
  [409, 'no Status at all', undefined, 'conflict'],
  [410, status('Expired'), undefined, 'gone'],
  [403, status('Forbidden'), undefined, 'forbidden'],
  [404, '404 page not found\n', undefined, 'missing'],
  [429, status('TooManyRequests'), '1', 'throttled'],
  [503, status('ServiceUnavailable'), '2', 'throttled'],
  [503, status('ServiceUnavailable'), undefined, 'failed'],
  [500, null, undefined, 'failed'],
  [401, status('Unauthorized'), undefined, 'failed'],
];
for (const [code, body, retryAfter, kind] of KINDS)
  test(`${code} with ${JSON.stringify(body)} and Retry-After ${retryAfter} is ${kind}`, () => {
    assert.equal(failureOf(code, body, retryAfter).kind, kind);
  });

const USER = 'system:serviceaccount:holdfast-system:holdfast';
const DENIALS: readonly [what: string, message: string, said: string][] = [
  [
    'in the whole cluster',
    `endpointslices.discovery.k8s.io is forbidden: User "${USER}" cannot watch resource "endpointslices" in API group "discovery.k8s.io" at the cluster scope`,
    `cannot watch endpointslices.discovery.k8s.io: needs a ClusterRole that grants ${USER} the verb "watch" on resource "endpointslices" of apiGroup "discovery.k8s.io"`,
  ],
  [
    'in a namespace',
    `leases.coordination.k8s.io "holdfast-n1" is forbidden: User "${USER}" cannot update resource "leases" in API group "coordination.k8s.io" in the namespace "holdfast-system"`,
    `cannot update leases.coordination.k8s.io in namespace holdfast-system: needs a Role or ClusterRole that grants ${USER} the verb "update" on resource "leases" of apiGroup "coordination.k8s.io"`,
  ],
  ['by something else than RBAC', 'admission webhook denied it', 'admission webhook denied it'],
];
for (const [what, message, said] of DENIALS)
  test(`what is forbidden ${what} is said in one line`, () => {
    assert.equal(failureOf(403, status('Forbidden', message)).text, said);
  });

test('a message of many lines becomes one, and not a long one', () => {
  const { text } = failureOf(500, status('InternalError', `one\ntwo${'x'.repeat(10_000)}`));
  assert.ok(text.startsWith('one two'));
  assert.ok(text.length <= 500);
});

const WAITS: readonly [header: string | undefined, ms: number | null][] = [
  [undefined, null],
  ['1', 1000],
  ['0', 0],
  ['-5', 0],
  ['86400', 60_000],
  ['Wed, 21 Oct 2026 07:28:00 GMT', 1000],
];
for (const [header, ms] of WAITS)
  test(`Retry-After ${header} is ${ms} ms`, () => {
    assert.equal(failureOf(429, null, header).retryAfterMs, ms);
  });
