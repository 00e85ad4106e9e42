// The simulated client follows an IP exactly as the measured table of facts.md says a Linux client does.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Ip, NeighborFrame } from '../../src/machines/frames.ts';
import {
  arpAnswer,
  directedRequest,
  directedSolicitation,
  gratuitousReply,
  gratuitousRequest,
  solicitedAdvertisement,
  unsolicitedAdvertisement,
} from '../../src/machines/neighbor-frames.ts';
import { type ClientKind, createClient } from './client.ts';
import { createEventQueue } from './event-queue.ts';
import { createRandom } from './random.ts';
import type { SimFrame } from './sim-frames.ts';

const OLD = '02:00:00:00:01:01';
const NEW = '02:00:00:00:01:02';
const CLIENT = { ip: '10.254.0.1', mac: '02:00:00:00:02:01' };
const CLIENT6 = { ip: 'fd99::fe:1', mac: CLIENT.mac };
const IP4 = '10.0.0.1';
const IP6 = 'fd99::1';

/** A client that resolved `ip` to OLD `ageMs` ago. */
const clientOf = (kind: ClientKind, ip: Ip, ageMs: number) => {
  const queue = createEventQueue();
  const sent: SimFrame[] = [];
  const client = createClient({
    name: 'c1',
    kind,
    mac: CLIENT.mac,
    ipv4: CLIENT.ip,
    ipv6: CLIENT6.ip,
    queue,
    random: createRandom(1),
    send: (frame) => sent.push(frame),
  });
  client.use(ip);
  const asked = sent[0];
  if (asked?.kind === 'arp') client.receive(arpAnswer(asked, OLD));
  else if (asked?.kind === 'ns') client.receive(solicitedAdvertisement(asked, OLD));
  queue.runUntil(ageMs);
  sent.length = 0;
  return { queue, client, sent, mac: () => client.cache.get(ip)?.mac };
};

const oldReply: NeighborFrame = { ...gratuitousReply(IP4, NEW), tha: 'ff:ff:ff:ff:ff:ff' };

describe('client neighbour cache: ARP (facts.md, measured)', () => {
  const table: readonly [string, NeighborFrame, string, string][] = [
    ['a gratuitous request', gratuitousRequest(IP4, NEW), NEW, NEW],
    ['a gratuitous reply with THA = broadcast', oldReply, OLD, NEW],
    ['a gratuitous reply with THA = SHA', gratuitousReply(IP4, NEW), NEW, NEW],
    ['a directed request', directedRequest(IP4, NEW, CLIENT), NEW, NEW],
  ];
  for (const [what, frame, young, old] of table) {
    it(`${what}: a 0.05 s old entry ${young === NEW ? 'follows' : 'stays'}, a 1.5 s old one follows`, () => {
      for (const [ageMs, expected] of [
        [50, young],
        [1_500, old],
      ] as const) {
        const { client, mac } = clientOf('linux', IP4, ageMs);
        client.receive(frame);
        assert.equal(mac(), expected);
      }
    });
  }

  it('answers a directed request, which proves that it learned', () => {
    const { client, sent } = clientOf('linux', IP4, 50);
    client.receive(directedRequest(IP4, NEW, CLIENT));
    assert.deepEqual(
      sent.map(({ kind, ethernetDestination }) => [kind, ethernetDestination]),
      [['arp', NEW]],
    );
  });

  it('a gratuitous frame creates no entry', () => {
    const { client } = clientOf('linux', IP4, 50);
    client.receive(gratuitousRequest('10.0.0.2', NEW));
    assert.equal(client.cache.get('10.0.0.2'), undefined);
  });

  it('that missed the update recovers within 53 s of use: REACHABLE, DELAY 5 s, three probes', () => {
    const { client, queue, sent } = clientOf('linux', IP4, 0);
    while (client.cache.get(IP4)?.state !== 'incomplete' && queue.now() < 60_000) {
      client.use(IP4);
      queue.runUntil(queue.now() + 10);
    }
    assert.ok(queue.now() > 15_000 + 5_000 + 2_900 && queue.now() <= 53_100, `${queue.now()}`);
    const asked = sent
      .filter(({ kind }) => kind === 'arp')
      .map(({ ethernetDestination }) => ethernetDestination);
    assert.deepEqual(asked, [OLD, OLD, OLD, 'ff:ff:ff:ff:ff:ff']);
  });
});

describe('client neighbour cache: NDP (RFC 4861 §7.2.5)', () => {
  it('follows an unsolicited advertisement with the override flag', () => {
    const { client, mac } = clientOf('linux', IP6, 50);
    client.receive(unsolicitedAdvertisement(IP6, NEW));
    assert.equal(mac(), NEW);
  });
  it('keeps its address without the override flag, and only turns stale', () => {
    const { client, mac } = clientOf('linux', IP6, 1_500);
    client.receive({ ...unsolicitedAdvertisement(IP6, NEW), override: false });
    assert.equal(mac(), OLD);
    assert.equal(client.cache.get(IP6)?.state, 'stale');
  });
  it('follows a directed solicitation, and answers it', () => {
    const { client, mac, sent } = clientOf('linux', IP6, 50);
    client.receive(directedSolicitation(IP6, NEW, CLIENT6));
    assert.equal(mac(), NEW);
    assert.equal(sent[0]?.kind, 'na');
  });
});

describe('buggy clients', () => {
  it('one that ignores gratuitous frames follows a directed request', () => {
    const { client, mac } = clientOf('ignores-gratuitous', IP4, 1_500);
    client.receive(gratuitousRequest(IP4, NEW));
    client.receive(gratuitousReply(IP4, NEW));
    assert.equal(mac(), OLD);
    client.receive(directedRequest(IP4, NEW, CLIENT));
    assert.equal(mac(), NEW);
  });
  it('one that ignores every unsolicited update follows nothing but an answer to its question', () => {
    const { client, mac } = clientOf('ignores-unsolicited', IP4, 1_500);
    for (const frame of [gratuitousRequest(IP4, NEW), directedRequest(IP4, NEW, CLIENT)])
      client.receive(frame);
    assert.equal(mac(), OLD);
  });
  it('one that never ages never asks again', () => {
    const { client, queue, sent } = clientOf('never-ages', IP4, 3_600_000);
    client.use(IP4);
    queue.runUntil(queue.now() + 60_000);
    assert.deepEqual(
      sent.map(({ kind }) => kind),
      ['data'],
    );
  });
});
