// Reads journals back: finds the segments, checks the chain, and hands out the records in order. What is
// damaged is named by file and line; everything readable is used. A torn last line is not damage: the process
// was killed while it wrote.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  type CheckpointRecord,
  type InputRecord,
  JOURNAL_FORMAT,
  NO_HASH,
  type OutputRecord,
  type SegmentHeader,
  unseal,
} from './journal-lines.ts';

export interface Damage {
  readonly file: string;
  /** 1-based; 0 when the whole file is meant. */
  readonly line: number;
  readonly reason: string;
}

/** One input with what it led to, and the line where it stands. */
export interface JournaledStep {
  readonly line: number;
  readonly input: InputRecord;
  /** Null: no effects were recorded. */
  readonly output: OutputRecord | null;
}

export interface Segment {
  readonly file: string;
  readonly header: SegmentHeader;
  readonly checkpoint: CheckpointRecord;
  readonly steps: readonly JournaledStep[];
  /** The writer was killed in the middle of the last line. */
  readonly isTorn: boolean;
  readonly lastHash: string;
}

export interface ReadJournal {
  /** In the order in which they were written, by node and life. */
  readonly segments: readonly Segment[];
  readonly damage: readonly Damage[];
}

/** The segment files behind files and directories, sorted. Throws the system's error for a path that is not there. */
const findSegments = (paths: readonly string[]): readonly string[] =>
  paths
    .flatMap((path) =>
      statSync(path).isDirectory()
        ? readdirSync(path, { recursive: true, encoding: 'utf8' })
            .filter((name) => name.endsWith('.ndjson'))
            .map((name) => join(path, name))
        : [path],
    )
    .sort((a, b) => (basename(a) < basename(b) ? -1 : 1));

type Parsed = { readonly segment: Segment | null; readonly damage: readonly Damage[] };

/** Reads one segment from its text. */
export const readSegment = (file: string, text: string): Parsed => {
  const damage: Damage[] = [];
  const blame = (line: number, reason: string): void => {
    damage.push({ file, line, reason });
  };
  const nothing = (line: number, reason: string): Parsed => {
    blame(line, reason);
    return { segment: null, damage };
  };

  const lines = text.split('\n');
  // A whole file ends in a newline; what stands after the last one was never finished.
  const tail = lines.pop() as string;
  let isTorn = tail !== '';
  if (lines.length === 0) return nothing(0, isTorn ? 'it ends within its first line' : 'the file is empty');

  let header: SegmentHeader | null = null;
  let checkpoint: CheckpointRecord | null = null;
  const steps: { line: number; input: InputRecord; output: OutputRecord | null }[] = [];
  let previous: string | null = NO_HASH;
  let expected: number | null = null;

  for (const [index, text] of lines.entries()) {
    const number = index + 1;
    const opened = unseal(previous, text);
    if (!opened.ok) {
      if (index === lines.length - 1) isTorn = true;
      blame(number, opened.reason);
      if (header === null || checkpoint === null) return { segment: null, damage };
      previous = null;
      continue;
    }
    if (!opened.follows)
      blame(number, 'the line was changed, or lines before it are missing or out of order');
    previous = opened.hash;
    const { record } = opened;
    if ('holdfast' in record) {
      if (record.format > JOURNAL_FORMAT) {
        return nothing(number, `it has format ${record.format}; this version reads up to ${JOURNAL_FORMAT}`);
      }
      if (header !== null) return nothing(number, 'a second header stands in the middle');
      header = record;
    } else if (header === null) {
      return nothing(number, 'it does not begin with a journal header');
    } else if ('checkpoint' in record) {
      checkpoint = record;
      expected = record.next;
    } else if (checkpoint === null) {
      return nothing(number, 'the second line is no checkpoint');
    } else if ('in' in record) {
      if (record.n !== expected) blame(number, `input ${record.n} stands where input ${expected} belongs`);
      expected = record.n + 1;
      steps.push({ line: number, input: record, output: null });
    } else {
      // Inputs of one batch are written before their effects, so the step is one of the last few.
      const step = steps.findLast(({ input }) => input.n <= record.n);
      if (step === undefined || step.input.n !== record.n)
        blame(number, `effects of an input ${record.n} that is not there`);
      else step.output = record;
    }
  }
  if (header === null || checkpoint === null) return nothing(lines.length, 'it ends before its checkpoint');
  return { segment: { file, header, checkpoint, steps, isTorn, lastHash: previous ?? '' }, damage };
};

/** Does `next` continue `last` as its header says? Returns what is wrong, or null. */
const breakBetween = (last: Segment, next: Segment): string | null => {
  if (last.header.instance !== next.header.instance || next.header.gap !== null) return null;
  if (next.header.segment !== last.header.segment + 1) {
    return `segment ${next.header.segment} follows segment ${last.header.segment}: those between are missing`;
  }
  return next.header.previous === last.lastHash
    ? null
    : `the end of ${basename(last.file)} is missing or was changed`;
};

/** Reads every segment behind `paths`. */
export const readJournal = (paths: readonly string[]): ReadJournal => {
  const segments: Segment[] = [];
  const damage: Damage[] = [];
  for (const file of findSegments(paths)) {
    const parsed = readSegment(file, readFileSync(file, 'utf8'));
    damage.push(...parsed.damage);
    if (parsed.segment === null) continue;
    const last = segments.at(-1);
    const reason = last === undefined ? null : breakBetween(last, parsed.segment);
    if (reason !== null) damage.push({ file, line: 1, reason });
    segments.push(parsed.segment);
  }
  return { segments, damage };
};
