// What the commands that look back say of the sample journals, word for word, as a person would read it:
// test/fixtures/history. `HOLDFAST_REWRITE=1 npm run test:unit -- recorded-output` records what they say now; read
// the difference before you commit it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../../..');
const RECORDED = join(ROOT, 'test/fixtures/history');
const J = 'test/fixtures/journal';

// name, exit code, command line
const COMMANDS: readonly (readonly [string, number, string])[] = [
  ['explain-cut', 0, `explain --ip 10.99.0.100 ${J}/cut`],
  ['explain-cut-in-the-gap', 0, `explain --ip 10.99.0.100 --at 20:25:43.2 ${J}/cut`],
  ['explain-cut-seen-by-n3', 0, `explain --ip fd99::100 ${J}/cut/n3`],
  ['explain-crash', 0, `explain --ip fd99::100 ${J}/crash`],
  ['explain-crash-before-anybody-noticed', 0, `explain --ip fd99::100 --at 20:25:52.45 ${J}/crash`],
  ['explain-drain', 0, `explain --ip fd99::100 ${J}/drain`],
  ['explain-drain-at-the-start', 0, `explain --ip fd99::100 --at 20:25:45.2 ${J}/drain`],
  ['explain-drain-by-the-drained-alone', 0, `explain --ip fd99::100 ${J}/drain/n1`],
  ['explain-unknown', 1, `explain --ip 10.99.0.7 ${J}/drain`],
  ['timeline-cut', 1, `timeline --fail-on gap,overlap ${J}/cut`],
  ['timeline-crash', 0, `timeline --fail-on gap=300ms,overlap ${J}/crash`],
  ['timeline-drain', 0, `timeline --fail-on gap,overlap ${J}/drain`],
  ['timeline-upgrade', 0, `timeline --fail-on gap=300ms ${J}/upgrade`],
  ['replay-what-if', 1, `replay --set heartbeat.deadAfter=500ms --from 20:25:43 ${J}/cut`],
];

for (const [name, code, line] of COMMANDS) {
  test(`holdfast ${line} says what test/fixtures/history/${name}.txt holds`, () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(ROOT, 'src/cli/main.ts'), ...line.split(' ')],
      { cwd: ROOT, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1', TZ: 'Asia/Tokyo' } },
    );
    assert.equal(status, code, stderr);
    const file = join(RECORDED, `${name}.txt`);
    const said = `$ holdfast ${line}\n${stdout}${stderr}`;
    if (process.env.HOLDFAST_REWRITE === '1') writeFileSync(file, said);
    else assert.equal(said, existsSync(file) ? readFileSync(file, 'utf8') : '', name);
  });
}
