// Replays journals against an alternative and lists what would have been different, life by life; and says where
// the answer cannot be right, because the record holds what happened and not what would have.
import { fileLines } from '../../io/journal/file-lines.ts';
import { type Damage, type SegmentScan, scanSegment } from '../../io/journal/segment-scan.ts';
import type { CoreConfig } from '../../machines/config.ts';
import { createCore } from '../../machines/core.ts';
import type { Input } from '../../machines/inputs.ts';
import { createSideBySide, type SideBySide } from '../../machines/side-by-side.ts';
import { diffTransitions, type TransitionDifference } from '../../machines/transition-diff.ts';
import { checkpointUnder, createTranslation } from '../../machines/what-if.ts';
import { CommandError } from '../command.ts';
import type { Alternative } from './alternative.ts';
import type { Journals, LifeFiles } from './journals.ts';
import type { Window } from './replay-run.ts';

export interface Steps {
  /** Inputs at which the two sides did not do exactly the same. */
  readonly differing: number;
  readonly first: string | null;
}

export interface LifeDifferences {
  readonly node: string;
  readonly instance: string;
  readonly differences: readonly TransitionDifference[];
  readonly steps: Steps;
  readonly inputs: number;
  readonly transitions: number;
}

export interface WhatIfOutcome {
  readonly lives: readonly LifeDifferences[];
  /** Where the answer is to be taken with care, a sentence each. */
  readonly notes: readonly string[];
}

interface Run {
  readonly alternative: Alternative;
  readonly window: Window;
  readonly notes: Set<string>;
}

/** The wire tells of silence after so many intervals (hello-ears.ts); what is shorter it cannot have told. */
const LATE_INTERVALS = 2;
const WHOLE_RECORD = 'what other nodes said is as recorded: what they would have made of it is not known';

/** Notes that follow from one recorded configuration and what is made of it. */
const noteConfig = (recorded: CoreConfig, now: CoreConfig, { notes, alternative }: Run): void => {
  notes.add(WHOLE_RECORD);
  const [before, after] = [recorded.heartbeat, now.heartbeat];
  if (before.deadAfterMs !== after.deadAfterMs) {
    notes.add('heartbeat.deadAfter is taken as if every node had it: what the peers announced is replaced');
    if (after.deadAfterMs < before.deadAfterMs)
      notes.add(
        'others went on listing a silent node for the recorded hold time: it counts as vouched for until then',
      );
  }
  if (before.intervalMs !== after.intervalMs)
    notes.add('heartbeat.interval: hellos came as often as recorded; only what waits for intervals changes');
  if (JSON.stringify(recorded) === JSON.stringify(now) && alternative.config !== null)
    notes.add(`${alternative.name}: nothing that decisions depend on is different`);
};

/** Silence shorter than two intervals was never reported. */
const noteIntervals = (input: Input, config: CoreConfig | null, { notes }: Run): void => {
  if (input.type !== 'peer.heard' || config === null) return;
  const { node, intervalMs } = input.peer;
  const least = LATE_INTERVALS * intervalMs;
  if (config.heartbeat.deadAfterMs >= least) return;
  notes.add(
    `heartbeat.deadAfter ${config.heartbeat.deadAfterMs}ms is below two intervals of ${node} (${least} ms): ` +
      'silence is reported after those, so nothing can come earlier here, though it would have',
  );
};

const startLife = (life: LifeFiles, run: Run, index: number): SideBySide => {
  const { checkpoint } = life.segments[index] as LifeFiles['segments'][number];
  const { alternative } = run;
  const { config } = alternative;
  const under = config === null ? null : { config };
  const was = createCore(checkpoint);
  const now = alternative.createCore(under === null ? checkpoint : checkpointUnder(checkpoint, under));
  const translate = under === null ? (input: Input) => input : createTranslation(under, checkpoint.config);
  if (under !== null && checkpoint.config !== null) {
    const changed = under.config(checkpoint.config);
    noteConfig(checkpoint.config, changed, run);
    run.notes.add(`${life.node}: the record begins in the middle of a life, and the change is made there`);
    now.step(checkpoint.at, { type: 'config.loaded', config: changed });
  }
  return createSideBySide({ was, now, translate });
};

interface Walked {
  inputs: number;
  differing: number;
  first: string | null;
  config: CoreConfig | null;
}

/** Steps one segment of a life on both sides; a sentence when that failed. */
const walkSegment = (scan: SegmentScan, sides: SideBySide, run: Run, walked: Walked): string | null => {
  const { alternative, window } = run;
  for (const entry of scan.entries()) {
    if (entry.type === 'output' || !entry.isSealed) continue;
    const { at, input, line } = entry;
    if (at > window.to) break;
    if (input.type === 'config.loaded' && alternative.config !== null) {
      walked.config = alternative.config(input.config);
      noteConfig(input.config, walked.config, run);
    }
    if (alternative.config !== null) noteIntervals(input, walked.config, run);
    const ref = `${scan.file}:${line}`;
    let isSame: boolean;
    try {
      isSame = sides.input(ref, at, input);
    } catch (error) {
      return `${ref}: it cannot be stepped: ${(error as Error).message}`;
    }
    if (at < window.from) continue;
    walked.inputs += 1;
    if (isSame) continue;
    walked.differing += 1;
    walked.first ??= ref;
  }
  return null;
};

const runLife = (life: LifeFiles, run: Run): LifeDifferences => {
  const { window, notes } = run;
  // The newest segment that begins before the window; those before it cannot matter.
  const first = Math.max(
    0,
    life.segments.findLastIndex(({ at }) => at <= window.from),
  );
  const sides = startLife(life, run, first);
  const walked: Walked = {
    inputs: 0,
    differing: 0,
    first: null,
    config: life.segments[first]?.checkpoint.config ?? null,
  };
  for (const { file, header } of life.segments.slice(first)) {
    if (header.gap !== null) notes.add(`${file}: ${header.gap.inputs} inputs before it were never written`);
    const damage: Damage[] = [];
    const scan = scanSegment(file, fileLines(file), damage);
    const problem = scan === null ? null : walkSegment(scan, sides, run, walked);
    for (const { line, reason } of damage)
      notes.add(`${file}:${line}: ${reason}; differences may come of that`);
    if (problem !== null) notes.add(problem);
  }
  const within = ({ at }: { readonly at: number }): boolean => at >= window.from && at <= window.to;
  const differences = diffTransitions(sides.was.filter(within), sides.now.filter(within));
  if (sides.madeUp > 0)
    notes.add(
      'what the host confirmed came of what was asked then; elsewhere its answers are made up, at its pace',
    );
  const { node, instance } = life;
  const { inputs, differing, first: firstDiffering } = walked;
  const transitions = sides.was.filter(within).length;
  return { node, instance, differences, steps: { differing, first: firstDiffering }, inputs, transitions };
};

/** Every life in the window, under the alternative. */
export const runWhatIf = ({ lives }: Journals, alternative: Alternative, window: Window): WhatIfOutcome => {
  const run: Run = { alternative, window, notes: new Set() };
  const concerned = lives.filter(({ from, to }) => to >= window.from && from <= window.to);
  const done = concerned.flatMap((life): LifeDifferences[] => {
    try {
      return [runLife(life, run)];
    } catch (error) {
      if (error instanceof CommandError) throw error;
      const [segment] = life.segments;
      run.notes.add(`${segment?.file}: its checkpoint cannot be used: ${(error as Error).message}`);
      return [];
    }
  });
  return { lives: done, notes: [...run.notes] };
};
