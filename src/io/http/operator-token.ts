// The token that operating from the page takes: one line of a file, read again for each request, so that a new one, or
// its absence, counts at once. It is compared as a digest, in constant time, and never quoted, logged or answered.
import { createHash, timingSafeEqual } from 'node:crypto';
import { constants, open } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { oneLine } from '../config/wrong.ts';

/** RFC 6750 §2.1, b64token: what may follow `Bearer `. 22 of these characters are 128 bits, beyond any guessing. */
const TOKEN = /^[A-Za-z0-9._~+/-]{22,512}={0,2}$/;
const MAX_FILE_BYTES = 4_096;
/** Group may read (a Secret mounted for a Pod's group); others may do nothing, and only the owner writes. */
const TOO_MANY_RIGHTS = 0o027;
const RIGHT = 'one line of 22 characters or more, such as holdfast make-key prints';

export type TokenFile = { readonly token: string } | { readonly problem: string };

/** The token in `file`. The problem is one line: file, what is wrong, what would be right. */
export const readToken = async (file: string): Promise<TokenFile> => {
  const refuse = (problem: string): TokenFile => ({ problem: oneLine(`${file}: ${problem}`) });
  try {
    // Not blocking: opening a pipe would wait for its writer.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) return refuse(`is not a regular file; a file with ${RIGHT}`);
      if ((stats.mode & TOO_MANY_RIGHTS) !== 0) {
        const octal = (stats.mode & 0o777).toString(8).padStart(4, '0');
        return refuse(`mode ${octal} lets other users read or change it; 0600 (chmod 600)`);
      }
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(MAX_FILE_BYTES + 1), 0);
      if (bytesRead > MAX_FILE_BYTES) return refuse(`is larger than 4 KiB; ${RIGHT}`);
      const token = buffer.subarray(0, bytesRead).toString('utf8').trim();
      return TOKEN.test(token) ? { token } : refuse(`holds no token; ${RIGHT}`);
    } finally {
      await handle.close();
    }
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return refuse(`cannot be read: ${code}; a file with ${RIGHT}`);
  }
};

/** What is wrong with the file, in one line, or null; `file` null: there is none to be wrong. */
export const tokenProblem = async (file: string | null): Promise<string | null> => {
  if (file === null) return null;
  const read = await readToken(file);
  return 'problem' in read ? read.problem : null;
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

export interface TokenRefusal {
  readonly status: 401 | 403 | 503;
  readonly error: string;
}

/** Why a request with these headers may not operate, or null: it may. `file` null: nobody may. */
export const checkToken = async (
  headers: IncomingMessage['headers'],
  file: string | null,
  onProblem: (problem: string) => void,
): Promise<TokenRefusal | null> => {
  if (file === null)
    return {
      status: 403,
      error: 'this node is not operated over http: its configuration names no page.tokenFile',
    };
  const [, given] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
  if (given === undefined) return { status: 401, error: 'this takes a token: Authorization: Bearer TOKEN' };
  const known = await readToken(file);
  if ('problem' in known) {
    onProblem(known.problem);
    return { status: 503, error: 'the token cannot be checked now; the log of the daemon says why' };
  }
  if (timingSafeEqual(digest(given), digest(known.token))) return null;
  return { status: 401, error: 'that is not the token of this node' };
};
