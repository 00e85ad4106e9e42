// Which service IPs the list shows, and in which order. Pure.
import type { ListedIp } from './rows.ts';
import { reasonOf } from './words.ts';

export const COLUMNS = ['ip', 'state', 'holder', 'since', 'why'] as const;
export type Column = (typeof COLUMNS)[number];

export interface Order {
  readonly column: Column;
  readonly isDescending: boolean;
}

/** What wants attention comes first. */
const STATES: readonly string[] = ['candidate', 'draining', 'leader', 'unowned'];

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const BY: Readonly<Record<Column, (a: ListedIp, b: ListedIp) => number>> = {
  ip: () => 0,
  state: (a, b) => STATES.indexOf(a.row.state) - STATES.indexOf(b.row.state),
  // Whom nobody holds first: an empty name sorts before every other.
  holder: (a, b) => compare(a.row.holder ?? '', b.row.holder ?? ''),
  since: (a, b) => compare(a.row.since, b.row.since),
  why: (a, b) => compare(reasonOf(a.row), reasonOf(b.row)),
};

/** Those whose text has every word, in order; equals by address. */
export const pick = (ips: Iterable<ListedIp>, filter: string, order: Order): readonly ListedIp[] => {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const found: ListedIp[] = [];
  for (const ip of ips) if (words.every((word) => ip.text.includes(word))) found.push(ip);
  const by = BY[order.column];
  const sign = order.isDescending ? -1 : 1;
  return found.sort((a, b) => sign * (by(a, b) || compare(a.order, b.order)));
};

/** The order after a click on a column's name: the other way round, or that column from its beginning. */
export const orderAfter = (order: Order, column: Column): Order => ({
  column,
  isDescending: order.column === column && !order.isDescending,
});
