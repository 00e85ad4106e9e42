// Which code ran, for whoever reads a seed later: it means something on its commit only.
import { execFileSync } from 'node:child_process';

const git = (...args: readonly string[]): string =>
  execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();

/** The short commit, `dirty` if files differ from it; `no commit` outside a checkout. */
export const revision = (): string => {
  try {
    const isDirty = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${isDirty ? ', dirty' : ''}`;
  } catch {
    return 'no commit';
  }
};
