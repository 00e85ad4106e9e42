// Gentle rebalancing in the simulator: from all IPs on one node to even shares, one move an interval, nothing lost,
// and no IP more than once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ip } from '../../src/machines/frames.ts';
import { DEFAULTS, someIps } from './profile.ts';
import { createRandom } from './random.ts';
import { createWorld } from './world.ts';

const INTERVAL_MS = 1_000;
/** Not within a minute of a node's coming or going. */
const SETTLED_MS = 60_000;

interface Move {
  readonly at: number;
  readonly ip: Ip;
  readonly from: string;
  readonly to: string;
}

const play = (nodes: number, ips: number, heartbeat: { intervalMs: number; deadAfterMs: number }) => {
  const world = createWorld({
    random: createRandom(nodes),
    nodes,
    clients: ['linux'],
    profile: {
      ...DEFAULTS,
      ...heartbeat,
      probe: 'off',
      drain: { windowMs: 5_000, quietMs: 500, style: 'prompt' },
      rebalance: { intervalMs: INTERVAL_MS },
      ips: someIps(ips),
    },
    link: () => ({ delayMs: 0.05, jitterMs: 0.02, loss: 0, duplication: 0 }),
    latencies: null,
    driftPpm: 100,
    clockOffsetMs: 60_000,
    switchAgeMs: 300_000,
    bufferFrames: 256,
  });
  const moves: Move[] = [];
  const holders = new Map<Ip, string>();
  world.observe({
    onEffects: (node, effects) => {
      for (const effect of effects) {
        if (effect.type !== 'record' || effect.to !== 'leader') continue;
        const from = holders.get(effect.ip);
        if (from !== undefined) moves.push({ at: world.queue.now(), ip: effect.ip, from, to: node });
        holders.set(effect.ip, node);
      }
    },
  });
  const [sent, reached] = [{ count: 0 }, { count: 0 }];
  world.observe({
    onUse: () => {
      sent.count += 1;
    },
    onReached: () => {
      reached.count += 1;
    },
  });
  const [first, ...others] = [...world.nodes.keys()] as [string, ...string[]];
  world.start(first);
  world.run(5_000);
  assert.equal(new Set(holders.values()).size, 1, 'one node holds all');
  for (const name of others) world.start(name);
  const [client] = world.clients;
  const talk = (): void => {
    for (const ip of world.profile.ips.slice(0, 10)) if (client !== undefined) world.use(client, ip);
    world.queue.after(20, talk);
  };
  talk();
  const startedAt = world.queue.now();
  world.run(SETTLED_MS + (ips + 30) * INTERVAL_MS);
  // What is on its way still is not lost.
  world.run(1);
  const counts = [...world.nodes.keys()].map(
    (node) => [...holders.values()].filter((holder) => holder === node).length,
  );
  return { moves, counts, startedAt, lost: sent.count - reached.count };
};

for (const [nodes, ips, heartbeat] of [
  [4, 100, { intervalMs: 200, deadAfterMs: 800 }],
  [20, 100, { intervalMs: 500, deadAfterMs: 2_000 }],
] as const) {
  test(`${ips} IPs on one of ${nodes} nodes: even shares, no IP moved twice, nothing lost`, (context) => {
    const { moves, counts, startedAt, lost } = play(nodes, ips, heartbeat);
    context.diagnostic(`shares ${counts.join(' ')} after ${moves.length} moves`);
    const share = ips / nodes;
    for (const count of counts) assert(Math.abs(count - share) <= 1, counts.join(' '));
    assert.equal(new Set(moves.map(({ ip }) => ip)).size, moves.length, 'an overshoot would move one back');
    assert(
      moves.every(({ at }) => at > startedAt + SETTLED_MS),
      'not before all has settled',
    );
    for (const node of new Set(moves.map(({ from }) => from))) {
      const given = moves.filter(({ from }) => from === node).map(({ at }) => at);
      for (const [index, at] of given.entries())
        assert(index === 0 || at - (given[index - 1] as number) > INTERVAL_MS * 0.9, 'one an interval');
    }
    // The last requests may be on their way.
    assert(lost <= 10, `${lost} packets lost`);
  });
}
