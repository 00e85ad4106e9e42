// The parts of `holdfast top` that need no terminal: bytes to keys, events out of pieces, what is drawn at any size.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createEventParser } from '../../../src/cli/top/event-stream.ts';
import { readKeys } from '../../../src/cli/top/keys.ts';
import { FIRST_LOOKS, type Looks, pressed, scrolled, shownOf } from '../../../src/cli/top/overview.ts';
import { drawScreen, pageRows, plainTable, type Scene } from '../../../src/cli/top/screen.ts';
import { createRows, type ServiceRow } from '../../../src/ui/rows.ts';

const SINCE = '2026-11-20T12:00:00.000Z';
const NOW = Date.parse(SINCE) + 90_000;

const row = (ip: string, over: Partial<ServiceRow> = {}): ServiceRow => ({
  ip,
  state: 'unowned',
  substate: null,
  holder: 'n2',
  epoch: 3,
  weak: false,
  since: SINCE,
  cause: 'holder-dead',
  reason: 'n2 silent for 204 ms',
  interface: 'eth0',
  mac: null,
  movingTo: null,
  stays: null,
  clients: 0,
  clientsConfirmed: 0,
  staleClients: 0,
  ...over,
});

const toldOf = (ips: readonly ServiceRow[], findings: readonly string[] = []) => {
  const rows = createRows();
  rows.take([
    ...ips,
    {
      kind: 'node',
      node: 'n1',
      ready: true,
      drained: false,
      operable: false,
      version: '0.1.0',
      interfaces: [{ name: 'eth0', mac: '02:00:00:00:01:01', up: true }],
      peers: [{ node: 'n2', interface: 'eth0', state: 'alive' }],
      findings,
    },
  ]);
  return rows.told();
};

const sceneOf = (
  ips: readonly ServiceRow[],
  over: Partial<Scene> = {},
  looks: Looks = FIRST_LOOKS,
): Scene => ({
  shown: shownOf(toldOf(ips), looks),
  looks,
  now: NOW,
  away: null,
  isColoured: false,
  ...over,
});

const MANY = Array.from({ length: 300 }, (_, index) =>
  row(
    index % 3 === 0
      ? `fd99:1111:2222:3333:4444:5555:6666:${(index + 4096).toString(16)}`
      : `10.99.1.${index % 250}`,
  ),
);

test('keys are read whole and in pieces: arrows of both modes, text, and ESC alone', () => {
  assert.deepEqual(readKeys('\x1b[A\x1bOBx\r\x7f\x03é', false), {
    keys: ['up', 'down', { text: 'x' }, 'enter', 'backspace', 'quit', { text: 'é' }],
    rest: '',
  });
  for (const part of ['\x1b', '\x1b[', '\x1b[5', '\x1bO'])
    assert.deepEqual(readKeys(part, false), { keys: [], rest: part });
  assert.deepEqual(readKeys('\x1b[5~', false).keys, ['pageup']);
  assert.deepEqual(readKeys('\x1b', true), { keys: ['escape'], rest: '' });
  assert.deepEqual(readKeys('\x1b[200~\x1b[1;5C', false), { keys: [], rest: '' });
});

test('however its bytes are cut, a terminal that sends anything is read to the end', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('\x1b', '[', 'O', 'A', '5', '~', ';', 'q', '\x00', '💡'), { maxLength: 30 }),
      (pieces) => {
        const text = pieces.join('');
        assert.equal(readKeys(text, true).rest, '');
        assert.ok(readKeys(text, false).rest.length <= text.length);
      },
    ),
  );
});

test('events come out whole, wherever the stream is cut', () => {
  const stream =
    'retry: 1000\n\nevent: rows\ndata: [1]\n\nevent: upto\nid: ab-3\ndata: true\n\n: comment\n\n';
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length), { maxLength: 6 }), (cuts) => {
      const seen: unknown[] = [];
      const parser = createEventParser((...event) => seen.push(event));
      let from = 0;
      for (const to of [...cuts.toSorted((a, b) => a - b), stream.length]) {
        parser.take(stream.slice(from, to));
        from = to;
      }
      assert.deepEqual(seen, [
        ['rows', '[1]', null],
        ['upto', 'true', 'ab-3'],
      ]);
    }),
  );
});

test('what never ends an event is refused before it fills the memory', () => {
  const parser = createEventParser(() => {});
  assert.throws(() => {
    for (let count = 0; count < 40; count += 1) parser.take('x'.repeat(1_048_576));
  }, /what is no event/);
});

test('no picture has more lines or columns than the terminal, whatever its size and what is known', () => {
  const away = { why: 'ECONNREFUSED', since: NOW };
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 1, max: 60 }),
      fc.nat(MANY.length),
      fc.nat(400),
      fc.boolean(),
      (columns, rows, count, top, isAway) => {
        const looks = { ...FIRST_LOOKS, top };
        const scene = sceneOf(MANY.slice(0, count), isAway ? { away } : {}, looks);
        const lines = drawScreen(scene, { columns, rows });
        assert.ok(lines.length <= rows, `${lines.length} lines in ${rows}`);
        for (const line of lines) assert.ok(line.length <= columns, `${line.length} of ${columns}: ${line}`);
        drawScreen({ ...scene, shown: null }, { columns, rows });
      },
    ),
    { numRuns: 200 },
  );
});

test('80 columns have room for the longest address, its holder and the beginning of the reason', () => {
  const [, , , head, line] = drawScreen(sceneOf(MANY.slice(0, 1)), { columns: 80, rows: 24 });
  assert.match(head ?? '', /^SERVICE IP ▲ +STATE +HOLDER +SINCE +WHY/);
  assert.match(line ?? '', /^fd99:1111:2222:3333:4444:5555:6666:1000 {2}unowned {2}n2 {8}90 s {5}n2 silent/);
});

test('scrolling ends where the rows end, and a filter begins at the top', () => {
  const size = { columns: 80, rows: 24 };
  const extent = { page: pageRows(sceneOf(MANY), size), rows: MANY.length };
  const end = pressed(FIRST_LOOKS, 'end', extent).looks;
  assert.equal(end.top, MANY.length - extent.page);
  assert.equal(scrolled(end, 1, extent), end);
  const typing = pressed(end, { text: '/' }, extent).looks;
  const typed = pressed(typing, { text: 'q' }, extent);
  assert.deepEqual([typed.looks.filter, typed.looks.top, typed.wish], ['q', 0, null]);
  assert.equal(pressed(typed.looks, 'escape', extent).looks.filter, '');
  assert.equal(pressed(FIRST_LOOKS, { text: 'q' }, extent).wish, 'quit');
});

test('what a node says steers no terminal', () => {
  const evil = row('10.99.0.1', { reason: 'x\x1b]0;owned\x07\x9b2J\u202e', holder: 'n\r2' });
  const told = toldOf([evil], ['\x1b[2J']);
  const shown = shownOf(told, FIRST_LOOKS);
  const drawn = drawScreen({ ...sceneOf([]), shown }, { columns: 120, rows: 24 });
  for (const text of [...drawn, ...plainTable({ shown, now: NOW }).split('\n')])
    assert.doesNotMatch(text, /[\p{Cc}\p{Cf}]/u);
});
