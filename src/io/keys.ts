// The key file that signs hellos: one key a line, the first signs, every one verifies. What a line means depends
// on that line alone, never on its neighbours, so that two nodes with one file always have the same keys.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { oneLine } from './config/wrong.ts';

/** Each key may cost one HMAC a foreign hello (1.7 µs); a rotation needs two. */
export const MAX_KEYS = 16;
/** 128 bits: RFC 2104 §3 wants a key of the hash's length, but half of it is beyond any guessing. */
const MIN_OCTETS = 16;
const MIN_HEX_DIGITS = 2 * MIN_OCTETS;
const MIN_BASE64_DIGITS = 22;
const MIN_CHARACTERS = 16;
const MAX_FILE_BYTES = 65_536;
const OTHERS_MAY_READ = 0o044;

const RIGHT = 'hex of 32 digits or more, base64 of 16 octets or more, or text of 16 characters or more';

export type KeyFile =
  | {
      readonly ok: true;
      /** 1 to MAX_KEYS; the first signs. */
      readonly keys: readonly Uint8Array[];
      /** One line about what is not wrong but unwise, or null. */
      readonly warning: string | null;
    }
  | { readonly ok: false; readonly problem: string };

const SAID: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'cannot be read: permission denied',
  EPERM: 'cannot be read: permission denied',
  ENOTDIR: 'lies below something that is not a directory',
  ELOOP: 'is a symbolic link that leads back to itself',
};

class Refused extends Error {}

const readBounded = (file: string): { readonly bytes: Buffer; readonly mode: number } => {
  // Not blocking: opening a pipe would wait for its writer.
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new Refused('is not a regular file; a file with one key a line');
    const buffer = Buffer.alloc(MAX_FILE_BYTES + 1);
    let length = 0;
    for (;;) {
      const read = readSync(descriptor, buffer, length, buffer.length - length, null);
      length += read;
      if (read === 0 || length === buffer.length) break;
    }
    if (length > MAX_FILE_BYTES) throw new Refused(`is larger than 64 KiB; at most ${MAX_KEYS} keys`);
    return { bytes: buffer.subarray(0, length), mode: stats.mode };
  } finally {
    closeSync(descriptor);
  }
};

/** Strictly the alphabet of RFC 4648 §4, padded or not, with no stray bits: what decodes and encodes the same. */
const fromBase64 = (text: string): Buffer | null => {
  const digits = text.replace(/={1,2}$/, '');
  if (digits.length < MIN_BASE64_DIGITS || !/^[A-Za-z0-9+/]+$/.test(digits)) return null;
  if (digits !== text && text.length % 4 !== 0) return null;
  const octets = Buffer.from(digits, 'base64');
  return octets.toString('base64').replace(/=+$/, '') === digits ? octets : null;
};

/** The octets of one key, or what is wrong with it. The key itself is never quoted: messages go to logs. */
const readKey = (text: string): Buffer | string => {
  if (/^[0-9a-fA-F]+$/.test(text) && text.length >= MIN_CHARACTERS) {
    // As text, a key with a digit lost in copying would work here and match nowhere.
    if (text.length < MIN_HEX_DIGITS) return `has ${text.length} hex digits; ${MIN_HEX_DIGITS} or more`;
    if (text.length % 2 !== 0) return `has ${text.length} hex digits; an even number of them`;
    return Buffer.from(text, 'hex');
  }
  const octets = fromBase64(text);
  if (octets !== null) return octets;
  const characters = [...text].length;
  return characters < MIN_CHARACTERS ? `has ${characters} characters; ${RIGHT}` : Buffer.from(text, 'utf8');
};

const readLines = (bytes: Buffer): readonly Uint8Array[] => {
  const text = bytes.toString('utf8');
  if (!Buffer.from(text).equals(bytes)) throw new Refused('is not UTF-8; save the file as UTF-8');
  const keys: Uint8Array[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const key = readKey(trimmed);
    if (typeof key === 'string') throw new Refused(`line ${index + 1}: ${key}`);
    if (keys.length === MAX_KEYS) throw new Refused(`has more than ${MAX_KEYS} keys; the newest first`);
    keys.push(new Uint8Array(key));
  }
  if (keys.length === 0) throw new Refused(`has no key; one a line: ${RIGHT}`);
  return keys;
};

const whyNot = (error: unknown): string => {
  if (error instanceof Refused) return error.message;
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  return `${SAID[code] ?? `cannot be read: ${code}`}; a file with one key a line`;
};

/**
 * The keys in `file`: one a line, as hex, base64 or text, in this order of trying; blank lines and `#` comments are
 * skipped. Blocks for a local read of at most 64 KiB. The problem is one line: file, what is wrong, what is right.
 */
export const readKeys = (file: string): KeyFile => {
  try {
    const { bytes, mode } = readBounded(file);
    const keys = readLines(bytes);
    const isExposed = (mode & OTHERS_MAY_READ) !== 0;
    const octal = (mode & 0o777).toString(8).padStart(4, '0');
    const warning = isExposed
      ? oneLine(`${file}: mode ${octal} lets other users read the keys; 0600 (chmod 600)`)
      : null;
    return { ok: true, keys, warning };
  } catch (error) {
    return { ok: false, problem: oneLine(`${file}: ${whyNot(error)}`) };
  }
};
