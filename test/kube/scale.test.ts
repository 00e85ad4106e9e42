// 10,000 Services and 10,000 EndpointSlices are read without holding the event loop: the daemon's main thread has
// inputs to step meanwhile. Counted in objects a turn, since a busy machine makes a measure of time of anything.
import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { test } from 'node:test';
import { openCluster } from '../../src/io/kubernetes/cluster-client.ts';
import type { Parse } from '../../src/io/kubernetes/mirror.ts';
import { startReflector } from '../../src/io/kubernetes/reflector.ts';
import { ENDPOINT_SLICES, type Resource, SERVICES } from '../../src/io/kubernetes/resource.ts';
import { manyServices, manySlices } from '../support/kube/many-objects.ts';
import { until } from '../support/kube/mirrored.ts';
import { startStandInChild } from '../support/kube/stand-in-child.ts';

const COUNT = 10_000;
/** Two pages, one of each resource, may arrive in one turn. */
const MOST_IN_A_TURN = 1000;

test('10,000 Services and their slices never take more than a page each of one turn', async (t) => {
  if (process.env.KUBEBUILDER_ASSETS) {
    t.skip('needs the stand-in as a process of its own, to make 20,000 objects in a few seconds');
    return;
  }
  const child = await startStandInChild();
  t.after(() => child.close());
  await child.make('/api/v1/namespaces/default/services', manyServices(COUNT));
  await child.make('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', manySlices(COUNT));
  const opened = await openCluster(child.kubeconfig);
  assert.ok(opened.ok);
  t.after(() => opened.value.close());

  let inTurn = 0;
  let most = 0;
  let parsed = 0;
  let isOver = false;
  // Or a failed test would turn for ever.
  t.after(() => {
    isOver = true;
  });
  const turn = (): void => {
    most = Math.max(most, inTurn);
    inTurn = 0;
    if (!isOver) setImmediate(turn);
  };
  const parse: Parse<string> = (object) => {
    inTurn += 1;
    parsed += 1;
    return { ok: true, value: (object as { metadata: { name: string } }).metadata.name };
  };
  const delay = monitorEventLoopDelay({ resolution: 2 });
  delay.enable();
  turn();
  const sizes = new Map<Resource, number>();
  const began = performance.now();
  for (const resource of [SERVICES, ENDPOINT_SLICES]) {
    const reflector = startReflector({
      client: opened.value,
      resource,
      parse,
      listener: (told) => {
        if (told.type === 'replaced') sizes.set(resource, told.items.size);
      },
      now: () => performance.now(),
      random: Math.random,
    });
    t.after(() => reflector.close());
  }
  await until('both are known', () => sizes.size === 2);
  isOver = true;
  delay.disable();
  assert.deepEqual([...sizes.values()], [COUNT, COUNT]);
  assert.equal(parsed, 2 * COUNT);
  assert.ok(most <= MOST_IN_A_TURN, `${most} objects in one turn`);
  t.diagnostic(
    `known after ${Math.round(performance.now() - began)} ms; at most ${most} objects a turn; longest turn ${Math.round(delay.max / 1e6)} ms`,
  );

  // And a watch of as many changes at once.
  parsed = 0;
  isOver = false;
  most = 0;
  turn();
  await child.fault('closeWatches');
  await child.make('/api/v1/namespaces/kube-system/services', manyServices(COUNT));
  await until('the changes are known', () => parsed >= COUNT);
  isOver = true;
  assert.ok(most < COUNT, `${most} objects in one turn`);
  t.diagnostic(`at most ${most} changes a turn`);
});
