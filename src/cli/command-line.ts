// A command line: finds the command, runs it, and turns whatever it throws into one line on stderr and an exit code of
// contract.md. `holdfast` is one, the kubectl plug-in another.
import { type Command, CommandError, EXIT, type ExitCode, print } from './command.ts';
import { VERSION } from './version.ts';

export interface CommandLine {
  /** What error lines begin with. */
  readonly name: string;
  /** What users type. */
  readonly command: string;
  readonly purpose: string;
  /** What its exit codes mean. */
  readonly codes: string;
  readonly commands: Readonly<Record<string, () => Promise<Command>>>;
}

const usage = async ({ command, purpose, codes, commands }: CommandLine): Promise<string> => {
  const lines = [`Usage: ${command} COMMAND [OPTIONS]`, '', purpose, ''];
  for (const [name, load] of Object.entries(commands))
    lines.push(`  ${name.padEnd(10)}${(await load()).summary}`);
  lines.push('', `${command} COMMAND --help says more. Exit codes: ${codes}.`);
  return lines.join('\n');
};

const perform = async (line: CommandLine, [name, ...args]: readonly string[]): Promise<ExitCode> => {
  const { commands } = line;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    print(await usage(line));
    return name === undefined ? EXIT.usage : EXIT.yes;
  }
  if (name === '--version') {
    print(VERSION);
    return EXIT.yes;
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load === undefined) {
    throw new CommandError(
      EXIT.usage,
      `there is no command '${name}'; there are ${Object.keys(commands).join(', ')}`,
    );
  }
  const command = await load();
  if (args.includes('--help') || args.includes('-h')) {
    print(command.help);
    return EXIT.yes;
  }
  return await command.run(args);
};

/** Runs the process's arguments and sets its exit code; to be called once. */
export const runCommandLine = async (line: CommandLine): Promise<void> => {
  // A reader that went away (`holdfast status | head -1`) is no error of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.yes);
    throw error;
  });
  try {
    process.exitCode = await perform(line, process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    process.stderr.write(`${line.name}: ${error.message}\n`);
    process.exitCode = error.exitCode;
  }
};
