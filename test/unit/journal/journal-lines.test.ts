import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type JournalRecord,
  NO_HASH,
  openLine,
  parseBody,
  seal,
} from '../../../src/io/journal/journal-lines.ts';
import { readSegment } from '../../../src/io/journal/journal-reader.ts';
import { createCore } from '../../../src/machines/core.ts';
import { CLOCK, START } from '../../support/core.ts';

const HEADER = {
  holdfast: 'journal',
  format: 1,
  version: '0.1.0',
  node: 'n1',
  instance: 'feedfacefeedface',
  segment: 1,
  previous: NO_HASH,
  gap: null,
} as const;
const input = (n: number): JournalRecord => ({ n, at: START + n, in: CLOCK });
const RECORDS: readonly JournalRecord[] = [
  HEADER,
  { checkpoint: createCore().checkpoint(), next: 1 },
  ...[1, 2, 3, 4, 5].map(input),
];
const linesOf = (records: readonly unknown[]): string[] => {
  let hash = NO_HASH;
  return records.map((record) => {
    const sealed = seal(hash, JSON.stringify(record));
    hash = sealed.hash;
    return sealed.line;
  });
};
const LINES = linesOf(RECORDS);
const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');
const read = (lines: readonly string[], tail = '') => readSegment('s.ndjson', text(lines) + tail);
const damagedLines = (lines: readonly string[]): number[] => [
  ...new Set(read(lines).damage.map(({ line }) => line)),
];

test('a sealed line is read back as what it was, and follows the line before it and no other', () => {
  const first = seal(NO_HASH, JSON.stringify(HEADER));
  const second = seal(first.hash, '{"text":"a \\"quoted\\" } and ,\\"h\\":\\"0123456789abcdef\\"}"}');
  const opened = openLine(first.hash, second.line);
  assert.ok(opened.ok && opened.follows);
  assert.deepEqual(parseBody(opened.body), { text: 'a "quoted" } and ,"h":"0123456789abcdef"}' });
  const elsewhere = openLine(NO_HASH, second.line);
  assert.ok(elsewhere.ok && !elsewhere.follows);
});

test('a whole segment is read without damage', () => {
  const { segment, damage } = read(LINES);
  assert.deepEqual(damage, []);
  assert.deepEqual([segment?.steps.length, segment?.isTorn, segment?.header], [5, false, HEADER]);
});

const changed = LINES.map((line, index) => (index === 4 ? line.replace('"clock"', '"clocK"') : line));
const swapped = [...LINES.slice(0, 3), LINES[4] as string, LINES[3] as string, ...LINES.slice(5)];
// what, the lines, the first line blamed (1-based)
const DAMAGED: readonly (readonly [string, readonly string[], number])[] = [
  ['a changed line', changed, 5],
  ['a missing line', [...LINES.slice(0, 3), ...LINES.slice(4)], 4],
  ['two lines in the wrong order', swapped, 4],
  ['a line twice', [...LINES.slice(0, 4), ...LINES.slice(3)], 5],
  [
    'a line of another journal',
    [...LINES.slice(0, 4), seal('f'.repeat(16), JSON.stringify(input(3))).line, ...LINES.slice(4)],
    5,
  ],
  ['a line that is no JSON', [...LINES.slice(0, 4), 'nonsense', ...LINES.slice(5)], 5],
  ['an empty line', [...LINES.slice(0, 4), '', ...LINES.slice(4)], 5],
  ['a changed header', [(LINES[0] as string).replace('"n1"', '"n2"'), ...LINES.slice(1)], 1],
  [
    'a changed hash',
    LINES.map((line, index) => (index === 4 ? line.replace(/.{16}"\}$/, '0123456789abcdef"}') : line)),
    5,
  ],
  ['a second header in the middle', linesOf([...RECORDS.slice(0, 4), HEADER, ...RECORDS.slice(4)]), 5],
];
for (const [what, lines, line] of DAMAGED) {
  test(`${what} is named by its line`, () => {
    assert.equal(damagedLines(lines)[0], line);
  });
}

test('damage in one line leaves the others readable', () => {
  assert.equal(read(changed).segment?.steps.length, 5);
  assert.equal(read([...LINES.slice(0, 4), 'nonsense', ...LINES.slice(5)]).segment?.steps.length, 4);
});

test('a torn tail is no damage, wherever it was torn', () => {
  const last = LINES.at(-1) as string;
  for (let length = 1; length <= last.length; length += 7) {
    const { segment, damage } = read(LINES.slice(0, -1), last.slice(0, length));
    assert.deepEqual([damage, segment?.isTorn, segment?.steps.length], [[], true, 4]);
  }
});

test('what is no journal is refused with the line and the reason', () => {
  assert.match(readSegment('s', '{"a":1}\n').damage[0]?.reason ?? '', /does not end in a hash/);
  assert.match(read(linesOf([RECORDS[1]])).damage[0]?.reason ?? '', /does not begin with a journal header/);
  assert.match(read(linesOf([HEADER, input(1)])).damage[0]?.reason ?? '', /second line is no checkpoint/);
  assert.match(read(linesOf([{ ...HEADER, format: 99 }])).damage[0]?.reason ?? '', /format 99/);
});

test('effects are attached to their input, also when a batch of inputs stands before them', () => {
  const records = [...RECORDS, { n: 4, out: [{ type: 'exit' }] }, { n: 5, out: [{ type: 'exit' }] }];
  const { segment, damage } = read(linesOf(records));
  assert.deepEqual(damage, []);
  assert.deepEqual(
    segment?.steps.map(({ output }) => output !== null),
    [false, false, false, true, true],
  );
  assert.equal(read(linesOf([...RECORDS, { n: 9, out: [] }])).damage[0]?.line, 8);
});
