// Journals opened in the page: who owned what when, by the same machines as `holdfast timeline`, and any moment of
// them again, by the same core as on the node. Pure.
import { type Chronicle, createChronicler } from '../machines/chronicle.ts';
import { type Core, type CoreCheckpoint, createCore } from '../machines/core.ts';
import type { Effect } from '../machines/effects.ts';
import { type Ownership, ownershipOf } from '../machines/ownership.ts';
import { createReplayer } from '../machines/replay.ts';
import type { JournalStep, Segment } from './journal-file.ts';

/** One life of a node: its segments in order. */
export interface PastLife {
  readonly node: string;
  readonly instance: string;
  readonly segments: readonly Segment[];
}

/** What a replay of a life says: exact, or where not. */
export interface Verdict {
  readonly inputs: number;
  readonly transitions: number;
  /** `FILE:LINE`, or null: identical. */
  readonly differsAt: string | null;
}

export const livesOf = (segments: readonly Segment[]): readonly PastLife[] => {
  const lives = new Map<string, Segment[]>();
  for (const segment of segments) {
    const key = `${segment.node} ${segment.instance}`;
    lives.set(key, [...(lives.get(key) ?? []), segment]);
  }
  return [...lives.values()].map((own) => {
    const sorted = own.toSorted((a, b) => a.segment - b.segment);
    const [{ node, instance }] = sorted as [Segment];
    return { node, instance, segments: sorted };
  });
};

const chronicleOf = ({ segments }: PastLife): Chronicle => {
  const [first] = segments as readonly [Segment];
  const chronicler = createChronicler(first, () => false);
  for (const [index, { file, checkpoint, hasGap, segment, steps }] of segments.entries()) {
    chronicler.begin(`${file}:2`, checkpoint, !hasGap && segment === index + 1);
    for (const { line, at, input, output } of steps)
      chronicler.step(`${file}:${line}`, at, input, output === null ? [] : (JSON.parse(output) as Effect[]));
  }
  return chronicler.end();
};

/** All lives laid over each other; the longest one's clock is the reference, as everywhere. */
export const ownershipOfLives = (lives: readonly PastLife[]): Ownership => {
  const chronicles = lives.map(chronicleOf);
  const reach = ({ from, to }: Chronicle): number => to - from;
  return ownershipOf(chronicles.toSorted((a, b) => reach(b) - reach(a)));
};

/** Steps everything again and compares. The end of a record that was cut off may lack effects. */
export const replayLife = ({ segments }: PastLife): Verdict => {
  let inputs = 0;
  let transitions = 0;
  for (const [index, { file, checkpoint, steps }] of segments.entries()) {
    const next = segments[index + 1];
    const replayer = createReplayer(createCore(checkpoint));
    // A turn's outputs stand behind its inputs; compared one by one they are the same.
    for (const { n, at, input, output } of steps) {
      replayer.input(n, at, input);
      if (output !== null) replayer.output(n, output);
    }
    replayer.end(next === undefined || next.hasGap);
    inputs += replayer.inputs;
    transitions += replayer.transitions;
    const { difference } = replayer;
    if (difference !== null) {
      const line = steps.find(({ n }) => n === difference.n)?.line ?? 0;
      return { inputs, transitions, differsAt: `${file}:${line}` };
    }
  }
  return { inputs, transitions, differsAt: null };
};

/** A core of a life at any moment, near moments cheaply. */
export interface Scrubber {
  /** The core after every input up to `at`, in the life's own time; null: before its record. */
  to(at: number): Core | null;
}

/** A checkpoint is kept every so many inputs: a jump back steps no more than these again, some 20 ms. */
const KEEP_EVERY = 2_000;

interface Place {
  readonly checkpoint: CoreCheckpoint;
  readonly steps: readonly JournalStep[];
  /** How many of the steps the checkpoint has behind it. */
  readonly index: number;
  readonly at: number;
}

export const createScrubber = ({ segments }: PastLife): Scrubber => {
  const places: Place[] = segments.map(({ checkpoint, steps }) => ({
    checkpoint,
    steps,
    index: 0,
    at: Math.min(checkpoint.at || Number.POSITIVE_INFINITY, steps[0]?.at ?? Number.POSITIVE_INFINITY),
  }));
  return {
    to: (at) => {
      const start = places.findLast((place) => place.at <= at);
      if (start === undefined) return null;
      const { checkpoint, steps, index } = start;
      const core = createCore(structuredClone(checkpoint));
      for (let next = index; next < steps.length; next += 1) {
        const step = steps[next] as JournalStep;
        if (step.at > at) break;
        core.step(step.at, step.input);
        if ((next + 1) % KEEP_EVERY === 0) {
          places.push({
            checkpoint: structuredClone(core.checkpoint()),
            steps,
            index: next + 1,
            at: step.at,
          });
          places.sort((a, b) => a.at - b.at);
        }
      }
      return core;
    },
  };
};
