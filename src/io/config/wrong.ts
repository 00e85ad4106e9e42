// How a reader of one configuration value refuses: what is wrong and what would be right, two half sentences that
// become one line. Values come from the file, so they are quoted, cut and freed of control characters.

/** The refusal of a value: `wrong` completes "KEY: …", `right` says what to write instead. */
export interface Wrong {
  readonly wrong: string;
  readonly right: string;
}

/** What a reader made of a text: the value, or why not. */
export type Read<T> = { readonly value: T } | Wrong;

/** Long enough for any address, name or duration that somebody meant; a line stays a line. */
const MAX_QUOTED = 64;

/** Text without anything that could break or disguise a line: controls, format characters, line separators. */
export const oneLine = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();

const visible = (character: string): string =>
  `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;

/** A text of the file in quotes, on one line, shortened if it is long; invisible characters become visible. */
export const quote = (text: string): string =>
  JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED - 1)}…` : text).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    visible,
  );

/** What a value is, when it is not what was expected: completes "KEY: …". */
export const describe = (value: unknown): string => {
  if (value === undefined) return 'is missing';
  if (value === null) return 'is empty (null)';
  if (typeof value === 'string') return `${quote(value)} is text`;
  if (Array.isArray(value)) return 'is a list';
  if (typeof value === 'object') return 'is a mapping';
  return `${String(value)} is a ${typeof value}`;
};
