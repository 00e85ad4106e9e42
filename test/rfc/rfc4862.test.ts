// RFC 4862 §5.4 (Duplicate Address Detection), for a service IP before its first claim.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AdvertisementFrame, SolicitationFrame } from '../../src/machines/frames.ts';
import { ETH0, LISTENED, RIVAL, V6 } from '../support/core.ts';
import { ADVERTISEMENT, DAD_PROBE, SOLICITATION } from '../support/frames.ts';
import { createHolder, createStation, type Station } from './station.ts';

const GROUP = {
  target: V6,
  destination: 'ff02::1:ff00:100',
  ethernetDestination: '33:33:ff:00:01:00',
} as const;
const THEIR_DAD: SolicitationFrame = { ...DAD_PROBE, ...GROUP, ethernetSource: RIVAL };
const RESOLVING: SolicitationFrame = { ...SOLICITATION, ...GROUP };
const THEIRS: AdvertisementFrame = {
  ...ADVERTISEMENT,
  target: V6,
  source: V6,
  ethernetSource: RIVAL,
  targetLinkLayerAddress: RIVAL,
};

const tentative = (): Station => {
  const station = createStation({ probe: 'quick' });
  station.until(LISTENED + 500);
  return station;
};
const solicitationsOf = (station: Station) =>
  station.sent.flatMap(({ frame }) => (frame.kind === 'ns' ? [frame] : []));
const endOf = (station: Station): string => {
  station.until(LISTENED + 3_000);
  return station.node.state(V6);
};

test('§5.4: "Duplicate Address Detection MUST be performed on all unicast addresses prior to assigning them": nothing is answered before', () => {
  const station = tentative();
  assert.ok(solicitationsOf(station).length > 0);
  assert.equal(station.node.state(V6), 'candidate');
  assert.equal(endOf(station), 'leader');
});

test('§5.4.2: "the interface MUST join … the solicited-node multicast address of the tentative address" before it solicits', () => {
  const station = createStation({ probe: 'quick' });
  assert.deepEqual([solicitationsOf(station).length, [...station.node.world.groups]], [0, [[V6, 'eth0']]]);
});

test('§5.4.2: "The solicitation\'s Target Address is set to the address being checked, the IP source is set to the unspecified address, and the IP destination is set to the solicited-node multicast address"', () => {
  for (const { target, source, destination, ethernetDestination, sourceLinkLayerAddress } of solicitationsOf(
    tentative(),
  )) {
    assert.deepEqual(
      [target, source, destination, ethernetDestination, sourceLinkLayerAddress],
      [V6, '::', GROUP.destination, GROUP.ethernetDestination, null],
    );
  }
});

test('§5.4.3: "If the target address is tentative, and the source address is a unicast address, the solicitation\'s sender is performing address resolution on the target; the solicitation should be silently ignored"', () => {
  const station = tentative();
  assert.deepEqual(station.hear(LISTENED + 500, RESOLVING), []);
  assert.equal(endOf(station), 'leader');
});

test('§5.4.3: "If the source address of the Neighbor Solicitation is the unspecified address, … the tentative address is a duplicate and should not be used"', () => {
  const station = tentative();
  assert.deepEqual(station.hear(LISTENED + 500, THEIR_DAD), []);
  assert.equal(endOf(station), 'unowned');
});

test('§5.4.3: our own solicitation, looped back, is no duplicate', () => {
  const station = tentative();
  station.hear(LISTENED + 500, { ...THEIR_DAD, ethernetSource: ETH0.mac });
  assert.equal(endOf(station), 'leader');
});

test('§5.4.4: "If the target address is tentative, the tentative address is not unique" when an advertisement for it is received', () => {
  const station = tentative();
  station.hear(LISTENED + 500, THEIRS);
  assert.equal(endOf(station), 'unowned');
});

test('§5.4.5: "a tentative address that is determined to be a duplicate … MUST NOT be assigned to an interface", and it is said', () => {
  const station = tentative();
  station.hear(LISTENED + 500, THEIRS);
  endOf(station);
  assert.equal(station.node.world.addresses.has(V6), false);
  const view = station.node.core.view().serviceIPs.find(({ ip }) => ip === V6);
  assert.deepEqual([view?.cause, view?.holder], ['foreign-use', null]);
});

test('§5.4: an address found to be a duplicate is asked about again before it is used later', () => {
  const station = tentative();
  station.hear(LISTENED + 500, THEIRS);
  station.until(LISTENED + 10_550);
  assert.notEqual(station.node.state(V6), 'leader');
});

test('§5.4.3: an address that is assigned answers the DAD of others, so that they find the duplicate', () => {
  const [answer] = createHolder().hear(10_000, THEIR_DAD);
  assert.ok(answer?.kind === 'na');
  assert.deepEqual([answer.target, answer.destination, answer.solicited], [V6, 'ff02::1', false]);
});
