// The `holdfast` command line. Commands are loaded when they are run, so that `status` does not pay for the daemon.
import type { Command } from './command.ts';
import { runCommandLine } from './command-line.ts';

const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./commands/run.ts')).run,
  check: async () => (await import('./commands/check.ts')).check,
  status: async () => (await import('./commands/status.ts')).status,
  top: async () => (await import('./commands/top.ts')).top,
  drain: async () => (await import('./commands/drain.ts')).drain,
  undrain: async () => (await import('./commands/drain.ts')).undrain,
  replay: async () => (await import('./commands/replay.ts')).replayCommand,
  explain: async () => (await import('./commands/explain.ts')).explainCommand,
  timeline: async () => (await import('./commands/timeline.ts')).timeline,
  journal: async () => (await import('./commands/journal.ts')).journal,
  diagram: async () => (await import('./commands/diagram.ts')).diagram,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  key: async () => (await import('./commands/key.ts')).key,
  'make-key': async () => (await import('./commands/make-key.ts')).makeKeyCommand,
  lab: async () => (await import('./commands/lab.ts')).lab,
};

await runCommandLine({
  name: 'holdfast',
  command: 'holdfast',
  purpose: 'Keeps service IPs on the wire.',
  codes: '0 yes, 1 no, 2 usage or config, 3 permission, 4 no daemon',
  commands: COMMANDS,
});
