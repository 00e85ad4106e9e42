// The overview: what is wrong, which nodes there are, and every service IP with its state, holder and reason.
import { computed, signal } from '@preact/signals';
import { type ComponentChildren, h } from 'preact';
import { IpList } from './ip-list.ts';
import { type Order, orderAfter, pick } from './list-order.ts';
import { told } from './live.ts';
import { openActDialog } from './operate-dialog.ts';
import { isOperator } from './operator.ts';
import type { NodeRow } from './rows.ts';

// Kept here, so that whoever comes back from one IP finds the list as he left it.
const filter = signal('');
const order = signal<Order>({ column: 'ip', isDescending: false });
const picked = computed(() => pick(told.value.ips.values(), filter.value, order.value));

const Findings = ({ findings }: { readonly findings: readonly string[] }): ComponentChildren =>
  findings.length === 0
    ? null
    : h(
        'section',
        { class: 'findings', 'aria-label': 'What to look at' },
        h('h2', null, 'Look at this'),
        h(
          'ul',
          null,
          findings.map((text) => h('li', { key: text }, text)),
        ),
      );

const chip = (name: string, state: string, where: string): ComponentChildren =>
  h(
    'li',
    { key: `${name} ${where}`, class: `chip ${state.replaceAll(' ', '-')}` },
    h('strong', null, name),
    h('span', { class: 'state' }, state),
    h('span', { class: 'where' }, where),
  );

const ownState = ({ ready, drained }: NodeRow): string => {
  if (drained) return 'drained';
  return ready ? 'ready' : 'not ready';
};

const NodeActs = ({ node: { node, drained } }: { readonly node: NodeRow }): ComponentChildren => {
  const button = (path: 'drain' | 'undrain', text: string): ComponentChildren =>
    h('button', { type: 'button', onClick: () => openActDialog({ path, ip: null }) }, `${text} ${node} …`);
  return h('div', { class: 'tools' }, drained ? button('undrain', 'Undrain') : button('drain', 'Drain'));
};

const Nodes = ({ node }: { readonly node: NodeRow }): ComponentChildren =>
  h(
    'section',
    { 'aria-labelledby': 'nodes' },
    h('h2', { id: 'nodes' }, `Nodes (${new Set(node.peers.map((peer) => peer.node)).size + 1})`),
    h(
      'ul',
      { class: 'chips' },
      chip(
        node.node,
        ownState(node),
        `this node; ${node.interfaces.map(({ name, up }) => (up ? name : `${name} is down`)).join(', ')}`,
      ),
      node.peers.map((peer) => chip(peer.node, peer.state, peer.interface)),
    ),
    isOperator() ? h(NodeActs, { node }) : null,
  );

const Counts = (): ComponentChildren => {
  const counts = new Map<string, number>();
  for (const { row } of told.value.ips.values()) {
    const state =
      row.holder === null ? 'held by nobody' : row.state === 'leader' ? 'held here' : `held elsewhere`;
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  const all = [...counts].map(([state, count]) => `${count} ${state}`).join(', ');
  return h(
    'span',
    { class: 'counts', role: 'status' },
    `${picked.value.length} of ${told.value.ips.size} shown; ${all}`,
  );
};

export const Overview = (): ComponentChildren => {
  const { node } = told.value;
  if (node === null) return h('p', { class: 'empty' }, 'Nothing is known yet.');
  return h(
    'div',
    null,
    h('h1', { class: 'unseen' }, 'Overview'),
    h(Findings, { findings: node.findings }),
    h(Nodes, { node }),
    h(
      'section',
      { 'aria-labelledby': 'ips' },
      h(
        'div',
        { class: 'list-head' },
        h('h2', { id: 'ips' }, 'Service IPs'),
        h('input', {
          type: 'search',
          class: 'filter',
          placeholder: 'filter: 10.99. leader n2',
          'aria-label': 'Show only service IPs whose address, state, holder or reason has these words',
          value: filter.value,
          onInput: (event: Event) => {
            filter.value = (event.currentTarget as HTMLInputElement).value;
          },
        }),
        h(Counts, null),
      ),
      h(IpList, {
        ips: picked.value,
        order: order.value,
        onOrder: (column) => {
          order.value = orderAfter(order.value, column);
        },
      }),
    ),
  );
};
