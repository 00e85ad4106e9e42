// The journal's format: NDJSON lines, each sealed with a hash that chains it to the line before, so that a
// changed, missing or reordered line can be named. Pure; docs/architecture.md shows a segment.
import { hash as digest } from 'node:crypto';
import type { CoreCheckpoint } from '../../machines/core.ts';
import type { Effect } from '../../machines/effects.ts';
import type { Input } from '../../machines/inputs.ts';

/** The chain before the first line of each segment. */
export const NO_HASH = '0000000000000000';

/** The first line of a segment. */
export interface SegmentHeader {
  readonly holdfast: 'journal';
  readonly format: number;
  readonly version: string;
  readonly node: string;
  /** 64 random bits, hexadecimal, one per birth of the daemon. */
  readonly instance: string;
  /** 1 for the first segment of a life. */
  readonly segment: number;
  /** The hash of the last line of the segment before, NO_HASH in the first of a life. */
  readonly previous: string;
  /** Inputs that were stepped but could not be written since the segment before, and why. */
  readonly gap: { readonly inputs: number; readonly reason: string } | null;
}

/** The second line: the whole core, from which the inputs that follow are stepped. */
export interface CheckpointRecord {
  readonly checkpoint: CoreCheckpoint;
  /** The number of the next input. */
  readonly next: number;
}
export interface InputRecord {
  readonly n: number;
  readonly at: number;
  readonly in: Input;
}
/** What input `n` led to; left out when there were no effects. */
export interface OutputRecord {
  readonly n: number;
  readonly out: readonly Effect[];
}
export type JournalRecord = SegmentHeader | CheckpointRecord | InputRecord | OutputRecord;

const HASH_DIGITS = 16;
const SEAL_LENGTH = ',"h":""}'.length + HASH_DIGITS;

// One call on one text: a third of what a Hash object a line costs, and reading back is mostly this.
const chain = (previous: string, body: string): string =>
  digest('sha256', previous + body, 'hex').slice(0, HASH_DIGITS);

/** Seals the JSON text of a record: the line to write (without newline) and the hash that the next one needs. */
export const seal = (previous: string, json: string): { readonly line: string; readonly hash: string } => {
  const body = json.slice(0, -1);
  const hash = chain(previous, body);
  return { line: `${body},"h":"${hash}"}`, hash };
};

export type OpenedLine =
  | {
      readonly ok: true;
      /** The record's JSON text without its last brace. */
      readonly body: string;
      readonly hash: string;
      /** Its hash continues the line before (true where there was none to compare with). */
      readonly follows: boolean;
    }
  | { readonly ok: false; readonly reason: string };

const SEAL = /^,"h":"([0-9a-f]{16})"\}$/;

/** Breaks the seal of a line: `follows` tells whether its hash continues `previous` (null: do not compare). */
export const openLine = (previous: string | null, line: string): OpenedLine => {
  const match = SEAL.exec(line.slice(-SEAL_LENGTH));
  if (match === null) return { ok: false, reason: 'the line does not end in a hash' };
  const hash = match[1] as string;
  const body = line.slice(0, -SEAL_LENGTH);
  return { ok: true, body, hash, follows: previous === null || chain(previous, body) === hash };
};

/** The record of an opened line, or null when it is no JSON. */
export const parseBody = (body: string): JournalRecord | null => {
  try {
    return JSON.parse(`${body}}`) as JournalRecord;
  } catch {
    return null;
  }
};
