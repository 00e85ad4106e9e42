import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createObservations } from '../../src/io/wire/observations.ts';
import type { HelloFrame } from '../../src/machines/hello.ts';
import { gratuitousRequest, unsolicitedAdvertisement } from '../../src/machines/neighbor-frames.ts';
import { ARP_REQUEST } from '../support/frames.ts';

const hello = (node: string, instance = `${node}-birth`): HelloFrame => ({
  kind: 'hello',
  ethernetSource: '02:00:00:00:00:02',
  node,
  instance,
  sequence: 1,
  intervalMs: 50,
  holdMs: 200,
  flags: { starting: false, ready: true, leaving: false },
  subnets: [],
  heldCount: 0,
  hears: [],
  echoes: [],
  changes: [],
  slices: [],
  witnessed: [],
});

test('the worst pause is that of the last one to two minutes', () => {
  const seen = createObservations();
  const at = (times: readonly number[]) => {
    for (const time of times) seen.frame(time, 'eth0', hello('n2'), 'ethernet');
    return seen.observed().hellos[0]?.worstGapMs;
  };
  assert.equal(at([0, 50, 100]), 50);
  assert.equal(at([280, 330]), 180);
  const minute = (from: number) => Array.from({ length: 1_200 }, (_, index) => from + index * 50);
  assert.equal(at(minute(380)), 180);
  assert.equal(at(minute(60_380)), 50);
});

test('a node of the other transport counts while it is within its hold time', () => {
  const seen = createObservations();
  seen.frame(0, 'eth0', hello('n2'), 'udp');
  seen.frame(0, 'eth0', hello('n3'), 'ethernet');
  assert.deepEqual(
    seen.otherTransport(199, 'ethernet').map(({ node }) => node),
    ['n2'],
  );
  assert.deepEqual(seen.otherTransport(200, 'ethernet'), []);
});

test('announcements are gratuitous frames only, the last of each IP', () => {
  const seen = createObservations();
  seen.frame(1, 'eth0', ARP_REQUEST, 'ethernet');
  seen.frame(2, 'eth0', gratuitousRequest('10.99.0.100', '02:00:00:00:00:01'), 'ethernet');
  seen.frame(3, 'eth0', gratuitousRequest('10.99.0.100', '02:00:00:00:00:02'), 'ethernet');
  seen.frame(4, 'eth0', unsolicitedAdvertisement('fd99::100', '02:00:00:00:00:02'), 'ethernet');
  assert.deepEqual(seen.observed().announcements, [
    { interface: 'eth0', ip: '10.99.0.100', mac: '02:00:00:00:00:02', at: 3 },
    { interface: 'eth0', ip: 'fd99::100', mac: '02:00:00:00:00:02', at: 4 },
  ]);
});

test('births, strangers and announcements are bounded: the longest unheard go', () => {
  const seen = createObservations();
  for (let index = 0; index < 20_000; index += 1) {
    seen.frame(index, 'eth0', hello('n2', `${index}`), 'ethernet');
    seen.frame(
      index,
      'eth0',
      gratuitousRequest(`10.${index >> 8}.0.${index & 255}`, '02:00:00:00:00:01'),
      'ethernet',
    );
    const bytes = new Uint8Array(60);
    bytes[10] = index >> 8;
    bytes[11] = index & 255;
    seen.refused(index, 'eth0', 'hello-signature', bytes);
  }
  const { hellos, strangers, announcements } = seen.observed();
  assert.deepEqual([hellos.length, strangers.length, announcements.length], [512, 64, 16_384]);
  assert.equal(hellos.at(-1)?.instance, '19999');
});

test('of a flood of refused hellos some are noted, one in two milliseconds at most', () => {
  const seen = createObservations();
  for (let at = 0; at < 1_000; at += 0.01) seen.refused(at, 'eth0', 'hello-malformed', new Uint8Array(60));
  const count = seen.observed().strangers[0]?.count ?? 0;
  assert.ok(count > 400 && count <= 500, `${count}`);
});

test('refused frames that are no hellos say nothing of nodes', () => {
  const seen = createObservations();
  for (const reason of ['checksum', 'arp-length', 'hello-truncated'] as const)
    seen.refused(0, 'eth0', reason, new Uint8Array(60));
  assert.deepEqual(seen.observed().strangers, []);
});
