// `holdfast key new`: the same as `make-key`, under the name that people look for.
import { type Command, CommandError, EXIT } from '../command.ts';
import { makeKeyCommand } from './make-key.ts';

export const key: Command = {
  summary: 'key new: a fresh key that signs hellos',
  help: [
    'Usage: holdfast key new [--secret NAME [--namespace NS] [--kubeconfig FILE]]',
    '',
    'Prints a line for heartbeat.keyFile, as `holdfast make-key` does. To rotate: the new key as second line of the file',
    'on every node; then as first line on every node; then the old one out. The first line signs, all verify.',
  ].join('\n'),
  run: async ([what, ...rest]) => {
    if (what === 'new') return await makeKeyCommand.run(rest);
    throw new CommandError(EXIT.usage, `key ${what ?? ''}: holdfast key new would be right`);
  },
};
