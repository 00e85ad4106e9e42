// Replay: the journaled inputs through the same core again, effects compared step by step. Exact, or a bug.
// Pure, and one step at a time, so that the command line (journals of any size) and the browser replay alike.
import { type Core, type CoreCheckpoint, createCore } from './core.ts';
import type { Effect } from './effects.ts';
import type { Input } from './inputs.ts';

/** Effects of so many inputs may wait for their record: a turn of the runtime is no larger (streams/runtime.ts). */
const MAX_PENDING = 65_536;

/** The first step whose effects differ. */
export interface StepDifference {
  readonly n: number;
  readonly recorded: readonly Effect[];
  readonly replayed: readonly Effect[];
}

export interface Replayer {
  readonly core: Core;
  readonly inputs: number;
  readonly transitions: number;
  /** The first difference so far, or null. */
  readonly difference: StepDifference | null;
  /** Steps input `n` and returns its effects. */
  input(n: number, at: number, input: Input): readonly Effect[];
  /** Compares what was recorded for input `n`, as JSON text; outputs come in the order of their inputs. */
  output(n: number, text: string): void;
  /** The record is over. `isCut`: abruptly (the process was killed), so the last effects may be missing. */
  end(isCut: boolean): void;
}

/** Replays a segment from its checkpoint. */
export const createReplayer = (core: Core): Replayer => {
  /** What was replayed and not compared yet, by input; at most a batch. */
  const pending = new Map<number, readonly Effect[]>();
  let inputs = 0;
  let transitions = 0;
  let difference: StepDifference | null = null;

  const differ = (n: number, recorded: readonly Effect[], replayed: readonly Effect[]): void => {
    difference ??= { n, recorded, replayed };
    pending.clear();
  };
  /** Inputs before `n` whose effects should have been recorded by now. */
  const missBefore = (n: number): void => {
    for (const [earlier, replayed] of pending) {
      if (earlier >= n) return;
      return differ(earlier, [], replayed);
    }
  };

  return {
    core,
    get inputs() {
      return inputs;
    },
    get transitions() {
      return transitions;
    },
    get difference() {
      return difference;
    },
    input: (n, at, input) => {
      const replayed = core.step(at, input);
      inputs += 1;
      if (replayed.length === 0) return replayed;
      for (const { type } of replayed) if (type === 'record') transitions += 1;
      if (difference === null) pending.set(n, replayed);
      if (pending.size > MAX_PENDING) missBefore(n);
      return replayed;
    },
    output: (n, text) => {
      if (difference !== null) return;
      missBefore(n);
      const replayed = pending.get(n) ?? [];
      pending.delete(n);
      if (difference !== null || JSON.stringify(replayed) === text) return;
      const recorded = JSON.parse(text) as readonly Effect[];
      // The same effects may have been written with other spacing, by another tool.
      if (JSON.stringify(recorded) !== JSON.stringify(replayed)) differ(n, recorded, replayed);
    },
    end: (isCut) => {
      if (!isCut) missBefore(Number.POSITIVE_INFINITY);
      pending.clear();
    },
  };
};

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

/**
 * Steps `steps` from `checkpoint`. `isCut`: the record ends abruptly (the process was killed), so the effects
 * of the inputs at its very end may be missing; then the last batch is compared only as far as it was written.
 */
export const replay = (
  checkpoint: CoreCheckpoint,
  steps: readonly RecordedStep[],
  isCut: boolean,
): Replay => {
  const replayer = createReplayer(createCore(checkpoint));
  for (const [index, { at, input, effects }] of steps.entries()) {
    replayer.input(index, at, input);
    if (effects !== null) replayer.output(index, JSON.stringify(effects));
  }
  replayer.end(isCut);
  const { inputs, transitions, difference, core } = replayer;
  if (difference === null) return { inputs, transitions, divergence: null, core };
  const { n, recorded, replayed } = difference;
  return { inputs, transitions, divergence: { step: n, recorded, replayed }, core };
};
