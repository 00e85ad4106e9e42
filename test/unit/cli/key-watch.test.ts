// A key file that changes is noticed, also when a folder of links is replaced, as a kubelet does.
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { watchKeys } from '../../../src/cli/daemon/key-watch.ts';
import { until } from '../../support/kube/mirrored.ts';

test('a changed key file is noticed once, and so is one whose folder was replaced under its link', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-keys-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const put = (version: string, text: string): void => {
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, 'keys'), text);
    symlinkSync(version, join(folder, 'new'));
    renameSync(join(folder, 'new'), join(folder, '..data'));
  };
  put('..1', 'the first key of all\n');
  symlinkSync('..data/keys', join(folder, 'keys'));
  let changes = 0;
  const watch = watchKeys(
    () => join(folder, 'keys'),
    () => {
      changes += 1;
    },
    10,
  );
  t.after(() => watch.close());
  put('..2', 'the first key of all\nand the second one here\n');
  await until('it is noticed', () => changes === 1);
  writeFileSync(join(folder, '..2', 'keys'), 'the second one here\n');
  await until('it is noticed again', () => changes >= 2);
});
