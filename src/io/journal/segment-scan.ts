// One journal segment, read as a stream: header and checkpoint first, then entry by entry, with the chain checked
// on the way. What is damaged is named by its line; everything readable is used. A torn last line is not damage:
// the process was killed while it wrote.
import type { CoreCheckpoint } from '../../machines/core.ts';
import type { Effect } from '../../machines/effects.ts';
import type { Input } from '../../machines/inputs.ts';
import { type FormatReader, formatReader } from '../../machines/journal-formats.ts';
import {
  type InputRecord,
  type JournalRecord,
  NO_HASH,
  openLine,
  parseBody,
  type SegmentHeader,
} from './journal-lines.ts';

export interface Damage {
  readonly file: string;
  /** 1-based; 0 when the whole file is meant. */
  readonly line: number;
  readonly reason: string;
}

export type JournalEntry = {
  /** Its hash says that it is what was written. Else it was changed, or lines before it are missing. */
  readonly isSealed: boolean;
} & (
  | {
      readonly type: 'input';
      readonly line: number;
      readonly n: number;
      readonly at: number;
      readonly input: Input;
    }
  /** What input `n` led to. `text` is its JSON as it would be written today; parsing it is the reader's choice. */
  | { readonly type: 'output'; readonly line: number; readonly n: number; readonly text: string }
);

export interface SegmentScan {
  readonly file: string;
  readonly header: SegmentHeader;
  readonly checkpoint: CoreCheckpoint;
  /** Header and checkpoint are what was written. */
  readonly isStartSealed: boolean;
  /** The number of its first input. */
  readonly next: number;
  /** Everything after the checkpoint, once. Damage met on the way is added to `damage`. */
  entries(): Iterable<JournalEntry>;
  /** Ends the reading early. */
  close(): void;
  /** After the last entry: the writer was killed in the middle of the last line. */
  isTorn(): boolean;
  /** After the last entry: what the next segment's header must name. */
  lastHash(): string;
}

/** Beyond these a file has one more line that says how many there are: a file of noise must not fill the memory. */
const MAX_DAMAGE = 100;

/** Collects what is wrong with one file. */
const createBlame = (file: string, damage: Damage[]): ((line: number, reason: string) => void) => {
  let count = 0;
  return (line, reason) => {
    count += 1;
    if (count <= MAX_DAMAGE) damage.push({ file, line, reason });
    if (count === MAX_DAMAGE + 1) damage.push({ file, line, reason: 'and more from here on' });
  };
};

/** How an output line's body begins; the effects' text follows: `{"n":12,"out":[…]`. */
const OUTPUT = /^\{"n":(\d{1,16}),"out":/;

/**
 * Effects as they would be written today; null when they are no JSON. A line whose hash is right need not be parsed
 * to know that it is what was written.
 */
const presentText = (reader: FormatReader, text: string, isSealed: boolean): string | null => {
  if (reader.isPresent && isSealed) return text;
  try {
    return JSON.stringify(reader.effects(JSON.parse(text) as readonly unknown[]));
  } catch {
    return null;
  }
};

const isHeader = ({ node, instance, segment }: SegmentHeader): boolean =>
  typeof node === 'string' && typeof instance === 'string' && Number.isInteger(segment);

const isInput = (record: JournalRecord): record is InputRecord =>
  'in' in record &&
  Number.isInteger(record.n) &&
  Number.isFinite(record.at) &&
  typeof record.in?.type === 'string';

export const effectsOf = (text: string): readonly Effect[] => JSON.parse(text) as readonly Effect[];

/** Opens a segment and reads its first two lines; null: unreadable, and `damage` says why. */
export const scanSegment = (
  file: string,
  lines: Generator<string, string>,
  damage: Damage[],
): SegmentScan | null => {
  const blame = createBlame(file, damage);
  const nothing = (line: number, reason: string): null => {
    blame(line, reason);
    lines.return('');
    return null;
  };
  let number = 0;
  let previous: string | null = NO_HASH;
  let isTorn = false;
  /** The last line is what its writer wrote, or its hash does not say. */
  let isSealed = false;

  /** The next line's body, seal checked; null at the end, a reason when the line cannot be opened. */
  const nextBody = (): { readonly body: string } | { readonly reason: string } | null => {
    const { done, value } = lines.next();
    if (done === true) {
      isTorn ||= value !== '';
      return null;
    }
    number += 1;
    const opened = openLine(previous, value);
    if (!opened.ok) return opened;
    isSealed = opened.follows && previous !== null;
    if (!opened.follows)
      blame(number, 'the line was changed, or lines before it are missing or out of order');
    previous = opened.hash;
    return opened;
  };

  const first = nextBody();
  if (first === null) return nothing(0, isTorn ? 'it ends within its first line' : 'the file is empty');
  if ('reason' in first) return nothing(1, first.reason);
  const isHeaderSealed = isSealed;
  const header = parseBody(first.body);
  if (header === null) return nothing(1, 'the line is not JSON');
  if (!('holdfast' in header)) return nothing(1, 'it does not begin with a journal header');
  if (!isHeader(header)) return nothing(1, 'its header lacks node, instance or segment');
  const reader = formatReader(header.format);
  if (typeof reader === 'string') return nothing(1, reader);
  const second = nextBody();
  if (second === null) return nothing(1, 'it ends before its checkpoint');
  if ('reason' in second) return nothing(2, second.reason);
  const start = parseBody(second.body);
  if (start === null) return nothing(2, 'the line is not JSON');
  if (!('checkpoint' in start)) return nothing(2, 'the second line is no checkpoint');
  const isStartSealed = isHeaderSealed && isSealed;

  function* entries(from: FormatReader, expectedFirst: number): Iterable<JournalEntry> {
    let expected = expectedFirst;
    let lastOutput = expectedFirst - 1;
    try {
      for (let next = nextBody(); next !== null; next = nextBody()) {
        if ('reason' in next) {
          blame(number, next.reason);
          previous = null;
          continue;
        }
        const { body } = next;
        const output = OUTPUT.exec(body);
        if (output !== null) {
          const n = Number(output[1]);
          if (n >= expected || n <= lastOutput) {
            blame(number, `effects of an input ${n} that is not there`);
            continue;
          }
          lastOutput = n;
          const upcast = presentText(from, body.slice(output[0].length), isSealed);
          if (upcast === null) blame(number, 'the line is not JSON');
          else yield { type: 'output', isSealed, line: number, n, text: upcast };
          continue;
        }
        const record = parseBody(body);
        if (record === null) {
          blame(number, 'the line is not JSON');
          previous = null;
        } else if (isInput(record)) {
          const { n, at } = record;
          if (n !== expected) blame(number, `input ${n} stands where input ${expected} belongs`);
          expected = n + 1;
          yield { type: 'input', isSealed, line: number, n, at, input: from.input(record.in) };
        } else if ('holdfast' in record) {
          blame(number, 'a second header stands in the middle; what follows it is not read');
          return;
        } else blame(number, 'it is no record of a journal');
      }
    } finally {
      lines.return('');
    }
  }

  return {
    file,
    header,
    checkpoint: reader.checkpoint(start.checkpoint),
    isStartSealed,
    next: start.next,
    entries: () => entries(reader, start.next),
    close: () => {
      lines.return('');
    },
    isTorn: () => isTorn,
    lastHash: () => previous ?? '',
  };
};
