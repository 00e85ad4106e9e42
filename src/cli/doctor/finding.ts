// What doctor says: one line a finding. A level, a code that scripts may look for, what was found, and what would
// be right where it is not.

export type Level = 'ok' | 'warn' | 'fail';

export interface Finding {
  readonly level: Level;
  /** Kebab-case, stable: what was looked at, not what came of it. */
  readonly code: string;
  readonly what: string;
  /** Null when all is well. */
  readonly right: string | null;
}

export const ok = (code: string, what: string): Finding => ({ level: 'ok', code, what, right: null });
export const warn = (code: string, what: string, right: string): Finding => ({
  level: 'warn',
  code,
  what,
  right,
});
export const fail = (code: string, what: string, right: string): Finding => ({
  level: 'fail',
  code,
  what,
  right,
});

/** How many of a long list are named before they are only counted: one mistake in a template is 10,000 IPs. */
const NAMED = 3;

/** `a, b, c and 97 more`. */
export const some = (names: readonly string[]): string => {
  const more = names.length - NAMED;
  return more <= 0 ? names.join(', ') : `${names.slice(0, NAMED).join(', ')} and ${more} more`;
};
