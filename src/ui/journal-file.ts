// A journal segment read in the browser, as io/journal/segment-scan.ts reads it on a node, without the hashes: whether
// a record is what was written is for `holdfast replay` to say. Pure.
import type { CoreCheckpoint } from '../machines/core.ts';
import type { Input } from '../machines/inputs.ts';
import { formatReader } from '../machines/journal-formats.ts';

export interface JournalStep {
  readonly n: number;
  readonly at: number;
  readonly input: Input;
  readonly line: number;
  /** The effects that were recorded, as JSON; null: none. */
  output: string | null;
}

export interface Segment {
  readonly file: string;
  readonly node: string;
  readonly instance: string;
  readonly version: string;
  readonly segment: number;
  readonly hasGap: boolean;
  readonly checkpoint: CoreCheckpoint;
  readonly steps: readonly JournalStep[];
}

interface Header {
  readonly holdfast?: unknown;
  readonly format?: unknown;
  readonly version?: unknown;
  readonly node?: unknown;
  readonly instance?: unknown;
  readonly segment?: unknown;
  readonly gap?: unknown;
}

const parsed = (line: string | undefined): Record<string, unknown> | null => {
  try {
    const value: unknown = JSON.parse(line ?? '');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
};

/** The segment, or a sentence that says why it is none. A last line without an end was cut off: it is left out. */
export const readSegment = (file: string, text: string): Segment | string => {
  const lines = text.split('\n').slice(0, -1);
  if (lines.length < 2) return `${file}: it ends before its checkpoint`;
  const header: Header = parsed(lines[0]) ?? {};
  const { holdfast, format, version, node, instance, segment } = header;
  if (holdfast !== 'journal' || typeof node !== 'string' || typeof instance !== 'string')
    return `${file}: it does not begin with a journal header`;
  const reader = formatReader(Number(format));
  if (typeof reader === 'string') return `${file}: ${reader}`;
  const start = parsed(lines[1]);
  if (start === null || !('checkpoint' in start)) return `${file}: the second line is no checkpoint`;
  const steps: JournalStep[] = [];
  const byNumber = new Map<number, JournalStep>();
  for (const [index, line] of lines.entries()) {
    if (index < 2) continue;
    const record = parsed(line);
    if (record === null) return `${file}:${index + 1}: the line is not JSON`;
    const n = Number(record.n);
    if (Array.isArray(record.out)) {
      const step = byNumber.get(n);
      if (step !== undefined) step.output = JSON.stringify(reader.effects(record.out));
    } else if ('in' in record) {
      const step = {
        n,
        at: Number(record.at),
        input: reader.input(record.in),
        line: index + 1,
        output: null,
      };
      steps.push(step);
      byNumber.set(n, step);
    }
  }
  return {
    file,
    node,
    instance,
    version: String(version),
    segment: Number(segment),
    hasGap: header.gap !== null,
    checkpoint: reader.checkpoint(start.checkpoint),
    steps,
  };
};
