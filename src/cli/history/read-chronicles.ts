// Reads the chronicle of each life out of its segments, in one pass over the files.
import { fileLines } from '../../io/journal/file-lines.ts';
import { type Damage, effectsOf, scanSegment } from '../../io/journal/segment-scan.ts';
import { type Chronicle, createChronicler } from '../../machines/chronicle.ts';
import type { Effect } from '../../machines/effects.ts';
import type { Input } from '../../machines/inputs.ts';
import type { LifeFiles } from './journals.ts';

export type IsWanted = (input: Input, effects: readonly Effect[]) => boolean;

interface Waiting {
  readonly n: number;
  readonly file: string;
  readonly line: number;
  readonly at: number;
  readonly input: Input;
}

/** Effects stand after the inputs of their turn; what waits longer had none. */
const MAX_WAITING = 65_536;

/** The chronicle of one life; what cannot be read is added to `damage`. */
const readChronicle = (life: LifeFiles, isWanted: IsWanted, damage: Damage[]): Chronicle => {
  const chronicler = createChronicler(life, isWanted);
  let waiting: Waiting[] = [];
  /** A changed line may be JSON and still no record: it is named, and the others count. */
  const guarded = (file: string, line: number, run: () => void): void => {
    try {
      run();
    } catch (error) {
      damage.push({ file, line, reason: `it cannot be understood: ${(error as Error).message}` });
    }
  };
  const tell = ({ file, line, at, input }: Waiting, read: () => readonly Effect[]): void =>
    guarded(file, line, () => chronicler.step(`${file}:${line}`, at, input, read()));
  const tellBefore = (n: number): void => {
    let count = 0;
    for (; count < waiting.length && (waiting[count] as Waiting).n < n; count += 1)
      tell(waiting[count] as Waiting, () => []);
    if (count > 0) waiting = waiting.slice(count);
  };
  for (const [index, { file, header, checkpoint }] of life.segments.entries()) {
    const follows = header.gap === null && header.segment === index + 1;
    guarded(file, 2, () => chronicler.begin(`${file}:2`, checkpoint, follows));
    const scan = scanSegment(file, fileLines(file), damage);
    for (const entry of scan?.entries() ?? []) {
      // What was changed is named already; telling it would be telling tales.
      if (!entry.isSealed) continue;
      if (entry.type === 'input') {
        const { n, line, at, input } = entry;
        waiting.push({ n, file, line, at, input });
        if (waiting.length > MAX_WAITING) tellBefore(entry.n);
        continue;
      }
      tellBefore(entry.n);
      const [step] = waiting;
      if (step?.n !== entry.n) continue;
      waiting.shift();
      tell(step, () => effectsOf(entry.text));
    }
    tellBefore(Number.POSITIVE_INFINITY);
  }
  return chronicler.end();
};

/** One chronicle a life, the life that reaches furthest first: its clock is the reference. */
export const readChronicles = (
  lives: readonly LifeFiles[],
  isWanted: IsWanted = () => false,
): { readonly chronicles: readonly Chronicle[]; readonly damage: readonly Damage[] } => {
  const damage: Damage[] = [];
  const chronicles = lives.map((life) => readChronicle(life, isWanted, damage));
  const reach = ({ from, to }: Chronicle): number => to - from;
  const [first] = chronicles.toSorted((a, b) => reach(b) - reach(a));
  const others = chronicles.filter((chronicle) => chronicle !== first);
  return { chronicles: first === undefined ? [] : [first, ...others], damage };
};
