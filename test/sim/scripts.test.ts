// Scripts of shrunk runs (scripts/*.json; `npm run sim -- --shrink` writes them): each is clean in this tree, and where
// it names a planted bug, its checker fails as soon as the bug is in.
import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { playPlanted } from './planted.ts';
import { PLANTED_BUGS } from './planted-bugs.ts';
import { runSimulation } from './run.ts';
import { readScript } from './script.ts';

const FOLDER = join(import.meta.dirname, 'scripts');

describe('scripts of shrunk runs', () => {
  for (const file of globSync('*.json', { cwd: FOLDER }).sort()) {
    const path = join(FOLDER, file);
    const script = readScript(path);
    it(`${file} is clean`, () => {
      const { violations } = runSimulation({ seed: script.seed, script });
      assert.deepEqual(
        violations.map(({ checker, what }) => [checker, what]),
        [],
      );
    });

    const bug = PLANTED_BUGS.find(({ name }) => name === script.planted);
    if (script.planted === null) continue;
    it(`${file} violates ${script.finds} with its bug planted: ${script.planted}`, async () => {
      assert.ok(bug !== undefined, `no planted bug is named ${script.planted}`);
      const said = await playPlanted(bug, path);
      assert.ok(said.includes(`(${script.finds}: `), said);
    });
  }
});

describe('scripts of open findings', () => {
  for (const file of globSync('*.json', { cwd: join(FOLDER, 'open') }).sort()) {
    const script = readScript(join(FOLDER, 'open', file));
    it(`open/${file} is still open: when ${script.finds} holds, it moves one folder up`, () => {
      const { violations } = runSimulation({ seed: script.seed, script });
      assert.ok(violations.some(({ checker }) => checker === script.finds));
    });
  }
});
