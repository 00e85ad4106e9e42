// Every text script beside this file, run in the simulator and compared to the output recorded in it.
// HOLDFAST_REWRITE=1 (npm run test:rewrite) records what comes out now; read the difference before committing it.
import assert from 'node:assert/strict';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runScript } from '../support/script.ts';

describe('cluster scripts', () => {
  for (const file of globSync('*.txt', { cwd: import.meta.dirname }).sort()) {
    const path = join(import.meta.dirname, file);
    const text = readFileSync(path, 'utf8');
    it(`${file}: ${text.split('\n', 1)[0]?.replace(/^# */, '')}`, () => {
      const now = runScript(text);
      if (process.env.HOLDFAST_REWRITE === '1') writeFileSync(path, now);
      else assert.equal(now, text);
    });
  }
});
