// Follows a configuration file: says each new good configuration and each new bad content once. Level-based: every
// trigger (an event in the directory, SIGHUP, the slow poll) only means "look again", so a lost one costs time,
// never an update. Directories are watched rather than the file, because editors and Kubernetes replace files.
import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Config } from './config.ts';
import { parseConfig } from './load-config.ts';
import type { ConfigProblem } from './problems.ts';
import { type ConfigText, readConfigFile } from './read-file.ts';

/** Editors write in several steps; a look waits until they have been quiet for this long … */
const QUIET_MS = 100;
/** … but no longer than this, for in a busy directory it is never quiet. */
const LONGEST_WAIT_MS = 1000;
/** For file systems without events and hosts out of inotify watches. */
const POLL_MS = 10_000;

interface ConfigHandlers {
  readonly onLoaded: (config: Config, warnings: readonly ConfigProblem[]) => void;
  /** The last good configuration stays in force. */
  readonly onRejected: (problems: readonly ConfigProblem[]) => void;
}

export interface ConfigSource {
  /** Looks now; resolves when what there was to say has been said. SIGHUP calls it. */
  readonly reload: () => Promise<void>;
  /** Ends it; no handler is called afterwards. */
  readonly close: () => void;
}

const fingerprint = (read: ConfigText): string =>
  read.ok
    ? createHash('sha256').update(read.text).digest('hex')
    : read.problems.map(({ text }) => text).join('\n');

class Follower {
  private readonly file: string;
  private readonly handlers: ConfigHandlers;
  private known: Config | null;
  private seen: string | null = null;
  private closed = false;
  private readonly watchers = new Map<string, FSWatcher>();
  private timer: NodeJS.Timeout | null = null;
  private latest = 0;
  private readonly poll: NodeJS.Timeout;
  /** Looks one after the other; a look that waits for its turn serves everybody who asked meanwhile. */
  private running: Promise<void> = Promise.resolve();
  private waiting: Promise<void> | null = null;

  constructor(file: string, handlers: ConfigHandlers, known: Config | null) {
    this.file = file;
    this.handlers = handlers;
    this.known = known;
    this.poll = setInterval(() => void this.look(), POLL_MS).unref();
    this.watchDirectories([dirname(file)]);
    void this.look();
  }

  look(): Promise<void> {
    if (this.waiting !== null) return this.waiting;
    const turn = this.running.then(() => {
      this.waiting = null;
      return this.lookNow();
    });
    this.waiting = turn;
    this.running = turn;
    return turn;
  }

  close(): void {
    this.closed = true;
    clearInterval(this.poll);
    if (this.timer !== null) clearTimeout(this.timer);
    this.watchDirectories([]);
  }

  private async lookNow(): Promise<void> {
    if (this.closed) return;
    // Watching comes before reading, so that no change falls between the two.
    const target = await realpath(this.file).catch(() => this.file);
    if (!this.closed) this.watchDirectories([dirname(this.file), dirname(target)]);
    const read = await readConfigFile(this.file);
    if (!this.closed) this.say(read);
  }

  private say(read: ConfigText): void {
    const print = fingerprint(read);
    if (print === this.seen) return;
    this.seen = print;
    const result = read.ok ? parseConfig(read.text, this.file) : read;
    if (!result.ok) {
      this.known = null;
      this.handlers.onRejected(result.problems);
      return;
    }
    const isKnown = this.known !== null && isDeepStrictEqual(result.config, this.known);
    this.known = null;
    if (!isKnown) this.handlers.onLoaded(result.config, result.warnings);
  }

  private watchDirectories(directories: readonly string[]): void {
    for (const [directory, watcher] of this.watchers) {
      if (directories.includes(directory)) continue;
      watcher.close();
      this.watchers.delete(directory);
    }
    for (const directory of directories) this.watchDirectory(directory);
  }

  private watchDirectory(directory: string): void {
    if (this.watchers.has(directory)) return;
    const forget = (watcher: FSWatcher): void => {
      watcher.close();
      if (this.watchers.get(directory) === watcher) this.watchers.delete(directory);
    };
    try {
      const watcher = watch(directory, { persistent: false }, () => this.soon());
      // The next look watches again, or the poll stands in.
      watcher.on('error', () => forget(watcher));
      this.watchers.set(directory, watcher);
    } catch {
      // No such directory yet, or no inotify watch left: the poll stands in.
    }
  }

  private soon(): void {
    if (this.closed) return;
    const now = performance.now();
    if (this.timer === null) this.latest = now + LONGEST_WAIT_MS;
    else clearTimeout(this.timer);
    const wait = Math.max(0, Math.min(QUIET_MS, this.latest - now));
    this.timer = setTimeout(() => {
      this.timer = null;
      void this.look();
    }, wait).unref();
  }
}

/**
 * Follows `file` from now on. The first look happens at once and says what is there, unless it is `known`, the
 * configuration that the caller has loaded itself: so a change between the two is not lost, and no news is none.
 */
export const watchConfig = (
  file: string,
  handlers: ConfigHandlers,
  known: Config | null = null,
): ConfigSource => {
  const follower = new Follower(file, handlers, known);
  return { reload: () => follower.look(), close: () => follower.close() };
};
