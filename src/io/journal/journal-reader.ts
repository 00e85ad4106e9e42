// Finds the segments of journals and puts them in order; reads them whole where that is wanted (tests, the page).
// Commands stream them instead (segment-scan.ts).
import { readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { CoreCheckpoint } from '../../machines/core.ts';
import { fileLines, textLines } from './file-lines.ts';
import type { CheckpointRecord, InputRecord, OutputRecord, SegmentHeader } from './journal-lines.ts';
import { type Damage, effectsOf, type SegmentScan, scanSegment } from './segment-scan.ts';

/** One input with what it led to, and the line where it stands. */
interface JournaledStep {
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

/**
 * The segment files behind files and directories, each once, in the order in which they were written by node and
 * life. Throws the system's error for a path that is not there.
 */
export const findSegments = (paths: readonly string[]): readonly string[] => {
  const found = paths.flatMap((path) =>
    statSync(path).isDirectory()
      ? readdirSync(path, { recursive: true, encoding: 'utf8' })
          .filter((name) => name.endsWith('.ndjson'))
          .map((name) => join(path, name))
      : [path],
  );
  const files = new Map(found.map((file) => [realpathSync(file), file]));
  return [...files.values()].sort((a, b) => (basename(a) < basename(b) ? -1 : 1));
};

/** Where a segment begins, as far as its first lines tell. */
export interface SegmentStart {
  readonly file: string;
  readonly header: SegmentHeader;
  readonly checkpoint: CoreCheckpoint;
  /** Logical time of the checkpoint; of the first input where the checkpoint is that of a new life. */
  readonly at: number;
}

const inputAt = (scan: SegmentScan): number | null => {
  for (const entry of scan.entries()) if (entry.type === 'input') return entry.at;
  return null;
};

/** Reads the beginning of a segment; null when it cannot be read or was changed (reading it whole says why). */
export const startOf = (file: string): SegmentStart | null => {
  const scan = scanSegment(file, fileLines(file), []);
  if (scan === null) return null;
  const { header, checkpoint } = scan;
  let { at } = checkpoint;
  if (!scan.isStartSealed) {
    scan.close();
    return null;
  }
  // The core of a new life knows no time yet.
  if (at === 0) at = inputAt(scan) ?? at;
  scan.close();
  return { file, header, checkpoint, at };
};

const collect = (scan: SegmentScan): Segment => {
  const steps: { line: number; input: InputRecord; output: OutputRecord | null }[] = [];
  for (const entry of scan.entries()) {
    if (entry.type === 'input') {
      const { line, n, at, input } = entry;
      steps.push({ line, input: { n, at, in: input }, output: null });
      continue;
    }
    // Inputs of one batch are written before their effects, so the step is one of the last few.
    const step = steps.findLast(({ input }) => input.n <= entry.n);
    if (step?.input.n === entry.n) step.output = { n: entry.n, out: effectsOf(entry.text) };
  }
  const { file, header, checkpoint, next } = scan;
  const isTorn = scan.isTorn();
  return { file, header, checkpoint: { checkpoint, next }, steps, isTorn, lastHash: scan.lastHash() };
};

/** Reads one segment from its text, whole. */
export const readSegment = (
  file: string,
  text: string,
): { readonly segment: Segment | null; readonly damage: readonly Damage[] } => {
  const damage: Damage[] = [];
  const scan = scanSegment(file, textLines(text), damage);
  return { segment: scan === null ? null : collect(scan), damage };
};

interface End {
  readonly file: string;
  readonly header: SegmentHeader;
  readonly lastHash: string;
}

/** Does `next` continue `last` as its header says? Returns what is wrong, or null. */
export const breakBetween = (last: End, next: SegmentHeader): string | null => {
  if (last.header.instance !== next.instance || next.gap !== null) return null;
  if (next.segment !== last.header.segment + 1) {
    return `segment ${next.segment} follows segment ${last.header.segment}: those between are missing`;
  }
  return next.previous === last.lastHash
    ? null
    : `the end of ${basename(last.file)} is missing or was changed`;
};

/** Reads every segment behind `paths`, whole. */
export const readJournal = (
  paths: readonly string[],
): { readonly segments: readonly Segment[]; readonly damage: readonly Damage[] } => {
  const segments: Segment[] = [];
  const damage: Damage[] = [];
  for (const file of findSegments(paths)) {
    const scan = scanSegment(file, fileLines(file), damage);
    if (scan === null) continue;
    const last = segments.at(-1);
    const reason = last === undefined ? null : breakBetween(last, scan.header);
    segments.push(collect(scan));
    if (reason !== null) damage.push({ file, line: 1, reason });
  }
  return { segments, damage };
};
