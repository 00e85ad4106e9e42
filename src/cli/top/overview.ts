// What `holdfast top` shows and how keys change it, as a value. Pure: the same overview as the page's, by the same
// rows and the same order.
import { COLUMNS, type Column, type Order, orderAfter, pick } from '../../ui/list-order.ts';
import type { ListedIp, NodeRow, Told } from '../../ui/rows.ts';
import type { Key } from './keys.ts';

export interface Looks {
  readonly filter: string;
  /** The filter is being typed. */
  readonly isTyping: boolean;
  readonly order: Order;
  /** First row in sight. */
  readonly top: number;
}

export const FIRST_LOOKS: Looks = {
  filter: '',
  isTyping: false,
  order: { column: 'ip', isDescending: false },
  top: 0,
};

/** What the terminal is asked to do beside looking otherwise. */
export type Wish = 'quit' | 'suspend' | 'redraw' | null;

/** Longer than what anybody types; shorter than what a paste may bring. */
const MAX_FILTER = 200;

/** `--sort COLUMN`; null: there is no such column. */
export const readOrder = (text: string, isDescending: boolean): Order | null => {
  const column = COLUMNS.find((each) => each === text);
  return column === undefined ? null : { column, isDescending };
};

const typed = (looks: Looks, key: Key): Looks => {
  if (key === 'enter') return { ...looks, isTyping: false };
  if (key === 'escape') return { ...looks, isTyping: false, filter: '', top: 0 };
  if (key === 'clear') return { ...looks, filter: '', top: 0 };
  if (key === 'backspace') return { ...looks, filter: [...looks.filter].slice(0, -1).join(''), top: 0 };
  if (typeof key === 'string') return looks;
  return { ...looks, filter: (looks.filter + key.text).slice(0, MAX_FILTER), top: 0 };
};

const nextColumn = ({ order }: Looks): Column =>
  COLUMNS[(COLUMNS.indexOf(order.column) + 1) % COLUMNS.length] as Column;

const commanded = (looks: Looks, text: string): Looks => {
  if (text === '/') return { ...looks, isTyping: true };
  if (text === 's') return { ...looks, top: 0, order: orderAfter(looks.order, nextColumn(looks)) };
  if (text === 'r') return { ...looks, top: 0, order: orderAfter(looks.order, looks.order.column) };
  const column = COLUMNS[Number(text) - 1];
  return column === undefined ? looks : { ...looks, top: 0, order: orderAfter(looks.order, column) };
};

/** Rows on a page, and in all: where scrolling ends. */
export interface Extent {
  readonly page: number;
  readonly rows: number;
}

/** `top` moved and kept so that the page is full while there are rows for it. */
export const scrolled = (looks: Looks, by: number, { page, rows }: Extent): Looks => {
  const top = Math.min(Math.max(looks.top + by, 0), Math.max(rows - page, 0));
  return top === looks.top ? looks : { ...looks, top };
};

const SCROLL: Readonly<Record<string, (extent: Extent) => number>> = {
  up: () => -1,
  k: () => -1,
  down: () => 1,
  j: () => 1,
  pageup: ({ page }) => -page,
  pagedown: ({ page }) => page,
  ' ': ({ page }) => page,
  home: () => Number.NEGATIVE_INFINITY,
  g: () => Number.NEGATIVE_INFINITY,
  end: ({ rows }) => rows,
  G: ({ rows }) => rows,
};

/** After a key. `quit`, `suspend` and `redraw` mean the same while the filter is typed; `q` is a letter then. */
export const pressed = (
  looks: Looks,
  key: Key,
  extent: Extent,
): { readonly looks: Looks; readonly wish: Wish } => {
  if (key === 'quit' || key === 'suspend' || key === 'redraw') return { looks, wish: key };
  if (looks.isTyping) return { looks: typed(looks, key), wish: null };
  const name = typeof key === 'string' ? key : key.text;
  if (name === 'q') return { looks, wish: 'quit' };
  if (name === 'escape') return { looks: { ...looks, filter: '', top: 0 }, wish: null };
  const by = Object.hasOwn(SCROLL, name) ? SCROLL[name] : undefined;
  if (by !== undefined) return { looks: scrolled(looks, by(extent), extent), wish: null };
  return { looks: typeof key === 'string' ? looks : commanded(looks, name), wish: null };
};

/** What is known, as far as it is shown. */
export interface Shown {
  readonly node: NodeRow;
  readonly ips: readonly ListedIp[];
  readonly total: number;
  /** `2 held here, 1 held by nobody`. */
  readonly counts: string;
}

const whose = ({ row }: ListedIp): string => {
  if (row.holder === null) return 'held by nobody';
  return row.state === 'leader' ? 'held here' : 'held elsewhere';
};

/** Null: the daemon has told nothing whole yet. */
export const shownOf = ({ node, ips }: Told, { filter, order }: Looks): Shown | null => {
  if (node === null) return null;
  const counts = new Map<string, number>();
  for (const ip of ips.values()) counts.set(whose(ip), (counts.get(whose(ip)) ?? 0) + 1);
  return {
    node,
    ips: pick(ips.values(), filter, order),
    total: ips.size,
    counts: [...counts].map(([words, count]) => `${count} ${words}`).join(', '),
  };
};
