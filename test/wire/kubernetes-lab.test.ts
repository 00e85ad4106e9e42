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

/** Who became the leader of which IP since a time (milliseconds since 1970), each time it did. */
const takings = (stage: Stage, since: number): readonly string[] =>
  stage.nodes.flatMap(({ host, logFile }) =>
    readFileSync(logFile, 'utf8')
      .split('\n')
      .filter((text) => text.includes('"to":"leader"'))
      .map((text) => JSON.parse(text) as { time: string; ip: string })
      .filter(({ time }) => Date.parse(time) >= since)
      .map(({ ip }) => `${host.name} ${ip}`),
  );

/** Objects have settled by then what each node, hearing nobody, took. */
const SETTLED_MS = 5_000;
/** And by then every Lease has been renewed: each node knows of all others through the API. */
const RENEWED_MS = 8_000;
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
    const first = await stage.owners();
    await sleep(3_000);
    assert.deepEqual(await stage.owners(), first);
    assert.deepEqual(takings(stage, began), []);
    await (drop as Drop | null)?.undo();
    await stage.settled();

    const before = await stage.owners();
    const blocked = Date.now();
    await stage.segment.dropFrames({ etherType: ETHERTYPE_HELLO });
    await sleep(SETTLED_MS);
    const owners = await stage.owners();
    const taken = takings(stage, blocked);
    const moved = IPS.filter((ip) => before.get(ip) !== owners.get(ip));
    t.diagnostic(
      `after hellos were blocked: ${taken.length} takings; ${moved.length} of ${IPS.length} moved`,
    );
    assert.equal(new Set(taken).size, taken.length, `to and fro: ${taken.join(', ')}`);
    await sleep(RENEWED_MS);
    assert.deepEqual(takings(stage, blocked), taken);
    assert.deepEqual(await stage.owners(), owners);
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
