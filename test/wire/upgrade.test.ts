// A rolling upgrade in the lab: nodes of the version before, replaced one after the other by this one.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openJournals } from '../../src/cli/history/journals.ts';
import { readChronicles } from '../../src/cli/history/read-chronicles.ts';
import { withRecordedGaps } from '../../src/cli/lab/recorded-gaps.ts';
import { playOn, stageOptionsFor } from '../../src/cli/lab/scenario.ts';
import { upgrade } from '../../src/cli/lab/scenario-upgrade.ts';
import { createStage } from '../../src/cli/lab/stage.ts';
import { ownershipOf } from '../../src/machines/ownership.ts';
import { assertKept, assertReplaysIdentically, STAGE_TOOLS } from '../support/cluster.ts';
import { wireTest } from '../support/lab.ts';
import { PREVIOUS_COMMIT, previousObstacle } from '../support/previous.ts';

const ROOT = join(import.meta.dirname, '../..');
const CLAIM =
  'an upgrade from the version before: nothing is lost by it, no IP moves twice, and both versions agree in a cut';
/** Of each family: three restarts, three cut or moved there and back, as scenario-upgrade.ts counts them. */
const MOVES = { ipv4: 7, ipv6: 9 } as const;

const sh = (script: string, ...args: readonly string[]): void => {
  const { status, stdout, stderr } = spawnSync('sh', ['-ec', script, 'sh', ...args], { encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
};

const obstacle =
  process.env.HOLDFAST_LONG === '1'
    ? previousObstacle()
    : 'takes a minute, and the npm registry: HOLDFAST_LONG=1 npm run test:wire -- upgrade';

if (obstacle !== null) test(CLAIM, { skip: obstacle });
else {
  wireTest(CLAIM, [...STAGE_TOOLS, 'git', 'tar'], async (context) => {
    const older = mkdtempSync(join(tmpdir(), 'holdfast-previous-'));
    context.after(() => rmSync(older, { recursive: true }));
    sh('git -C "$1" archive "$2" | tar -x -C "$3"; "$3/scripts/setup.sh"', ROOT, PREVIOUS_COMMIT, older);
    const stage = await createStage({ ...stageOptionsFor(upgrade), from: join(older, 'bin/holdfast') });
    context.after(() => stage.dispose());
    const journals = stage.nodes.map(({ journal }) => journal);
    const played = await playOn(stage, upgrade, (line) => context.diagnostic(line));
    const lines = withRecordedGaps(upgrade, played, journals, () => {});
    for (const line of lines) context.diagnostic(JSON.stringify(line));
    assertKept(lines);
    for (const { family, moves, follows = 0 } of lines) {
      assert.equal(moves, MOVES[family]);
      assert.ok(follows <= MOVES[family], 'the client changes over with a move, and else not');
    }
    await assertReplaysIdentically(stage);
    const { tenures } = ownershipOf(readChronicles(openJournals(journals).lives).chronicles);
    const told = new Set(tenures.map(({ ip }) => ip));
    assert.deepEqual([...told].sort(), [...stage.serviceIPs].sort());
  });
}
