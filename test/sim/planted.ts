// `npm run sim -- --planted [--seeds A..B] [--only TEXT] [--shrink --out FOLDER]`: copies the sources to a temporary folder once
// per planted bug, patches one line, and runs seeds until one finds something. Bug runs end at the first finding;
// the unpatched tree must find nothing in the same seeds.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PLANTED_BUGS, type PlantedBug } from './planted-bugs.ts';
import { readScript, writeScript } from './script.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** Two cores; a bug is one process. */
const AT_ONCE = 2;
const COPIED = ['src', 'test/sim', 'package.json'] as const;

export interface PlantedFinding {
  readonly bug: string;
  /** Seeds run until one violated; null when none did. */
  readonly afterSeeds: number | null;
  /** What it violated, or the end of the output. */
  readonly found: string;
}

const plant = (folder: string, { file, from, to, name, also }: PlantedBug): void => {
  const path = join(folder, file);
  const source = readFileSync(path, 'utf8');
  if (source.split(from).length !== 2) {
    throw new Error(`planted bug '${name}': its line is not exactly once in ${file}: ${from}`);
  }
  writeFileSync(
    path,
    source.replace(from, () => to),
  );
  if (also !== undefined) plant(folder, { name, ...also });
};

const runSim = (
  folder: string,
  mode: readonly string[],
  { kubernetes, faults }: Partial<PlantedBug> = {},
): Promise<string> =>
  new Promise((done) => {
    const args = ['test/sim/sim.ts', ...mode];
    if (kubernetes === true) args.push('--kubernetes');
    if (faults !== undefined) args.push('--faults', faults);
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('close', (_code, signal) => done(signal === null ? output : `${output}\nended by ${signal}`));
  });

const read = (bug: string, output: string): PlantedFinding => {
  const runs = /^(\d+) seeds from/m.exec(output)?.[1];
  const isFound = /^\d+ seeds .* violated: /m.test(output);
  const what = /VIOLATED at \S+ s (\([^:]*:.*)/.exec(output)?.[1] ?? /an exception: (.*)/.exec(output)?.[1];
  return {
    bug,
    afterSeeds: isFound && runs !== undefined ? Number(runs) : null,
    found: what ?? output.slice(-300).trim(),
  };
};

/** A copy of the sources with the bug in it, for as long as `use` takes; null plants none. */
const withPlanted = async <T>(bug: PlantedBug | null, use: (folder: string) => Promise<T>): Promise<T> => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-planted-'));
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    if (bug !== null) plant(folder, bug);
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const modeOf = ([first, last]: readonly [number, number]): readonly string[] => [
  '--seeds',
  `${first}..${last}`,
  '--first',
];

/** Runs the seeds with the bug planted; null plants none. */
export const findPlanted = (
  bug: PlantedBug | null,
  seeds: readonly [number, number],
): Promise<PlantedFinding> =>
  withPlanted(bug, async (folder) =>
    read(bug?.name ?? 'none planted', await runSim(folder, modeOf(seeds), bug ?? {})),
  );

/** Plays a script of the sources with the bug planted; what it says. */
export const playPlanted = (bug: PlantedBug, script: string): Promise<string> =>
  withPlanted(bug, (folder) => runSim(folder, ['--script', resolve(script)]));

/** Looks for the bug and shrinks the run that finds it; the script bears the bug's name. */
const shrinkPlanted = (
  bug: PlantedBug,
  seeds: readonly [number, number],
  { out, say }: { readonly out: string; readonly say: (line: string) => void },
): Promise<boolean> =>
  withPlanted(bug, async (folder) => {
    const found = /^\d+ seeds .* violated: (\d+)/m.exec(await runSim(folder, modeOf(seeds), bug))?.[1];
    if (found === undefined) return false;
    say((await runSim(folder, ['--seed', found, '--shrink', '--out', resolve(out)], bug)).trimEnd());
    writeScript(out, { ...readScript(out), planted: bug.name });
    return true;
  });

/** All of them, two at once, told as they end; true when each was found, and nothing without one. */
export const findAllPlanted = async (
  bugs: readonly PlantedBug[],
  seeds: readonly [number, number],
): Promise<boolean> => {
  const waiting: (PlantedBug | null)[] = [null, ...bugs];
  let isRight = true;
  const work = async (): Promise<void> => {
    for (let bug = waiting.shift(); bug !== undefined; bug = waiting.shift()) {
      const { bug: name, afterSeeds, found } = await findPlanted(bug, seeds);
      if ((afterSeeds === null) !== (bug === null)) isRight = false;
      const verdict = afterSeeds === null ? 'not found' : `found after ${afterSeeds} seeds`;
      console.log(`${name}: ${verdict}: ${found.slice(0, 200)}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return isRight;
};

const bugsNamed = (only: string | null): readonly PlantedBug[] =>
  PLANTED_BUGS.filter(({ name }) => only === null || name.includes(only));

export const runPlanted = (only: string | null, seeds: readonly [number, number]): Promise<boolean> =>
  findAllPlanted(bugsNamed(only), seeds);

/** Scripts of each, in `folder`. */
export const runShrinkPlanted = async (
  only: string | null,
  seeds: readonly [number, number],
  folder: string,
): Promise<boolean> => {
  let isRight = true;
  for (const bug of bugsNamed(only)) {
    const out = join(folder, `${bug.name.replaceAll(/[^a-z]+/gi, '-').toLowerCase()}.json`);
    const isFound = await shrinkPlanted(bug, seeds, { out, say: (line) => console.log(line) });
    console.log(`${bug.name}: ${isFound ? out : 'not found'}`);
    isRight &&= isFound;
  }
  return isRight;
};
