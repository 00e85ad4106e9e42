// The timeline: a lane for each IP or each node, a band for each owner, gaps and overlaps in plain sight, and a line
// where the replay stands. What a band is and why it began is said below, for whoever points at it or steps to it.
import { type ComponentChildren, h } from 'preact';
import { ticksOf } from './axis.ts';
import { type Band, drawnBands, type LaneBands, placed, type Span, zoomed } from './bands.ts';
import { moment, timeOfDay } from './words.ts';

/** Lanes that are drawn; the filter reaches the others. */
const MAX_LANES = 100;
/** Colours for owners, in page.css; a band bears its owner's name as well. */
const COLOURS = 6;
const KEYS = '← and → step from band to band, + and − zoom';
const HINT = `Pointing at a band says what it is. On a lane's name ${KEYS}.`;
const CLOSER = 0.4;
const FARTHER = 2.5;

export interface TimelineProps {
  readonly lanes: readonly LaneBands[];
  readonly nodes: readonly string[];
  readonly whole: Span;
  readonly sight: Span;
  readonly at: number;
  readonly chosen: string | null;
  /** About the band that was pointed at or stepped to. */
  readonly detail: string;
  readonly onSight: (sight: Span) => void;
  /** A moment of the whole, in sight or not. */
  readonly onAt: (at: number) => void;
  readonly onChoose: (ip: string) => void;
  readonly onDetail: (text: string) => void;
}

const told = ({ about, from, to }: Band): string => `${about} · ${moment(from)} to ${timeOfDay(to)} UTC`;

/** By keyboard, on a lane: to the band after the replay's moment or before it, closer, farther. */
const onKey = ({ lane, ...props }: TimelineProps & { readonly lane: LaneBands }, event: KeyboardEvent) => {
  const { sight, whole, at, onSight, onAt, onDetail } = props;
  const goTo = (band: Band | undefined): void => {
    if (band === undefined) return onDetail('no further band on this lane');
    onAt(band.from);
    onDetail(told(band));
  };
  const acts: Readonly<Record<string, () => void>> = {
    ArrowRight: () => goTo(lane.bands.find(({ from }) => from > at)),
    ArrowLeft: () => goTo(lane.bands.findLast(({ from }) => from < at)),
    '+': () => onSight(zoomed(sight, whole, CLOSER, at)),
    '-': () => onSight(zoomed(sight, whole, FARTHER, at)),
  };
  const act = acts[event.key];
  if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
};

const Lane = (props: TimelineProps & { readonly lane: LaneBands }): ComponentChildren => {
  const { lane, nodes, sight, at, chosen, onAt, onChoose, onDetail } = props;
  const cursor = placed({ from: at, to: at }, sight);
  const choose = (): void => {
    if (lane.ip !== null) onChoose(lane.ip);
  };
  const pick = (event: MouseEvent): void => {
    const { left, width } = (event.currentTarget as Element).getBoundingClientRect();
    onAt(sight.from + ((event.clientX - left) / width) * (sight.to - sight.from));
    choose();
  };
  const isChosen = lane.ip !== null && chosen === lane.ip;
  return h(
    'li',
    { class: 'lane' },
    h(
      'button',
      {
        type: 'button',
        class: isChosen ? 'lane-name chosen' : 'lane-name',
        ...(lane.ip === null ? {} : { 'aria-pressed': isChosen }),
        'aria-describedby': 'lane-keys',
        onClick: choose,
        onKeyDown: (event: KeyboardEvent) => onKey(props, event),
      },
      lane.name,
    ),
    h(
      'div',
      { class: 'track', onClick: pick },
      drawnBands(lane.bands, sight).map(({ band, left, width, count }) =>
        h(
          'span',
          {
            key: `${band.kind} ${band.name} ${band.from}`,
            class: [
              'band',
              band.kind,
              ...(band.node === null ? [] : [`colour-${nodes.indexOf(band.node) % COLOURS}`]),
              ...(count > 1 ? ['many'] : []),
            ].join(' '),
            title: told(band),
            onMouseEnter: () => onDetail(told(band)),
            style: { left: `${left}%`, width: `${width}%` },
          },
          band.name,
        ),
      ),
      cursor === null ? null : h('span', { class: 'cursor', style: { left: `${cursor.left}%` } }),
    ),
  );
};

const Axis = ({ sight }: { readonly sight: Span }): ComponentChildren =>
  h(
    'div',
    { class: 'lane axis', 'aria-hidden': 'true' },
    h('span', { class: 'axis-name' }, 'UTC'),
    h(
      'div',
      { class: 'ticks' },
      ticksOf(sight).map(({ at, text }) =>
        h(
          'span',
          { key: at, class: 'tick', style: { left: `${placed({ from: at, to: at }, sight)?.left}%` } },
          text,
        ),
      ),
    ),
  );

/** `2 s`, `1.5 h`: how much is in sight. */
const widthOf = ({ from, to }: Span): string => {
  const ms = to - from;
  if (ms < 1_000) return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms < 7_200_000 ? `${(ms / 60_000).toFixed(1)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
};

export const TimelineView = (props: TimelineProps): ComponentChildren => {
  const { lanes, whole, sight, at, detail, onSight } = props;
  const middle = at < sight.from || at > sight.to ? (sight.from + sight.to) / 2 : at;
  const zoom = (factor: number): void => onSight(zoomed(sight, whole, factor, middle));
  const move = (share: number): void => {
    const width = sight.to - sight.from;
    const from = Math.min(Math.max(sight.from + width * share, whole.from), whole.to - width);
    onSight({ from, to: from + width });
  };
  const button = (name: string, text: string, onClick: () => void): ComponentChildren =>
    h('button', { type: 'button', 'aria-label': name, title: name, onClick }, text);
  return h(
    'section',
    { class: 'timeline', 'aria-label': 'Timeline' },
    h(
      'div',
      { class: 'tools' },
      button('closer', '+', () => zoom(CLOSER)),
      button('farther', '−', () => zoom(FARTHER)),
      button('earlier', '←', () => move(-0.4)),
      button('later', '→', () => move(0.4)),
      button('all of it', 'all', () => onSight(whole)),
      h(
        'span',
        { class: 'counts' },
        `${moment(sight.from)} to ${timeOfDay(sight.to)} UTC, ${widthOf(sight)}`,
      ),
    ),
    h(
      'ul',
      { class: 'lanes' },
      lanes.slice(0, MAX_LANES).map((lane) => h(Lane, { ...props, key: lane.name, lane })),
    ),
    h(Axis, { sight }),
    h('p', { class: detail === '' ? 'detail empty' : 'detail', role: 'status' }, detail || HINT),
    h('p', { class: 'unseen', id: 'lane-keys' }, KEYS),
    lanes.length > MAX_LANES
      ? h('p', { class: 'empty' }, `${lanes.length - MAX_LANES} more: the filter reaches them.`)
      : null,
  );
};
