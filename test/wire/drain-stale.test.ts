// A prompt drain and the clients that did not notice: the old owner sees who still sends to it, asks them to follow
// on behalf of the new owner, and carries them meanwhile.
import assert from 'node:assert/strict';
import { giveBug } from '../../src/cli/lab/buggy-clients.ts';
import type { LabNode } from '../../src/cli/lab/lab-node.ts';
import { sleep, waitFor } from '../../src/cli/lab/lab-node.ts';
import { followedAfter, watchNeighbours } from '../../src/cli/lab/neighbour-watch.ts';
import { startProbing } from '../../src/cli/lab/scenario.ts';
import type { Drop } from '../../src/cli/lab/segment.ts';
import { LAB_SERVICE_IPS, type Stage } from '../../src/cli/lab/stage.ts';
import { assertReplaysIdentically, othersThan, STAGE_TOOLS, stageFor } from '../support/cluster.ts';
import { type WireContext, wireTest, within } from '../support/lab.ts';

const FOLLOW_WITHIN_MS = 1_500;
const WINDOW_MS = 5_000;
const DRAIN = `drain: {window: ${WINDOW_MS / 1_000}s, quiet: 500ms}`;

const settledStage = async (context: WireContext): Promise<{ stage: Stage; owner: LabNode; to: LabNode }> => {
  const stage = await stageFor(context, { extra: DRAIN });
  const owner = await stage.gathered();
  await stage.settled();
  return { stage, owner, to: othersThan(stage, owner)[0] as LabNode };
};

const moveAll = async (owner: LabNode, to: LabNode): Promise<void> => {
  for (const ip of LAB_SERVICE_IPS) {
    const { code, err } = await owner.command('drain', '--ip', ip, '--to', to.host.name);
    assert.equal(code, 0, err);
  }
};

const staleOn = async (node: LabNode): Promise<readonly number[]> => {
  const { serviceIPs } = await node.status();
  return LAB_SERVICE_IPS.map((ip) => serviceIPs.find((one) => one.ip === ip)?.staleClients ?? -1);
};

const stateOn = async (node: LabNode): Promise<readonly string[]> =>
  (await node.status()).serviceIPs.map(({ state }) => state);

/** All that the new owner says of the IPs is lost on the way to the client: announcements and its own questions. */
const loseNewsFrom = (stage: Stage, to: LabNode): Promise<readonly Drop[]> => {
  const [ipv4, ipv6] = LAB_SERVICE_IPS;
  const rule = { from: to.host.name, to: stage.client.name } as const;
  return Promise.all([
    stage.segment.dropFrames({ ...rule, etherType: 'arp', match: `arp saddr ip ${ipv4}` }),
    stage.segment.dropFrames({
      ...rule,
      etherType: 'ip6',
      match: `ip6 saddr ${ipv6} icmpv6 type { nd-neighbor-advert, nd-neighbor-solicit }`,
    }),
  ]);
};

wireTest(
  'a client that hears nothing of the new owner is moved by the old one, and loses nothing',
  STAGE_TOOLS,
  async (context) => {
    const { stage, owner, to } = await settledStage(context);
    const stop = await startProbing(stage.client);
    const watch = watchNeighbours(stage.client);
    const rules = await loseNewsFrom(stage, to);
    const began = Date.now();
    await moveAll(owner, to);
    await waitFor('the client to follow', 5_000, async () =>
      (await Promise.all(LAB_SERVICE_IPS.map((ip) => stage.segment.neighbour(stage.client, ip)))).every(
        (entry) => entry?.mac === to.host.mac,
      )
        ? true
        : null,
    );
    for (const rule of rules) assert((await rule.undo()) > 0, 'the new owner did announce');
    const changes = watch.changes();
    watch.stop();
    for (const ip of LAB_SERVICE_IPS) {
      const ms = followedAfter(changes, ip, { before: owner.host.mac, mac: to.host.mac, since: began });
      context.diagnostic(`${ip} followed after ${ms} ms`);
      within(ms ?? Number.POSITIVE_INFINITY, FOLLOW_WITHIN_MS, `${ip} followed after`);
    }
    await waitFor('the drain to end', 5_000, async () =>
      (await stateOn(owner)).every((state) => state === 'unowned') ? true : null,
    );
    for (const { target, lost } of await stop()) within(lost, 0, `pings to ${target} lost`);
    assert.deepEqual(await staleOn(owner), [0, 0]);
    await assertReplaysIdentically(stage);
  },
);

wireTest(
  'a client that learns from nothing but its own questions is carried to the end of the window, and not a packet is lost before it',
  [...STAGE_TOOLS],
  async (context) => {
    const { stage, owner, to } = await settledStage(context);
    const bug = await giveBug(stage.client, 'ignores-unsolicited', LAB_SERVICE_IPS);
    const stop = await startProbing(stage.client);
    // It has asked for the way; what comes within two seconds of that passes for an answer.
    await sleep(2_500);
    await moveAll(owner, to);
    const began = Date.now();
    await sleep(1_000);
    assert.deepEqual(await staleOn(owner), [1, 1]);
    await sleep(WINDOW_MS - 1_000 - (Date.now() - began) - 300);
    assert.deepEqual(
      await stateOn(owner),
      ['draining', 'draining'],
      'carried for as long as the window lasts',
    );
    for (const { target, lost } of await stop()) within(lost, 0, `pings to ${target} lost within the window`);
    assert((await bug.withheld()) > 0, 'it was asked');
    for (const ip of LAB_SERVICE_IPS)
      assert.equal((await stage.segment.neighbour(stage.client, ip))?.mac, owner.host.mac);
    await waitFor('the window to end', 3_000, async () =>
      (await stateOn(owner)).every((state) => state === 'unowned') ? true : null,
    );
    await assertReplaysIdentically(stage);
  },
);
