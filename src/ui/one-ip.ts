// One service IP: where it is, the drawing with its state lit, who could take it and why not, and its history.
import { type ComponentChildren, h } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { DiagramView } from './diagram-view.ts';
import { pathOf } from './lighting.ts';
import { clock, clockOffset, link, recentMoves, told } from './live.ts';
import { openActDialog } from './operate-dialog.ts';
import { isOperator } from './operator.ts';
import type { History, OneIp, ServiceRow } from './rows.ts';
import { ago, moment, reasonOf, timeOfDay } from './words.ts';

/** Candidates change with peers, not only with this IP: they are asked for again after so long. */
const ASK_AGAIN_MS = 5_000;
/** The journal is read a moment after a move: what follows it (clients, draining) belongs to the story. */
const SETTLE_MS = 1_500;

/** JSON from the daemon, or what it said instead. */
const ask = async <T>(path: string): Promise<{ readonly value: T } | { readonly problem: string }> => {
  try {
    const reply = await fetch(path);
    return reply.ok ? { value: (await reply.json()) as T } : { problem: (await reply.text()).trim() };
  } catch {
    return { problem: 'the daemon does not answer' };
  }
};

/** Asks at once, after `key` changed (`delayMs` later), and every `everyMs` (0: not again). */
const useAsked = <T>(path: string, key: string, delayMs: number, everyMs: number) => {
  const [state, setState] = useState<{ value?: T; problem?: string }>({});
  useEffect(() => {
    let isCurrent = true;
    const run = async (): Promise<void> => {
      const answer = await ask<T>(path);
      if (isCurrent) setState((before) => ('value' in answer ? answer : { ...before, ...answer }));
    };
    const first = setTimeout(() => void run(), state.value === undefined ? 0 : delayMs);
    const again = everyMs === 0 ? undefined : setInterval(() => void run(), everyMs);
    return () => {
      isCurrent = false;
      clearTimeout(first);
      clearInterval(again);
    };
  }, [path, key]);
  return state;
};

const fact = (name: string, value: ComponentChildren): ComponentChildren => [
  h('dt', { key: `${name}?` }, name),
  h('dd', { key: name }, value),
];

const Facts = ({ row }: { readonly row: ServiceRow }): ComponentChildren => {
  const now = clock.value + clockOffset.value;
  return h(
    'dl',
    { class: 'facts' },
    fact('State here', h('span', { class: `badge ${row.state}` }, row.state)),
    fact('Holder', row.holder ?? 'nobody'),
    fact('Claim', `epoch ${row.epoch}${row.weak ? ', weak' : ''}`),
    fact('Since', `${moment(row.since)} UTC (${ago(now - Date.parse(row.since))})`),
    fact('Why', `${reasonOf(row)} (${row.cause})`),
    fact('On', `${row.interface ?? 'no interface'}${row.mac === null ? '' : `, ${row.mac}`}`),
    fact('Clients', `${row.clientsConfirmed} of ${row.clients} have confirmed`),
    row.staleClients > 0 ? fact('Stale clients', `${row.staleClients} still send here`) : [],
    row.movingTo === null ? [] : fact('Moving to', row.movingTo),
    row.stays === null ? [] : fact('Stays', row.stays),
  );
};

const Candidates = ({ row }: { readonly row: ServiceRow }): ComponentChildren => {
  const key = `${row.state} ${row.holder} ${row.epoch} ${link.value}`;
  const { value, problem } = useAsked<OneIp>(`/api/v1/ips/${row.ip}`, key, 100, ASK_AGAIN_MS);
  const taking = value?.taking ?? null;
  return h(
    'section',
    { 'aria-labelledby': 'candidates' },
    h('h2', { id: 'candidates' }, 'Who could take it'),
    taking === null
      ? h('p', { class: 'empty' }, problem ?? 'Nothing is known yet.')
      : [
          h('p', { key: 'verdict' }, `${taking.node} ${taking.verdict}.`),
          h(
            'ol',
            { key: 'order', class: 'candidates' },
            taking.candidates.map(({ node, place, excluded }) =>
              h(
                'li',
                { key: node, class: excluded === null ? 'able' : 'excluded' },
                h('span', { class: 'place' }, place === null ? '–' : `${place}.`),
                h('strong', null, node),
                h('span', null, excluded === null ? 'can take it' : `cannot: ${excluded}`),
              ),
            ),
          ),
        ],
  );
};

const HistoryView = ({ row }: { readonly row: ServiceRow }): ComponentChildren => {
  const [asked, setAsked] = useState(0);
  const key = `${row.since} ${row.epoch} ${row.clientsConfirmed} ${asked}`;
  const { value, problem } = useAsked<History>(`/api/v1/ips/${row.ip}/explain`, key, SETTLE_MS, 0);
  return h(
    'section',
    { 'aria-labelledby': 'history' },
    h('h2', { id: 'history' }, "History, from this node's journal"),
    problem === undefined ? null : h('p', { class: 'problem' }, problem),
    value === undefined && problem === undefined
      ? h('p', { class: 'empty' }, 'The journal is being read …')
      : null,
    value === undefined
      ? null
      : [
          value.earlier > 0
            ? h('p', { key: 'earlier' }, `(${value.earlier} earlier owners are not told of)`)
            : null,
          h(
            'ol',
            { key: 'chain', class: 'history' },
            value.chain.map(({ at, node, text, ref }) =>
              h(
                'li',
                { key: `${at} ${node} ${text}`, title: ref ?? '' },
                h('time', { dateTime: at, title: moment(at) }, timeOfDay(at)),
                ' ',
                h('strong', null, node),
                ` ${text}.`,
              ),
            ),
          ),
          value.unknown.map((text) => h('p', { key: text, class: 'unknown' }, `Not in the record: ${text}.`)),
        ],
    h('button', { type: 'button', onClick: () => setAsked(asked + 1) }, 'Read the journal again'),
  );
};

const Moves = ({ ip }: { readonly ip: string }): ComponentChildren => {
  const moves = recentMoves.value.filter((move) => move.ip === ip).slice(-20);
  if (moves.length === 0) return null;
  return h(
    'section',
    { 'aria-labelledby': 'moves' },
    h('h2', { id: 'moves' }, 'Transitions here'),
    h(
      'ol',
      { class: 'history', 'aria-live': 'polite' },
      moves
        .toReversed()
        .map(({ at, from, to, reason }) =>
          h(
            'li',
            { key: `${at} ${from} ${to}` },
            h('time', { title: moment(at) }, timeOfDay(at)),
            ` ${from} → `,
            h('strong', null, to),
            `: ${reason}`,
          ),
        ),
    ),
  );
};

/** Only the holder gives an IP away: elsewhere it is said whose page does. */
const Acts = ({ row: { ip, state, holder } }: { readonly row: ServiceRow }): ComponentChildren => {
  if (!isOperator()) return null;
  return h(
    'div',
    { class: 'tools' },
    state === 'leader'
      ? h('button', { type: 'button', onClick: () => openActDialog({ path: 'drain', ip }) }, `Move ${ip} …`)
      : h(
          'span',
          { class: 'where' },
          holder === null
            ? 'Nobody holds it: there is nothing to move.'
            : `It is moved from the page of ${holder}, which holds it.`,
        ),
  );
};

export const OneIpView = ({ ip }: { readonly ip: string }): ComponentChildren => {
  const { ips, node } = told.value;
  const row = ips.get(ip)?.row;
  const back = h('a', { href: '#/', class: 'back' }, '← all service IPs');
  if (row === undefined) {
    const text = node === null ? 'Nothing is known yet.' : `${ip} is no service IP of this node.`;
    return h('div', null, back, h('h1', null, ip), h('p', { class: 'empty' }, text));
  }
  return h(
    'div',
    { class: 'one' },
    back,
    h('h1', null, ip),
    h(
      'div',
      { class: 'columns' },
      h(
        'div',
        null,
        h(Facts, { row }),
        h(Acts, { row }),
        h(Candidates, { row }),
        h(Moves, { ip }),
        h(HistoryView, { row }),
      ),
      h(DiagramView, {
        path: pathOf(row.state, row.substate),
        moves: recentMoves.value.filter((move) => move.ip === ip),
      }),
    ),
  );
};
