// `npm run bench:rebalance`: gentle rebalancing on real kernels. One of the nodes holds all IPs; prints how they
// spread, how many moved in the busiest interval, and what the clients lost meanwhile.
// Usage: rebalance.ts [--nodes N] [--ips N] [--interval MS]
import { parseArgs } from 'node:util';
import { enclose } from '../src/cli/lab/enclosure.ts';
import { sleep } from '../src/cli/lab/lab-node.ts';
import { startProbe } from '../src/cli/lab/prober.ts';
import { SHORT_DRAIN } from '../src/cli/lab/scenario.ts';
import { createStage } from '../src/cli/lab/stage.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '4' },
    ips: { type: 'string', default: '100' },
    interval: { type: 'string', default: '1000' },
  },
});
/** Nothing moves within a minute of a node's coming (rebalance.ts). */
const SETTLED_MS = 60_000;
const PERIOD_MS = 50;
const OWNERS_WITHIN_MS = 30_000;

const intervalMs = Number(values.interval);
const count = Number(values.ips);
/** Half of each family, on the lab's prefixes. */
const serviceIPs = Array.from({ length: count }, (_, index) =>
  index % 2 === 0 ? `10.99.0.${100 + index / 2}` : `fd99::1:${index.toString(16)}`,
);

await enclose();
const stage = await createStage({
  nodes: Number(values.nodes),
  clients: 1,
  serviceIPs,
  extra: `${SHORT_DRAIN}\nrebalance: {mode: gentle, interval: ${intervalMs}ms}`,
});
await stage.owners(undefined, OWNERS_WITHIN_MS);
await stage.gathered();
const began = performance.now();
const probe = startProbe(stage.client, { targets: serviceIPs, periodMs: PERIOD_MS });
await probe.ready;

let before = await stage.owners(undefined, OWNERS_WITHIN_MS);
const movedAt: number[] = [];
const until = performance.now() + SETTLED_MS + (count + 10) * intervalMs;
while (performance.now() < until) {
  await sleep(intervalMs / 4);
  const now = await stage.owners(undefined, OWNERS_WITHIN_MS);
  for (const [ip, node] of now) if (before.get(ip) !== node) movedAt.push(performance.now() - began);
  before = now;
}
const results = await probe.stop();
const busiest = Math.max(
  0,
  ...movedAt.map((at) => movedAt.filter((other) => other >= at && other < at + 0.9 * intervalMs).length),
);
const shares = stage.nodes.map(
  (node) => `${node.host.name} ${[...before.values()].filter((owner) => owner === node).length}`,
);
const lost = results.reduce((sum, result) => sum + result.lost, 0);
const sent = results.reduce((sum, result) => sum + result.sent, 0);
console.log(`${count} IPs, ${values.nodes} nodes, one move every ${intervalMs} ms`);
console.log(`shares            ${shares.join(', ')}`);
console.log(`moves             ${movedAt.length}, at most ${busiest} within an interval`);
console.log(
  `first, last       ${((movedAt[0] ?? 0) / 1_000).toFixed(1)} s, ${((movedAt.at(-1) ?? 0) / 1_000).toFixed(1)} s`,
);
console.log(`pings lost        ${lost} of ${sent}`);
console.log(`journals          ${(await stage.replayed()) ?? 'replay identically'}`);
await stage.dispose();
