// The terminal that `holdfast top` draws on: the alternate screen, keys one by one, and the way back to what was there
// before, whatever ends the program.
import { constants } from 'node:os';
import type { ReadStream, WriteStream } from 'node:tty';
import { type Key, readKeys } from './keys.ts';
import type { Size } from './screen.ts';

export interface TerminalListener {
  key(key: Key): void;
  /** The size changed, or the terminal is ours again: everything is to be drawn. */
  draw(): void;
  /** A signal asks for the end; the exit code that tells of it. */
  end(code: number): void;
}

export interface Terminal {
  size(): Size;
  /** Replaces what is on the screen. */
  show(lines: readonly string[]): void;
  /** The shell's `stop`: gives the terminal back and stops; draws again when it continues. */
  suspend(): void;
  /** Gives the terminal back as it was. May be called twice. */
  leave(): void;
}

/** xterm's private modes: 1049 the alternate screen, 25 the cursor. 7 (wrap) off: a line is a line. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
/** An arrow's bytes come within some milliseconds, also over a slow line; what comes later is the ESC key. */
const ESCAPE_MS = 50;
/** Who still runs after this was not stopped. */
const NOT_STOPPED_MS = 300;
/** What a terminal says that does not know its size (a serial line). */
const DEFAULT_SIZE: Size = { columns: 80, rows: 24 };
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

export const takeTerminal = (
  input: ReadStream,
  output: WriteStream,
  listener: TerminalListener,
): Terminal => {
  let isOurs = false;
  let isLeft = false;
  let pending = '';
  let waiting: NodeJS.Timeout | null = null;

  const enter = (): void => {
    isOurs = true;
    input.setRawMode(true);
    output.write(ENTER);
  };
  const giveBack = (): void => {
    if (!isOurs) return;
    isOurs = false;
    try {
      input.setRawMode(false);
      output.write(LEAVE);
    } catch {
      // The terminal is gone: there is nothing to give back.
    }
  };
  const leave = (): void => {
    isLeft = true;
    giveBack();
  };
  const read = (isWhole: boolean): void => {
    const { keys, rest } = readKeys(pending, isWhole);
    pending = rest;
    for (const key of keys) listener.key(key);
    if (pending !== '') waiting = setTimeout(() => read(true), ESCAPE_MS);
  };

  // The last word, also of an exception that nobody caught: writes to a terminal are synchronous.
  process.on('exit', leave);
  process.on('uncaughtException', (error) => {
    leave();
    process.stderr.write(`${error.stack}\n`);
    process.exit(70);
  });
  for (const signal of ENDING)
    process.on(signal, () => listener.end(128 + (constants.signals[signal] as number)));
  const back = (): void => {
    if (isLeft) return;
    if (!isOurs) enter();
    listener.draw();
  };
  process.on('SIGCONT', back);
  output.on('resize', () => listener.draw());
  // EIO: the terminal's other end is closed.
  input.on('error', () => listener.end(1));
  input.on('end', () => listener.end(1));
  input.setEncoding('utf8');
  input.on('data', (text: string) => {
    if (waiting !== null) clearTimeout(waiting);
    waiting = null;
    pending += text;
    read(false);
  });
  enter();

  return {
    size: () => ({
      columns: output.columns || DEFAULT_SIZE.columns,
      rows: output.rows || DEFAULT_SIZE.rows,
    }),
    show: (lines) => {
      if (isOurs) output.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`);
    },
    suspend: () => {
      giveBack();
      // The whole job, as the terminal's driver would: a wrapper around this process stops with it.
      process.kill(0, 'SIGTSTP');
      // Where nobody could continue it (the job of no shell) the kernel does not stop it.
      setTimeout(back, NOT_STOPPED_MS);
    },
    leave,
  };
};
