// Planned moves by command: to whom, to nobody, from the wrong node, and over a restart.
import assert from 'node:assert/strict';
import type { LabNode } from '../../src/cli/lab/lab-node.ts';
import { sleep } from '../../src/cli/lab/lab-node.ts';
import { startProbing } from '../../src/cli/lab/scenario.ts';
import { LAB_SERVICE_IPS, type Stage } from '../../src/cli/lab/stage.ts';
import { assertReplaysIdentically, holdings, othersThan, STAGE_TOOLS, stageFor } from '../support/cluster.ts';
import { type WireContext, wireTest } from '../support/lab.ts';

const [IPV4, IPV6] = LAB_SERVICE_IPS;

const settledStage = async (context: WireContext): Promise<{ stage: Stage; owner: LabNode }> => {
  const stage = await stageFor(context);
  const owner = await stage.gathered();
  await stage.settled();
  return { stage, owner };
};

wireTest(
  'drain --ip --to moves that IP to that node, and no other; elsewhere it names the holder',
  STAGE_TOOLS,
  async (context) => {
    const { stage, owner } = await settledStage(context);
    const [, second] = othersThan(stage, owner) as [LabNode, LabNode];
    const before = await holdings(stage);

    const wrong = await second.command('drain', '--ip', IPV4);
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, new RegExp(`${owner.host.name} holds it`));

    const moved = await owner.command('drain', '--ip', IPV4, '--to', second.host.name);
    assert.deepEqual(moved, { code: 0, out: `${IPV4} ${second.host.name}\n`, err: '' });
    const after = await holdings(stage);
    assert.equal(after[IPV4]?.node, second.host.name);
    assert.equal(after[IPV4]?.epoch, (before[IPV4]?.epoch ?? 0) + 1);
    assert.deepEqual(after[IPV6], before[IPV6]);
    await assertReplaysIdentically(stage);
  },
);

wireTest('a drained node stays drained over a restart, until undrain', STAGE_TOOLS, async (context) => {
  const { stage, owner } = await settledStage(context);
  const [second, third] = othersThan(stage, owner) as [LabNode, LabNode];
  assert.equal((await second.command('drain')).code, 0);
  second.signal('SIGTERM');
  assert.equal(await second.exited(), 0);
  await second.start();
  await stage.settled();
  assert.equal((await second.status()).drained, true);

  third.signal('SIGTERM');
  assert.equal(await third.exited(), 0);
  const stays = await owner.command('drain');
  assert.equal(stays.code, 1);
  assert.match(stays.err, /stays/);
  assert.equal((await holdings(stage))[IPV4]?.node, owner.host.name, 'the only other one is drained');

  assert.equal((await owner.command('undrain')).code, 0);
  assert.equal((await second.command('undrain')).code, 0);
  assert.equal((await second.status()).drained, false);
  assert.equal((await owner.command('drain')).code, 0);
  assert.equal((await holdings(stage))[IPV4]?.node, second.host.name);
  await assertReplaysIdentically(stage);
});

wireTest(
  'drain with no successor exits 1, says so, and the IPs stay served',
  STAGE_TOOLS,
  async (context) => {
    const stage = await stageFor(context, { nodes: 1 });
    const [only] = stage.nodes as [LabNode];
    const stop = await startProbing(stage.client);
    const outcome = await only.command('drain');
    assert.equal(outcome.code, 1);
    for (const ip of LAB_SERVICE_IPS) assert.match(outcome.err, new RegExp(`${ip} stays: `));
    await sleep(500);
    for (const { lost, sent } of await stop()) {
      assert.equal(lost, 0);
      assert(sent > 100);
    }
    await assertReplaysIdentically(stage);
  },
);
