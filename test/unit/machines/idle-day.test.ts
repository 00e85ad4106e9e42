// A day on which nothing happens, through the real core and the real wire step: what would be journaled, and that
// the announcements went on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCore } from '../../../src/machines/core.ts';
import type { Effect } from '../../../src/machines/effects.ts';
import type { Input } from '../../../src/machines/inputs.ts';
import { WIRE_EFFECTS, type WireEffect, type WireEvent } from '../../../src/machines/wire-facts.ts';
import { createWireStep } from '../../../src/machines/wire-step.ts';
import { any, coreConfig, ETH0, START } from '../../support/core.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;
const COUNT = 1_000;
const LIMIT_BYTES = 5_000_000;
const INSTANCE = '0123456789abcdef';
/** What the hash and the newline add to a line of the journal. */
const SEAL_BYTES = 25;
/** Slower than ever in service: hellos are not journaled, and a day of them at 50 ms would only take long. */
const HEARTBEAT = { intervalMs: 10_000, deadAfterMs: 40_000 };

const IPS = Array.from({ length: COUNT }, (_, index) => `10.99.${100 + (index >> 8)}.${index & 0xff}`);
const LINK = { ...ETH0, prefixes: [{ ip: '10.99.0.1', length: 16 }] };
const isForWire = (effect: Effect): effect is WireEffect =>
  (WIRE_EFFECTS as readonly string[]).includes(effect.type);

test('a day of idling with 1,000 IPs journals less than 5 MB, and every IP is refreshed throughout', () => {
  const core = createCore();
  const wire = createWireStep(
    { node: 'n1', announce: true, refreshMs: 60_000, watchdogMs: 3_000, heartbeat: HEARTBEAT, watched: IPS },
    INSTANCE,
  );
  let bytes = JSON.stringify(core.checkpoint()).length;
  let gratuitous = 0;
  const inbox: { at: number; input: Input }[] = [];

  const run = (at: number, event: WireEvent): void => {
    for (const output of wire.step(at, event)) {
      if (output.type === 'fact') inbox.push({ at, input: output.input });
      else if (output.type === 'send' && output.frame.kind === 'arp') gratuitous += 1;
    }
  };
  const perform = (at: number, effects: readonly Effect[]): void => {
    const added = effects.flatMap((effect) => (effect.type === 'address.add' ? [effect.ip] : []));
    if (added.length > 0) inbox.push({ at, input: { type: 'addresses.confirmed', ips: added } });
    for (const effect of effects) {
      if (!isForWire(effect)) continue;
      run(at, { type: 'command', command: effect, birth: INSTANCE });
    }
  };
  const drain = (): void => {
    for (let next = inbox.shift(); next !== undefined; next = inbox.shift()) {
      const effects = core.step(next.at, next.input);
      bytes += JSON.stringify({ n: 0, at: next.at, in: next.input }).length + SEAL_BYTES;
      if (effects.length > 0) bytes += JSON.stringify({ n: 0, out: effects }).length + SEAL_BYTES;
      perform(next.at, effects);
    }
  };

  const config = coreConfig({ serviceIPs: IPS.map(any), probe: 'quick', heartbeat: HEARTBEAT });
  inbox.push({
    at: START,
    input: { type: 'node.started', instance: INSTANCE, version: 'test', drained: false },
  });
  inbox.push({ at: START, input: { type: 'config.loaded', config } });
  run(START, { type: 'link.changed', interface: LINK });
  for (let at = START; at < START + DAY_MS; ) {
    drain();
    const wireAt = wire.nextDeadline() ?? Number.POSITIVE_INFINITY;
    const coreAt = core.nextDeadline() ?? Number.POSITIVE_INFINITY;
    at = Math.max(at, Math.min(wireAt, coreAt));
    if (wireAt <= at) run(at, { type: 'clock' });
    if (coreAt <= at) inbox.push({ at, input: { type: 'clock' } });
  }

  assert.equal(core.view().serviceIPs.filter(({ state }) => state === 'leader').length, COUNT);
  // Two frames an announcement, one a minute: half an hour of them more or less is rounding.
  const refreshes = gratuitous / 2 / COUNT;
  assert.ok(refreshes > 24 * 60 - 30 && refreshes < 24 * 60 + 30, `${refreshes} announcements an IP`);
  assert.ok(bytes < LIMIT_BYTES, `${bytes} bytes`);
});
