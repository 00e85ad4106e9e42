import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerFact } from '../../../src/machines/inputs.ts';
import { KNOWN_FOR_MS, WHOLE_WITHIN_MS } from '../../../src/machines/peers.ts';
import {
  areTablesWhole,
  createSegment,
  effectiveHoldMs,
  effectiveIntervalMs,
  holdOf,
  intervalOf,
  isHeardBySomeone,
  isMinority,
  listsMe,
  type Segment,
} from '../../../src/machines/segments.ts';
import { coreConfig, START } from '../../support/core.ts';
import { instanceOf, LEAVING, MINE, peerFact } from '../../support/peers.ts';

const at = (ms: number): number => START + ms;
const hear = (segment: Segment, ms: number, node: string, over: Partial<PeerFact> = {}): void => {
  segment.peers.heard(peerFact(node, over), at(ms));
  segment.peers.judge(at(ms));
};
const bury = (segment: Segment, ms: number, node: string): void => {
  segment.peers.late(node, instanceOf(node), at(ms - 200));
  segment.peers.judge(at(ms));
};
const withPeers = (...nodes: readonly string[]): Segment => {
  const segment = createSegment('eth0');
  segment.instance = MINE;
  for (const node of nodes) hear(segment, 0, node);
  return segment;
};

// peers that were alive; those of them that died at 1 s; then a claim would be weak
const MINORITY: readonly (readonly [readonly string[], readonly string[], boolean])[] = [
  [[], [], true],
  [['n2'], [], false],
  [['n2'], ['n2'], true],
  [['n2', 'n3'], ['n2'], false],
  [['n2', 'n3'], ['n2', 'n3'], true],
  [['n2', 'n3', 'n4'], ['n2', 'n3'], true],
  [['n2', 'n3', 'n4', 'n5'], ['n2', 'n3'], false],
];
for (const [peers, dead, isWeak] of MINORITY) {
  test(`of ${peers.length} known peers, ${peers.length - dead.length} alive: a claim is ${isWeak ? 'weak' : 'strong'}`, () => {
    const segment = withPeers(...peers);
    for (const node of dead) bury(segment, 1_000, node);
    assert.equal(isMinority(segment, at(1_000)), isWeak);
  });
}

test('a peer that said goodbye is not known any more, nor is one that has been dead for ten minutes', () => {
  const gone = withPeers('n2', 'n3', 'n4');
  for (const node of ['n2', 'n3']) {
    hear(gone, 900, node, { flags: LEAVING });
    bury(gone, 1_200, node);
  }
  assert.equal(isMinority(gone, at(1_200)), false);
  const crashed = withPeers('n2', 'n3', 'n4');
  for (const node of ['n2', 'n3']) bury(crashed, 1_200, node);
  assert.equal(isMinority(crashed, at(1_200)), true);
  assert.equal(isMinority(crashed, at(KNOWN_FOR_MS - 1)), true);
  assert.equal(isMinority(crashed, at(KNOWN_FOR_MS + 1_200)), false);
});

test('an unproven peer is neither alive nor known', () => {
  const segment = createSegment('eth0');
  hear(segment, 0, 'n2', { proven: false });
  assert.equal(isMinority(segment, at(0)), true);
  hear(segment, 0, 'n3');
  assert.equal(isMinority(segment, at(0)), false);
});

test('tables are whole when every peer whose claims stand has told all, or 3 s after the last one appeared', () => {
  const segment = withPeers('n2', 'n3');
  assert.equal(areTablesWhole(segment, at(10)), false);
  segment.peers.whole('n2', instanceOf('n2'));
  assert.equal(areTablesWhole(segment, at(10)), false);
  bury(segment, 500, 'n3');
  assert.equal(areTablesWhole(segment, at(500)), true, 'the dead tell nothing');
  hear(segment, 1_000, 'n4');
  assert.equal(areTablesWhole(segment, at(1_000 + WHOLE_WITHIN_MS - 1)), false);
  assert.equal(areTablesWhole(segment, at(1_000 + WHOLE_WITHIN_MS)), true);
  assert.equal(areTablesWhole(createSegment('eth0'), at(0)), true);
});

test('the table of a peer that is only vouched for is waited for as well', () => {
  const segment = withPeers('n2');
  hear(segment, 0, 'n3', { hears: [MINE, instanceOf('n2')] });
  segment.peers.whole('n3', instanceOf('n3'));
  bury(segment, 500, 'n2');
  assert.equal(segment.peers.all.get('n2')?.state, 'vouched');
  assert.equal(areTablesWhole(segment, at(500)), false);
});

test('a node is heard by someone if an alive peer lists it, or if it hears nobody', () => {
  const segment = createSegment('eth0');
  segment.instance = MINE;
  assert.equal(isHeardBySomeone(segment), true);
  hear(segment, 0, 'n2', { hears: [instanceOf('n3')] });
  assert.equal(isHeardBySomeone(segment), false);
  hear(segment, 0, 'n3', { hears: [MINE] });
  assert.deepEqual(
    [isHeardBySomeone(segment), listsMe(segment, 'n2'), listsMe(segment, 'n3')],
    [true, false, true],
  );
  bury(segment, 500, 'n3');
  assert.equal(isHeardBySomeone(segment), false);
});

test('the claims of a deaf peer do not stand, while somebody else hears this node', () => {
  const segment = createSegment('eth0');
  segment.instance = MINE;
  hear(segment, 0, 'n2', { hears: [] });
  assert.equal(segment.standing.counts('n2'), true, 'it may be this node whom nobody can hear');
  hear(segment, 0, 'n3', { hears: [MINE] });
  assert.equal(segment.standing.counts('n2'), false);
  hear(segment, 10, 'n2', { hears: [instanceOf('n3')] });
  assert.equal(segment.standing.counts('n2'), true);
});

test('what others witness of a deaf peer does not stand either, while somebody else hears this node', () => {
  const segment = createSegment('eth0');
  segment.instance = MINE;
  hear(segment, 0, 'n3', { hears: [MINE, instanceOf('n2')] });
  assert.equal(segment.standing.isVouchedFor(instanceOf('n2')), true, 'not heard here');
  hear(segment, 10, 'n2', { hears: [], proven: false });
  assert.equal(segment.standing.isVouchedFor(instanceOf('n2')), false);
  hear(segment, 20, 'n2', { hears: [instanceOf('n3')], proven: false });
  assert.equal(
    segment.standing.isVouchedFor(instanceOf('n2')),
    true,
    'it hears somebody: its way from here is broken',
  );
});

test('the more nodes, the longer the interval: 1,000 hellos a second in all; the hold time is at least four of them', () => {
  assert.deepEqual(
    [1, 50, 51, 80].map((nodes) => effectiveIntervalMs(50, nodes)),
    [50, 50, 51, 80],
  );
  assert.deepEqual(
    [effectiveHoldMs(200, 50), effectiveHoldMs(200, 80), effectiveHoldMs(600, 80)],
    [200, 320, 600],
  );
  const names = Array.from({ length: 69 }, (_, index) => `node${index}`);
  const segment = withPeers(...names);
  assert.deepEqual([intervalOf(segment, coreConfig()), holdOf(segment, coreConfig())], [70, 280]);
});
