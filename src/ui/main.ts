// The page: which view the address names, and the line that says whether the daemon is there.
import { effect, signal } from '@preact/signals';
import { type ComponentChildren, h, render } from 'preact';
import { clock, clockOffset, link, startLive, told } from './live.ts';
import { OneIpView } from './one-ip.ts';
import { asked, Dialogs, openTokenDialog } from './operate-dialog.ts';
import { forgetToken, isOperator } from './operator.ts';
import { Overview } from './overview.ts';
import { PastView } from './past-view.ts';
import { timeOfDay } from './words.ts';

const place = signal(location.hash);
addEventListener('hashchange', () => {
  place.value = location.hash;
  scrollTo(0, 0);
});

/** The IP that the address names, or null: the overview. */
const ipOf = (hash: string): string | null => {
  const [, ip] = /^#\/ip\/([0-9a-f.:]+)$/i.exec(hash) ?? [];
  return ip ?? null;
};

const LINKS = {
  connecting: 'connecting to the daemon …',
  live: 'live',
  away: 'The daemon does not answer. What is shown is what it said last; this page goes on trying.',
} as const;

/** Nothing where no token is configured: a button that can only refuse is none. */
const Operating = (): ComponentChildren => {
  if (told.value.node?.operable !== true) return null;
  if (!isOperator())
    return h('button', { type: 'button', class: 'plain', onClick: openTokenDialog }, 'Operate …');
  return [
    h('span', { key: 'asked', class: 'asked', role: 'status' }, asked.value),
    h('button', { key: 'end', type: 'button', class: 'plain', onClick: forgetToken }, 'Stop operating'),
  ];
};

const view = (name: string, href: string, isShown: boolean): ComponentChildren =>
  h('a', { href, ...(isShown ? { 'aria-current': 'page' } : {}) }, name);

const Header = (): ComponentChildren => {
  const { node } = told.value;
  const state = link.value;
  const isPast = place.value === '#/past';
  return h(
    'header',
    { class: 'bar' },
    h('a', { href: '#/', class: 'brand' }, 'Holdfast'),
    h('nav', null, view('Now', '#/', !isPast), ' ', view('Past', '#/past', isPast)),
    node === null ? null : h('span', { class: 'node-name' }, `node ${node.node}`),
    node === null ? null : h('span', { class: 'version' }, node.version),
    h('span', { class: 'clock' }, `${timeOfDay(clock.value + clockOffset.value).slice(0, 8)} UTC`),
    h(Operating, null),
    h('span', { class: `link ${state}`, role: 'status' }, LINKS[state]),
  );
};

const viewOf = (ip: string | null): ComponentChildren => {
  if (place.value === '#/past') return h(PastView, null);
  return ip === null ? h(Overview, null) : h(OneIpView, { key: ip, ip });
};

const Page = (): ComponentChildren => {
  const ip = ipOf(place.value);
  return h(
    'div',
    { class: link.value === 'away' ? 'page old' : 'page' },
    h(Header, null),
    h('main', null, viewOf(ip)),
    h(Dialogs, null),
  );
};

effect(() => {
  const ip = ipOf(place.value);
  const name = told.value.node?.node;
  document.title = [
    ip ?? (place.value === '#/past' ? 'Past' : 'Overview'),
    ...(name === undefined ? [] : [name]),
    'Holdfast',
  ].join(' · ');
});

startLive();
const root = document.getElementById('root');
if (root !== null) render(h(Page, null), root);
