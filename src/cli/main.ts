// The `holdfast` command line: finds the command, runs it, and turns whatever it throws into one line on stderr
// and an exit code of contract.md. Commands are loaded when they are run, so that `status` does not pay for the
// daemon.
import { type Command, CommandError, EXIT, type ExitCode, print } from './command.ts';
import { VERSION } from './version.ts';

const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./commands/run.ts')).run,
  check: async () => (await import('./commands/check.ts')).check,
  status: async () => (await import('./commands/status.ts')).status,
  drain: async () => (await import('./commands/drain.ts')).drain,
  undrain: async () => (await import('./commands/drain.ts')).undrain,
  replay: async () => (await import('./commands/replay.ts')).replayCommand,
  explain: async () => (await import('./commands/explain.ts')).explainCommand,
  timeline: async () => (await import('./commands/timeline.ts')).timeline,
  journal: async () => (await import('./commands/journal.ts')).journal,
  diagram: async () => (await import('./commands/diagram.ts')).diagram,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  'make-key': async () => (await import('./commands/make-key.ts')).makeKeyCommand,
  lab: async () => (await import('./commands/lab.ts')).lab,
};

const usage = async (): Promise<string> => {
  const lines = ['Usage: holdfast COMMAND [OPTIONS]', '', 'Keeps service IPs on the wire.', ''];
  for (const [name, load] of Object.entries(COMMANDS))
    lines.push(`  ${name.padEnd(10)}${(await load()).summary}`);
  lines.push(
    '',
    'holdfast COMMAND --help says more. Exit codes: 0 yes, 1 no, 2 usage or config, 3 permission, 4 no daemon.',
  );
  return lines.join('\n');
};

const main = async ([name, ...args]: readonly string[]): Promise<ExitCode> => {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    print(await usage());
    return name === undefined ? EXIT.usage : EXIT.yes;
  }
  if (name === '--version') {
    print(VERSION);
    return EXIT.yes;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    throw new CommandError(
      EXIT.usage,
      `there is no command '${name}'; there are ${Object.keys(COMMANDS).join(', ')}`,
    );
  }
  const command = await load();
  if (args.includes('--help') || args.includes('-h')) {
    print(command.help);
    return EXIT.yes;
  }
  return await command.run(args);
};

// A reader that went away (`holdfast status | head -1`) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.yes);
  throw error;
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof CommandError)) throw error;
  process.stderr.write(`holdfast: ${error.message}\n`);
  process.exitCode = error.exitCode;
}
