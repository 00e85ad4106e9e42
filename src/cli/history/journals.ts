// What every command that looks back begins with: the segments behind some paths, in order, by node and life, and
// when they begin and end. Only the first lines and the tail of each file are read here.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { fileLines } from '../../io/journal/file-lines.ts';
import { findSegments, type SegmentStart, startOf } from '../../io/journal/journal-reader.ts';
import { type Damage, scanSegment } from '../../io/journal/segment-scan.ts';
import { CommandError, EXIT } from '../command.ts';

/** One segment file; `start` is null where its beginning cannot be read. */
export interface SegmentFile {
  readonly file: string;
  readonly start: SegmentStart | null;
}

/** One life of a node: its segments from its start to its end, as far as they are here. */
export interface LifeFiles {
  readonly node: string;
  readonly instance: string;
  readonly version: string;
  readonly segments: readonly SegmentStart[];
  /** When the first input here was taken, and the last; logical milliseconds of the node. */
  readonly from: number;
  readonly to: number;
}

export interface Journals {
  readonly files: readonly SegmentFile[];
  readonly lives: readonly LifeFiles[];
  /** What cannot be read at all. */
  readonly damage: readonly Damage[];
  /** When the newest record was made. */
  readonly end: number;
}

/** A line is rarely longer; where the tail holds no whole one, the file is read. */
const TAIL_BYTES = 64 * 1024;

const tailOf = (file: string): string => {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES));
    readSync(descriptor, bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString('utf8');
  } finally {
    closeSync(descriptor);
  }
};

/** When the last input of a segment was taken, or null when it has none. */
const lastInputAt = (file: string): number | null => {
  let last: number | null = null;
  for (const [, at] of tailOf(file).matchAll(/^\{"n":\d+,"at":([\d.]+),"in":/gm)) last = Number(at);
  if (last !== null) return last;
  for (const entry of scanSegment(file, fileLines(file), [])?.entries() ?? [])
    if (entry.type === 'input') last = entry.at;
  return last;
};

const livesOf = (starts: readonly SegmentStart[]): LifeFiles[] => {
  const byInstance = new Map<string, SegmentStart[]>();
  for (const start of starts) {
    const key = `${start.header.node} ${start.header.instance}`;
    byInstance.set(key, [...(byInstance.get(key) ?? []), start]);
  }
  return [...byInstance.values()].map((segments) => {
    const [first] = segments as [SegmentStart];
    const { node, instance, version } = first.header;
    const to = Math.max(...segments.map(({ file, at }) => lastInputAt(file) ?? at));
    return { node, instance, version, segments, from: first.at, to };
  });
};

/** Finds and orders the journals behind `paths`, or ends with exit code 2 when there are none. */
export const openJournals = (paths: readonly string[]): Journals => {
  if (paths.length === 0) throw new CommandError(EXIT.usage, 'name a journal file or directory');
  try {
    const files = findSegments(paths).map((file): SegmentFile => ({ file, start: startOf(file) }));
    if (files.length === 0)
      throw new CommandError(EXIT.usage, `${paths.join(', ')}: there is no journal (*.ndjson) here`);
    const damage: Damage[] = [];
    for (const { file, start } of files)
      if (start === null) scanSegment(file, fileLines(file), damage)?.close();
    const lives = livesOf(files.flatMap(({ start }) => (start === null ? [] : [start])));
    return { files, lives, damage, end: Math.max(0, ...lives.map(({ to }) => to)) };
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(EXIT.usage, (error as Error).message);
  }
};
