// Who takes what nobody holds, and when: rank by rank, and who is passed over, with the reason.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareRank } from '../../../src/machines/claims.ts';
import type { CoreState } from '../../../src/machines/core-state.ts';
import type { PeerFact } from '../../../src/machines/inputs.ts';
import { createSegment, type Segment } from '../../../src/machines/segments.ts';
import type { Service } from '../../../src/machines/services.ts';
import {
  candidatesFor,
  crowdMs,
  ownExclusion,
  ownRank,
  successorsFor,
  takeDelayMs,
} from '../../../src/machines/succession.ts';
import { restoreCluster } from '../../../src/machines/unheard.ts';
import { any, coreConfig, createNode, LISTENED, link, loaded, START, V4, V6 } from '../../support/core.ts';
import {
  BIRTH,
  claim,
  claimed,
  createMember,
  createStandby,
  DRAINED,
  heard,
  instanceOf,
  LEAVING,
  LISTENING,
  late,
  MINE,
  peerFact,
  released,
  started,
  whole,
} from '../../support/peers.ts';

/** An IPv4 service IP for which n1 has this rank among `nodes`. */
const ipRanked = (rank: number, nodes: readonly string[]): string => {
  for (let byte = 1; byte < 255; byte += 1) {
    const ip = `10.99.0.${byte}`;
    const order = ['n1', ...nodes].sort((a, b) => compareRank(ip, a, b));
    if (order.indexOf('n1') === rank) return ip;
  }
  throw new Error('no such IP');
};

const stateWith = (over: Partial<CoreState> = {}): CoreState =>
  ({
    clock: START + 5_000,
    instance: BIRTH,
    config: coreConfig(),
    isEligible: true,
    drained: false,
    stopping: null,
    cluster: restoreCluster(),
    ...over,
  }) as CoreState;
const serviceOf = (ip: string, over: object = {}): Service =>
  ({ ip, config: { ...any(ip), ...over }, obstacle: null, isKnownFree: true }) as unknown as Service;
const segmentWith = (...facts: readonly PeerFact[]): Segment => {
  const segment = createSegment('eth0');
  segment.instance = MINE;
  for (const fact of facts) segment.peers.heard(fact, START);
  segment.peers.judge(START);
  for (const fact of facts) segment.peers.whole(fact.node, fact.instance);
  return segment;
};

// what n2 is like; why it is passed over, or null
const EXCLUSIONS: readonly (readonly [string, Partial<PeerFact>, object, string | null])[] = [
  ['ready', {}, {}, null],
  ['leaving', { flags: LEAVING }, {}, 'leaving'],
  ['listening', { flags: LISTENING }, {}, 'starting'],
  ['drained', { flags: DRAINED }, {}, 'drained'],
  ['not proven', { proven: false }, {}, 'its hellos are not proven'],
  ['not named by the config', {}, { nodes: ['n1', 'n3'] }, 'not among the nodes of its config'],
  ['on another subnet', { subnets: [{ ip: '10.98.0.0', length: 24 }] }, {}, 'it has no subnet for it'],
  ['on another subnet, the interface being named', { subnets: [] }, { interfaces: ['eth0'] }, null],
  ['deaf', { hears: [] }, {}, 'it hears nobody'],
];
for (const [what, over, config, excluded] of EXCLUSIONS) {
  test(`a peer that is ${what} is ${excluded === null ? 'a candidate' : `passed over: ${excluded}`}`, () => {
    const segment = segmentWith(peerFact('n2', over), peerFact('n3'));
    const found = candidatesFor(stateWith(), serviceOf(V4, config), segment).find(
      ({ node }) => node === 'n2',
    );
    assert.deepEqual(found, { node: 'n2', excluded });
  });
}

test('a dead peer is passed over, one that is only late is not', () => {
  const segment = segmentWith(peerFact('n2'), peerFact('n3'));
  segment.peers.late('n2', instanceOf('n2'), START);
  segment.peers.late('n3', instanceOf('n3'), START + 150);
  segment.peers.judge(START + 200);
  const candidates = candidatesFor(stateWith(), serviceOf(V4), segment);
  assert.equal(candidates.find(({ node }) => node === 'n2')?.excluded, 'dead');
  assert.equal(candidates.find(({ node }) => node === 'n3')?.excluded, null);
});

test('a starting peer keeps its turn for an IP that nobody ever served: nothing is lost by waiting', () => {
  const segment = segmentWith(peerFact('n2', { flags: LISTENING }));
  const service = { ...serviceOf(V4), isKnownFree: false };
  const found = candidatesFor(stateWith(), service, segment).find(({ node }) => node === 'n2');
  assert.equal(found?.excluded, null);
});

// what this node is like; why it takes nothing
const OWN: readonly (readonly [string, Partial<CoreState>, readonly PeerFact[], string | null])[] = [
  ['eligible', {}, [peerFact('n2')], null],
  ['alone', {}, [], null],
  ['listening', { isEligible: false }, [peerFact('n2')], 'it listens first'],
  ['drained', { drained: true }, [peerFact('n2')], 'drained'],
  ['stopping', { stopping: 'SIGTERM' }, [peerFact('n2')], 'leaving'],
  ['heard by nobody', {}, [peerFact('n2', { hears: ['f'] })], 'none of the peers it hears hears it'],
];
for (const [what, over, facts, reason] of OWN) {
  test(`a node that is ${what} ${reason === null ? 'may take' : `takes nothing: ${reason}`}`, () => {
    assert.equal(ownExclusion(stateWith(over), segmentWith(...facts)), reason);
  });
}

test('every node ranks the same candidates in the same order, and its own place follows from it', () => {
  const segment = segmentWith(peerFact('n2'), peerFact('n3'), peerFact('n4'));
  for (let byte = 1; byte < 60; byte += 1) {
    const ip = `10.99.0.${byte}`;
    const candidates = candidatesFor(stateWith(), serviceOf(ip), segment);
    const order = ['n1', 'n2', 'n3', 'n4'].sort((a, b) => compareRank(ip, a, b));
    assert.deepEqual(
      candidates.map(({ node }) => node),
      order,
    );
    assert.equal(ownRank(stateWith(), candidates), order.indexOf('n1'));
  }
});

test('each rank waits two intervals for the one before, ranks beyond the fourth no longer', () => {
  const segment = segmentWith(peerFact('n2'));
  const delays = [0, 1, 2, 3, 4, 5, 60].map((rank) => takeDelayMs(rank, segment, coreConfig(), 0));
  assert.deepEqual(delays, [0, 100, 200, 300, 400, 400, 400]);
});

test('more than 500 IPs that became vacant together are left to the first for longer, a second at most', () => {
  const segment = segmentWith(peerFact('n2'));
  const waits = [1, 500, 600, 5_000, 10_000].map((count) => {
    segment.vacated = { at: START, count };
    return crowdMs(segment, START);
  });
  assert.deepEqual(waits, [0, 0, 120, 1_000, 1_000]);
  assert.equal(crowdMs(segment, START + 1), 0, 'what became vacant at another time waits as ever');
});

test('of 600 IPs of a dead peer the second in line takes those that the first left alone for 220 ms', () => {
  const ips = Array.from({ length: 600 }, (_, index) => `10.99.${1 + (index >> 8)}.${index & 255}`);
  const wide = { subnets: [{ ip: '10.99.0.0', length: 16 }] };
  const node = createStandby(['n2', 'n3'], 'n2', ips, { serviceIPs: ips.map(any) });
  node.at(LISTENED, link({ prefixes: [{ ip: '10.99.0.1', length: 16 }] }));
  for (const peer of ['n2', 'n3']) node.at(LISTENED, heard(peer, wide));
  const taken = () => node.core.view().serviceIPs.filter(({ state }) => state === 'leader').length;
  node.at(2_000, late('n2', 1_900));
  node.at(2_100);
  const firsts = taken();
  assert.ok(firsts > 200 && firsts < 400, `${firsts} of 600 fall to the first of two`);
  node.at(2_319);
  assert.equal(taken(), firsts);
  node.at(2_320);
  assert.equal(taken(), 600);
});

test('a successor is one that is alive and ready: the one that holds least, then the one of best rank', () => {
  const segment = segmentWith(
    peerFact('n2'),
    peerFact('n3'),
    peerFact('n4', { flags: DRAINED }),
    peerFact('n5', { flags: LISTENING }),
  );
  const ranked = ['n2', 'n3'].sort((a, b) => compareRank(V4, a, b));
  assert.deepEqual(successorsFor(serviceOf(V4), segment, new Map()), ranked);
  segment.register.hear(ranked[0] as string, [claim(ranked[0] as string, V6, 1)], []);
  assert.deepEqual(successorsFor(serviceOf(V4), segment, new Map()), [...ranked].reverse());
  assert.deepEqual(successorsFor(serviceOf(V4), segment, new Map([[ranked[1] as string, 5]])), ranked);
});

// The same rules on whole cores.
for (const rank of [0, 1, 2]) {
  test(`of three nodes that start together the one of rank ${rank} takes after ${rank * 2} intervals`, () => {
    const ip = ipRanked(rank, ['n2', 'n3']);
    const node = createMember(['n2', 'n3'], { serviceIPs: [any(ip)] });
    if (rank > 0) {
      node.at(LISTENED + 100 * rank - 1);
      assert.equal(node.state(ip), 'unowned');
    }
    node.at(LISTENED + 100 * rank);
    assert.equal(node.state(ip), 'leader');
    assert.equal(node.world.answered.get(ip)?.weak, false);
  });
}

test('when the holder dies the best of the rest takes at once, the next two intervals later, at a higher epoch', () => {
  for (const [rank, others] of [
    [0, ['n3']],
    [1, ['n3']],
  ] as const) {
    const ip = ipRanked(rank, others);
    const node = createStandby(['n2', 'n3'], 'n2', [ip], { serviceIPs: [any(ip)] });
    node.at(1_000, late('n2', 900));
    node.at(1_099);
    assert.equal(node.state(ip), 'unowned');
    node.at(1_100 + 100 * rank - 0.5);
    assert.equal(node.state(ip), 'unowned');
    node.at(1_100 + 100 * rank);
    assert.deepEqual([node.state(ip), node.world.answered.get(ip)?.epoch], ['leader', 6]);
    const view = node.core.view().serviceIPs[0];
    assert.equal(view?.cause, 'holder-dead');
    assert.match(view?.reason ?? '', /^n2 silent for 200 ms; /);
  }
});

test('a rank that has waited out another turn waits anew when the order changes', () => {
  const ip = ipRanked(2, ['n2', 'n3']);
  const node = createMember(['n2', 'n3'], { serviceIPs: [any(ip)] });
  const [first] = ['n2', 'n3'].sort((a, b) => compareRank(ip, a, b));
  node.at(LISTENED + 190, heard(first as string, { flags: LEAVING }));
  node.at(LISTENED + 200);
  assert.equal(node.state(ip), 'unowned', 'the other one is first now, and has its two intervals');
  node.at(LISTENED + 290);
  assert.equal(node.state(ip), 'leader');
});

test('nothing is taken while the table of a peer is not whole, 3 s at most after the last one appeared', () => {
  const ip = ipRanked(0, ['n2']);
  const node = createNode();
  node.at(0, started());
  node.at(0, link());
  node.at(0, loaded({ serviceIPs: [any(ip)] }));
  node.at(100, heard('n2'));
  node.at(3_099);
  assert.equal(node.state(ip), 'unowned');
  node.at(3_100);
  assert.equal(node.state(ip), 'leader');
});

test('a table that becomes whole releases what was waiting, and what it claims is not taken', () => {
  const ip = ipRanked(0, ['n2']);
  const node = createNode();
  node.at(0, started());
  node.at(0, link());
  node.at(0, loaded({ serviceIPs: [any(ip), any(V6)] }));
  node.at(100, heard('n2'));
  node.at(1_000, claimed('n2', claim('n2', V6, 3)));
  node.at(1_001, whole('n2'));
  node.at(2_000);
  assert.deepEqual([node.state(ip), node.state(V6)], ['leader', 'unowned']);
  assert.equal(node.core.view().serviceIPs.find((view) => view.ip === V6)?.holder, 'n2');
});

test('sticky: a node that comes or comes back takes nothing that is held, whatever its rank', () => {
  const ip = ipRanked(0, ['n2']);
  const node = createStandby(['n2'], 'n2', [ip], { serviceIPs: [any(ip)] });
  node.at(60_000);
  assert.deepEqual([node.state(ip), node.transitions()], ['unowned', []]);
});

test('what a live holder gives up is taken, and the reason says so', () => {
  const ip = ipRanked(0, ['n2']);
  const node = createStandby(['n2'], 'n2', [ip], { serviceIPs: [any(ip)] });
  node.at(1_000, released('n2', ip));
  assert.equal(node.state(ip), 'leader');
  const view = node.core.view().serviceIPs[0];
  assert.deepEqual([view?.cause, view?.reason.startsWith('n2 gave it up')], ['released', true]);
});
