// Replay: the journaled inputs through the same core again, effects compared step by step. Exact, or a bug.
// Pure, so that the command line and the browser replay alike.
import { type Core, type CoreCheckpoint, createCore } from './core.ts';
import type { Effect } from './effects.ts';
import type { Input } from './inputs.ts';

export interface RecordedStep {
  readonly at: number;
  readonly input: Input;
  /** Null: none were recorded. */
  readonly effects: readonly Effect[] | null;
}

export interface Divergence {
  /** Index into the steps given. */
  readonly step: number;
  readonly recorded: readonly Effect[];
  readonly replayed: readonly Effect[];
}

export interface Replay {
  readonly inputs: number;
  readonly transitions: number;
  /** The first difference, or null. */
  readonly divergence: Divergence | null;
  /** The core after the last step. */
  readonly core: Core;
}

const sameEffects = (a: readonly Effect[], b: readonly Effect[]): boolean =>
  a.length === b.length && JSON.stringify(a) === JSON.stringify(b);

/**
 * Steps `steps` from `checkpoint`. `isCut`: the record ends abruptly (the process was killed), so the effects
 * of the inputs at its very end may be missing; then the last batch is compared only as far as it was written.
 */
export const replay = (
  checkpoint: CoreCheckpoint,
  steps: readonly RecordedStep[],
  isCut: boolean,
): Replay => {
  const core = createCore(checkpoint);
  const lastWithEffects = steps.findLastIndex(({ effects }) => effects !== null);
  let transitions = 0;
  let divergence: Divergence | null = null;
  for (const [index, { at, input, effects }] of steps.entries()) {
    const replayed = core.step(at, input);
    for (const effect of replayed) if (effect.type === 'record') transitions += 1;
    if (divergence !== null || (effects === null && isCut && index > lastWithEffects)) continue;
    const recorded = effects ?? [];
    if (!sameEffects(recorded, replayed)) divergence = { step: index, recorded, replayed };
  }
  return { inputs: steps.length, transitions, divergence, core };
};
