// Shadow mode in the two steps: what leaves, what counts as another's use of an address, and that such use moves nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROADCAST_MAC, ZERO_MAC } from '../../../src/machines/frames.ts';
import { createLeader, ETH0, RIVAL, rival, V4 } from '../../support/core.ts';
import { birthOf, createAnswering, facts, framesIn, hellosIn } from '../../support/wire-step.ts';

const LISTEN = { type: 'listen', interfaces: ['eth0'] } as const;
/** A gratuitous request of a host with this MAC. */
const gratuitous = (mac: string) => ({
  kind: 'arp' as const,
  ethernetSource: mac,
  ethernetDestination: BROADCAST_MAC,
  operation: 'request' as const,
  sha: mac,
  spa: V4,
  tha: ZERO_MAC,
  tpa: V4,
});

test('in shadow mode hellos leave if that is wanted, and nothing else', () => {
  for (const shadowHellos of [false, true]) {
    const wire = createAnswering({ announce: false, shadowHellos });
    const outputs = [
      ...wire.obey(0, LISTEN),
      ...wire.obey(0, { type: 'announce', ip: V4, interface: 'eth0' }),
    ];
    for (let ms = 0; ms < 1_000; ms += 10) outputs.push(...wire.clock(ms));
    outputs.push(...wire.hear(1_000, { ...gratuitous(RIVAL), spa: '10.99.0.10' }));
    const hellos = hellosIn(outputs).length;
    assert.equal(framesIn(outputs), hellos);
    assert.ok(shadowHellos ? hellos > 15 : hellos === 0, `${hellos}`);
  }
});

test("the use of an address by a peer's machine is news in shadow mode: it is not the peer that answers", () => {
  for (const announce of [true, false]) {
    const wire = createAnswering({ announce, shadowHellos: true });
    const [own] = hellosIn(wire.obey(0, LISTEN));
    assert.ok(own !== undefined);
    const theirs = { node: 'n2', instance: birthOf('n2', 1), ethernetSource: RIVAL, sequence: 1 };
    wire.hear(1, {
      ...own,
      ...theirs,
      hears: [own.instance],
      echoes: [own.sequence],
      slices: [],
      changes: [],
    });
    assert.equal(facts(wire.hear(10, gratuitous(RIVAL))).length, announce ? 0 : 1);
    assert.deepEqual(facts(wire.hear(20, gratuitous(ETH0.mac))), []);
  }
});

test('another program that uses the address is no conflict in shadow mode, and one otherwise', () => {
  for (const shadow of [false, true]) {
    const node = createLeader(shadow ? { shadow: true } : {});
    for (const ms of [1_000, 2_000, 3_000]) node.at(ms, rival(V4));
    assert.equal(node.state(V4), shadow ? 'leader' : 'unowned');
  }
});
