// A program in a pseudo terminal, and what a person would see there: a small terminal emulator that knows the control
// sequences that Holdfast uses and takes any other for a fault.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { toolEnvironment } from '../../src/cli/lab/tools.ts';
import { waitFor } from './bed.ts';

const PTY = fileURLToPath(new URL('./pty.py', import.meta.url));

/** Characters on a grid, in sight or on the alternate screen. */
export class Screen {
  columns: number;
  rows: number;
  isAlternate = false;
  isCursorShown = true;
  /** SGR sequences seen: colours and the like. */
  painted = 0;
  readonly unknown: string[] = [];
  #grid = new Map<number, string>();
  #row = 0;
  #column = 0;
  #pending = '';

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  get lines(): readonly string[] {
    return Array.from({ length: this.rows }, (_, row) => (this.#grid.get(row) ?? '').trimEnd());
  }

  get text(): string {
    return this.lines.join('\n');
  }

  take(text: string): void {
    let rest = this.#pending + text;
    this.#pending = '';
    while (rest !== '') {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a program sends to a terminal
      const [sequence, parameters = '', final = ''] = /^\x1b\[([0-?]*)([@-~])/.exec(rest) ?? [];
      if (sequence !== undefined) {
        this.#control(parameters, final);
        rest = rest.slice(sequence.length);
      } else if (rest.startsWith('\x1b') && rest.length < 12) {
        this.#pending = rest;
        return;
      } else {
        this.#put(rest[0] as string);
        rest = rest.slice(1);
      }
    }
  }

  #control(parameters: string, final: string): void {
    const code = parameters + final;
    if (code === 'H') [this.#row, this.#column] = [0, 0];
    else if (code === 'K') this.#set(this.#row, (this.#grid.get(this.#row) ?? '').slice(0, this.#column));
    else if (code === 'J' || code === '2J') {
      for (const row of [...this.#grid.keys()]) if (code === '2J' || row > this.#row) this.#grid.delete(row);
    } else if (code === '?1049h' || code === '?1049l') this.isAlternate = code.endsWith('h');
    else if (code === '?25h' || code === '?25l') this.isCursorShown = code.endsWith('h');
    else if (final === 'm') this.painted += 1;
    else if (code !== '?7h' && code !== '?7l') this.unknown.push(code);
  }

  #put(character: string): void {
    if (character === '\r') this.#column = 0;
    else if (character === '\n') this.#row += 1;
    else {
      const line = (this.#grid.get(this.#row) ?? '').padEnd(this.#column);
      this.#set(this.#row, line.slice(0, this.#column) + character + line.slice(this.#column + 1));
      this.#column += 1;
    }
  }

  #set(row: number, text: string): void {
    this.#grid.set(row, text.slice(0, this.columns));
  }
}

export interface InTerminal {
  readonly screen: Screen;
  readonly child: ChildProcess;
  /** The program's own process ID, when it is known. */
  pid(): number;
  type(text: string): void;
  resize(columns: number, rows: number): void;
  hangUp(): void;
  /** Waits until the screen's text matches. */
  shows(pattern: RegExp): Promise<void>;
  readonly ended: Promise<{ readonly code: number; readonly restored: boolean | null }>;
}

const PATIENCE_MS = 30_000;

/** Starts `command` in a terminal of 80 × 24, or as said. Needs python3. */
export const inTerminal = (
  command: readonly string[],
  { columns = 80, rows = 24, env = {} }: { columns?: number; rows?: number; env?: NodeJS.ProcessEnv } = {},
): InTerminal => {
  const screen = new Screen(columns, rows);
  const child = spawn('python3', [PTY, String(columns), String(rows), ...command], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: toolEnvironment({ TERM: 'xterm-256color', ...env }),
  });
  const order = (line: object): void => {
    child.stdin?.write(`${JSON.stringify(line)}\n`);
  };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => screen.take(text));
  let said = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  const ended = new Promise<{ code: number; restored: boolean | null }>((resolve, reject) => {
    child.once('close', () => {
      const last = said.trim().split('\n').at(-1) ?? '';
      if (last.includes('"code"')) resolve(JSON.parse(last) as { code: number; restored: boolean | null });
      else reject(new Error(`the terminal broke: ${said}`));
    });
  });
  ended.catch(() => {});
  return {
    screen,
    child,
    pid: () => Number(/"pid": (\d+)/.exec(said)?.[1]),
    type: (text) => order({ type: text }),
    resize: (nextColumns, nextRows) => {
      screen.columns = nextColumns;
      screen.rows = nextRows;
      order({ resize: [nextColumns, nextRows] });
    },
    hangUp: () => order({ hangup: true }),
    shows: async (pattern) => {
      try {
        await waitFor(`the screen to show ${pattern}`, PATIENCE_MS, () =>
          pattern.test(screen.text) ? true : null,
        );
      } catch (error) {
        throw new Error(`${(error as Error).message}\n${screen.text}`);
      }
    },
    ended,
  };
};
