// A patient drain: connections outlive the move, each client follows when its last one has ended, and new clients
// are the new owner's from the start. The same under a prompt drain, to show what is saved.
import assert from 'node:assert/strict';
import { type LabNode, sleep, waitFor } from '../../src/cli/lab/lab-node.ts';
import { countFollows, followedAfter, watchNeighbours } from '../../src/cli/lab/neighbour-watch.ts';
import { startProbing } from '../../src/cli/lab/scenario.ts';
import type { Host } from '../../src/cli/lab/segment.ts';
import { LAB_SERVICE_IPS, type Stage } from '../../src/cli/lab/stage.ts';
import { type ConnectionPlan, startStreams } from '../../src/cli/lab/streams.ts';
import { startEcho } from '../../src/cli/lab/tcp.ts';
import { assertReplaysIdentically, othersThan, STAGE_TOOLS, stageFor } from '../support/cluster.ts';
import { type WireContext, wireTest, within } from '../support/lab.ts';

const QUIET_MS = 2_000;
const WINDOW_MS = 30_000;
const MOVED_WITHIN_MS = QUIET_MS + 2_000;
/** A tenth of what the issue tells: 5–60 s, some idle for longer than the quiet time. */
const CONNECTIONS: readonly ConnectionPlan[] = [
  { lastsMs: 500 },
  { lastsMs: 1_000, idle: true },
  { lastsMs: 1_500 },
  { lastsMs: 2_000, pausesMs: 700 },
  { lastsMs: 3_000 },
  { lastsMs: 4_000, idle: true },
  { lastsMs: 5_000, pausesMs: 2_500 },
  { lastsMs: 6_000, idle: true },
  { lastsMs: 8_000, pausesMs: 3_000 },
  { lastsMs: 9_000, idle: true },
];

const settledStage = async (context: WireContext): Promise<{ stage: Stage; owner: LabNode; to: LabNode }> => {
  const stage = await stageFor(context, {
    clients: 2,
    extra: `drain: {window: ${WINDOW_MS / 1_000}s, quiet: ${QUIET_MS / 1_000}s}`,
  });
  for (const node of stage.nodes) context.after(await startEcho(node.host));
  const owner = await stage.gathered();
  await stage.settled();
  return { stage, owner, to: othersThan(stage, owner)[0] as LabNode };
};

const moveAll = async (owner: LabNode, to: LabNode, ...how: readonly string[]): Promise<void> => {
  for (const ip of LAB_SERVICE_IPS) {
    const { code, err } = await owner.command('drain', '--ip', ip, '--to', to.host.name, ...how);
    assert.equal(code, 0, err);
  }
};

const macsOf = async (stage: Stage, client: Host): Promise<readonly (string | null | undefined)[]> =>
  (await Promise.all(LAB_SERVICE_IPS.map((ip) => stage.segment.neighbour(client, ip)))).map(
    (entry) => entry?.mac,
  );

wireTest(
  'patient: connections outlive the move, each client follows after its last one, new clients go to the new owner',
  STAGE_TOOLS,
  async (context) => {
    const { stage, owner, to } = await settledStage(context);
    const [client, newcomer] = stage.clients as [Host, Host];
    const streams = await startStreams(client, { targets: LAB_SERVICE_IPS, connections: CONNECTIONS });
    const watch = watchNeighbours(client);
    await moveAll(owner, to, '--patient');
    // One that comes now asks by broadcast, and only the new owner answers.
    const stop = await startProbing(newcomer);
    assert.deepEqual(await macsOf(stage, newcomer), [to.host.mac, to.host.mac]);
    assert.deepEqual(await macsOf(stage, client), [owner.host.mac, owner.host.mac], 'the old client stays');
    await streams.over;
    const results = await streams.stop();
    for (const { target, completed, reset, failed } of results) {
      context.diagnostic(`${target}: ${completed} completed, ${reset} reset, ${failed} failed`);
      assert.deepEqual([completed, reset, failed], [CONNECTIONS.length, 0, 0]);
    }
    await waitFor('the client to follow', 15_000, async () =>
      (await macsOf(stage, client)).every((mac) => mac === to.host.mac) ? true : null,
    );
    watch.stop();
    for (const { target, connections } of results) {
      const since = Math.max(...connections.map(({ endedAt }) => endedAt));
      const change = { before: owner.host.mac, mac: to.host.mac, since };
      const ms = followedAfter(watch.changes(), target, change) ?? Number.POSITIVE_INFINITY;
      context.diagnostic(`${target}: the client followed ${ms} ms after its last connection's end`);
      assert(ms > 0, 'not before');
      within(ms, MOVED_WITHIN_MS, `${target} followed after`);
      assert.equal(countFollows(watch.changes(), target, owner.host.mac), 1, 'once');
    }
    await waitFor('the drain to end', 15_000, async () =>
      (await owner.status()).serviceIPs.every(({ state }) => state === 'unowned') ? true : null,
    );
    await sleep(500);
    for (const { target, lost } of await stop()) within(lost, 0, `pings of the new client to ${target} lost`);
    await assertReplaysIdentically(stage);
  },
);

wireTest('prompt: the same connections break', STAGE_TOOLS, async (context) => {
  const { stage, owner, to } = await settledStage(context);
  const streams = await startStreams(stage.client, { targets: LAB_SERVICE_IPS, connections: CONNECTIONS });
  await moveAll(owner, to);
  await streams.over;
  for (const { target, completed, reset } of await streams.stop()) {
    context.diagnostic(`${target}: ${completed} of ${CONNECTIONS.length} completed, ${reset} reset`);
    assert(reset > 0);
  }
  await assertReplaysIdentically(stage);
});

wireTest(
  'the new owner dies in the midst of a drain: the old one answers again',
  STAGE_TOOLS,
  async (context) => {
    const stage = await stageFor(context, {
      nodes: 2,
      clients: 1,
      extra: 'drain: {window: 30s, quiet: 10s}',
    });
    const owner = await stage.gathered();
    await stage.settled();
    const [to] = othersThan(stage, owner) as [LabNode];
    const drained = await owner.command('drain');
    assert.equal(drained.code, 0, drained.err);
    const stop = await startProbing(stage.client);
    await sleep(1_000);
    await stage.segment.cut(to.host);
    await sleep(2_000);
    for (const { target, gapMs } of await stop()) {
      context.diagnostic(`${target}: away for ${gapMs} ms`);
      within(gapMs, 300, `${target} was away for`);
    }
    const { serviceIPs, drained: isDrained } = await owner.status();
    assert.deepEqual(
      serviceIPs.map(({ state, stays }) => [state, stays]),
      LAB_SERVICE_IPS.map(() => ['leader', 'no other node can take it now']),
    );
    assert.equal(isDrained, true);
    // When somebody can take them again, they go.
    await stage.segment.restore(to.host);
    await waitFor('the drained node to give them again', 10_000, async () =>
      (await to.status()).serviceIPs.every(({ state }) => state === 'leader') ? true : null,
    );
    await assertReplaysIdentically(stage);
  },
);
