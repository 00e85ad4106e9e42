// A real journal in a temporary directory: written by the real writer thread, read and replayed again.
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Journal, type JournalOptions, openJournal } from '../../../src/io/journal/journal.ts';
import { readJournal, type Segment } from '../../../src/io/journal/journal-reader.ts';
import { type Core, createCore } from '../../../src/machines/core.ts';
import type { Input, StampedInput } from '../../../src/machines/inputs.ts';
import { replay } from '../../../src/machines/replay.ts';
import { CLOCK, ETH0, loaded, START, V4 } from '../../support/core.ts';

/** Runs `body` with a directory that is gone afterwards. */
export const withDirectory = async (body: (directory: string) => Promise<void> | void): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-journal-'));
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};

export interface Gap {
  readonly reason: string;
  readonly inputs: number;
  readonly isOver: boolean;
}

export interface Recorder {
  readonly core: Core;
  readonly journal: Journal;
  readonly gaps: readonly Gap[];
  /** What the runtime does in a turn: journal, step, effects, settle. */
  turn(...inputs: readonly Input[]): void;
}

/** A core whose turns are journaled as the runtime does it. */
export const createRecorder = (directory: string, over: Partial<JournalOptions> = {}): Recorder => {
  const core = createCore();
  const gaps: Gap[] = [];
  const origin = performance.now();
  const now = (): number => START + Math.round((performance.now() - origin) * 1000) / 1000;
  const options: JournalOptions = {
    directory,
    maxBytes: 16 * 1024 * 1024,
    node: 'n1',
    instance: 'feedfacefeedface',
    version: '0.0.0',
    now,
    onGap: (gap) => gaps.push(gap),
    ...over,
  };
  const journal = openJournal(options, core.checkpoint());
  let ms = 0;
  return {
    core,
    journal,
    gaps,
    turn: (...inputs) => {
      const stamped: StampedInput[] = inputs.map((input) => {
        ms += 50;
        return { at: START + ms, input };
      });
      const first = journal.nextNumber();
      journal.appendInputs(stamped);
      for (const [index, { at, input }] of stamped.entries()) {
        journal.appendEffects(first + index, core.step(at, input));
      }
      journal.settle(core.checkpoint);
    },
  };
};

/** Turn `index` of an endless story in which something happens in every other turn. */
export const storyTurn = (index: number): readonly Input[] => {
  if (index === 0) return [loaded(), { type: 'interface.changed', interface: ETH0 }];
  const phase = index % 8;
  if (phase === 5) return [{ type: 'interface.changed', interface: { ...ETH0, up: false } }, CLOCK];
  if (phase === 6) return [{ type: 'interface.changed', interface: ETH0 }];
  if (phase === 7) return [{ type: 'addresses.confirmed', ips: [V4] }];
  return [CLOCK];
};

/** Replays each segment; the names of those that diverge. A segment that ends in a kill or a gap is cut. */
export const divergences = (segments: readonly Segment[]): readonly string[] =>
  segments.flatMap((segment, index) => {
    const next = segments[index + 1];
    const isCut =
      next === undefined || next.header.gap !== null || next.header.instance !== segment.header.instance;
    const steps = segment.steps.map(({ input, output }) => ({
      at: input.at,
      input: input.in,
      effects: output?.out ?? null,
    }));
    const { divergence } = replay(segment.checkpoint.checkpoint, steps, isCut);
    return divergence === null ? [] : [`${segment.file}: ${JSON.stringify(divergence)}`];
  });

export const read = (directory: string) => {
  const { segments, damage } = readJournal([directory]);
  const inputs = segments.flatMap(({ steps }) => steps.map(({ input }) => input.n));
  return { segments, damage, inputs, divergences: divergences(segments) };
};

export const bytesIn = (directory: string): number =>
  existsSync(directory)
    ? readdirSync(directory).reduce(
        (sum, name) => sum + (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0),
        0,
      )
    : 0;

/** Resolves when the writer is done. */
export const closed = (journal: Journal): Promise<void> => new Promise((resolve) => journal.close(resolve));

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
