// mkdir -p. Not Node's `recursive`, which never returns where a folder is there and refuses with ENOENT (/proc;
// seen with Node 26): a path in the configuration must not hang a start.
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Makes the folder and those above it that are missing, all of `mode`. Throws the system's error. */
export const makeDirectory = (path: string, mode: number): void => {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    makeDirectory(dirname(path), mode);
    mkdirSync(path, { mode });
  }
};
