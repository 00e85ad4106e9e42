// The lab's scenarios keep their promises, a few times each (bench/failover.ts plays them often).
import assert from 'node:assert/strict';
import { crash, cut } from '../../src/cli/lab/scenario-failover.ts';
import { partition } from '../../src/cli/lab/scenario-partition.ts';
import { drain, sigterm } from '../../src/cli/lab/scenario-planned.ts';
import { rolling } from '../../src/cli/lab/scenario-rolling.ts';
import { deaf, rejoin } from '../../src/cli/lab/scenario-sticky.ts';
import { assertKept, playOften, STAGE_TOOLS } from '../support/cluster.ts';
import { wireTest } from '../support/lab.ts';

wireTest(
  'the owner is cut off: the client waits hold time + 100 ms at most',
  STAGE_TOOLS,
  async (context) => {
    assertKept(await playOften(context, cut, 3));
  },
);

wireTest(
  'the owner is killed: known clients lose nothing, a new one is answered in time',
  STAGE_TOOLS,
  async (context) => {
    assertKept(await playOften(context, crash, 2));
  },
);

wireTest('the owner is drained: no ping, no new TCP connection is lost', STAGE_TOOLS, async (context) => {
  assertKept(await playOften(context, drain, 3));
});

wireTest('the owner is stopped: no ping, no new TCP connection is lost', STAGE_TOOLS, async (context) => {
  assertKept(await playOften(context, sigterm, 3));
});

wireTest('nodes that return or are new change nothing', STAGE_TOOLS, async (context) => {
  assertKept(await playOften(context, rejoin, 1));
});

wireTest('both halves of a split segment are served, and one owner remains', STAGE_TOOLS, async (context) => {
  assertKept(await playOften(context, partition, 2));
});

wireTest('a deaf node steals nothing when it hears again', STAGE_TOOLS, async (context) => {
  const lines = await playOften(context, deaf, 1);
  for (const { ownerChanges } of lines) assert.equal(ownerChanges, 0);
});

wireTest(
  'every node is restarted in turn: nothing is lost, and an IP moves only with its owner, once',
  STAGE_TOOLS,
  async (context) => {
    assertKept(await playOften(context, rolling, 1));
  },
);
