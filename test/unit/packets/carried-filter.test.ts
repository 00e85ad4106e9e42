import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipToBytes, writeMac } from '../../../src/io/packets/address.ts';
import { CARRIED_OCTETS, carriedFilter, type SeenClient } from '../../../src/io/packets/carried-filter.ts';
import { readCarriedPacket } from '../../../src/io/packets/carried-packet.ts';
import { packFilter } from '../../../src/io/packets/filter.ts';
import { type FrameFacts, runFilter } from '../../support/cbpf.ts';

const NODE = '02:00:00:00:01:01';
const CLIENT = '02:00:00:00:02:01';
const OTHER = '02:00:00:00:02:02';
const TO_US: FrameFacts = { packetType: 0, vlanTagPresent: false, vlanTag: 0 };

/** The head of a packet, as long as a socket gets it. */
const packet = (source: string, destination: string, mac = CLIENT): Uint8Array => {
  const bytes = new Uint8Array(80);
  writeMac(NODE, bytes, 0);
  writeMac(mac, bytes, 6);
  const isIpv6 = destination.includes(':');
  bytes.set(isIpv6 ? [0x86, 0xdd] : [0x08, 0x00], 12);
  bytes.set(ipToBytes(source), isIpv6 ? 22 : 26);
  bytes.set(ipToBytes(destination), isIpv6 ? 38 : 30);
  return bytes;
};

const accepts = (
  ips: readonly string[],
  frame: Uint8Array,
  { seen = [], facts = {} }: { seen?: readonly SeenClient[]; facts?: Partial<FrameFacts> } = {},
): boolean => {
  const family = ips[0]?.includes(':') === true ? 'ipv6' : 'ipv4';
  const octets = runFilter(packFilter(carriedFilter(family, ips, seen)), frame, { ...TO_US, ...facts });
  assert(octets === 0 || octets === CARRIED_OCTETS);
  return octets > 0;
};

const V4 = '10.99.0.100';
const V6 = 'fd99::100';

test('packets to this station for a draining IP are accepted, and no others', () => {
  assert.equal(accepts([V4], packet('10.99.0.201', V4)), true);
  assert.equal(accepts([V6], packet('fd99::c9', V6)), true);
  assert.equal(accepts([V4], packet('10.99.0.201', '10.99.0.101')), false);
  assert.equal(accepts([V6], packet('fd99::c9', 'fd99::101')), false);
  for (const packetType of [1, 2, 3, 4])
    assert.equal(accepts([V4], packet('10.99.0.201', V4), { facts: { packetType } }), false);
});

test('a priority tag is none; a frame of a VLAN is of another segment', () => {
  const tagged = (vlanTag: number) =>
    accepts([V4], packet('10.99.0.201', V4), { facts: { vlanTagPresent: true, vlanTag } });
  assert.deepEqual([tagged(0), tagged(0xe000), tagged(1), tagged(0x0fff)], [true, true, false, false]);
});

test('a client that was seen is left out, for that IP only, and nobody else is', () => {
  const seen = [{ ip: V4, mac: CLIENT }];
  const ips = [V4, '10.99.0.101'];
  assert.equal(accepts(ips, packet('10.99.0.201', V4), { seen }), false);
  assert.equal(accepts(ips, packet('10.99.0.201', '10.99.0.101'), { seen }), true);
  assert.equal(accepts(ips, packet('10.99.0.202', V4, OTHER), { seen }), true);
});

test('a thousand IPs and 128 clients that were seen: each is told apart; beyond a thousand all are accepted', () => {
  const ips = Array.from({ length: 1_000 }, (_, index) => `10.98.${index >> 8}.${index & 255}`);
  const seen = Array.from({ length: 128 }, (_, index) => ({
    ip: ips[index * 7] as string,
    mac: `02:00:00:00:03:${index.toString(16).padStart(2, '0')}`,
  }));
  for (const ip of ips) assert.equal(accepts(ips, packet('10.99.0.201', ip), { seen }), true, ip);
  for (const { ip, mac } of seen) assert.equal(accepts(ips, packet('10.99.0.201', ip, mac), { seen }), false);
  assert.equal(accepts(ips, packet('10.99.0.201', '10.97.0.1'), { seen }), false);
  assert.equal(accepts([...ips, V4], packet('10.99.0.201', '10.97.0.1')), true);
});

test('who sent a packet to which address is read from its head; what is too short or of another kind is not', () => {
  const read = (frame: Uint8Array, length = CARRIED_OCTETS) => readCarriedPacket(frame, length);
  const expected = (source: string, destination: string) => ({ mac: CLIENT, source, destination });
  assert.deepEqual(read(packet('192.0.2.1', V4)), expected('192.0.2.1', V4));
  assert.deepEqual(read(packet('fd99::c9', V6)), expected('fd99::c9', V6));
  for (const length of [0, 13, 33]) assert.equal(read(packet('192.0.2.1', V4), length), null);
  assert.equal(read(packet('fd99::c9', V6), 53), null);
  const arp = packet('192.0.2.1', V4);
  arp.set([0x08, 0x06], 12);
  assert.equal(read(arp), null);
});
