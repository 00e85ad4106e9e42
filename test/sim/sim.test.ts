// The simulator's own tests: the same seed gives the same run, one node alone stands every fault, and the seeds
// that once found something find nothing any more.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KEPT_SEEDS } from './kept-seeds.ts';
import { runSimulation, type SimulationResult } from './run.ts';

const assertOk = ({ seed, violations }: SimulationResult): void =>
  assert.deepEqual(
    violations.map(({ checker, at, ip, what, excerpt }) => [checker, at, ip, what, excerpt.join('\n')]),
    [],
    `seed ${seed}`,
  );

describe('simulation', () => {
  it('gives the same run for the same seed, and another for another', () => {
    const run = (seed: number) => runSimulation({ seed, nodes: 1, ips: 5, durationMs: 10_000 });
    assert.equal(run(7).traceHash, run(7).traceHash);
    assert.equal(run(7).events, run(7).events);
    assert.notEqual(run(7).traceHash, run(8).traceHash);
  });

  it('lets one node alone claim and serve every IP to every client', () => {
    const result = runSimulation({ seed: 1, nodes: 1, ips: 20, faults: [] });
    assertOk(result);
    assert.equal(result.world.node('n1').lives.length, 1);
  });

  it('finds no violation in 40 runs of a single node with all kinds of faults', () => {
    for (let seed = 1; seed <= 40; seed += 1) assertOk(runSimulation({ seed, nodes: 1 }));
  });

  it('finds a node that leads but keeps silent', () => {
    const result = runSimulation({
      seed: 1,
      nodes: 1,
      ips: 2,
      faults: [],
      prepare: (world) => world.queue.at(10_000, () => world.setDeaf('n1', { in: true, out: true })),
    });
    assert.ok(result.violations.some(({ checker }) => checker === 'healed'));
  });

  it('finds a client that is lost though nothing was done to the world, and says for how long it was', () => {
    const result = runSimulation({
      ...{ seed: 2, nodes: 2, ips: 1, segments: 1, versions: 1, faults: [], clients: ['linux'] },
      prepare: (world) =>
        world.queue.at(12_000, () => {
          const [ip] = world.profile.ips as [string];
          const wrong = { mac: '02:00:00:00:09:09', state: 'reachable', override: true } as const;
          for (const { cache } of world.clients) cache.update(ip, { ...wrong, isWeak: false, creates: true });
        }),
    });
    assert.equal(result.violations[0]?.checker, 'reach');
    assert.ok((result.worstSilence?.ms ?? 0) > 7_000);
  });

  for (const { options, found } of KEPT_SEEDS) {
    it(`seed ${options.seed} is clean again, which once found: ${found}`, () =>
      assertOk(runSimulation(options)));
  }
});
