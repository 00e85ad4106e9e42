// Nodes of the version before beside those of this one: nothing is misread, and an upgrade of one node after the other
// loses no packet (the planned-move checker looks on).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inPreviousDialect } from './dialect.ts';
import { runSimulation } from './run.ts';
import type { SimHello } from './sim-frames.ts';

const UPGRADE_EVERY_MS = 8_000;

describe('mixed versions', () => {
  it('leaves out of a hello what the version before does not know, and nothing else', () => {
    const seen: SimHello[] = [];
    runSimulation({
      ...{ seed: 3, nodes: 4, ips: 6, versions: 1, segments: 1 },
      faults: ['drain-patient', 'deaf-in', 'partition'],
      prepare: (world) =>
        world.observe({
          onSent: (_node, frame) => {
            if (frame.kind === 'hello') seen.push(frame);
          },
        }),
    });
    const kept = seen.filter(({ changes }) => changes.some((change) => change.kept));
    assert.ok(kept.length > 0, 'a run in which clients are kept');
    for (const hello of seen) {
      const { witnessed, changes, ...rest } = inPreviousDialect(hello);
      const { witnessed: _witnessed, changes: before, ...same } = hello;
      assert.deepEqual(witnessed, []);
      assert.deepEqual(
        changes,
        before.map((change) => ({ ...change, kept: false })),
      );
      assert.deepEqual(rest, same);
    }
  });

  it('lets nodes be upgraded one after the other, and no IP moves but by the stop of its holder', () => {
    const upgraded: string[] = [];
    const { violations, shape } = runSimulation({
      ...{ seed: 4, nodes: 5, ips: 12, versions: 2, segments: 1, faults: [], durationMs: 40_000 },
      prepare: (world) => {
        const names = [...world.nodes.keys()].filter((name) => world.isPrevious(name));
        for (const [index, name] of names.entries()) {
          const at = (index + 1) * UPGRADE_EVERY_MS;
          world.queue.at(at, () =>
            world.tell(name, { type: 'stop.requested', reason: 'an upgrade' }, { ip: null }),
          );
          world.queue.at(at + 2_000, () => {
            if (world.node(name).isRunning()) world.kill(name);
            world.upgrade(name);
            world.start(name);
            upgraded.push(name);
          });
        }
      },
    });
    assert.deepEqual(violations, []);
    assert.ok(upgraded.length > 0);
    assert.deepEqual(upgraded, shape.previous);
  });
});
