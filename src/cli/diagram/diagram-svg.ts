// The laid-out diagram as one SVG file: text stays text, light or dark as its reader's screen is, and every state
// and transition bears its name in `data-` attributes, by which the page lights it.
import type { Diagram, DiagramEdge } from '../../machines/diagram.ts';
import {
  edgeText,
  LINE_HEIGHT,
  layOut,
  NAME_HEIGHT,
  type PlacedEdge,
  type PlacedState,
  type Point,
} from './diagram-layout.ts';

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** The radius of a bend. */
const BEND = 6;
const MARGIN = 12;

const STYLE = `
  svg { color-scheme: light dark; }
  .paper { fill: #ffffff; }
  text { font: 11px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1f2933; }
  .name { font-size: 13px; font-weight: 600; }
  .note { fill: #52606d; }
  .state rect { fill: #f5f7fa; stroke: #7b8794; stroke-width: 1; }
  .state.outer rect { fill: #eaf0f6; stroke: #486581; stroke-width: 1.5; }
  .edge path, .start path { fill: none; stroke: #627d98; stroke-width: 1.3; }
  .arrow { fill: #627d98; }
  .start circle { fill: #334e68; }
  .edge text { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #11181f; }
    text { fill: #e4e7eb; }
    .note { fill: #9fb3c8; }
    .state rect { fill: #243b53; stroke: #829ab1; }
    .state.outer rect { fill: #18242f; stroke: #829ab1; }
    .edge path, .start path { stroke: #9fb3c8; }
    .arrow { fill: #9fb3c8; }
    .start circle { fill: #d9e2ec; }
    .edge text { stroke: #11181f; }
  }`;

const round = (value: number): number => Math.round(value * 10) / 10;
const at = ({ x, y }: Point): string => `${round(x)} ${round(y)}`;

/** The point `distance` from `from` on the way to `to`. */
const towards = (from: Point, to: Point, distance: number): Point => {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const part = length === 0 ? 0 : Math.min(distance, length / 2) / length;
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
};

const pathOf = (points: readonly Point[]): string => {
  const [first, ...rest] = points;
  if (first === undefined) return '';
  const parts = rest.map((point, index) => {
    const next = rest[index + 1];
    const before = points[index] as Point;
    if (next === undefined) return `L${at(point)}`;
    return `L${at(towards(point, before, BEND))}Q${at(point)} ${at(towards(point, next, BEND))}`;
  });
  return `M${at(first)}${parts.join('')}`;
};

/** Lines of text, one element each. */
const linesAt = (x: number, y: number, lines: readonly string[], attributes: string): readonly string[] =>
  lines.map(
    (line, index) =>
      `<text x="${round(x)}" y="${round(y + index * LINE_HEIGHT)}" ${attributes}>${escaped(line)}</text>`,
  );

const dataOf = ({ from, to, event }: DiagramEdge): string =>
  `data-from="${escaped(from)}" data-to="${escaped(to)}" data-event="${escaped(event)}"`;

const drawState = (diagram: Diagram, { state, box, lines }: PlacedState): string => {
  const name = state.path.split('.').at(-1) ?? state.path;
  const isOuter = diagram.states.some(({ parent }) => parent === state.path);
  const own = diagram.edges.filter(({ from, to }) => from === state.path && to === state.path);
  const notes = lines.slice(0, lines.length - own.length);
  const top = box.y + NAME_HEIGHT + LINE_HEIGHT - 4;
  const { x, y, width, height } = box;
  return [
    `<g class="state${isOuter ? ' outer' : ''}" data-state="${escaped(state.path)}">`,
    `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="7"/>`,
    `<text class="name" x="${round(x + 10)}" y="${round(y + NAME_HEIGHT - 5)}">${escaped(name)}</text>`,
    ...linesAt(x + 10, top, notes, 'class="note"'),
    ...own.flatMap((edge, index) =>
      linesAt(
        x + 10,
        top + (notes.length + index) * LINE_HEIGHT,
        [edgeText(edge)],
        `class="note" ${dataOf(edge)}`,
      ),
    ),
    '</g>',
  ].join('\n');
};

const drawEdge = ({ from, to, edges, points, label }: PlacedEdge): string =>
  [
    `<g class="edge" data-from="${escaped(from)}" data-to="${escaped(to)}">`,
    `<path d="${pathOf(points)}" marker-end="url(#arrow)"/>`,
    ...edges.flatMap((edge, index) =>
      linesAt(label.x, label.y + (index + 0.75) * LINE_HEIGHT, [edgeText(edge)], dataOf(edge)),
    ),
    '</g>',
  ].join('\n');

/** What a screen reader says of the drawing: each state and where it leads. */
const describe = (diagram: Diagram): string =>
  diagram.states
    .map(({ path }) => {
      const ways = diagram.edges.filter(({ from }) => from === path);
      const told = ways.map((edge) => `${edgeText(edge)} leads to ${edge.to}`);
      return `${path}${told.length === 0 ? '' : `: ${told.join('; ')}`}.`;
    })
    .join(' ');

export interface SvgOptions {
  /** To stand in the page: events and guards without actions, styled by the page's own sheet. */
  readonly isForPage: boolean;
}

const withoutActions = ({ states, edges, ...diagram }: Diagram): Diagram => ({
  ...diagram,
  states: states.map((state) => ({ ...state, entry: [], exit: [] })),
  edges: edges.map((edge) => ({ ...edge, actions: [] })),
});

/** The whole file. The same machine gives the same text. */
export const toSvg = async (
  machine: Diagram,
  { isForPage }: SvgOptions = { isForPage: false },
): Promise<string> => {
  const diagram = isForPage ? withoutActions(machine) : machine;
  const placed = await layOut(diagram);
  const [width, height] = [Math.ceil(placed.width) + 2 * MARGIN, Math.ceil(placed.height) + 2 * MARGIN];
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="${-MARGIN} ${-MARGIN} ${width} ${height}" role="img" aria-labelledby="diagram-title diagram-desc">`,
    `<title id="diagram-title">The states of ${escaped(diagram.id)}</title>`,
    `<desc id="diagram-desc">${escaped(`It begins as ${diagram.initial}. ${describe(diagram)}`)}</desc>`,
    ...(isForPage ? [] : [`<style>${STYLE}\n</style>`]),
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="arrow" d="M0 0L8 4L0 8z"/></marker></defs>',
    `<rect class="paper" x="${-MARGIN}" y="${-MARGIN}" width="${width}" height="${height}"/>`,
    ...placed.states.map((state) => drawState(diagram, state)),
    ...placed.starts.map(
      ({ at: { x, y }, points }) =>
        `<g class="start"><circle cx="${round(x)}" cy="${round(y)}" r="5"/><path d="${pathOf(points)}" marker-end="url(#arrow)"/></g>`,
    ),
    ...placed.edges.map(drawEdge),
    '</svg>',
  ].join('\n')}\n`;
};
