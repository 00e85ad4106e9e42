import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAllocationReporter } from '../../../../src/machines/cluster/allocation-news.ts';
import { openPoolBook } from '../../../../src/machines/cluster/pool-book.ts';
import { planReservations } from '../../../../src/machines/cluster/reservations.ts';
import { AllocatorStore } from '../../../support/allocator-store.ts';
import { pool, RULE, service } from '../../../support/cluster-facts.ts';

const ONE = openPoolBook([pool('one', ['10.0.0.1'])], []);

test('each assignment and each trouble is said once, and again only when it comes back', () => {
  const store = new AllocatorStore();
  const reporter = createAllocationReporter();
  /** Plans and writes until nothing is left to write; what was said meanwhile. */
  const work = (): string[] => {
    const said: string[] = [];
    for (;;) {
      const seen = store.seen(store.look());
      const facts = { rule: RULE, book: ONE, namespaces: new Map(), nodeAddresses: new Map(), ...seen };
      const { steps, decisions } = planReservations(facts);
      said.push(
        ...reporter
          .take(decisions)
          .map(({ type, name, reason, message }) => `${type} ${name} ${reason}: ${message}`),
      );
      if (steps.length === 0) return said;
      for (const step of steps) {
        const rest = store.perform({ step, checked: false });
        if (rest !== null) store.perform(rest);
      }
    }
  };
  const exhausted = 'Warning b PoolExhausted: no IPv4 address is free in AddressPool/one';
  store.putService(service('a'));
  assert.deepEqual(work(), ['Normal a AddressAssigned: 10.0.0.1 of AddressPool/one']);
  store.putService(service('b', { created: '2027-01-01' }));
  assert.deepEqual(work(), [exhausted]);
  assert.deepEqual(work(), []);
  store.deleteService('shop/a');
  assert.deepEqual(work(), ['Normal b AddressAssigned: 10.0.0.1 of AddressPool/one']);
  assert.deepEqual(work(), []);
});

test('what a Service had when it was first seen is no news', () => {
  const store = new AllocatorStore();
  store.putService(service('a', { ingressIps: ['10.0.0.1'] }));
  const facts = {
    rule: RULE,
    book: ONE,
    namespaces: new Map(),
    nodeAddresses: new Map(),
    ...store.seen(store.look()),
  };
  assert.deepEqual(createAllocationReporter().take(planReservations(facts).decisions), []);
});
