import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPeers, type Peers } from '../../../src/machines/peers.ts';
import { START } from '../../support/core.ts';
import { instanceOf, MINE, peerFact } from '../../support/peers.ts';

const HOLD_MS = 200;
const at = (ms: number): number => START + ms;
const stateOf = (peers: Peers, node: string) => peers.all.get(node)?.state;
const hear = (peers: Peers, ms: number, node: string, over: Parameters<typeof peerFact>[1] = {}) => {
  peers.heard(peerFact(node, over), at(ms));
  return peers.judge(at(ms));
};
const late = (peers: Peers, ms: number, node: string, since: number) => {
  peers.late(node, instanceOf(node), at(since));
  return peers.judge(at(ms));
};

test('a peer that is heard and proven appears alive; one that is not proven is there, and does not count', () => {
  const peers = createPeers();
  assert.deepEqual(hear(peers, 0, 'n2').appeared, ['n2']);
  assert.deepEqual(hear(peers, 10, 'n3', { proven: false }).appeared, []);
  assert.deepEqual([stateOf(peers, 'n2'), stateOf(peers, 'n3')], ['alive', 'unproven']);
  assert.deepEqual([peers.counts('n2'), peers.counts('n3'), peers.counts('n9')], [true, false, false]);
  assert.equal(peers.lastAppearedAt(), at(0));
  assert.deepEqual(hear(peers, 20, 'n3').appeared, ['n3'], 'it appears when it is proven');
  assert.equal(peers.lastAppearedAt(), at(20));
});

// what is heard of n2 at 1000 ms and after; its state then, and whether its claims stand
type Story = (peers: Peers) => unknown;
const VOUCHED = { hears: [MINE, instanceOf('n2')] };
const TABLE: readonly (readonly [string, Story, string, boolean])[] = [
  ['it is heard', () => {}, 'alive', true],
  ['it is late by less than its hold time', (peers) => late(peers, 1_199, 'n2', 1_000), 'late', true],
  ['its hold time is over', (peers) => late(peers, 1_200, 'n2', 1_000), 'dead', false],
  [
    'its hold time is over, and an alive peer hears it',
    (peers) => {
      hear(peers, 1_000, 'n3', VOUCHED);
      late(peers, 1_200, 'n2', 1_000);
    },
    'vouched',
    true,
  ],
  [
    'its hold time is over, and a late peer hears it',
    (peers) => {
      hear(peers, 1_000, 'n3', VOUCHED);
      late(peers, 1_150, 'n3', 1_050);
      late(peers, 1_200, 'n2', 1_000);
    },
    'vouched',
    true,
  ],
  [
    'its hold time is over, and a dead peer heard it last',
    (peers) => {
      hear(peers, 900, 'n3', VOUCHED);
      late(peers, 1_100, 'n3', 900);
      late(peers, 1_200, 'n2', 1_000);
    },
    'dead',
    false,
  ],
  [
    'its hold time is over, and only an unproven peer says that it hears it',
    (peers) => {
      hear(peers, 1_000, 'n3', { ...VOUCHED, proven: false });
      late(peers, 1_200, 'n2', 1_000);
    },
    'dead',
    false,
  ],
  [
    'its hold time is over, and it is heard by one that is itself only vouched for',
    (peers) => {
      hear(peers, 900, 'n3', { hears: [instanceOf('n2')] });
      hear(peers, 1_000, 'n4', { hears: [instanceOf('n3')] });
      late(peers, 1_100, 'n3', 900);
      late(peers, 1_200, 'n2', 1_000);
    },
    'dead',
    false,
  ],
  [
    'it was late and is back',
    (peers) => {
      late(peers, 1_150, 'n2', 1_000);
      peers.back('n2', instanceOf('n2'));
      peers.judge(at(1_200));
    },
    'alive',
    true,
  ],
  [
    'it was dead and is heard again',
    (peers) => {
      late(peers, 1_200, 'n2', 1_000);
      hear(peers, 1_900, 'n2');
    },
    'alive',
    true,
  ],
  [
    'news of its former life comes late',
    (peers) => {
      peers.late('n2', instanceOf('n2', 7), at(1_000));
      peers.judge(at(1_900));
    },
    'alive',
    true,
  ],
  [
    'somebody who is not proven uses its name',
    (peers) => hear(peers, 1_100, 'n2', { instance: instanceOf('n2', 2), proven: false }),
    'alive',
    true,
  ],
];
for (const [what, story, state, counts] of TABLE) {
  test(`a peer is ${state} when ${what}`, () => {
    const peers = createPeers();
    hear(peers, 1_000, 'n2');
    story(peers);
    assert.deepEqual([stateOf(peers, 'n2'), peers.counts('n2')], [state, counts]);
  });
}

test('a death is said once, when it is judged, and the peer must tell its table anew afterwards', () => {
  const peers = createPeers();
  hear(peers, 0, 'n2');
  peers.whole('n2', instanceOf('n2'));
  assert.equal(peers.all.get('n2')?.isWhole, true);
  assert.deepEqual(late(peers, 100, 'n2', 0).died, []);
  assert.deepEqual(peers.judge(at(HOLD_MS)).died, ['n2']);
  assert.deepEqual(peers.judge(at(HOLD_MS + 1)), { appeared: [], died: [], isAny: false });
  assert.deepEqual(hear(peers, 500, 'n2').appeared, ['n2']);
  assert.equal(peers.all.get('n2')?.isWhole, false);
});

test('a peer that is vouched for has not died; it dies when nobody hears it any more', () => {
  const peers = createPeers();
  hear(peers, 0, 'n2');
  hear(peers, 0, 'n3', VOUCHED);
  assert.deepEqual(late(peers, 200, 'n2', 0).died, []);
  assert.deepEqual(hear(peers, 250, 'n3', { hears: [MINE] }).died, ['n2']);
});

test('the next deadline is when a silent peer is to be judged, by its own hold time; the dead have none', () => {
  const peers = createPeers();
  hear(peers, 0, 'n2');
  hear(peers, 0, 'n3', { holdMs: 90 });
  assert.equal(peers.nextDeadline(), null);
  late(peers, 60, 'n2', 10);
  late(peers, 60, 'n3', 10);
  assert.equal(peers.nextDeadline(), at(100));
  peers.judge(at(100));
  assert.equal(peers.nextDeadline(), at(210));
  peers.judge(at(210));
  assert.equal(peers.nextDeadline(), null);
});

test('a new birth that is proven replaces the old one, and appears as a new peer', () => {
  const peers = createPeers();
  hear(peers, 0, 'n2');
  peers.whole('n2', instanceOf('n2'));
  hear(peers, 100, 'n2', { instance: instanceOf('n2', 2) });
  assert.equal(peers.all.get('n2')?.fact.instance, instanceOf('n2', 2));
  assert.deepEqual([stateOf(peers, 'n2'), peers.all.get('n2')?.isWhole], ['alive', false]);
  peers.whole('n2', instanceOf('n2'));
  assert.equal(peers.all.get('n2')?.isWhole, false, 'the old life says nothing of the new');
  assert.equal(peers.lastAppearedAt(), at(100));
});

test('made-up names that are never proven neither fill the table nor displace a real peer', () => {
  const peers = createPeers();
  hear(peers, 0, 'n2');
  for (let index = 0; index < 10_000; index += 1) {
    const made = { instance: index.toString(16).padStart(16, '0'), proven: false };
    peers.heard(peerFact(`made-up-${index}`, made), at(1));
    if (index % 100 === 0) peers.judge(at(1));
  }
  assert.ok(peers.all.size <= 4_096, `${peers.all.size} peers are remembered`);
  assert.equal(stateOf(peers, 'n2'), 'alive');
});

test('when it was last alive is remembered through its death', () => {
  const peers = createPeers();
  hear(peers, 0, 'n2');
  late(peers, 150, 'n2', 50);
  peers.judge(at(250));
  assert.equal(stateOf(peers, 'n2'), 'dead');
  assert.equal(peers.all.get('n2')?.lastAliveAt, at(150));
});

test('peers from a checkpoint are the same, and the checkpoint stays as it was', () => {
  const peers = createPeers();
  hear(peers, 0, 'n2');
  late(peers, 150, 'n2', 50);
  const checkpoint = peers.checkpoint();
  const text = JSON.stringify(checkpoint);
  const restored = createPeers(JSON.parse(text));
  assert.deepEqual(restored.checkpoint(), checkpoint);
  assert.equal(restored.nextDeadline(), peers.nextDeadline());
  restored.judge(at(900));
  peers.judge(at(900));
  assert.equal(JSON.stringify(checkpoint), text);
  assert.deepEqual(restored.checkpoint(), peers.checkpoint());
  peers.clear();
  assert.equal(peers.all.size, 0);
});
