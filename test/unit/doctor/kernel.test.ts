// What doctor says of a kernel by its release alone: tables of what uname prints on real machines.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { some } from '../../../src/cli/doctor/finding.ts';
import { judgeKernel } from '../../../src/cli/doctor/rights.ts';

for (const [release, level] of [
  ['6.18.44-fc-v657', 'ok'],
  ['5.18.0', 'ok'],
  ['10.0.1-arch1-1', 'ok'],
  ['5.17.15-200.fc35.x86_64', 'warn'],
  ['5.4.0-216-generic', 'warn'],
  ['4.20.0', 'warn'],
  ['4.19.0-27-amd64', 'fail'],
  ['4.18.0-553.el8_10.x86_64', 'fail'],
  ['3.10.0-1160.el7.x86_64', 'fail'],
] as const) {
  test(`Linux ${release}: ${level}`, () => {
    const { level: found, what, right } = judgeKernel(release);
    assert.equal(found, level);
    assert.ok(what.includes(release));
    assert.equal(right === null, level === 'ok');
  });
}

test('a long list is named in part and counted', () => {
  assert.equal(some(['a', 'b', 'c']), 'a, b, c');
  assert.equal(some(['a', 'b', 'c', 'd', 'e']), 'a, b, c and 2 more');
});
