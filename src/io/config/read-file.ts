// The bytes of a configuration file → text, with every way in which a file can be unreadable as a problem. Off the
// main thread (node:fs/promises), so that a frozen disk freezes no node.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type ConfigProblem, fileProblem, problemOf } from './problems.ts';

/** 100,000 service IPs with names take half of it. */
const MAX_FILE_BYTES = 16 * 2 ** 20;

export type ConfigText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

const SAID: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'cannot be read: permission denied',
  EPERM: 'cannot be read: permission denied',
  ENOTDIR: 'lies below something that is not a directory',
  ELOOP: 'is a symbolic link that leads back to itself',
};

const refused = (file: string, text: string): ConfigText => ({
  ok: false,
  problems: [fileProblem(file, text)],
});

const TOO_LARGE = 'is larger than 16 MiB; a smaller file';

const readBounded = async (handle: FileHandle): Promise<Buffer | null> => {
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(65_536), 0, 65_536, null);
    if (bytesRead === 0) return Buffer.concat(chunks);
    total += bytesRead;
    if (total > MAX_FILE_BYTES) return null;
    chunks.push(buffer.subarray(0, bytesRead));
  }
};

/** The line of the first byte that is not UTF-8, or null if all are. */
const firstBadLine = (bytes: Buffer): number | null => {
  const again = Buffer.from(bytes.toString('utf8'));
  if (again.equals(bytes)) return null;
  let line = 1;
  for (let index = 0; bytes[index] === again[index] && index < bytes.length; index += 1) {
    if (bytes[index] === 0x0a) line += 1;
  }
  return line;
};

const readHandle = async (handle: FileHandle, file: string): Promise<ConfigText> => {
  const stats = await handle.stat();
  if (stats.isDirectory()) return refused(file, 'is a directory; a YAML file');
  if (!stats.isFile()) return refused(file, 'is not a regular file; a YAML file');
  const bytes = stats.size > MAX_FILE_BYTES ? null : await readBounded(handle);
  if (bytes === null) return refused(file, TOO_LARGE);
  const bad = firstBadLine(bytes);
  if (bad === null) return { ok: true, text: bytes.toString('utf8').replace(/^\uFEFF/, '') };
  const finding = { line: bad, path: [], text: 'is not UTF-8; save the file as UTF-8' };
  return { ok: false, problems: [problemOf(file, finding)] };
};

/** The file's text, off the main thread, so that a frozen disk freezes nothing. Never throws. */
export const readConfigFile = async (file: string): Promise<ConfigText> => {
  let handle: FileHandle | null = null;
  try {
    // O_NONBLOCK: opening a FIFO that nobody writes must not hang.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    return await readHandle(handle, file);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return refused(file, `${SAID[code] ?? `cannot be read (${code})`}; a readable YAML file`);
  } finally {
    await handle?.close().catch(() => {});
  }
};
