// RFC 4861 (Neighbor Discovery), §7.1 and §7.2, on bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame } from '../../src/io/packets/frame.ts';
import type { AdvertisementFrame, NeighborFrame, SolicitationFrame } from '../../src/machines/frames.ts';
import { ETH0, LISTENED, RIVAL, V6 } from '../support/core.ts';
import { ADVERTISEMENT, hex, patched, SOLICITATION } from '../support/frames.ts';
import { createHolder, createStation } from './station.ts';

const NOW = 10_000;
const NS: SolicitationFrame = {
  ...SOLICITATION,
  target: V6,
  destination: 'ff02::1:ff00:100',
  ethernetDestination: '33:33:ff:00:01:00',
};
const UNICAST: SolicitationFrame = { ...NS, destination: V6, ethernetDestination: ETH0.mac };
const DAD: SolicitationFrame = { ...NS, source: '::', sourceLinkLayerAddress: null };
const NA: AdvertisementFrame = {
  ...ADVERTISEMENT,
  target: V6,
  ethernetSource: RIVAL,
  targetLinkLayerAddress: RIVAL,
};
const answerTo = (frame: NeighborFrame | Uint8Array): AdvertisementFrame | undefined => {
  const [answer] = createHolder().hear(NOW, frame);
  assert.ok(answer === undefined || answer.kind === 'na');
  return answer as AdvertisementFrame | undefined;
};

/** Sets octets of the frame and mends the checksum by the difference (RFC 1624), so that one fault is left. */
const mended = (frame: Uint8Array, at: number, octets: Uint8Array): Uint8Array => {
  const copy = patched(frame, at, octets);
  const word = (bytes: Uint8Array, index: number) => ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
  let sum = ~word(frame, 56) & 0xffff;
  for (let index = at & ~1; index < at + octets.length; index += 2)
    sum += (~word(frame, index) & 0xffff) + word(copy, index);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  const checksum = ~sum & 0xffff;
  return patched(copy, 56, Uint8Array.of(checksum >>> 8, checksum & 0xff));
};

const GOOD = encodeFrame(NS);
test('a valid solicitation is answered', () => {
  assert.ok(answerTo(GOOD) !== undefined);
  assert.ok(answerTo(mended(GOOD, 58, hex('00 00 00 01'))) !== undefined, 'reserved bits are ignored');
});
for (const [sentence, bytes] of [
  ['"The IP Hop Limit field has a value of 255"', patched(GOOD, 21, hex('fe'))],
  ['"ICMP Checksum is valid"', patched(GOOD, 56, hex('dead'))],
  ['"ICMP Code is 0"', mended(GOOD, 55, hex('01'))],
  ['"ICMP length (derived from the IP length) is 24 or more octets"', patched(GOOD, 18, hex('0010'))],
  ['"Target Address is not a multicast address"', mended(GOOD, 62, hex('ff'))],
  ['"All included options have a length that is greater than zero"', mended(GOOD, 87 - 8, hex('00'))],
] as const) {
  test(`§7.1.1: a solicitation that fails ${sentence} is silently discarded`, () => {
    assert.equal(answerTo(bytes), undefined);
  });
}
test('§7.1.1: from the unspecified address, "the IP destination address is a solicited-node multicast address", else it is discarded', () => {
  assert.equal(answerTo({ ...DAD, destination: V6 }), undefined);
  assert.equal(answerTo({ ...DAD, destination: 'ff02::1' }), undefined);
});
test('§7.1.1: from the unspecified address, "there is no source link-layer address option in the message", else it is discarded', () => {
  assert.equal(answerTo({ ...DAD, sourceLinkLayerAddress: RIVAL }), undefined);
});
test('§7.1.2: an advertisement to a multicast address with the Solicited flag set is discarded: no rival is seen', () => {
  const station = createHolder();
  station.hear(NOW, { ...NA, destination: 'ff02::1', solicited: true });
  assert.equal(station.node.world.defended.size, 0);
  station.hear(NOW, { ...NA, destination: 'ff02::1', solicited: false });
  assert.equal(station.node.world.defended.get(V6), 1);
});

test('§7.2.4: "The Target Address of the advertisement is copied from the Target Address of the solicitation"', () => {
  assert.equal(answerTo(NS)?.target, V6);
});
test('§7.2.4: "If the solicitation\'s IP Destination Address is a multicast address, the Target Link-Layer option MUST be included"', () => {
  assert.equal(answerTo(NS)?.targetLinkLayerAddress, ETH0.mac);
  assert.equal(answerTo(DAD)?.targetLinkLayerAddress, ETH0.mac);
});
test('§7.2.4: "If the node is a router, it MUST set the Router flag to one; otherwise, it MUST set the flag to zero"', () => {
  for (const frame of [NS, UNICAST, DAD]) assert.equal(answerTo(frame)?.router, false);
});
test('§7.2.4: no anycast address and no proxy: "Otherwise, the Override flag SHOULD be set to one"', () => {
  for (const frame of [NS, UNICAST, DAD]) assert.equal(answerTo(frame)?.override, true);
});
test('§7.2.4: "If the source of the solicitation is the unspecified address, the node MUST set the Solicited flag to zero and multicast the advertisement to the all-nodes address"', () => {
  const answer = answerTo(DAD);
  assert.deepEqual(
    [answer?.solicited, answer?.destination, answer?.ethernetDestination],
    [false, 'ff02::1', '33:33:00:00:00:01'],
  );
});
test('§7.2.4: "Otherwise, the node MUST set the Solicited flag to one and unicast the advertisement to the Source Address of the solicitation"', () => {
  for (const frame of [NS, UNICAST]) {
    const answer = answerTo(frame);
    assert.deepEqual(
      [answer?.solicited, answer?.destination, answer?.ethernetDestination],
      [true, NS.source, NS.ethernetSource],
    );
  }
});
test('§4.4: the source address of an advertisement is "an address assigned to the interface from which the advertisement is sent"', () => {
  assert.deepEqual([answerTo(NS)?.source, answerTo(NS)?.ethernetSource], [V6, ETH0.mac]);
});

const unsolicited = () => {
  const station = createStation();
  station.until(LISTENED + 25_000);
  return station.sent.flatMap(({ at, frame }) => (frame.kind === 'na' ? [{ at, ...frame }] : []));
};
test('§7.2.6: "a node MAY send up to MAX_NEIGHBOR_ADVERTISEMENT unsolicited Neighbor Advertisement messages to the all-nodes multicast address" (3)', () => {
  assert.deepEqual(
    unsolicited().map(({ destination }) => destination),
    ['ff02::1', 'ff02::1', 'ff02::1'],
  );
});
test('§7.2.6: "These advertisements MUST be separated by at least RetransTimer seconds" (1 s)', () => {
  const times = unsolicited().map(({ at }) => at);
  for (const [index, at] of times.slice(1).entries()) assert.ok(at - (times[index] as number) >= 1_000);
});
test('§7.2.6: "The Target Address … is set to an IP address of the interface, and the Target Link-Layer Address option is filled with the new link-layer address"; Solicited is zero, Override one', () => {
  for (const { target, targetLinkLayerAddress, solicited, override, router } of unsolicited()) {
    assert.deepEqual(
      [target, targetLinkLayerAddress, solicited, override, router],
      [V6, ETH0.mac, false, true, false],
    );
  }
});
