// Replay of the sample journals, whole, in part, and damaged in every way that a disk knows.
import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { openJournals } from '../../../src/cli/history/journals.ts';
import { replayFiles } from '../../../src/cli/history/replay-run.ts';
import { NO_HASH, openLine, seal } from '../../../src/io/journal/journal-lines.ts';
import { withDirectory } from '../journal/recorder.ts';

const CUT = join(import.meta.dirname, '../../fixtures/journal/cut');

const replayed = (path: string, from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY) =>
  replayFiles(openJournals([path]).files, { from, to });

/** A copy of n2's journal of the cut, changed by `edit`, replayed. */
const edited = (directory: string, edit: (lines: string[]) => string[], isSealed = true) => {
  const [name] = readdirSync(join(CUT, 'n2'));
  const lines = readFileSync(join(CUT, 'n2', name as string), 'utf8')
    .split('\n')
    .slice(0, -1);
  let hash = NO_HASH;
  const sealed = edit(lines).map((line) => {
    const opened = openLine(null, line);
    if (!isSealed || !opened.ok) return line;
    const again = seal(hash, `${opened.body}}`);
    hash = again.hash;
    return again.line;
  });
  const file = join(directory, name as string);
  writeFileSync(file, `${sealed.join('\n')}\n`);
  return { file, ...replayed(file) };
};

test('a window counts what was taken in it, and nothing else', () => {
  const at = openJournals([CUT]).end - 1_500;
  const [before, after] = [replayed(CUT, undefined, at), replayed(CUT, at)];
  const whole = replayed(CUT);
  assert.deepEqual([before.findings, after.findings, whole.findings], [[], [], []]);
  assert.equal(before.inputs + after.inputs, whole.inputs);
  assert.equal(before.transitions + after.transitions, whole.transitions);
  assert.ok(before.inputs > 0 && after.inputs > 0);
});

test('a step that goes differently is named by its line, with its input and both sides', () =>
  withDirectory((directory) => {
    const { file, findings } = edited(directory, (lines) =>
      lines.map((line) => line.replace('"to":"leader","epoch":3', '"to":"leader","epoch":4')),
    );
    const [finding] = findings;
    assert.deepEqual([findings.length, finding?.file, finding?.problem], [1, file, 'the effects differ']);
    const line = readFileSync(file, 'utf8').split('\n')[(finding?.line ?? 0) - 1] ?? '';
    assert.match(line, /"in":\{"type":"addresses.confirmed"/);
    assert.equal(finding?.input?.type, 'addresses.confirmed');
    assert.match(JSON.stringify(finding?.recorded), /"epoch":4/);
    assert.doesNotMatch(JSON.stringify(finding?.replayed), /"epoch":4/);
  }));

test('effects that were recorded and do not come are a difference, like those that come and were not recorded', () =>
  withDirectory((directory) => {
    const isRelease = (line: string): boolean => /"out":.*"cause":"planned"/.test(line);
    const without = edited(directory, (lines) => lines.filter((line) => !isRelease(line)));
    assert.deepEqual(
      without.findings.map(({ problem, recorded }) => [problem, recorded]),
      [['the effects differ', []]],
    );
    const added = edited(directory, (lines) => [
      ...lines.slice(0, -1),
      lines.at(-1) as string,
      '{"n":35,"out":[{"type":"exit"}],"h":"0000000000000000"}',
    ]);
    assert.deepEqual(
      added.findings.map(({ problem, replayed: now }) => [problem, now]),
      [['the effects differ', []]],
    );
  }));

test('a flipped bit anywhere is named by its line, and never ends the program', () =>
  withDirectory((directory) => {
    const [name = ''] = readdirSync(join(CUT, 'n2'));
    const whole = readFileSync(join(CUT, 'n2', name));
    const file = join(directory, name);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: whole.length - 1 }),
        fc.integer({ min: 0, max: 7 }),
        (at, bit) => {
          const bytes = Buffer.from(whole);
          bytes[at] = (bytes[at] as number) ^ (1 << bit);
          writeFileSync(file, bytes);
          const line = whole.subarray(0, at).filter((byte) => byte === 0x0a).length + 1;
          const { findings } = replayed(file);
          // The newline at the very end: then its line was torn.
          if (at === whole.length - 1) return;
          assert.equal(findings[0]?.line, line, `bit ${bit} of octet ${at}`);
        },
      ),
      { numRuns: 300 },
    );
  }));

test('noise instead of a journal is refused in words, however it looks', () =>
  withDirectory((directory) => {
    const file = join(directory, 'n1.ndjson');
    const line = fc.oneof(
      fc.string(),
      fc.json(),
      fc.jsonValue().map((value) => seal(NO_HASH, JSON.stringify(value)).line),
      fc.constantFrom(
        '{"holdfast":"journal","format":1,"h":"0123456789abcdef"}',
        '{"checkpoint":null,"next":1}',
      ),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        writeFileSync(file, lines.join('\n'));
        const { findings, inputs } = replayed(file);
        assert.ok(findings.length > 0);
        assert.equal(inputs, 0);
      }),
      { numRuns: 300 },
    );
  }));

test('a file of a hundred thousand damaged lines gives a hundred and one findings', () =>
  withDirectory((directory) => {
    const { findings } = edited(directory, (lines) => [...lines, ...Array<string>(100_000).fill('noise')]);
    assert.equal(findings.length, 101);
    assert.match(findings.at(-1)?.problem ?? '', /more/);
  }));

test('a journal named twice, by its folder and by its file, is replayed once', () =>
  withDirectory((directory) => {
    cpSync(CUT, directory, { recursive: true });
    const [name] = readdirSync(join(directory, 'n2'));
    const { files } = openJournals([directory, join(directory, 'n2', name as string)]);
    assert.equal(files.length, 3);
  }));
