// The clocks of simulated nodes, which are set and drift as nobody knows but the simulator, estimated from nothing
// but the journals: the truth lies within the stated error.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openJournals } from '../../src/cli/history/journals.ts';
import { readChronicles } from '../../src/cli/history/read-chronicles.ts';
import { ownershipOf } from '../../src/machines/ownership.ts';
import { writeJournals } from '../support/sim-journals.ts';
import { DEFAULTS } from './profile.ts';
import { createRandom } from './random.ts';
import { createWorld, type World } from './world.ts';

const NODES = ['n1', 'n2', 'n3'];
/** The first input of a life comes this long after its start at most. */
const START_MS = 20;

const play = (seed: number): World => {
  const world = createWorld({
    random: createRandom(seed),
    nodes: NODES.length,
    clients: ['linux'],
    profile: { ...DEFAULTS, ips: ['10.0.0.1', '10.0.0.2', 'fd99::1'] },
    link: () => ({ delayMs: 0.2, jitterMs: 3, loss: 0.02, duplication: 0 }),
    latencies: null,
    driftPpm: 20,
    clockOffsetMs: 5_000,
    switchAgeMs: 300_000,
    bufferFrames: 93,
  });
  for (const name of NODES) world.start(name);
  world.run(4_000);
  world.tell('n1', { type: 'drain.requested', ips: null, to: null });
  world.run(3_000);
  world.tell('n1', { type: 'undrain.requested' });
  world.setCarrier('n2', false);
  world.run(2_000);
  world.setCarrier('n2', true);
  world.stall('n3', 4_000);
  world.run(8_000);
  return world;
};

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`seed ${seed}: nodes that were set seconds apart, one drained, one cut, one hung, are told in one time`, () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-clocks-'));
    try {
      writeJournals(play(seed), directory);
      const { chronicles } = readChronicles(openJournals([directory]).lives);
      const { lanes } = ownershipOf(chronicles);
      const begun = chronicles[0]?.from ?? 0;
      const set = chronicles.map(({ from }) => Math.abs(from - begun));
      assert.ok(Math.max(...set) > 100, `the clocks agree anyway: ${set}`);
      for (const { life, clock } of lanes) {
        // All were started in one moment of simulated time.
        const truth = life.from - begun;
        assert.ok(clock.errorMs !== null && clock.errorMs < 60, `${life.node}: ± ${clock.errorMs} ms`);
        const off = Math.abs(clock.offsetMs - truth);
        assert.ok(
          off <= clock.errorMs + START_MS,
          `${life.node}: ${clock.offsetMs} ms, in truth ${truth} ms`,
        );
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
}
