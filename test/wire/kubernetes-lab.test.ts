// Nodes in Kubernetes mode on a real wire: the API server is not in the path of a failover, and where nodes cannot
// hear each other at all it is the one that settles who owns what.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type LabNode, sleep, waitFor } from '../../src/cli/lab/lab-node.ts';
import type { Scenario } from '../../src/cli/lab/scenario.ts';
import { cut } from '../../src/cli/lab/scenario-failover.ts';
import { type ApiState, agreement, playInCluster } from '../../src/cli/lab/scenario-kubernetes.ts';
import { drain } from '../../src/cli/lab/scenario-planned.ts';
import type { Drop } from '../../src/cli/lab/segment.ts';
import type { Stage } from '../../src/cli/lab/stage.ts';
import { ETHERTYPE_HELLO } from '../../src/io/packets/ethernet.ts';
import {
  assertKept,
  assertReplaysIdentically,
  othersThan,
  STAGE_TOOLS,
  stageFor,
} from '../support/cluster.ts';
import { wireTest, within } from '../support/lab.ts';

wireTest(
  'cut and drain keep their promises, with the API server up and stopped; the objects agree',
  STAGE_TOOLS,
  async (t) => {
    const stage = await stageFor(t, { kubernetes: true, clients: 1 });
    const plays: [Scenario, ApiState][] = [
      [cut, 'up'],
      [drain, 'up'],
      [cut, 'down'],
      [drain, 'down'],
    ];
    const lines = [];
    for (const [scenario, api] of plays) lines.push(...(await playInCluster(stage, scenario, api, () => {})));
    for (const line of lines) t.diagnostic(JSON.stringify(line));
    assertKept(lines);
    await assertReplaysIdentically(stage);
  },
);

/** Times at which somebody became the leader of each IP, since a time (milliseconds since 1970). */
const takings = (stage: Stage, since: number): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>(stage.serviceIPs.map((ip) => [ip, 0]));
  for (const { logFile } of stage.nodes) {
    for (const text of readFileSync(logFile, 'utf8').split('\n')) {
      if (!text.includes('"to":"leader"')) continue;
      const { time, ip } = JSON.parse(text) as { time: string; ip: string };
      if (Date.parse(time) >= since) counts.set(ip, (counts.get(ip) ?? 0) + 1);
    }
  }
  return counts;
};

/** Two renewals of every Lease: by then each node has heard of all others through the API. */
const TWO_RENEWALS_MS = 21_000;
/** A Lease is renewed every 10 s and valid for 30 s. */
const LEAST_LEASE_MS = 15_000;
const LEASE_OVER_MS = 45_000;

const IPS = [100, 101, 102].flatMap((number) => [`10.99.0.${number}`, `fd99::${number}`]);

wireTest(
  'where no node hears another the API settles it: one owner for each IP, which a dead one loses with its Lease',
  STAGE_TOOLS,
  async (t) => {
    let drop: Drop | null = null;
    const stage = await stageFor(t, {
      kubernetes: true,
      clients: 1,
      serviceIPs: IPS,
      prepare: async (segment) => {
        drop = await segment.dropFrames({ etherType: ETHERTYPE_HELLO });
      },
    });
    const began = Date.now();
    const before = await stage.owners();
    await sleep(3_000);
    assert.deepEqual(await stage.owners(), before);
    assert.deepEqual(
      [...takings(stage, began).values()],
      IPS.map(() => 0),
    );
    await (drop as Drop | null)?.undo();
    await stage.settled();

    await stage.owners();
    const blocked = Date.now();
    await stage.segment.dropFrames({ etherType: ETHERTYPE_HELLO });
    await sleep(TWO_RENEWALS_MS);
    const owners = await stage.owners();
    const moves = takings(stage, blocked);
    t.diagnostic(`takings after hellos were blocked: ${JSON.stringify([...moves])}`);
    assert.ok(
      [...moves.values()].every((count) => count <= 1),
      JSON.stringify([...moves]),
    );
    assert.deepEqual((await agreement(stage)).wrong, []);

    const [[, dead] = []] = owners;
    const killed = dead as LabNode;
    const lost = IPS.filter((ip) => owners.get(ip) === killed);
    killed.signal('SIGKILL');
    const diedAt = performance.now();
    await killed.exited();
    const others = othersThan(stage, killed);
    await waitFor('the IPs of the dead to be taken', LEASE_OVER_MS, async () => {
      const answers = await Promise.all(others.map((node) => node.status()));
      const led = answers.flatMap(({ serviceIPs }) => serviceIPs.filter(({ state }) => state === 'leader'));
      return lost.every((ip) => led.some((each) => each.ip === ip)) ? true : null;
    });
    const afterMs = Math.round(performance.now() - diedAt);
    t.diagnostic(`the ${lost.length} IPs of the dead were taken after ${afterMs} ms`);
    assert.ok(afterMs > LEAST_LEASE_MS, `${afterMs} ms: before its Lease ended`);
    within(afterMs, 40_000, 'the taking of what a dead node held');
    await stage.owners();
  },
);
