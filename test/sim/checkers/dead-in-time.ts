// Nobody is taken for dead before its hold time: who takes an IP because its holder fell silent has heard no hello of
// that one for so long (design.md, Hellos), then or a moment before: between the judgement and the taking lie ranks, and
// the silent one may be back. Judged by the hellos that really arrived; not while the node itself was held up.
import type { CreateChecker } from './checker.ts';

/** Ranks, probes, whole tables, and drains of all that could take it. */
const BEFORE_MS = 60_000;
/** Clocks that differ by 200 ppm, and the way through a queue. */
const SLACK_MS = 3;

export const deadInTime: CreateChecker = ({ world, ears, holdMs, report }) => ({
  claim: 'nobody is taken for dead before its hold time',
  onEffects: (node, effects, agoMs) => {
    for (const effect of effects) {
      if (effect.type !== 'record' || effect.cause !== 'holder-dead' || effect.to !== 'candidate') continue;
      const holder = /^(\S+) silent for/.exec(effect.reason)?.[1];
      const ear = holder === undefined ? undefined : ears.of(node).get(holder);
      if (ear?.isProven !== true || ears.isCatchingUp(node)) continue;
      const at = world.queue.now() - agoMs;
      if (at - ear.ownAt >= holdMs - SLACK_MS || at - ear.wasSilentAt < BEFORE_MS) continue;
      report(
        effect.ip,
        `${node} took ${holder} for dead, whom it had heard ${(at - ear.ownAt).toFixed(1)} ms before`,
      );
    }
  },
});
