// A minute of seeds that nobody has run on this code before, in every test run; whoever runs it on the same code runs the
// same ones, as far as the minute reaches. What they find is told with the seed, what it drew and the command that runs it
// again. HOLDFAST_FRESH_SECONDS changes how long (0: none).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runRange } from './fresh-seeds.ts';
import { firstSeed, revision } from './revision.ts';

const SECONDS = Number(process.env.HOLDFAST_FRESH_SECONDS ?? 60);
/** One run in ten has an API server anyway; these all have. */
const KUBERNETES_SHARE = 1 / 3;

describe('fresh seeds', () => {
  for (const { name, share, wanted } of [
    { name: 'standalone, and now and then in Kubernetes', share: 1 - KUBERNETES_SHARE, wanted: {} },
    { name: 'in Kubernetes', share: KUBERNETES_SHARE, wanted: { kubernetes: true } },
  ]) {
    it(`finds no violation in seeds that were never run, ${name}`, async (context) => {
      const lines: string[] = [];
      const range = { first: firstSeed(), last: Number.POSITIVE_INFINITY, jobs: 1 };
      const minutes = (SECONDS * share) / 60;
      const failed = await runRange(
        { ...range, minutes, isFirstOnly: false, isTraced: false, wanted },
        revision(),
        (line) => lines.push(line),
      );
      context.diagnostic(lines.at(-1) ?? '');
      // About one seed in 700 still finds something (docs/status.md): it is told, and stands as `todo` in the summary, but
      // does not turn away a change that has nothing to do with it. `npm run sim -- --minutes M` ends with 1.
      if (failed.length > 0 && process.env.HOLDFAST_FRESH_STRICT !== '1')
        context.todo(`found by seeds ${failed.join(', ')}: to be looked into`);
      assert.deepEqual(failed, [], lines.join('\n'));
    });
  }
});
