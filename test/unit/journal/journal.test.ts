import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { bytesIn, closed, createRecorder, read, sleep, storyTurn, withDirectory } from './recorder.ts';

const KIB = 1024;
const PROCESS = join(import.meta.dirname, 'recorder-process.ts');

test('what is journaled is read back in order, without damage, and replays identical', () =>
  withDirectory(async (directory) => {
    const recorder = createRecorder(directory);
    for (let index = 0; index < 200; index += 1) recorder.turn(...storyTurn(index));
    await closed(recorder.journal);
    const { segments, damage, inputs, divergences } = read(directory);
    assert.deepEqual([damage, divergences, recorder.gaps], [[], [], []]);
    assert.equal(inputs.length, recorder.journal.counters.inputs);
    assert.deepEqual(
      inputs,
      inputs.map((_, index) => index + 1),
    );
    assert.equal(segments[0]?.header.node, 'n1');
    const outputs = segments.flatMap(({ steps }) => steps.filter(({ output }) => output !== null));
    assert.ok(outputs.length > 50, 'effects are there to be compared');
  }));

test('a journal whose last effects were never written replays identical; one that lost a middle line does not', () =>
  withDirectory(async (directory) => {
    const recorder = createRecorder(directory);
    for (let index = 0; index < 24; index += 1) recorder.turn(...storyTurn(index));
    await closed(recorder.journal);
    const [name] = readdirSync(directory);
    const file = join(directory, name as string);
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    const lastOutput = lines.findLastIndex((line) => line.includes('"out":'));
    writeFileSync(file, `${lines.slice(0, lastOutput).join('\n')}\n`);
    assert.deepEqual([read(directory).damage, read(directory).divergences], [[], []]);
    const firstOutput = lines.findIndex((line) => line.includes('"out":'));
    writeFileSync(file, `${lines.filter((_, index) => index !== firstOutput).join('\n')}\n`);
    assert.equal(read(directory).damage[0]?.line, firstOutput + 1);
    assert.equal(read(directory).divergences.length, 1);
  }));

test('segments are cut and the oldest deleted so that the journal never exceeds its size', () =>
  withDirectory(async (directory) => {
    const maxBytes = 64 * KIB;
    const recorder = createRecorder(directory, { maxBytes });
    let largest = 0;
    for (let index = 0; index < 3_000; index += 1) {
      recorder.turn(...storyTurn(index));
      if (index % 10 === 0) largest = Math.max(largest, bytesIn(directory));
    }
    await closed(recorder.journal);
    const { segments, damage, divergences, inputs } = read(directory);
    assert.deepEqual([damage, divergences], [[], []]);
    assert.ok((segments[0]?.header.segment ?? 0) > 1, 'old segments are deleted');
    assert.ok(segments.length >= 4, 'most of the past is kept');
    assert.equal(inputs.at(-1), recorder.journal.counters.inputs);
    assert.ok(largest <= maxBytes, `${largest} bytes, ${maxBytes} are allowed`);
  }));

test('what the counter calls bytes is what stands on the disk', () =>
  withDirectory(async (directory) => {
    const recorder = createRecorder(directory);
    for (let index = 0; index < 500; index += 1) recorder.turn(...storyTurn(index));
    await closed(recorder.journal);
    const error = Math.abs(recorder.journal.counters.bytes - bytesIn(directory)) / bytesIn(directory);
    assert.ok(error < 0.01, `off by ${Math.round(error * 100)} %`);
  }));

test('a missing segment is named', () =>
  withDirectory(async (directory) => {
    const recorder = createRecorder(directory, { maxBytes: 64 * KIB });
    for (let index = 0; index < 400; index += 1) recorder.turn(...storyTurn(index));
    await closed(recorder.journal);
    const names = readdirSync(directory).sort();
    assert.ok(names.length >= 3);
    rmSync(join(directory, names[1] as string));
    const { damage } = read(directory);
    assert.deepEqual(
      damage.map(({ file, line }) => [file, line]),
      [[join(directory, names[2] as string), 1]],
    );
    assert.match(damage[0]?.reason ?? '', /missing/);
  }));

test('segments keep their order past the 9,999th', () =>
  withDirectory((directory) => {
    for (const number of ['00009999', '00010000'])
      writeFileSync(join(directory, `n1-20261120T120000.000Z-feedface-${number}.ndjson`), '');
    const { damage } = read(directory);
    assert.deepEqual(
      damage.map(({ file }) => file.slice(-12)),
      ['09999.ndjson', '10000.ndjson'],
    );
  }));

test('a second life in the same directory is another chain, not a break of the first', () =>
  withDirectory(async (directory) => {
    for (const instance of ['1111111111111111', '2222222222222222']) {
      const recorder = createRecorder(directory, { instance });
      for (let index = 0; index < 30; index += 1) recorder.turn(...storyTurn(index));
      await closed(recorder.journal);
    }
    const { segments, damage, divergences } = read(directory);
    assert.deepEqual([segments.length, damage, divergences], [2, [], []]);
  }));

test('a process killed before its first line was written leaves no damage', () =>
  withDirectory(async (directory) => {
    const recorder = createRecorder(directory);
    recorder.turn(...storyTurn(0));
    await closed(recorder.journal);
    const [whole] = readdirSync(directory);
    writeFileSync(join(directory, 'n1-20991120T120000.000Z-aaaaaaaa-00000001.ndjson.tmp'), '');
    writeFileSync(
      join(directory, 'n1-20991120T120001.000Z-bbbbbbbb-00000001.ndjson.tmp'),
      '{"holdfast":"jour',
    );
    assert.deepEqual(read(directory).damage, []);
    const next = createRecorder(directory, { instance: 'cccccccccccccccc' });
    next.turn(...storyTurn(0));
    await closed(next.journal);
    const names = readdirSync(directory);
    assert.deepEqual([names.length, names.includes(whole as string)], [2, true], 'the litter is swept away');
    assert.deepEqual(read(directory).damage, []);
  }));

test('a segment that has its name is there: emptied, or cut within its first line, it is damage', () =>
  withDirectory((directory) => {
    for (const [index, text] of ['', '{"holdfast":"jour'].entries())
      writeFileSync(join(directory, `n1-20991120T120000.000Z-aaaaaaa${index}-00000001.ndjson`), text);
    assert.deepEqual(
      read(directory).damage.map(({ line, reason }) => [line, reason]),
      [
        [0, 'the file is empty'],
        [0, 'it ends within its first line'],
      ],
    );
  }));

test('a segment that lost its last lines is named by the one that follows it', () =>
  withDirectory(async (directory) => {
    const recorder = createRecorder(directory, { maxBytes: 64 * KIB });
    for (let index = 0; index < 400; index += 1) recorder.turn(...storyTurn(index));
    await closed(recorder.journal);
    const [, second, third] = readdirSync(directory).sort();
    const file = join(directory, second as string);
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    writeFileSync(file, `${lines.slice(0, -3).join('\n')}\n`);
    const { damage } = read(directory);
    assert.deepEqual(
      damage.map((found) => [found.file, found.line]),
      [[join(directory, third as string), 1]],
    );
    assert.match(damage[0]?.reason ?? '', /the end of .* is missing or was changed/);
  }));

const isRoot = process.getuid?.() === 0;

test(
  'a full disk costs records, which are counted; when space returns the journal goes on without damage',
  {
    skip: isRoot ? false : 'only root can mount a small tmpfs',
  },
  (context) =>
    withDirectory(async (parent) => {
      const directory = join(parent, 'full');
      mkdirSync(directory);
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', directory]);
      if (mounted.status !== 0) return context.skip(`cannot mount a tmpfs here: ${mounted.stderr}`);
      try {
        const filler = join(directory, 'filler');
        writeFileSync(filler, Buffer.alloc(192 * KIB));
        const recorder = createRecorder(directory, { maxBytes: 8 * KIB * KIB });
        let index = 0;
        const begun = Date.now();
        while (recorder.gaps.length === 0 && Date.now() - begun < 20_000) {
          for (let turn = 0; turn < 20; turn += 1) recorder.turn(...storyTurn(index++));
          await sleep(1);
        }
        assert.deepEqual([recorder.gaps[0]?.reason, recorder.journal.failing()], ['ENOSPC', 'ENOSPC']);
        const before = performance.now();
        for (let turn = 0; turn < 200; turn += 1) recorder.turn(...storyTurn(index++));
        assert.ok(performance.now() - before < 1_000, 'a full disk makes turns slow');
        rmSync(filler);
        for (let tries = 0; tries < 100 && recorder.journal.failing() !== null; tries += 1) {
          await sleep(50);
          recorder.turn(...storyTurn(index++));
        }
        assert.equal(recorder.journal.failing(), null, 'it writes again');
        for (let turn = 0; turn < 20; turn += 1) recorder.turn(...storyTurn(index++));
        await closed(recorder.journal);
        const { segments, damage, divergences, inputs } = read(directory);
        assert.deepEqual([damage, divergences], [[], []]);
        const missing = recorder.journal.counters.inputs - inputs.length;
        const said = segments.reduce((sum, { header }) => sum + (header.gap?.inputs ?? 0), 0);
        assert.ok(missing > 0);
        assert.deepEqual(
          { said, counted: recorder.journal.counters.lostInputs, reported: recorder.gaps.at(-1)?.inputs },
          { said: missing, counted: missing, reported: missing },
        );
      } finally {
        spawnSync('umount', ['-l', directory]);
      }
    }),
);

const firstLine = async (child: ChildProcess): Promise<void> => {
  await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data');
};

for (let run = 0; run < 10; run += 1) {
  const delay = 5 + run * 23;
  test(`SIGKILL ${delay} ms into the story leaves a readable journal whose replay is identical`, () =>
    withDirectory(async (directory) => {
      const child = spawn(process.execPath, [PROCESS, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
      await firstLine(child);
      await sleep(delay);
      child.kill('SIGKILL');
      await once(child, 'exit');
      const { damage, divergences, inputs } = read(directory);
      assert.deepEqual([damage, divergences], [[], []]);
      assert.ok(inputs.length > 0);
    }));
}
