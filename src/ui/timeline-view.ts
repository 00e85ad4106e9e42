// The timeline: a lane for each IP, a band for each owner, gaps and overlaps in plain sight, and a line where the
// replay stands.
import { type ComponentChildren, h } from 'preact';
import { type LaneBands, placed, type Span, zoomed } from './bands.ts';
import { moment, timeOfDay } from './words.ts';

/** Lanes that are drawn; the filter reaches the others. */
const MAX_LANES = 100;
/** Colours for owners, in page.css; a band bears its owner's name as well. */
const COLOURS = 6;

export interface TimelineProps {
  readonly lanes: readonly LaneBands[];
  readonly nodes: readonly string[];
  readonly whole: Span;
  readonly sight: Span;
  readonly at: number;
  readonly chosen: string | null;
  readonly onSight: (sight: Span) => void;
  readonly onAt: (at: number) => void;
  readonly onChoose: (ip: string) => void;
}

const Lane = ({ lane, ...props }: TimelineProps & { readonly lane: LaneBands }): ComponentChildren => {
  const { nodes, sight, at, chosen, onAt, onChoose } = props;
  const cursor = placed({ from: at, to: at }, sight);
  const pick = (event: MouseEvent): void => {
    const { left, width } = (event.currentTarget as Element).getBoundingClientRect();
    onAt(sight.from + ((event.clientX - left) / width) * (sight.to - sight.from));
    onChoose(lane.ip);
  };
  const isChosen = chosen === lane.ip;
  return h(
    'li',
    { class: 'lane' },
    h(
      'button',
      {
        type: 'button',
        class: isChosen ? 'lane-name chosen' : 'lane-name',
        'aria-pressed': isChosen,
        onClick: () => onChoose(lane.ip),
      },
      lane.ip,
    ),
    h(
      'div',
      { class: 'track', onClick: pick },
      lane.bands.map((band) => {
        const where = placed(band, sight);
        if (where === null) return null;
        const colour = band.kind === 'owner' ? ` colour-${nodes.indexOf(band.name) % COLOURS}` : '';
        return h(
          'span',
          {
            key: `${band.kind} ${band.name} ${band.from}`,
            class: `band ${band.kind}${colour}`,
            title: `${band.about}; ${moment(band.from)} to ${moment(band.to)} UTC`,
            style: { left: `${where.left}%`, width: `${where.width}%` },
          },
          band.name,
        );
      }),
      cursor === null ? null : h('span', { class: 'cursor', style: { left: `${cursor.left}%` } }),
    ),
  );
};

export const TimelineView = (props: TimelineProps): ComponentChildren => {
  const { lanes, whole, sight, at, onSight } = props;
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
      button('closer', '+', () => zoom(0.4)),
      button('farther', '−', () => zoom(2.5)),
      button('earlier', '←', () => move(-0.4)),
      button('later', '→', () => move(0.4)),
      button('all of it', 'all', () => onSight(whole)),
      h('span', { class: 'counts' }, `${timeOfDay(sight.from)} to ${timeOfDay(sight.to)} UTC`),
    ),
    h(
      'ul',
      { class: 'lanes' },
      lanes.slice(0, MAX_LANES).map((lane) => h(Lane, { ...props, key: lane.ip, lane })),
    ),
    lanes.length > MAX_LANES
      ? h('p', { class: 'empty' }, `${lanes.length - MAX_LANES} more: the filter reaches them.`)
      : null,
  );
};
