// The overview as lines of text for a terminal of a given size, or as one plain table without any. Pure.
import { COLUMNS, type Column } from '../../ui/list-order.ts';
import type { ListedIp, NodeRow } from '../../ui/rows.ts';
import { ago, timeOfDay } from '../../ui/words.ts';
import { table } from '../table.ts';
import type { Looks, Shown } from './overview.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Scene {
  readonly shown: Shown | null;
  readonly looks: Looks;
  /** The daemon's clock, milliseconds since 1970. */
  readonly now: number;
  /** Why the daemon is not heard, and since when (milliseconds since 1970); null: it is. */
  readonly away: { readonly why: string; readonly since: number } | null;
  /** SGR colours; never with NO_COLOR. */
  readonly isColoured: boolean;
}

type Paint = 'good' | 'busy' | 'bad' | 'soft' | 'bold' | 'head';
/** SGR (ECMA-48, 8.3.117): the eight colours that every terminal has. */
const SGR: Readonly<Record<Paint, string>> = {
  good: '32',
  busy: '33',
  bad: '31;1',
  soft: '2',
  bold: '1',
  head: '7',
};

const STATE_PAINT: Readonly<Record<string, Paint>> = {
  leader: 'good',
  candidate: 'busy',
  draining: 'busy',
  alive: 'good',
  ready: 'good',
  late: 'busy',
  vouched: 'busy',
  unproven: 'busy',
  drained: 'busy',
  dead: 'bad',
  'not ready': 'bad',
};

/** Whatever a node, a peer or a file name says, it steers no terminal. */
const harmless = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get through
  text.replaceAll(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '?');

/** A piece of a line, and how it is painted. */
type Piece = readonly [text: string, paint?: Paint | null];

/** Cut to `columns`, with a mark where something is missing. */
const line = (pieces: readonly Piece[], columns: number, isColoured: boolean): string => {
  let room = columns;
  let out = '';
  for (const [raw, paint = null] of pieces) {
    const text = harmless(raw);
    const fits = text.length <= room;
    const shown = fits ? text : `${text.slice(0, Math.max(room - 1, 0))}${room > 0 ? '…' : ''}`;
    out += isColoured && paint !== null && shown !== '' ? `\x1b[${SGR[paint]}m${shown}\x1b[0m` : shown;
    room -= shown.length;
    if (!fits) break;
  }
  return out;
};

const stateOf = ({ ready, drained }: NodeRow): string => {
  if (drained) return 'drained';
  return ready ? 'ready' : 'not ready';
};

const title = ({ shown, now, away }: Scene): readonly Piece[] => {
  const name: Piece[] =
    shown === null
      ? [['holdfast top', 'bold']]
      : [
          ['holdfast top  ', 'bold'],
          [shown.node.node, 'bold'],
          [` ${stateOf(shown.node)}`, STATE_PAINT[stateOf(shown.node)] ?? null],
          [`  ${shown.node.version}`, 'soft'],
        ];
  const clock: Piece = [`  ${timeOfDay(now).slice(0, 8)} UTC  `];
  return [...name, clock, away === null ? ['live', 'good'] : ['away', 'bad']];
};

const nodeLine = ({ node, interfaces, peers }: NodeRow): readonly Piece[] => {
  const count = new Set(peers.map((peer) => peer.node)).size + 1;
  const down = interfaces.filter(({ up }) => !up).map(({ name }) => name);
  const severalLinks = new Set(peers.map((peer) => peer.interface)).size > 1;
  return [
    [`Nodes (${count}): ${node} here`],
    ...(down.length === 0 ? [] : [[` (${down.join(', ')} down)`, 'bad'] as Piece]),
    ...peers.flatMap((peer): Piece[] => [
      [`, ${peer.node}${severalLinks ? ` on ${peer.interface}` : ''} `],
      [peer.state, STATE_PAINT[peer.state] ?? null],
    ]),
  ];
};

const HEADS: Readonly<Record<Column, string>> = {
  ip: 'SERVICE IP',
  state: 'STATE',
  holder: 'HOLDER',
  since: 'SINCE',
  why: 'WHY',
};

const cellsOf = ({ row }: ListedIp, now: number): Readonly<Record<Column, string>> => ({
  ip: row.ip,
  state: row.state,
  holder: `${row.holder ?? 'nobody'}${row.weak ? ' (weak)' : ''}`,
  since: ago(now - Date.parse(row.since)),
  why: row.reason,
});

/** No name of a node takes the room of the reason. */
const MAX_WIDTH: Readonly<Record<Column, number>> = {
  ip: 39,
  state: 9,
  holder: 16,
  since: 9,
  why: Number.POSITIVE_INFINITY,
};
const BETWEEN = 2;
/** A reason in less room than this says nothing: it is left out, as is what does not fit before it. */
const LEAST_WHY = 8;

const widths = (
  rows: readonly Readonly<Record<Column, string>>[],
  columns: number,
): readonly (readonly [Column, number])[] => {
  const found: (readonly [Column, number])[] = [];
  let room = columns;
  for (const column of COLUMNS) {
    const widest = Math.max(HEADS[column].length + 2, ...rows.map((row) => row[column].length));
    const wanted = Math.min(widest, MAX_WIDTH[column]);
    const width = column === 'why' ? room : wanted;
    if (column !== 'ip' && width > room - (column === 'why' ? 0 : BETWEEN)) break;
    if (column === 'why' && width < LEAST_WHY) break;
    found.push([column, width]);
    room -= width + BETWEEN;
  }
  return found;
};

const fitted = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);

const headLine = (columns: readonly (readonly [Column, number])[], { order }: Looks): readonly Piece[] =>
  columns.map(([column, width], index): Piece => {
    const mark = order.column === column ? (order.isDescending ? ' ▼' : ' ▲') : '';
    const after = index === columns.length - 1 ? 0 : BETWEEN;
    return [fitted(HEADS[column] + mark, width).padEnd(width + after), 'head'];
  });

const rowPaint = (column: Column, { row }: ListedIp): Paint | null => {
  if (column === 'holder' && row.holder === null) return 'bad';
  return column === 'state' ? (STATE_PAINT[row.state] ?? null) : null;
};

const MAX_FINDINGS = 3;
const HELP = 'q quit  / filter  s sort  r reverse  arrows scroll';

const upper = (scene: Scene): readonly (readonly Piece[])[] => {
  const { shown, looks, away } = scene;
  if (shown === null) {
    const told = away === null ? 'Waiting for what the daemon knows …' : `The daemon is away: ${away.why}.`;
    return [title(scene), [], [[told]]];
  }
  const { findings } = shown.node;
  const more = findings.length - MAX_FINDINGS;
  const gone: Piece[][] =
    away === null
      ? []
      : [
          [
            [
              `The daemon is away since ${timeOfDay(away.since).slice(0, 8)} (${away.why}); this is what it said last.`,
              'bad',
            ],
          ],
        ];
  const filter = looks.isTyping || looks.filter !== '' ? `  filter: ${looks.filter}` : '';
  return [
    title(scene),
    ...gone,
    nodeLine(shown.node),
    ...findings.slice(0, MAX_FINDINGS).map((text): readonly Piece[] => [[`! ${text}`, 'bad']]),
    ...(more > 0 ? [[[`! and ${more} more: holdfast status`, 'bad'] as Piece]] : []),
    [
      [`${shown.ips.length} of ${shown.total} shown; ${shown.counts}`],
      [filter, 'bold'],
      [looks.isTyping ? '_' : '', 'bold'],
    ],
  ];
};

/** Lines of the upper part, the head of the table and the help: what is left of `size` is rows. */
export const pageRows = (scene: Scene, { rows }: Size): number => Math.max(rows - upper(scene).length - 2, 0);

/** At most `size.rows` lines of at most `size.columns` characters each. */
export const drawScreen = (scene: Scene, size: Size): readonly string[] => {
  const { shown, looks, now, isColoured } = scene;
  const { columns, rows } = size;
  const lines = [...upper(scene)];
  if (shown !== null) {
    const seen = shown.ips.slice(looks.top, looks.top + pageRows(scene, size));
    const cells = seen.map((ip) => cellsOf(ip, now));
    const layout = widths(cells, columns);
    lines.push(headLine(layout, looks));
    for (const [index, ip] of seen.entries())
      lines.push(
        layout.map(([column, width]): Piece => {
          const text = cells[index]?.[column] ?? '';
          return [
            column === 'why' ? text : fitted(text, width).padEnd(width + BETWEEN),
            rowPaint(column, ip),
          ];
        }),
      );
    if (shown.ips.length === 0) lines.push([['No service IP has these words.', 'soft']]);
  }
  while (lines.length < rows - 1) lines.push([]);
  const below = shown === null ? 0 : shown.ips.length - looks.top - pageRows(scene, size);
  lines.splice(rows - 1);
  lines.push([[below > 0 ? `${below} more below  ` : ''], [HELP, 'soft']]);
  return lines.slice(0, rows).map((pieces) => line(pieces, columns, isColoured));
};

/** One plain table, for what is no terminal: every row, nothing cut. */
export const plainTable = ({ shown, now }: Pick<Scene, 'shown' | 'now'>): string => {
  if (shown === null) return '';
  const text = (pieces: readonly Piece[]): string => pieces.map(([piece]) => harmless(piece)).join('');
  const rows = shown.ips.map((ip) => {
    const cells = cellsOf(ip, now);
    return COLUMNS.map((column) => harmless(cells[column]));
  });
  return [
    `${shown.node.node} ${stateOf(shown.node)}, holdfast ${shown.node.version}`,
    text(nodeLine(shown.node)),
    ...shown.node.findings.map((finding) => `! ${harmless(finding)}`),
    `${shown.ips.length} of ${shown.total} shown; ${shown.counts}`,
    table([COLUMNS.map((column) => HEADS[column]), ...rows]),
  ].join('\n');
};
