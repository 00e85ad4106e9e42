// Which code ran, for whoever reads a seed later: it means something on its commit only.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';

const git = (...args: readonly string[]): string =>
  execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();

/**
 * A number that each state of the code has of its own: seeds begin there that nobody ran on it, and everybody who has the
 * same code runs the same ones. By the clock outside a checkout.
 */
export const firstSeed = (): number => {
  try {
    const trees = git('rev-parse', 'HEAD:src', 'HEAD:test/sim').split('\n');
    return Number.parseInt(createHash('sha256').update(trees.join(' ')).digest('hex').slice(0, 8), 16) >>> 1;
  } catch {
    return Date.now() % 2 ** 31;
  }
};

/** The short commit, `dirty` if files differ from it; `no commit` outside a checkout. */
export const revision = (): string => {
  try {
    const isDirty = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${isDirty ? ', dirty' : ''}`;
  } catch {
    return 'no commit';
  }
};
