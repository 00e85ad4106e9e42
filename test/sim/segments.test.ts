// Nodes on two segments: each has its own hellos, claims and checkers, and what happens to a port on one moves nothing
// on the other.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runSimulation } from './run.ts';
import type { World } from './world.ts';

const holders = (world: World): Record<string, string[]> =>
  Object.fromEntries(
    world.profile.ips.map((ip) => [
      ip,
      [...world.nodes.values()].filter((node) => node.isAnswering(ip)).map(({ name }) => name),
    ]),
  );

describe('two segments', () => {
  it('serve every IP, each by one node that is on its segment', () => {
    const { world, violations } = runSimulation({ seed: 5, nodes: 4, segments: 2, faults: [] });
    assert.deepEqual(violations, []);
    const [other] = world.others;
    assert.ok(other !== undefined);
    for (const side of [world, other])
      for (const [ip, names] of Object.entries(holders(side))) assert.equal(names.length, 1, ip);
  });

  it('are apart: a dead port moves the IPs of its segment only', () => {
    const seen: Record<string, string[]>[] = [];
    const { world, violations } = runSimulation({
      seed: 5,
      nodes: 4,
      segments: 2,
      faults: [],
      durationMs: 12_000,
      prepare: (before) => {
        const [other] = before.others as [World];
        before.queue.at(9_000, () => {
          seen.push(holders(before), holders(other));
          for (const name of other.nodes.keys()) if (name !== 'n1') other.setCarrier(name, false);
        });
        before.queue.at(11_000, () => {
          seen.push(holders(before), holders(other));
          for (const name of other.nodes.keys()) other.setCarrier(name, true);
        });
      },
    });
    assert.deepEqual(violations, []);
    const [before, otherBefore, after, otherAfter] = seen;
    assert.deepEqual(after, before);
    assert.notDeepEqual(otherAfter, otherBefore);
    assert.deepEqual(new Set(Object.values(otherAfter ?? {}).flat()), new Set(['n1']));
    assert.ok(world.others[0]?.nodes.has('n1'));
  });
});
