// 1,000 service IPs on 3 nodes: one is cut off, and a client with a cache entry for each of its IPs reaches all of
// them again within 800 ms.
import assert from 'node:assert/strict';
import { sleep } from '../../src/cli/lab/lab-node.ts';
import { startProbe } from '../../src/cli/lab/prober.ts';
import { SHORT_DRAIN } from '../../src/cli/lab/scenario.ts';
import type { HostSpec } from '../../src/cli/lab/segment.ts';
import { assertReplaysIdentically, othersThan, STAGE_TOOLS, stageFor } from '../support/cluster.ts';
import { wireTest, within } from '../support/lab.ts';

const COUNT = 1_000;
const LIMIT_MS = 800;
/** A third of them are probed: that often is what the prober can do. */
const PERIOD_MS = 20;

const SERVICE_IPS = Array.from(
  { length: COUNT },
  (_, i) => `10.99.${4 + Math.floor(i / 250)}.${1 + (i % 250)}`,
);

/** The same machines on a wider prefix. */
const wide = (spec: HostSpec): HostSpec => {
  const number = Number(/\d+$/.exec(spec.name)?.[0] ?? 1);
  return { ...spec, ipv4: `10.99.0.${spec.role === 'node' ? number : 200 + number}/16` };
};

wireTest(
  '1,000 IPs, one of three nodes is cut off: all reached within 800 ms',
  STAGE_TOOLS,
  async (context) => {
    const started = performance.now();
    const stage = await stageFor(context, {
      serviceIPs: SERVICE_IPS,
      host: wide,
      clients: 1,
      extra: SHORT_DRAIN,
    });
    await stage.settled();
    const owners = await stage.owners();
    const heldBy = (node: (typeof stage.nodes)[number]) =>
      SERVICE_IPS.filter((ip) => owners.get(ip) === node);
    const [victim] = stage.nodes.toSorted(
      (a, b) => heldBy(b).length - heldBy(a).length,
    ) as typeof stage.nodes;
    assert(victim !== undefined);
    const targets = heldBy(victim);
    context.diagnostic(
      `owned after ${Math.round(performance.now() - started)} ms; ${targets.length} by the victim`,
    );
    assert(targets.length > COUNT / 5);
    const probe = startProbe(stage.client, { targets, periodMs: PERIOD_MS });
    await probe.ready;
    await sleep(2_000);
    await stage.segment.cut(victim.host);
    await sleep(3_000);
    const results = await probe.stop();
    const gaps = results.map(({ gapMs }) => gapMs).sort((a, b) => a - b);
    const late = results[0]?.lateMaxMs;
    context.diagnostic(
      `gaps: median ${gaps[gaps.length >> 1]} ms, worst ${gaps.at(-1)} ms; prober late ${late} ms`,
    );
    assert.equal((await stage.owners(othersThan(stage, victim))).size, COUNT);
    within(gaps.at(-1) ?? Number.POSITIVE_INFINITY, LIMIT_MS, 'the longest gap');
    await assertReplaysIdentically(stage);
  },
);
