// Moments as people write and read them: `2026-11-20T12:00:03.204Z`, `12:00:03` of the journal's last day, `-5m`
// before its end. Always UTC, because the nodes of a cluster need not agree on anything else.
import { readDuration } from '../../io/config/durations.ts';
import { CommandError, EXIT } from '../command.ts';

const DAY_MS = 86_400_000;
const OF_DAY = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3})\d*)?)?$/;
// A date alone is a day's beginning; a time without a zone is UTC, whatever the zone of this terminal.
const ISO = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/;
const RIGHT =
  '2026-11-20T12:00:03.204Z, 12:00:03 (of the last day, UTC) or -5m (before the end) would be right';

const ofDay = ([, hours, minutes, seconds = '0', fraction = '0']: RegExpExecArray, end: number): number => {
  const midnight = Math.floor(end / DAY_MS) * DAY_MS;
  const ms = Number(fraction.padEnd(3, '0'));
  return midnight + ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000 + ms;
};

/** Logical milliseconds of what the user wrote; `end` is when the journals end. Null: nobody can tell. */
export const readMoment = (text: string, end: number): number | null => {
  if (text.startsWith('-')) {
    const before = readDuration(text.slice(1), 0, 10_000 * DAY_MS);
    return 'value' in before ? end - before.value : null;
  }
  const time = OF_DAY.exec(text);
  if (time !== null) return Number(time[1]) < 24 && Number(time[2]) < 60 ? ofDay(time, end) : null;
  const iso = ISO.exec(text);
  if (iso === null) return null;
  const zone = text.length > 10 && iso[1] === undefined ? 'Z' : '';
  const parsed = Date.parse(text.replace(' ', 'T') + zone);
  return Number.isNaN(parsed) ? null : parsed;
};

/** The moment that an option names, or `otherwise` where it is not given; ends with exit code 2. */
export const requireMoment = <T>(
  option: string,
  text: string | undefined,
  end: number,
  otherwise: T,
): number | T => {
  if (text === undefined) return otherwise;
  const moment = readMoment(text, end);
  if (moment === null) throw new CommandError(EXIT.usage, `${option} ${text}: ${RIGHT}`);
  return moment;
};

/** `-5m` as an argument of its own looks like an option to parseArgs: `--at -5m` becomes `--at=-5m`. */
export const joinNegativeMoments = (args: readonly string[], options: readonly string[]): string[] => {
  const joined: string[] = [];
  for (const arg of args) {
    const last = joined.at(-1);
    if (last !== undefined && options.includes(last) && /^-\d/.test(arg))
      joined[joined.length - 1] = `${last}=${arg}`;
    else joined.push(arg);
  }
  return joined;
};

/** `12:00:03.204`. */
export const timeOfDay = (at: number): string => new Date(at).toISOString().slice(11, 23);

const dayOf = (at: number): number => Math.floor(at / DAY_MS);

/** How to write moments between two of them: with the date where they lie on different days. */
export const momentsBetween = (from: number, to: number): ((at: number) => string) =>
  dayOf(from) === dayOf(to)
    ? timeOfDay
    : (at) => new Date(at).toISOString().replace('T', ' ').replace('Z', '');

/** `3.2 ms`, `204 ms`, `12.5 s`, `7 min`, `3.1 h`. */
export const duration = (ms: number): string => {
  if (ms < 10) return `${Number(ms.toFixed(1))} ms`;
  if (ms < 10_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Number((ms / 1000).toFixed(1))} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Number((ms / 3_600_000).toFixed(1))} h`;
};
