// Whether this node is drained, kept over restarts as a file beside the journal: a drained node stays drained
// until somebody says otherwise.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const markIn = (directory: string): string => join(directory, 'drained');

export const isMarkedDrained = (directory: string): boolean => existsSync(markIn(directory));

/** Throws the system's error when the directory cannot be written. */
export const markDrained = (directory: string, drained: boolean): void => {
  if (drained) writeFileSync(markIn(directory), 'This node was drained; `holdfast undrain` ends that.\n');
  else rmSync(markIn(directory), { force: true });
};
