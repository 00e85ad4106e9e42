// What a command is: one file each in src/cli/commands, a table in main.ts, options by node:util parseArgs.
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

/** Exit codes of contract.md, the same everywhere. */
export const EXIT = { yes: 0, no: 1, usage: 2, permission: 3, unreachable: 4 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends a command with one line on stderr and an exit code. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}

export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** What `--help` prints: usage line, options, examples. */
  readonly help: string;
  run(args: readonly string[]): Promise<ExitCode>;
}

/** `parseArgs` with a one-line usage error and exit code 2. */
export const readOptions = <O extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: O,
  allowPositionals = false,
) => {
  try {
    return parseArgs({ args: [...args], options, allowPositionals, strict: true });
  } catch (error) {
    throw new CommandError(EXIT.usage, `${(error as Error).message.split('. ')[0]}; try --help`);
  }
};

/** Writes a line to stdout. */
export const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
