// `npm run sim -- --planted [--all] [--seeds A..B] [--only TEXT]`: copies the sources to a temporary folder once
// per planted bug, patches one line, and runs seeds until one finds something. Bug runs end at the first finding;
// the unpatched tree must find nothing in the same seeds.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PLANTED_BUGS, type PlantedBug } from './planted-bugs.ts';

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

const runSeeds = (
  folder: string,
  [first, last]: readonly [number, number],
  { kubernetes, faults }: Partial<PlantedBug>,
): Promise<string> =>
  new Promise((done) => {
    const args = ['test/sim/sim.ts', '--seeds', `${first}..${last}`, '--first'];
    if (kubernetes === true) args.push('--kubernetes');
    if (faults !== undefined) args.push('--faults', faults);
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('close', () => done(output));
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

/** Runs the seeds with the bug planted; null plants none. */
export const findPlanted = async (
  bug: PlantedBug | null,
  seeds: readonly [number, number],
): Promise<PlantedFinding> => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-planted-'));
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    if (bug !== null) plant(folder, bug);
    return read(bug?.name ?? 'none planted', await runSeeds(folder, seeds, bug ?? {}));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

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

export const runPlanted = (only: string | null, seeds: readonly [number, number]): Promise<boolean> =>
  findAllPlanted(
    PLANTED_BUGS.filter(({ name }) => only === null || name.includes(only)),
    seeds,
  );
