// `--timeout D`, as every command that waits reads it.
import { CommandError, EXIT } from './command.ts';

const DEFAULT_TIMEOUT_MS = 30_000;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds; ends with exit code 2 for what is no duration. */
export const readTimeout = (text: string | undefined): number => {
  if (text === undefined) return DEFAULT_TIMEOUT_MS;
  const [, digits, unit] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? [];
  if (digits === undefined)
    throw new CommandError(EXIT.usage, `--timeout ${text}: a duration such as 30s would be right`);
  return Number(digits) * (UNITS[unit as string] as number);
};
