// Journals of older formats, brought up to the present one: a record made last year must replay on today's core.
// Each format that is no longer written has an upcaster to the next one here, and a sample journal in
// test/fixtures/journal that is replayed for ever. A new field of an input, an effect or the checkpoint means a
// new format, and a line in UPCASTERS that says what its absence meant.
import type { CoreCheckpoint } from './core.ts';
import type { Effect } from './effects.ts';
import type { Input } from './inputs.ts';

/** What is written today. */
export const JOURNAL_FORMAT = 1;

/** From one format to the next. What is left out did not change between the two. */
export interface Upcaster {
  readonly checkpoint?: (old: unknown) => unknown;
  readonly input?: (old: unknown) => unknown;
  readonly effect?: (old: unknown) => unknown;
}

/** By the format that is read. */
type Upcasters = Readonly<Record<number, Upcaster>>;

// Empty: there has been one format so far.
const UPCASTERS: Upcasters = {};

/** Reads the records of one format as those of the present one. */
export interface FormatReader {
  checkpoint(old: unknown): CoreCheckpoint;
  input(old: unknown): Input;
  effects(old: readonly unknown[]): readonly Effect[];
  /** True: nothing has to be changed, so a record's text is what would be written today. */
  readonly isPresent: boolean;
}

/** The reader of `format`, or a sentence that says why there is none. `upcasters` are those of tests. */
export const formatReader = (
  format: number,
  present: number = JOURNAL_FORMAT,
  upcasters: Upcasters = UPCASTERS,
): FormatReader | string => {
  if (!Number.isInteger(format) || format > present)
    return `it has format ${format}; this version reads up to ${present}`;
  const steps: Upcaster[] = [];
  for (let from = format; from < present; from += 1) {
    const step = upcasters[from];
    if (step === undefined) return `it has format ${format}, which no version that reads ${present} knows`;
    steps.push(step);
  }
  const through =
    (kind: keyof Upcaster) =>
    (old: unknown): unknown =>
      steps.reduce((value, step) => step[kind]?.(value) ?? value, old);
  const effect = through('effect');
  return {
    checkpoint: (old) => through('checkpoint')(old) as CoreCheckpoint,
    input: through('input') as (old: unknown) => Input,
    effects: (old) => old.map((each) => effect(each) as Effect),
    isPresent: steps.length === 0,
  };
};
