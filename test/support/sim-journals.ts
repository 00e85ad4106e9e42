// Journals of a simulated world, as its nodes would have written them: one segment a life, readable by every command.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NO_HASH, seal } from '../../src/io/journal/journal-lines.ts';
import { JOURNAL_FORMAT } from '../../src/machines/journal-formats.ts';
import type { Life } from '../sim/sim-node.ts';
import type { World } from '../sim/world.ts';

const recordsOf = (node: string, { instance, from, steps }: Life): readonly object[] => [
  {
    holdfast: 'journal',
    format: JOURNAL_FORMAT,
    version: 'sim',
    node,
    instance,
    segment: 1,
    gap: null,
    previous: NO_HASH,
  },
  { checkpoint: from, next: 1 },
  ...steps.flatMap(({ at, input, effects }, index) => [
    { n: index + 1, at, in: input },
    ...(effects === null || effects.length === 0 ? [] : [{ n: index + 1, out: effects }]),
  ]),
];

/** Writes the journal of every life of every node into `directory`. */
export const writeJournals = (world: World, directory: string): void => {
  for (const [name, { lives }] of world.nodes) {
    mkdirSync(join(directory, name), { recursive: true });
    for (const [index, life] of lives.entries()) {
      let hash = NO_HASH;
      const lines = recordsOf(name, life).map((record) => {
        const sealed = seal(hash, JSON.stringify(record));
        hash = sealed.hash;
        return `${sealed.line}\n`;
      });
      writeFileSync(join(directory, name, `${name}-life${index + 1}-00000001.ndjson`), lines.join(''));
    }
  }
};
