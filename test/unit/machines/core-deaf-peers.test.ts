// A leader among peers that are deaf, or out of its hearing: whose claims stand, and what follows when they do not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { any, LISTENED, V4 } from '../../support/core.ts';
import {
  claim,
  claimed,
  createMember,
  heard,
  instanceOf,
  late,
  MINE,
  witnessed,
} from '../../support/peers.ts';

test('a leader opens its answer again when the better claim that shut it in the wire step is of a deaf node', () => {
  const node = createMember(['n2', 'n3'], { serviceIPs: [any(V4)] });
  node.at(LISTENED + 1_000);
  assert.equal(node.state(V4), 'leader');
  node.at(LISTENED + 1_100, heard('n3', { hears: [] }));
  const effects = node.at(LISTENED + 1_110, claimed('n3', claim('n3', V4, 9)));
  assert.deepEqual(effects.map(({ type }) => type).slice(-2), ['answer.start', 'announce']);
  assert.equal(node.state(V4), 'leader');
});

test('what others repeat of a node counts against a leader as soon as that node is heard no longer', () => {
  const node = createMember(['n2', 'n3'], { serviceIPs: [any(V4)] });
  node.at(LISTENED + 1_000);
  node.at(LISTENED + 1_010, heard('n2', { hears: [MINE, instanceOf('n3')] }));
  node.at(
    LISTENED + 1_020,
    witnessed('n2', { ip: V4, epoch: 9, weak: false, node: 'n3', instance: instanceOf('n3') }),
  );
  assert.equal(node.state(V4), 'leader', 'n3 is heard, and claims nothing');
  node.at(LISTENED + 1_100, late('n3', LISTENED + 1_000));
  node.at(LISTENED + 1_300);
  assert.equal(node.state(V4), 'draining');
});
