// Durations (`50ms`, `10s`, `2m`, `1h`) and sizes (`256MiB`): text of the file ⇄ milliseconds and bytes. A number
// without a unit is refused, because nobody can tell whether 50 meant seconds; so is every second spelling of one
// quantity (`1m30s`, `1.5s`, `0x10s`), because the effective configuration prints exactly one.
import { quote, type Read } from './wrong.ts';

type Units = readonly (readonly [unit: string, factor: number])[];

// Largest first: formatting takes the first unit that divides.
const DURATIONS: Units = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
];
const SIZES: Units = [
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
];

/** Twelve digits: milliseconds and GiB of that many stay exact enough to compare to any bound. */
const QUANTITY = /^(\d{1,12})([A-Za-z]+)$/;

const format = (amount: number, units: Units): string => {
  const fitting = units.find(([, factor]) => amount % factor === 0) ?? units.at(-1);
  const [unit, factor] = fitting as readonly [string, number];
  return `${amount / factor}${unit}`;
};

const readQuantity = (text: string, units: Units, min: number, max: number, kind: string): Read<number> => {
  const range = `from ${format(min, units)} to ${format(max, units)}`;
  const [, digits, unit] = QUANTITY.exec(text) ?? [];
  const names = units.map(([name]) => name).reverse();
  if (digits === undefined || unit === undefined) {
    const wrong = /^\d+$/.test(text) ? `${text} has no unit` : `${quote(text)} is not a ${kind}`;
    return { wrong, right: `a whole number with ${names.join(', ')}, ${range}` };
  }
  const factor = units.find(([name]) => name === unit)?.[1];
  if (factor === undefined) {
    const meant = units.find(([name]) => name.toLowerCase() === unit.toLowerCase());
    const right = meant === undefined ? `a whole number with ${names.join(', ')}` : `${digits}${meant[0]}`;
    return { wrong: `${quote(text)} has the unknown unit ${quote(unit)}`, right: `${right}, ${range}` };
  }
  const amount = Number(digits) * factor;
  if (amount < min) return { wrong: `${text} is too ${kind === 'size' ? 'small' : 'short'}`, right: range };
  if (amount > max) return { wrong: `${text} is too ${kind === 'size' ? 'large' : 'long'}`, right: range };
  return { value: amount };
};

/** Milliseconds of `50ms`, `10s`, `2m` or `1h`, between the bounds (both included). */
export const readDuration = (text: string, minMs: number, maxMs: number): Read<number> =>
  readQuantity(text, DURATIONS, minMs, maxMs, 'duration');

/** Bytes of `512KiB`, `256MiB` or `1GiB`, between the bounds (both included). */
export const readSize = (text: string, minBytes: number, maxBytes: number): Read<number> =>
  readQuantity(text, SIZES, minBytes, maxBytes, 'size');

/** Whole milliseconds in the largest unit that divides them: `2m`, `1500ms`. */
export const formatDuration = (ms: number): string => format(ms, DURATIONS);

/** Bytes, a multiple of 1 KiB, in the largest unit that divides them: `256MiB`. */
export const formatSize = (bytes: number): string => format(bytes, SIZES);
