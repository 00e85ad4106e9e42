// The systemd unit, judged by systemd itself, and held to what the daemon's defaults ask of it. That the daemon runs
// inside this sandbox is for scripts/try-release.sh to show, which boots a systemd.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../../src/io/config/load-config.ts';

const ROOT = join(import.meta.dirname, '../../..');
const UNIT = readFileSync(join(ROOT, 'deploy/release/holdfast.service'), 'utf8');
const WIRE_THREAD = readFileSync(join(ROOT, 'src/io/wire/wire-thread.ts'), 'utf8');

/** What systemd 252 gave it, of 10 for a unit without any restriction; docs/install.md says what the rest is. */
const EXPOSURE = 2;

const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0;
const skip = hasAnalyze ? false : 'needs systemd-analyze (apt-get install systemd)';

/** Runs `systemd-analyze ARGS UNIT` on the unit with a program that is there. */
const analyze = (...args: readonly string[]): { status: number | null; said: string } => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-unit-'));
  try {
    const file = join(directory, 'holdfast.service');
    writeFileSync(file, UNIT.replace('/usr/local/bin/holdfast', join(ROOT, 'bin/holdfast')));
    const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, file], { encoding: 'utf8' });
    return { status, said: stdout + stderr };
  } finally {
    rmSync(directory, { recursive: true });
  }
};

const setting = (key: string): string => {
  const value = new RegExp(`^${key}=(.*)$`, 'm').exec(UNIT)?.[1];
  assert.ok(value !== undefined, `the unit sets no ${key}`);
  return value;
};

test('systemd-analyze verify has nothing to say about the unit', { skip }, () => {
  const { status, said } = analyze('verify');
  assert.equal(said, '');
  assert.equal(status, 0);
});

test(`systemd-analyze security finds an exposure of ${EXPOSURE} at most`, { skip }, (context) => {
  const { said } = analyze('security', '--offline=true', '--no-pager');
  const score = /Overall exposure level for holdfast\.service: ([\d.]+)/.exec(said)?.[1];
  context.diagnostic(`exposure ${score}`);
  assert.ok(Number(score) <= EXPOSURE, said);
});

test('the unit waits for a stop longer than the drain that the defaults allow', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-unit-'));
  const file = join(directory, 'config.yaml');
  writeFileSync(file, 'serviceIPs: [{ip: 192.0.2.100}]\n');
  const loaded = await loadConfig(file);
  rmSync(directory, { recursive: true });
  assert.ok(loaded.ok);
  const { windowMs, quietMs } = loaded.config.drain;
  // docs/operating.md, "Stop": 12 s in which successors are looked for.
  assert.ok(Number.parseInt(setting('TimeoutStopSec'), 10) * 1_000 > windowMs + quietMs + 12_000);
});

test('the unit permits the priority that the wire thread asks for, and no higher one', () => {
  const priority = /REAL_TIME_PRIORITY = (\d+)/.exec(WIRE_THREAD)?.[1];
  assert.equal(setting('LimitRTPRIO'), priority);
});

test('the unit keeps what a crash leaves to be undone, which lies in its runtime directory', () => {
  assert.equal(setting('RuntimeDirectoryPreserve'), 'yes');
});
