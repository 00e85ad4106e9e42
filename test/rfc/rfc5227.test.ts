// RFC 5227 (IPv4 Address Conflict Detection): the sentences that apply to a service IP.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ArpFrame } from '../../src/machines/frames.ts';
import { BROADCAST_MAC, ZERO_MAC } from '../../src/machines/frames.ts';
import { ETH0, LISTENED, RIVAL, V4 } from '../support/core.ts';
import { ARP_REQUEST } from '../support/frames.ts';
import { createHolder, createStation, type Station } from './station.ts';

const arpOf = (station: Station) =>
  station.sent.flatMap(({ at, frame }) => (frame.kind === 'arp' ? [{ at, ...frame }] : []));
const probesOf = (station: Station) => arpOf(station).filter(({ spa }) => spa === '0.0.0.0');
const announcementsOf = (station: Station) =>
  arpOf(station).filter(({ spa, tpa, operation }) => spa === V4 && tpa === V4 && operation === 'request');
const stateOf = ({ node }: Station) => node.state(V4);
const foreign = (over: Partial<ArpFrame> = {}): ArpFrame => ({
  ...ARP_REQUEST,
  ethernetSource: RIVAL,
  sha: RIVAL,
  ...over,
});

const probed = (probe: 'quick' | 'full'): Station => {
  const station = createStation({ probe });
  station.until(LISTENED + 8_000);
  return station;
};

test('§2.1: "a host MUST test to see if the address is already in use, by broadcasting ARP Probe packets", before its first claim', () => {
  for (const style of ['quick', 'full'] as const) {
    const station = probed(style);
    assert.equal(probesOf(station).length, 3);
    assert.ok(
      (probesOf(station).at(-1)?.at ?? Number.POSITIVE_INFINITY) < (announcementsOf(station)[0]?.at ?? 0),
    );
  }
});

test('§2.1.1: a probe is a broadcast request whose sender IP address is all zeroes, whose target hardware address is ignored and should be all zeroes', () => {
  for (const { ethernetDestination, operation, spa, tha, tpa, sha } of probesOf(probed('quick'))) {
    assert.deepEqual(
      [ethernetDestination, operation, spa, tha, tpa, sha],
      [BROADCAST_MAC, 'request', '0.0.0.0', ZERO_MAC, V4, ETH0.mac],
    );
  }
});

test('§2.1.1: PROBE_NUM probes are "spaced randomly, PROBE_MIN to PROBE_MAX seconds apart" (1 s to 2 s) where the full timing is asked for', () => {
  const times = probesOf(probed('full')).map(({ at }) => at);
  const spaces = times.slice(1).map((at, index) => at - (times[index] as number));
  for (const space of spaces) assert.ok(space >= 999 && space <= 2_001, `${space} ms apart`);
});

test('§2.1.1: no conflict "by the end of the ANNOUNCE_WAIT seconds" (2 s after the last probe): then the address may be used', () => {
  const station = probed('full');
  const last = probesOf(station).at(-1)?.at ?? 0;
  assert.ok((announcementsOf(station)[0]?.at ?? 0) - last >= 2_000);
  assert.equal(stateOf(station), 'leader');
});

for (const [sentence, frame] of [
  [
    "\"any ARP packet (Request *or* Reply) … where the packet's 'sender IP address' is the address being probed for\": a request",
    foreign({ spa: V4, tpa: '10.99.0.1' }),
  ],
  ['the same: a reply', foreign({ operation: 'reply', spa: V4, tpa: '10.99.0.1' })],
  [
    "\"any ARP Probe where the packet's 'target IP address' is the address being probed for\" and the sender is another host",
    foreign({ spa: '0.0.0.0', tpa: V4 }),
  ],
] as const) {
  test(`§2.1.1: ${sentence}: "treat this address as being in use by some other host"`, () => {
    const station = createStation({ probe: 'quick' });
    station.until(LISTENED + 500);
    station.hear(LISTENED + 500, frame);
    station.until(LISTENED + 3_000);
    assert.deepEqual([stateOf(station), announcementsOf(station).length], ['unowned', 0]);
  });
}

test('§2.1.1: our own probe, heard again, is no conflict', () => {
  const station = createStation({ probe: 'quick' });
  station.until(LISTENED + 500);
  station.hear(LISTENED + 500, { ...foreign({ spa: '0.0.0.0', tpa: V4 }), sha: ETH0.mac });
  station.until(LISTENED + 3_000);
  assert.equal(stateOf(station), 'leader');
});

test('§2.1.1: an address that was in use is probed again before it is used', () => {
  const station = createStation({ probe: 'quick' });
  station.until(LISTENED + 500);
  station.hear(LISTENED + 500, foreign({ spa: V4 }));
  station.until(LISTENED + 20_000);
  const announced = announcementsOf(station)[0]?.at ?? Number.POSITIVE_INFINITY;
  const again = probesOf(station).filter(({ at }) => at > LISTENED + 500 && at < announced);
  assert.equal(again.length, 3);
});

test('§2.3: the host "MUST then announce that it is commencing to use this address by broadcasting ANNOUNCE_NUM ARP Announcements" (2)', () => {
  const announcements = announcementsOf(createHolder());
  assert.ok(announcements.length >= 2);
  for (const { sha, ethernetDestination } of announcements)
    assert.deepEqual([sha, ethernetDestination], [ETH0.mac, BROADCAST_MAC]);
});

test('§2.4: a packet whose sender hardware address is one of our own is no conflict', () => {
  const station = createHolder();
  station.hear(10_000, foreign({ spa: V4, sha: ETH0.mac }));
  assert.equal(station.node.world.defended.size, 0);
});

test('§2.4 (b): "if the host has not seen any other conflicting ARP packets within the last DEFEND_INTERVAL seconds": one announcement, and it keeps the address', () => {
  const station = createHolder();
  const sent = station.hear(10_000, foreign({ spa: V4 }));
  assert.equal(
    sent.filter((frame) => frame.kind === 'arp' && frame.operation === 'request' && frame.spa === V4).length,
    1,
  );
  assert.equal(stateOf(station), 'leader');
  station.hear(20_001, foreign({ spa: V4 }));
  station.until(20_002);
  assert.equal(stateOf(station), 'leader');
});

test('§2.4 (b): "MUST NOT send another defensive ARP Announcement" within DEFEND_INTERVAL; it "MUST immediately cease using this address"', () => {
  const station = createHolder();
  station.hear(10_000, foreign({ spa: V4 }));
  assert.deepEqual(station.hear(12_000, foreign({ spa: V4 })), []);
  assert.equal(stateOf(station), 'unowned');
  assert.deepEqual(station.hear(12_001, { ...ARP_REQUEST, tpa: V4 }), []);
});

test('§2.1.1: after MAX_CONFLICTS (10) conflicts no more than one address a RATE_LIMIT_INTERVAL (60 s) is probed', () => {
  const station = createStation({ probe: 'quick' });
  const attempts: number[] = [];
  for (let ms = LISTENED; ms < 4 * 3_600_000 && attempts.length < 13; ms += 100) {
    station.until(ms);
    if (stateOf(station) !== 'candidate') continue;
    attempts.push(ms);
    station.hear(ms, foreign({ spa: V4 }));
  }
  assert.equal(attempts.length, 13, 'each attempt is probed');
  for (let index = 10; index < attempts.length; index += 1) {
    assert.ok((attempts[index] as number) - (attempts[index - 1] as number) >= 60_000);
  }
});

test('§2.6: "broadcast replies" are not what a request gets: an answer is unicast', () => {
  const [reply] = createHolder().hear(10_000, { ...ARP_REQUEST, tpa: V4 });
  assert.equal(reply?.ethernetDestination, ARP_REQUEST.sha);
});
