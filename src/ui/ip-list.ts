// The list of service IPs: a table whose rows exist only while they are in sight.
import { signal } from '@preact/signals';
import { type ComponentChildren, h } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { COLUMNS, type Column, type Order } from './list-order.ts';
import { clock, clockOffset } from './live.ts';
import { rowWindow } from './row-window.ts';
import type { ListedIp } from './rows.ts';
import { ago, moment, reasonOf } from './words.ts';

/** As in page.css. */
const ROW_HEIGHT = 36;
const NAMES: Readonly<Record<Column, string>> = {
  ip: 'IP',
  state: 'State here',
  holder: 'Holder',
  since: 'Since',
  why: 'Why',
};

const scrolled = signal(0);
const height = signal(800);

export interface IpListProps {
  readonly ips: readonly ListedIp[];
  readonly order: Order;
  readonly onOrder: (column: Column) => void;
}

const sortOf = (order: Order, column: Column): 'none' | 'ascending' | 'descending' => {
  if (order.column !== column) return 'none';
  return order.isDescending ? 'descending' : 'ascending';
};
const MARKS = { none: '', ascending: ' ▲', descending: ' ▼' } as const;

const Head = ({ order, onOrder }: Omit<IpListProps, 'ips'>): ComponentChildren =>
  h(
    'div',
    { role: 'row', class: 'row head', 'aria-rowindex': 1 },
    COLUMNS.map((column) => {
      const sort = sortOf(order, column);
      return h(
        'div',
        { key: column, role: 'columnheader', class: column, 'aria-sort': sort },
        h(
          'button',
          { type: 'button', onClick: () => onOrder(column) },
          NAMES[column],
          h('span', { 'aria-hidden': 'true' }, MARKS[sort]),
        ),
      );
    }),
  );

const Row = ({ ip: { row }, index, now }: { ip: ListedIp; index: number; now: number }): ComponentChildren =>
  h(
    'div',
    {
      role: 'row',
      class: `row ${row.state}${row.holder === null ? ' vacant' : ''}`,
      'aria-rowindex': index + 2,
      style: { transform: `translateY(${index * ROW_HEIGHT}px)` },
    },
    h('div', { role: 'cell', class: 'ip' }, h('a', { href: `#/ip/${row.ip}` }, row.ip)),
    h('div', { role: 'cell', class: 'state' }, h('span', { class: `badge ${row.state}` }, row.state)),
    h('div', { role: 'cell', class: 'holder' }, row.holder ?? 'nobody', row.weak ? ' (weak)' : ''),
    h(
      'div',
      { role: 'cell', class: 'since', title: `${moment(row.since)} UTC` },
      ago(now - Date.parse(row.since)),
    ),
    h('div', { role: 'cell', class: 'why', title: reasonOf(row) }, reasonOf(row)),
  );

export const IpList = ({ ips, order, onOrder }: IpListProps): ComponentChildren => {
  const body = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const look = (): void => {
      scrolled.value = -(body.current?.getBoundingClientRect().top ?? 0);
      height.value = innerHeight;
    };
    look();
    addEventListener('scroll', look, { passive: true });
    addEventListener('resize', look);
    return () => {
      removeEventListener('scroll', look);
      removeEventListener('resize', look);
    };
  }, []);
  const { from, to } = rowWindow(scrolled.value, height.value, ROW_HEIGHT, ips.length);
  const now = clock.value + clockOffset.value;
  return h(
    'div',
    { role: 'table', class: 'ips', 'aria-labelledby': 'ips', 'aria-rowcount': ips.length + 1 },
    h('div', { role: 'rowgroup' }, h(Head, { order, onOrder })),
    h(
      'div',
      { role: 'rowgroup', class: 'body', ref: body, style: { height: `${ips.length * ROW_HEIGHT}px` } },
      ips.slice(from, to).map((ip, index) => h(Row, { key: ip.row.ip, ip, index: from + index, now })),
    ),
    ips.length === 0 ? h('p', { class: 'empty' }, 'No service IP has these words.') : null,
  );
};
