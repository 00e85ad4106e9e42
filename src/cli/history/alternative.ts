// What a record is replayed against: another configuration (single keys, or a file), or another build of this
// program (a checkout). Each says which core it makes of a checkpoint, and which configuration of a recorded one.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { toCoreConfig } from '../../io/config/config.ts';
import { parseConfig } from '../../io/config/load-config.ts';
import { overrideConfig, readSetting, type Setting } from '../../io/config/override.ts';
import type { CoreConfig } from '../../machines/config.ts';
import { createCore } from '../../machines/core.ts';
import { CommandError, EXIT } from '../command.ts';

export interface Alternative {
  /** For people: `drain.window=30s`, `/etc/holdfast/new.yaml`, `the build in /src/holdfast`. */
  readonly name: string;
  readonly createCore: typeof createCore;
  /** Null: the recorded one holds. Throws a CommandError when it cannot be. */
  readonly config: ((recorded: CoreConfig) => CoreConfig) | null;
  readonly settings: readonly Setting[];
}

const refuse = (problems: readonly string[]): never => {
  throw new CommandError(EXIT.usage, problems.join('\nholdfast: '));
};

const fromSettings = (texts: readonly string[]): Alternative => {
  const settings = texts.map(
    (text) =>
      readSetting(text) ?? refuse([`--set ${text}: key=value such as drain.window=30s would be right`]),
  );
  return {
    name: texts.join(' '),
    createCore,
    config: (recorded) => {
      const set = overrideConfig(recorded, settings);
      return 'config' in set ? set.config : refuse(set.problems.map((problem) => `--set ${problem}`));
    },
    settings,
  };
};

const fromFile = (file: string): Alternative => {
  const text = readFileSync(file, 'utf8');
  return {
    name: file,
    createCore,
    config: (recorded) => {
      const parsed = parseConfig(text, file, recorded.node);
      if (!parsed.ok) return refuse(parsed.problems.map((problem) => problem.text));
      // One file may serve every node of a cluster: each stays who it was.
      return { ...toCoreConfig(parsed.config), node: recorded.node };
    },
    settings: [],
  };
};

const fromCheckout = async (directory: string): Promise<Alternative> => {
  const module = join(resolve(directory), 'src/machines/core.ts');
  if (!existsSync(join(directory, 'bin/holdfast')) || !existsSync(module)) {
    const right = 'a configuration file, or a checkout with bin/holdfast and src/machines/core.ts';
    throw new CommandError(EXIT.usage, `--against ${directory}: ${right} would be right`);
  }
  try {
    const other = (await import(pathToFileURL(module).href)) as { createCore?: typeof createCore };
    if (typeof other.createCore !== 'function') throw new Error('it exports no createCore');
    return {
      name: `the build in ${directory}`,
      createCore: other.createCore,
      config: null,
      settings: [],
    };
  } catch (error) {
    const [line] = (error as Error).message.split('\n');
    throw new CommandError(
      EXIT.usage,
      `--against ${directory}: its core cannot be loaded (${line}); run its scripts/setup.sh`,
    );
  }
};

/** What `--set` or `--against` names, or null when neither is given; ends with exit code 2. */
export const readAlternative = async (
  set: readonly string[],
  against: string | undefined,
): Promise<Alternative | null> => {
  if (set.length > 0 && against !== undefined)
    throw new CommandError(EXIT.usage, '--set and --against: one of them at a time');
  if (set.length > 0) return fromSettings(set);
  if (against === undefined) return null;
  try {
    return statSync(against).isDirectory() ? await fromCheckout(against) : fromFile(against);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(EXIT.usage, `--against ${against}: ${(error as Error).message}`);
  }
};
