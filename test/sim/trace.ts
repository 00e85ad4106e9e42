// What happened in a run: a bounded log that a person can read beside a violation, and a hash over much more,
// which two runs of one seed must share.
import { WORLD_EPOCH_MS } from './node-clock.ts';

interface Entry {
  readonly at: number;
  readonly who: string;
  /** Null: concerns all. */
  readonly ip: string | null;
  readonly what: string;
}

export interface Trace {
  /** Folds a number into the hash. */
  mix(value: number): void;
  mixText(text: string): void;
  add(at: number, who: string, ip: string | null, what: string): void;
  hash(): string;
  /** The newest `count` lines up to `at` that concern `ip` (null: any), oldest first. */
  excerpt(at: number, ip: string | null, count: number): readonly string[];
  /** All lines added since the last call, up to the bound. */
  drain(): readonly string[];
}

/** Enough for the last minutes of a bad run; the oldest go. */
const MAX_ENTRIES = 100_000;

export const formatTime = (ms: number): string => `${(ms / 1000).toFixed(3)}`;

const format = ({ at, who, ip, what }: Entry): string =>
  `${formatTime(at)} ${who}${ip === null ? '' : ` ${ip}`} ${what}`;

export const createTrace = (): Trace => {
  let entries: Entry[] = [];
  let drained = 0;
  let hash = 0x811c9dc5;
  const mix = (value: number): void => {
    hash = Math.imul(hash ^ (value | 0), 0x01000193);
    hash = (hash ^ (hash >>> 15)) | 0;
  };
  return {
    mix,
    mixText: (text) => {
      for (let index = 0; index < text.length; index += 1) mix(text.charCodeAt(index));
    },
    add: (at, who, ip, what) => {
      entries.push({ at, who, ip, what });
      if (entries.length <= 2 * MAX_ENTRIES) return;
      drained = Math.max(0, drained - (entries.length - MAX_ENTRIES));
      entries = entries.slice(-MAX_ENTRIES);
    },
    hash: () => (hash >>> 0).toString(16).padStart(8, '0'),
    excerpt: (at, ip, count) =>
      entries
        .filter((entry) => entry.at <= at && (ip === null || entry.ip === null || entry.ip === ip))
        .slice(-count)
        .map(format),
    drain: () => {
      const lines = entries.slice(drained).map(format);
      drained = entries.length;
      return lines;
    },
  };
};

/** Logical times of a node as seconds since the world began, for people. */
export const sinceEpoch = (logical: number): string => formatTime(logical - WORLD_EPOCH_MS);
