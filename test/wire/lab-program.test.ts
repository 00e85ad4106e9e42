// The lab with another program in its nodes: a release, an image, an older version. Here a script that leaves a mark.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { STAGE_TOOLS } from '../support/cluster.ts';
import { wireTest } from '../support/lab.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/holdfast', import.meta.url));

const lab = (...args: readonly string[]): Promise<{ code: number | null; out: string; err: string }> =>
  new Promise((resolve) => {
    const child = spawn(PROGRAM, ['lab', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.on('data', (bytes: Buffer) => {
      out += bytes.toString();
    });
    child.stderr.on('data', (bytes: Buffer) => {
      err += bytes.toString();
    });
    child.once('close', (code) => resolve({ code, out, err }));
  });

wireTest(
  'lab --program: each node runs that program, and the promise is judged as ever',
  STAGE_TOOLS,
  async (context) => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-program-'));
    context.after(() => rmSync(directory, { recursive: true }));
    const mark = join(directory, 'mark');
    const program = join(directory, 'holdfast');
    writeFileSync(program, `#!/bin/sh\necho "$@" >>${mark}\nexec ${PROGRAM} "$@"\n`, { mode: 0o755 });
    const { code, out, err } = await lab(
      '--program',
      program,
      '--scenario',
      'claim',
      '--nodes',
      '2',
      '--json',
    );
    assert.equal(code, 0, out + err);
    assert.match(out, /"scenario":"claim","family":"ipv6".*"ok":true/);
    const started = readFileSync(mark, 'utf8').trim().split('\n');
    assert.equal(started.length, 2);
    for (const line of started) assert.match(line, /^run --config \/\S+\/n[12]\/config\.yaml$/);
  },
);

wireTest(
  'lab --scenario upgrade: without the program that is upgraded from, and with it elsewhere, one line',
  STAGE_TOOLS,
  async () => {
    const missing = await lab('--scenario', 'upgrade');
    assert.equal(missing.code, 2);
    assert.match(missing.err, /^holdfast: --scenario upgrade: --from PATH, .* is missing\n$/);
    const elsewhere = await lab('--scenario', 'cut', '--from', PROGRAM);
    assert.equal(elsewhere.code, 2);
    assert.equal(elsewhere.err, 'holdfast: --from goes with --scenario upgrade\n');
    const nowhere = await lab('--scenario', 'upgrade', '--from', '/nowhere/holdfast');
    assert.match(nowhere.err, /^holdfast: --from \/nowhere\/holdfast: cannot be run \(ENOENT\); .*\n$/);
  },
);

wireTest('lab --program: what cannot be run is refused in one line', STAGE_TOOLS, async () => {
  const missing = await lab('--program', '/nowhere/holdfast', '--scenario', 'claim');
  assert.equal(missing.code, 2);
  assert.match(missing.err, /^holdfast: --program \/nowhere\/holdfast: cannot be run \(ENOENT\); .*\n$/);
  const alone = await lab('--program', PROGRAM);
  assert.equal(alone.code, 2);
  assert.equal(alone.err, 'holdfast: --program goes with --scenario\n');
});
