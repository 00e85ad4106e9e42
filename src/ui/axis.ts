// The marks of the timeline's axis: round times, as few as can be read, from days down to milliseconds. Pure.
import type { Span } from './bands.ts';

export interface Tick {
  readonly at: number;
  readonly text: string;
}

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
/** Tenths of a millisecond where the whole is one; logical time is not finer than that. */
const STEPS = [
  ...[0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 20, 30].map((seconds) => seconds * SECOND),
  ...[1, 2, 5, 10, 20, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 5, 10, 30, 100, 300].map((days) => days * DAY),
];
/** A mark is some 90 pixels wide, and a narrow screen has room for three. */
const MAX_TICKS = 6;

/** In UTC, as exact as the step between them. */
const textOf = (at: number, step: number): string => {
  const iso = new Date(at).toISOString();
  if (step >= DAY) return iso.slice(0, 10);
  if (step >= MINUTE) return iso.slice(11, 16);
  if (step >= SECOND) return iso.slice(11, 19);
  const tenths = step < 1 ? String(Math.floor((at * 10) % 10)) : '';
  return `${iso.slice(14, 23)}${tenths}`;
};

export const ticksOf = ({ from, to }: Span): readonly Tick[] => {
  const width = to - from;
  const step = STEPS.find((each) => width / each <= MAX_TICKS) ?? width;
  const ticks: Tick[] = [];
  for (let number = Math.ceil(from / step); number * step <= to; number += 1)
    ticks.push({ at: number * step, text: textOf(number * step, step) });
  return ticks;
};
