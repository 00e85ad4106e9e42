// The machine's drawing, made at build time from the machine itself, with the present state lit and each transition
// shown as it happens.
import { type ComponentChildren, h } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { litStates, takenArrows } from './lighting.ts';

/** scripts/build-page.ts puts the drawing here: `holdfast diagram --format svg`, events and guards only. */
declare const DIAGRAM_SVG: string;

/** How long an arrow stays lit; as in page.css. */
const TAKEN_MS = 2_500;
/** A transition older than this is no news: the page was opened, or came back, after it. */
const NEWS_MS = 3_000;

export interface DiagramMove {
  readonly at: number;
  readonly from: string;
  readonly to: string;
}

export interface DiagramProps {
  /** `leader.settled`. */
  readonly path: string;
  /** Transitions of this IP, oldest first, to the present. */
  readonly moves: readonly DiagramMove[];
}

const newsOf = (moves: readonly DiagramMove[], after: number): readonly DiagramMove[] => {
  const last = moves.at(-1)?.at ?? 0;
  return moves.filter(({ at }) => at > after && at > last - NEWS_MS);
};

export const DiagramView = ({ path, moves }: DiagramProps): ComponentChildren => {
  const box = useRef<HTMLDivElement>(null);
  const lastAt = moves.at(-1)?.at ?? 0;
  const seen = useRef({ at: lastAt, path: '' });
  useEffect(() => {
    const svg = box.current;
    if (svg === null) return;
    const lit = litStates(path);
    for (const state of svg.querySelectorAll<SVGElement>('[data-state]'))
      state.classList.toggle('now', lit.includes(state.dataset.state ?? ''));
    const arrows = [...svg.querySelectorAll<SVGElement>('g.edge')].map((element) => ({
      element,
      from: element.dataset.from ?? '',
      to: element.dataset.to ?? '',
    }));
    // A replay may have gone back.
    seen.current.at = Math.min(seen.current.at, lastAt);
    for (const move of newsOf(moves, seen.current.at)) {
      for (const { element } of takenArrows(arrows, seen.current.path, move)) {
        element.classList.add('taken');
        setTimeout(() => element.classList.remove('taken'), TAKEN_MS);
      }
      seen.current.at = move.at;
    }
    seen.current.path = path;
  }, [path, lastAt]);
  return h(
    'section',
    { class: 'diagram', 'aria-label': 'State machine' },
    h('h2', null, 'States'),
    h('p', { class: 'now-text', role: 'status' }, `Now: ${path.replace('.', ' → ')}`),
    // A constant of the build, nothing that anybody sent.
    h('div', {
      ref: box,
      class: 'paper-box',
      // On a narrow screen it scrolls, by keyboard as well.
      tabIndex: 0,
      role: 'group',
      'aria-label': `Drawing of the states; now ${path}`,
      dangerouslySetInnerHTML: { __html: DIAGRAM_SVG },
    }),
  );
};
