// RFC 826, Packet Reception, sentence by sentence, on bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame } from '../../src/io/packets/frame.ts';
import { ETH0, V4 } from '../support/core.ts';
import { ARP_REQUEST, hex, patched } from '../support/frames.ts';
import { createHolder } from './station.ts';

const REQUEST = encodeFrame({ ...ARP_REQUEST, tpa: V4 });
const NOW = 10_000;
const answersTo = (bytes: Uint8Array) => createHolder().hear(NOW, bytes);

test('§ Packet Reception: "?Am I the target protocol address?" Yes: the request is answered', () => {
  assert.equal(answersTo(REQUEST).length, 1);
});

test('§ Packet Reception: it is not the target: no answer', () => {
  assert.deepEqual(answersTo(encodeFrame(ARP_REQUEST)), []);
});

for (const [sentence, at, octets] of [
  ['"?Do I have the hardware type in ar$hrd?"', 14, '0006'],
  ['"[optionally check the hardware length ar$hln]"', 18, '08'],
  ['"?Do I speak the protocol in ar$pro?"', 16, '86dd'],
  ['"[optionally check the protocol length ar$pln]"', 19, '10'],
  ['"?Is the opcode ares_op$REQUEST?"', 20, '0002'],
] as const) {
  test(`§ Packet Reception: ${sentence} No: no answer`, () => {
    assert.deepEqual(answersTo(patched(REQUEST, at, hex(octets))), []);
  });
}

test('§ Packet Reception: "Swap hardware and protocol fields, putting the local hardware and protocol addresses in the sender fields"', () => {
  const [reply] = answersTo(REQUEST);
  assert.ok(reply?.kind === 'arp');
  assert.deepEqual(
    [reply.sha, reply.spa, reply.tha, reply.tpa],
    [ETH0.mac, V4, ARP_REQUEST.sha, ARP_REQUEST.spa],
  );
});

test('§ Packet Reception: "Set the ar$op field to ares_op$REPLY. Send the packet to the (new) target hardware address"', () => {
  const [reply] = answersTo(REQUEST);
  assert.ok(reply?.kind === 'arp');
  assert.deepEqual(
    [reply.operation, reply.ethernetDestination, reply.ethernetSource],
    ['reply', ARP_REQUEST.sha, ETH0.mac],
  );
});

test('§ Packet Reception: "on the same hardware on which the request was received"', () => {
  const station = createHolder();
  const outputs = station.wire.hear(NOW, { ...ARP_REQUEST, tpa: V4 });
  assert.deepEqual(
    outputs.map((output) => (output as { interface?: string }).interface),
    ['eth0'],
  );
});
