import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { MAX_KEYS, readKeys } from '../../src/io/keys.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-keys-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'keys');

const reading = (content: string | Uint8Array, mode = 0o600) => {
  writeFileSync(file, content);
  chmodSync(file, mode);
  return readKeys(file);
};

const keysOf = (content: string): readonly string[] => {
  const result = reading(content);
  assert.ok(result.ok, result.ok ? '' : result.problem);
  return result.keys.map((key) => Buffer.from(key).toString('hex'));
};

const utf8 = (text: string): string => Buffer.from(text).toString('hex');
const HEX = '000102030405060708090a0b0c0d0e0f';

// what, line, key in hex
const READ: readonly (readonly [string, string, string])[] = [
  ['32 hex digits', HEX, HEX],
  ['hex in capitals', HEX.toUpperCase(), HEX],
  ['64 hex digits', HEX + HEX, HEX + HEX],
  ['base64 without padding', 'AAECAwQFBgcICQoLDA0ODw', HEX],
  ['base64 with padding', 'AAECAwQFBgcICQoLDA0ODw==', HEX],
  [
    'what is almost base64 but has stray bits, as text',
    'AAECAwQFBgcICQoLDA0ODx',
    utf8('AAECAwQFBgcICQoLDA0ODx'),
  ],
  ['base64 with half its padding, as text', 'AAECAwQFBgcICQoLDA0ODw=', utf8('AAECAwQFBgcICQoLDA0ODw=')],
  ['base64 of the URL alphabet, as text', '__________________________', utf8('__________________________')],
  ['text of 16 characters', 'sixteen letters!', utf8('sixteen letters!')],
  ['text with spaces within', 'correct horse battery staple', utf8('correct horse battery staple')],
  ['text with a # within', 'correct horse #1 staple', utf8('correct horse #1 staple')],
  ['text that is not ASCII', 'sechzehn Zeichen ä', utf8('sechzehn Zeichen ä')],
];

for (const [what, line, key] of READ) {
  test(`a key line may be ${what}`, () => {
    assert.deepEqual(keysOf(`${line}\n`), [key]);
    assert.deepEqual(keysOf(` \t${line} \r\n`), [key], 'space around it does not count');
  });
}

test('keys keep their order; blank lines and comments are skipped', () => {
  const other = '11'.repeat(16);
  assert.deepEqual(keysOf(`# new\n${HEX}\n\n  # old, until Friday\n${other}`), [HEX, other]);
  assert.deepEqual(keysOf(`\uFEFF${HEX}`), [HEX]);
});

// what, content, what the problem says
const REFUSED: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
  ['an empty file', '', /has no key; one a line: hex of 32/],
  ['comments only', '# soon\n\n', /has no key/],
  ['short text', `${HEX}\n\nfifteen letters\n`, /line 3: has 15 characters; hex of 32 digits or more/],
  ['text of 16 UTF-16 units but 8 characters', '😀'.repeat(8), /line 1: has 8 characters/],
  ['hex with a digit lost', HEX.slice(1), /line 1: has 31 hex digits; 32 or more/],
  ['hex with a digit too many', `${HEX}0`, /line 1: has 33 hex digits; an even number/],
  ['too many keys', `${HEX}\n`.repeat(MAX_KEYS + 1), /has more than 16 keys/],
  ['no UTF-8', Uint8Array.of(0xff, 0xfe, 0x41), /is not UTF-8/],
  ['a large file', `#${'-'.repeat(70_000)}\n${HEX}`, /is larger than 64 KiB/],
];

for (const [what, content, problem] of REFUSED) {
  test(`${what} is refused in one line that names the file`, () => {
    const result = reading(content);
    assert.ok(!result.ok);
    assert.match(result.problem, problem);
    assert.ok(result.problem.startsWith(`${file}: `) && !result.problem.includes('\n'));
  });
}

test('sixteen keys are read', () => {
  assert.equal(keysOf(`${HEX}\n`.repeat(MAX_KEYS)).length, MAX_KEYS);
});

test('no problem quotes a key: problems go to logs', () => {
  for (const secret of ['hunter2', HEX.slice(2)]) {
    const result = reading(secret);
    assert.ok(!result.ok && !result.problem.includes(secret));
  }
});

test('a file that others may read is used, and said to be unwise', () => {
  for (const mode of [0o640, 0o604, 0o644, 0o666]) {
    const result = reading(HEX, mode);
    assert.ok(result.ok);
    assert.match(
      result.warning ?? '',
      new RegExp(`^${file}: mode 0${mode.toString(8)} lets other users read`),
    );
  }
  for (const mode of [0o600, 0o400]) {
    const result = reading(HEX, mode);
    assert.ok(result.ok && result.warning === null);
  }
});

test('what is no readable file is refused without waiting', () => {
  const problemOf = (path: string): string => {
    const result = readKeys(path);
    return result.ok ? '' : result.problem;
  };
  assert.match(problemOf(join(folder, 'absent')), /absent: does not exist; a file with one key a line/);
  mkdirSync(join(folder, 'folder'));
  assert.match(problemOf(join(folder, 'folder')), /is not a regular file/);
  symlinkSync('loop', join(folder, 'loop'));
  assert.match(problemOf(join(folder, 'loop')), /leads back to itself/);
  assert.match(problemOf('/dev/zero'), /is not a regular file/);
  assert.match(problemOf(`${file}/below`), /lies below something that is not a directory/);
  assert.match(problemOf('a\0b'), /cannot be read/);
  assert.ok(!problemOf('a\nb').includes('\n'));
});
