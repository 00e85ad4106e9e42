// `holdfast check`: is this configuration good, and what does it amount to with all defaults filled in?
import { formatConfig } from '../../io/config/format-config.ts';
import { type Command, EXIT, print, readOptions } from '../command.ts';
import { requireConfig } from './run.ts';

export const check: Command = {
  summary: 'validates a configuration and prints the effective one',
  help: 'Usage: holdfast check --config FILE [--json]\n\nExit code 2 and a line for each problem when it is not good.',
  run: async (args) => {
    const { values } = readOptions(args, { config: { type: 'string' }, json: { type: 'boolean' } });
    const config = await requireConfig(values.config);
    print(values.json ? JSON.stringify(config, null, 2) : formatConfig(config).trimEnd());
    return EXIT.yes;
  },
};
