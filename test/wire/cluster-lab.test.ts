// The lab as a command: the tour in the words of a person, a scenario as JSON lines of the contract.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { countFollows, followedAfter } from '../../src/cli/lab/neighbour-watch.ts';
import { STAGE_TOOLS } from '../support/cluster.ts';
import { wireTest, within } from '../support/lab.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/holdfast', import.meta.url));
const TOUR_LIMIT_MS = 25_000;

/** Runs `holdfast lab ARGS` without a terminal. */
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

/** Exit code 1 says that a promise was broken (contract.md), and promises are bounds on time. */
const assertKeptBy = (code: number | null, out: string): void => {
  assert(code === 0 || code === 1, `exit code ${code}`);
  within(code, 0, `a promise was broken:\n${out}\nexit code`);
};

wireTest('the tour shows a failover and a planned move within 25 s', STAGE_TOOLS, async () => {
  const started = performance.now();
  const { code, out, err } = await lab();
  assert.equal(err, '');
  within(performance.now() - started, TOUR_LIMIT_MS, 'the tour took');
  assertKeptBy(code, out);
  assert.match(out, /For the client the addresses were away for \d+ ms; 300 ms were promised/);
  assert.match(out, /Of \d+ pings 0 were lost, the longest gap was 0 ms, 0 of \d+ new connections failed/);
  assert.match(out, /Every promise was kept/);
});

wireTest('a scenario prints one JSON line a family and nothing else', STAGE_TOOLS, async () => {
  const { code, out, err } = await lab('--scenario', 'cut', '--json');
  assert.equal(err, '');
  assertKeptBy(code, out);
  const lines = out
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as Record<string, unknown>);
  const kinds = lines.map((line) =>
    ['scenario', 'family', 'sent', 'lost', 'gapMs', 'ok'].map((key) =>
      typeof line[key] === 'number' ? 'number' : line[key],
    ),
  );
  assert.deepEqual(kinds, [
    ['cut', 'ipv4', 'number', 'number', 'number', true],
    ['cut', 'ipv6', 'number', 'number', 'number', true],
  ]);
});

test('a client follows when its entry names the new owner for good', () => {
  const change = (at: number, mac: string) => ({ at, ip: '10.99.0.100', mac });
  const followed = (macs: readonly (readonly [number, string])[], before = 'a') =>
    followedAfter(
      macs.map(([at, mac]) => change(at, mac)),
      '10.99.0.100',
      { before, mac: 'b', since: 100 },
    );
  assert.equal(followed([[130, 'b']]), 30);
  assert.equal(
    followed([
      [130, 'b'],
      [140, 'b'],
    ]),
    30,
    'a refresh is no change',
  );
  assert.equal(
    followed([
      [130, 'b'],
      [140, 'a'],
      [150, 'b'],
    ]),
    50,
    'to and fro',
  );
  assert.equal(followed([[130, 'b']], 'b'), 0, 'it had it all along');
  assert.equal(followed([]), Number.POSITIVE_INFINITY);
  assert.equal(countFollows([change(1, 'a'), change(2, 'b'), change(3, 'a')], '10.99.0.100', 'a'), 2);
});
