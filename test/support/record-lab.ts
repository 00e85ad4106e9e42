// Records the sample journals of test/fixtures/journal from real failures in the lab: three nodes, and of each
// scenario the journals and what the client measured (`client.json`). Needs root, like the lab:
// `scripts/node.sh test/support/record-lab.ts test/fixtures/journal cut drain crash`. Samples of older formats stay
// as they are, for ever: they are what later versions must still replay.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { enclose } from '../../src/cli/lab/enclosure.ts';
import { playOn, type Scenario, stageOptionsFor } from '../../src/cli/lab/scenario.ts';
import { crash, cut } from '../../src/cli/lab/scenario-failover.ts';
import { drain } from '../../src/cli/lab/scenario-planned.ts';
import { createStage } from '../../src/cli/lab/stage.ts';

const SCENARIOS: Readonly<Record<string, Scenario>> = { cut, drain, crash };

const record = async (name: string, scenario: Scenario, into: string): Promise<void> => {
  const stage = await createStage(stageOptionsFor(scenario, { nodes: 3 }));
  try {
    const lines = await playOn(stage, scenario, (line) => process.stderr.write(`${name}: ${line}\n`));
    rmSync(into, { recursive: true, force: true });
    mkdirSync(into, { recursive: true });
    for (const node of stage.nodes)
      cpSync(node.journal, join(into, node.host.name), {
        recursive: true,
        filter: (file) => !file.includes('.') || file.endsWith('.ndjson') || !file.includes('.ndjson.'),
      });
    writeFileSync(join(into, 'client.json'), `${JSON.stringify(lines, null, 2)}\n`);
  } finally {
    await stage.dispose();
  }
};

const [root = '', ...names] = process.argv.slice(2);
await enclose();
for (const name of names) {
  const scenario = SCENARIOS[name];
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  await record(name, scenario, join(root, name));
}
