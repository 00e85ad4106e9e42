// Steps recorded journals again, segment by segment, and compares effect by effect. Streams: neither a segment nor
// what was found grows with the length of the journal.
import { fileLines } from '../../io/journal/file-lines.ts';
import type { SegmentHeader } from '../../io/journal/journal-lines.ts';
import { breakBetween } from '../../io/journal/journal-reader.ts';
import { type Damage, type SegmentScan, scanSegment } from '../../io/journal/segment-scan.ts';
import { type CoreCheckpoint, createCore } from '../../machines/core.ts';
import type { Input } from '../../machines/inputs.ts';
import { createReplayer, type Replayer } from '../../machines/replay.ts';
import type { SegmentFile } from './journals.ts';

/** What is wrong, and where. The fields beside `problem` are there when effects differ. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly problem: string;
  readonly input?: Input;
  readonly recorded?: unknown;
  readonly replayed?: unknown;
}

/** Inputs from `from` on and up to `to` are replayed; effects before the window only lead there. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

export interface ReplayOutcome {
  inputs: number;
  transitions: number;
  segments: number;
  readonly findings: Finding[];
}

/** Where the previous segment arrived. */
interface Arrived {
  readonly file: string;
  readonly header: SegmentHeader;
  readonly lastHash: string;
  readonly replayer: Replayer;
  readonly hasDiffered: boolean;
}

/** The first key of two checkpoints that differs, and both of its values. */
const differingKey = (was: CoreCheckpoint, now: CoreCheckpoint): [string, unknown, unknown] | null => {
  for (const key of Object.keys(was) as (keyof CoreCheckpoint)[]) {
    if (JSON.stringify(was[key]) !== JSON.stringify(now[key])) return [key, was[key], now[key]];
  }
  return null;
};

/** Segments that hold nothing of the window: a later one of the same node begins before it, or this one after it. */
const isOutside = (files: readonly SegmentFile[], index: number, window: Window): boolean => {
  const start = files[index]?.start;
  if (start === null || start === undefined) return false;
  const next = files.slice(index + 1).find((file) => file.start?.header.node === start.header.node);
  return start.at > window.to || (next?.start != null && next.start.at <= window.from);
};

/** The segments that hold something of the window. */
export const withinWindow = (files: readonly SegmentFile[], window: Window): readonly SegmentFile[] =>
  files.filter((_, index) => !isOutside(files, index, window));

interface Walk {
  readonly window: Window;
  readonly outcome: ReplayOutcome;
}

interface Stepped {
  readonly n: number;
  readonly line: number;
  readonly input: Input;
}

/** Effects stand in the journal after the inputs of their turn, which has rarely more than some hundred. */
const RECENT = 4_096;

/** Steps one opened segment; returns where it arrived, or null when stepping it failed. */
const walkSegment = (scan: SegmentScan, isCut: boolean, walk: Walk): Arrived | null => {
  const { window, outcome } = walk;
  const { file, header, checkpoint } = scan;
  let replayer: Replayer;
  const recent: Stepped[] = [];
  let line = 2;
  let lastStepped = 0;
  let isOver = false;
  let before = { inputs: 0, transitions: 0 };
  try {
    replayer = createReplayer(createCore(checkpoint));
    for (const entry of scan.entries()) {
      line = entry.line;
      if (entry.type === 'output') {
        if (isOver && entry.n > lastStepped) break;
        replayer.output(entry.n, entry.text);
      } else if (entry.at > window.to) isOver = true;
      else if (!isOver) {
        const { n, at, input } = entry;
        replayer.input(n, at, input);
        lastStepped = n;
        if (replayer.difference === null) recent[n % RECENT] = { n, line, input };
        if (at < window.from) before = { inputs: replayer.inputs, transitions: replayer.transitions };
      }
    }
    replayer.end(isCut || isOver);
  } catch (error) {
    outcome.findings.push({ file, line, problem: `it cannot be stepped: ${(error as Error).message}` });
    return null;
  }
  outcome.segments += 1;
  outcome.inputs += replayer.inputs - before.inputs;
  outcome.transitions += replayer.transitions - before.transitions;
  const { difference } = replayer;
  if (difference !== null) {
    const { n, recorded, replayed } = difference;
    const step = recent[n % RECENT];
    const where = step?.n === n ? { file, line: step.line, input: step.input } : { file, line };
    outcome.findings.push({ ...where, problem: 'the effects differ', recorded, replayed });
  }
  const hasDiffered = difference !== null || isOver;
  return { file, header, lastHash: scan.lastHash(), replayer, hasDiffered };
};

/** Does the segment before arrive where this one begins? Where it continues it, its checkpoint must be the same. */
const compareArrival = (last: Arrived, scan: SegmentScan, outcome: ReplayOutcome): void => {
  const { header, checkpoint, file } = scan;
  const follows = header.instance === last.header.instance && header.gap === null;
  if (!follows || last.hasDiffered || header.segment !== last.header.segment + 1) return;
  const differing = differingKey(checkpoint, last.replayer.core.checkpoint());
  if (differing === null) return;
  const [key, recorded, replayed] = differing;
  outcome.findings.push({ file, line: 2, problem: `the checkpoint differs in ${key}`, recorded, replayed });
};

/** Replays every segment that has something of the window. */
export const replayFiles = (
  files: readonly SegmentFile[],
  window: Window = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY },
): ReplayOutcome => {
  const outcome: ReplayOutcome = { inputs: 0, transitions: 0, segments: 0, findings: [] };
  let last: Arrived | null = null;
  for (const [index, { file }] of files.entries()) {
    if (isOutside(files, index, window)) {
      last = null;
      continue;
    }
    const damage: Damage[] = [];
    const scan = scanSegment(file, fileLines(file), damage);
    if (scan !== null) {
      const gap = last === null ? null : breakBetween(last, scan.header);
      if (gap !== null) damage.push({ file, line: 1, reason: gap });
      if (last !== null) compareArrival(last, scan, outcome);
      const next = files[index + 1]?.start?.header;
      // Where lines were lost, the last effects may be among them.
      const isCut = next === undefined || next.instance !== scan.header.instance || next.gap !== null;
      const found: number = outcome.findings.length;
      last = walkSegment(scan, isCut, { window, outcome });
      outcome.findings.splice(found, 0, ...damage.map(toFinding));
    } else outcome.findings.push(...damage.map(toFinding));
  }
  return outcome;
};

const toFinding = ({ file, line, reason }: Damage): Finding => ({ file, line, problem: reason });
