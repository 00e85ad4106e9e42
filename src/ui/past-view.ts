// The past: journals laid over each other as a timeline, and stepped again by the real machines to any moment of it.
import { type ComponentChildren, h } from 'preact';
import type { Lane } from '../machines/ownership.ts';
import type { Span } from './bands.ts';
import { DiagramView } from './diagram-view.ts';
import { pathOf } from './lighting.ts';
import type { Verdict } from './past.ts';
import {
  at,
  chosenIp,
  chosenNode,
  detail,
  filter,
  goTo,
  inputsNow,
  isByNode,
  lanes,
  type OpenLife,
  openFiles,
  openOwn,
  type Past,
  past,
  said,
  sight,
  stepInput,
  stepTo,
} from './past-state.ts';
import { TimelineView } from './timeline-view.ts';
import { moment } from './words.ts';

const verdictText = ({ inputs, transitions, differsAt }: Verdict): string =>
  differsAt === null
    ? `${inputs} inputs replayed here, ${transitions} transitions: identical`
    : `replayed here, it differs at ${differsAt}`;

const Opener = (): ComponentChildren =>
  h(
    'div',
    { class: 'tools' },
    h(
      'label',
      null,
      'Journal segments (*.ndjson), of one node or several: ',
      h('input', {
        type: 'file',
        multiple: true,
        accept: '.ndjson',
        onChange: (event: Event) => {
          void openFiles([...((event.currentTarget as HTMLInputElement).files ?? [])]);
        },
      }),
    ),
    h('button', { type: 'button', onClick: () => void openOwn() }, "Open this node's own journal"),
    said.value === '' ? null : h('p', { class: 'problem', role: 'status' }, said.value),
  );

const InputsNow = (): ComponentChildren => {
  const now = inputsNow.value;
  const said = now.map(({ node, type, ref }) => `${node}: ${type} (${ref})`).join('; ');
  return h(
    'p',
    { class: 'where inputs-now', role: 'status' },
    said === '' ? 'No input at this moment.' : `Input: ${said}`,
  );
};

const Scrub = ({ whole }: { readonly whole: Span }): ComponentChildren =>
  h(
    'div',
    { class: 'tools' },
    h('button', { type: 'button', onClick: () => stepTo(-1) }, 'transition before'),
    h('button', { type: 'button', onClick: () => stepTo(1) }, 'next transition'),
    h('button', { type: 'button', onClick: () => stepInput(-1) }, 'input before'),
    h('button', { type: 'button', onClick: () => stepInput(1) }, 'next input'),
    h('input', {
      type: 'range',
      class: 'scrub',
      'aria-label': 'Moment of the replay',
      'aria-valuetext': moment(at.value),
      min: whole.from,
      max: whole.to,
      step: 'any',
      value: at.value,
      onInput: (event: Event) => {
        at.value = (event.currentTarget as HTMLInputElement).valueAsNumber;
      },
    }),
    h('output', { class: 'clock' }, `${moment(at.value)} UTC`),
  );

/** Why a node says nothing of the IP at the moment. */
const absence = ({ from, to, ending }: Lane): string => {
  if (at.value < from) return `its record begins ${moment(from)}`;
  if (at.value <= to) return 'does not know it';
  return ending === 'exit' ? `had exited ${moment(to)}` : `its record ends ${moment(to)}`;
};

/** One node's state and its own word on the IP, by its own core stepped again to the moment. */
const seenBy = ({ life, lane, scrubber, verdict }: OpenLife, ip: string) => {
  // Half a microsecond, the last digit of a stamp: there and back through another clock it may have lost a bit.
  const own = lane.clock.fromCommon(at.value) + 0.000_5;
  const core = at.value > lane.to + 1 ? null : scrubber.to(own);
  return { life, lane, verdict, service: core?.service(ip) ?? null, taking: core?.taking(ip) ?? null };
};
type Seen = ReturnType<typeof seenBy>;

const NodeThen = ({
  seen,
  isShown,
}: {
  readonly seen: Seen;
  readonly isShown: boolean;
}): ComponentChildren => {
  const { life, lane, service, taking, verdict } = seen;
  const choose = (): void => {
    chosenNode.value = life.node;
  };
  return h(
    'li',
    null,
    h(
      'button',
      { type: 'button', class: isShown ? 'chosen' : '', 'aria-pressed': isShown, onClick: choose },
      life.node,
    ),
    service === null
      ? h('span', { class: 'badge' }, absence(lane))
      : h('span', { class: `badge ${service.state}` }, service.state),
    taking === null ? null : h('p', null, `${life.node} ${taking.verdict}.`),
    h('p', { class: 'where' }, verdictText(verdict)),
  );
};

const Nodes = ({
  lives,
  ip,
}: {
  readonly lives: readonly OpenLife[];
  readonly ip: string;
}): ComponentChildren => {
  const views = lives.map((life) => seenBy(life, ip));
  // Until somebody chooses: a node that ran then.
  const shown =
    views.find(({ life }) => life.node === chosenNode.value) ??
    views.find(({ service }) => service !== null) ??
    views[0];
  if (shown === undefined) return null;
  const { lane, service } = shown;
  const moves = lane.life.transitions.filter(
    (move) => move.ip === ip && lane.clock.toCommon(move.at) <= at.value,
  );
  return h(
    'div',
    { class: 'columns' },
    h(
      'div',
      null,
      h('h2', null, `${ip}, as each node had it`),
      h(
        'ul',
        { class: 'past-nodes' },
        views.map((seen) =>
          h(NodeThen, { key: `${seen.life.node} ${seen.life.instance}`, seen, isShown: seen === shown }),
        ),
      ),
    ),
    service === null
      ? null
      : h(DiagramView, {
          key: `${shown.life.instance} ${ip}`,
          path: pathOf(service.state, service.substate),
          moves,
        }),
  );
};

const BY = [
  [false, 'by IP'],
  [true, 'by node'],
] as const;

const Opened = ({ opened }: { readonly opened: Past }): ComponentChildren => [
  h(
    'div',
    { key: 'choice', class: 'tools' },
    h(
      'div',
      { class: 'switch', role: 'group', 'aria-label': 'Lanes' },
      BY.map(([value, text]) =>
        h(
          'button',
          {
            key: text,
            type: 'button',
            class: isByNode.value === value ? 'chosen' : '',
            'aria-pressed': isByNode.value === value,
            onClick: () => {
              isByNode.value = value;
            },
          },
          text,
        ),
      ),
    ),
    h('input', {
      type: 'search',
      class: 'filter',
      placeholder: 'filter: 10.99.',
      'aria-label': 'Show only lanes whose name contains this',
      value: filter.value,
      onInput: (event: Event) => {
        filter.value = (event.currentTarget as HTMLInputElement).value;
      },
    }),
  ),
  h(TimelineView, {
    key: 'timeline',
    lanes: lanes.value,
    nodes: [...new Set(opened.lives.map(({ life }) => life.node))],
    whole: opened.whole,
    sight: sight.value,
    at: at.value,
    chosen: chosenIp.value,
    detail: detail.value,
    onSight: (span) => {
      sight.value = span;
    },
    onAt: goTo,
    onChoose: (ip) => {
      chosenIp.value = ip;
    },
    onDetail: (text) => {
      detail.value = text;
    },
  }),
  h(Scrub, { key: 'scrub', whole: opened.whole }),
  h(InputsNow, { key: 'inputs' }),
  chosenIp.value === null ? null : h(Nodes, { key: 'nodes', lives: opened.lives, ip: chosenIp.value }),
];

/** What was laid last; nothing before. */
export const OpenedPast = (): ComponentChildren =>
  past.value === null ? null : h(Opened, { opened: past.value });

const NOTHING =
  'What a journal tells is shown here; nothing of it leaves this browser. Its hashes are not checked: holdfast replay does that.';

export const PastView = (): ComponentChildren =>
  h(
    'div',
    null,
    h('h1', null, 'Past'),
    h(Opener, null),
    past.value === null ? h('p', { class: 'empty' }, NOTHING) : h(OpenedPast, null),
  );
