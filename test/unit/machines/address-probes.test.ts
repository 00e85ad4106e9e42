import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAddressProbes } from '../../../src/machines/address-probes.ts';
import { V4, V4_OTHER } from '../../support/core.ts';

test('three probes leave in the first four sevenths of the time (RFC 5227 §1.1), the rest is for listening', () => {
  const probes = createAddressProbes();
  probes.start(V4, 'eth0', 100, 7_000);
  const left: number[] = [];
  for (let at = probes.nextDeadline(); at !== null && at < 7_100; at = probes.nextDeadline()) {
    for (const probe of probes.takeDue(at).probes) {
      assert.deepEqual(probe, { ip: V4, interface: 'eth0' });
      left.push(at);
    }
  }
  assert.deepEqual(left, [100, 2_100, 4_100]);
  assert.equal(probes.isProbing(V4), true);
});

test('an address is probed for as long as was asked, and no longer', () => {
  const probes = createAddressProbes();
  probes.start(V4, 'eth0', 0, 1_000);
  assert.deepEqual(probes.takeDue(999).passed, []);
  assert.equal(probes.isProbing(V4), true);
  assert.deepEqual(probes.takeDue(1_000).passed, [V4], 'and it is said that nobody answered');
  assert.deepEqual(probes.takeDue(9_000).passed, [], 'once');
  assert.equal(probes.isProbing(V4), false);
});

test('a short probing that began after a long one ends first', () => {
  const probes = createAddressProbes();
  probes.start(V4, 'eth0', 0, 7_000);
  probes.start(V4_OTHER, 'eth0', 10, 1_000);
  probes.takeDue(1_500);
  assert.deepEqual([probes.isProbing(V4), probes.isProbing(V4_OTHER)], [true, false]);
});

test('starting again starts over', () => {
  const probes = createAddressProbes();
  probes.start(V4, 'eth0', 0, 1_000);
  probes.takeDue(0);
  probes.start(V4, 'eth1', 500, 1_000);
  assert.equal(probes.nextDeadline(), 500);
  assert.deepEqual(
    probes.takeDue(1_499).probes.map((probe) => probe.interface),
    ['eth1', 'eth1', 'eth1'],
  );
  assert.equal(probes.isProbing(V4), true);
});

test('what is stopped asks nothing more', () => {
  const probes = createAddressProbes();
  probes.start(V4, 'eth0', 0, 1_000);
  probes.start(V4_OTHER, 'eth0', 0, 1_000);
  probes.stop(V4);
  assert.deepEqual(
    probes.takeDue(5_000).probes.map(({ ip }) => ip),
    [V4_OTHER, V4_OTHER, V4_OTHER],
  );
  probes.start(V4, 'eth0', 6_000, 1_000);
  probes.stopAll();
  assert.deepEqual(
    [probes.takeDue(9_000), probes.nextDeadline(), probes.isProbing(V4)],
    [{ probes: [], passed: [] }, null, false],
  );
});
