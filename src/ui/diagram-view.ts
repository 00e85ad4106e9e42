// The machine's drawing, made at build time from the machine itself, with the present state lit and each transition
// shown as it happens.
import { type ComponentChildren, h } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { litStates, pathOf, takenArrows } from './lighting.ts';
import { recentMoves } from './live.ts';
import type { ServiceRow, ToldMove } from './rows.ts';

/** scripts/build-page.ts puts the drawing here: `holdfast diagram --format svg`, events and guards only. */
declare const DIAGRAM_SVG: string;

/** How long an arrow stays lit; as in page.css. */
const TAKEN_MS = 2_500;
/** A transition older than this is no news: the page was opened, or came back, after it. */
const NEWS_MS = 3_000;

const newsOf = (ip: string, after: number): readonly ToldMove[] => {
  const moves = recentMoves.value.filter((move) => move.ip === ip && move.at > after);
  const last = moves.at(-1)?.at ?? 0;
  return moves.filter(({ at }) => at > last - NEWS_MS);
};

export const DiagramView = ({ row }: { readonly row: ServiceRow }): ComponentChildren => {
  const box = useRef<HTMLDivElement>(null);
  const seen = useRef({ at: recentMoves.value.at(-1)?.at ?? 0, path: '' });
  const path = pathOf(row.state, row.substate);
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
    for (const move of newsOf(row.ip, seen.current.at)) {
      for (const { element } of takenArrows(arrows, seen.current.path, move)) {
        element.classList.add('taken');
        setTimeout(() => element.classList.remove('taken'), TAKEN_MS);
      }
      seen.current.at = move.at;
    }
    seen.current.path = path;
  }, [path, recentMoves.value]);
  return h(
    'section',
    { class: 'diagram', 'aria-label': `State machine; now ${path}`, tabIndex: 0 },
    h('h2', null, 'States'),
    h('p', { class: 'now-text', role: 'status' }, `Now: ${path.replace('.', ' → ')}`),
    // A constant of the build, nothing that anybody sent.
    h('div', { ref: box, class: 'paper-box', dangerouslySetInnerHTML: { __html: DIAGRAM_SVG } }),
  );
};
