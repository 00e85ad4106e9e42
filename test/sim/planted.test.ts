// A simulator that finds nothing proves nothing: the bugs that issues 4 and 7 name are planted, and each must be
// found within 200 seeds. `npm run sim -- --planted` plants all of planted-bugs.ts.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findPlanted } from './planted.ts';
import { PLANTED_BUGS } from './planted-bugs.ts';

const SEEDS = [1, 200] as const;

describe('planted bugs', () => {
  for (const bug of PLANTED_BUGS.filter(({ isNamed }) => isNamed === true)) {
    it(`finds: ${bug.name}`, async () => {
      const { afterSeeds, found } = await findPlanted(bug, SEEDS);
      assert.notEqual(afterSeeds, null, `nothing found: ${found}`);
    });
  }
});
