// Every life of every node replays exactly from its recorded inputs: same effects, same final state
// (design.md, The one idea: a replay is exact or it is a bug).
import { replay } from '../../../src/machines/replay.ts';
import type { Life } from '../sim-node.ts';
import type { CreateChecker } from './checker.ts';

export const replayIdentical: CreateChecker = ({ world, report }) => {
  const judge = (name: string, index: number, { from, steps, core }: Life): void => {
    const { divergence, core: replayed } = replay(from, steps, false);
    const where = `life ${index + 1} of ${name}`;
    if (divergence !== null) {
      const { step, recorded, replayed: again } = divergence;
      const [was, is] = [JSON.stringify(recorded), JSON.stringify(again)];
      return report(null, `${where} diverges at step ${step}: ${was} became ${is}`);
    }
    if (JSON.stringify(replayed.checkpoint()) !== JSON.stringify(core.checkpoint())) {
      report(null, `${where} replays to another final state`);
    }
  };
  return {
    claim: "every node's record replays identically",
    atEnd: () => {
      for (const { name, lives } of world.nodes.values()) {
        for (const [index, life] of lives.entries()) judge(name, index, life);
      }
    },
  };
};
