// Where the states and transitions of a diagram lie on paper. The layers are elkjs's work: nested states, edges
// across levels and labels beside them are what it is good at, and it is exact for the same input.
import elk, { type ElkExtendedEdge, type ElkNode } from 'elkjs/lib/elk.bundled.js';
import type { Diagram, DiagramEdge, DiagramState } from '../../machines/diagram.ts';

// The package says `export default` in its types and `module.exports` in its code; Node gives the latter.
const Elk = elk as unknown as typeof elk.default;

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

export interface PlacedState {
  readonly state: DiagramState;
  readonly box: Box;
  /** What stands below the name: entry and exit actions, and events that leave it where it is. */
  readonly lines: readonly string[];
}

/** All transitions from one state to another share a line. */
export interface PlacedEdge {
  readonly from: string;
  readonly to: string;
  readonly edges: readonly DiagramEdge[];
  readonly points: readonly Point[];
  readonly label: Box;
  readonly lines: readonly string[];
}

export interface PlacedDiagram {
  readonly width: number;
  readonly height: number;
  /** Outer states before those inside them. */
  readonly states: readonly PlacedState[];
  readonly edges: readonly PlacedEdge[];
  /** The dot that stands for "here it begins", and the way from it. */
  readonly starts: readonly { readonly at: Point; readonly to: string; readonly points: readonly Point[] }[];
}

export const NAME_HEIGHT = 22;
export const LINE_HEIGHT = 15;
const PADDING = 10;
/** Wide enough for an 11 px system font, whose widths differ between machines; labels are never cut. */
const LETTER_WIDTH = 6.7;
const NAME_LETTER_WIDTH = 8.2;
const START = 'start:';
const DOT = 10;

const OPTIONS = {
  'elk.algorithm': 'layered',
  'elk.direction': 'DOWN',
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.json.shapeCoords': 'ROOT',
  'elk.json.edgeCoords': 'ROOT',
  'elk.edgeLabels.inline': 'false',
  'elk.layered.spacing.nodeNodeBetweenLayers': '28',
  'elk.layered.spacing.edgeNodeBetweenLayers': '14',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  // The machine's own order says what comes first: arrows that go up are those that go back.
  'elk.layered.cycleBreaking.strategy': 'MODEL_ORDER',
  'elk.layered.considerModelOrder.strategy': 'NODES_AND_EDGES',
  'elk.spacing.nodeNode': '36',
  'elk.spacing.edgeEdge': '14',
  'elk.spacing.edgeNode': '18',
  'elk.spacing.edgeLabel': '6',
};

/** `OUTBID [isPatientMove] / beginDrain`. */
export const edgeText = ({ event, guard, actions }: DiagramEdge): string =>
  `${event}${guard === null ? '' : ` [${guard}]`}${actions.length > 0 ? ` / ${actions.join(', ')}` : ''}`;

const linesOf = (diagram: Diagram, { path, entry, exit }: DiagramState): readonly string[] => [
  ...entry.map((action) => `entry / ${action}`),
  ...exit.map((action) => `exit / ${action}`),
  ...diagram.edges.filter(({ from, to }) => from === path && to === path).map(edgeText),
];

const widthOf = (lines: readonly string[]): number =>
  Math.max(0, ...lines.map(({ length }) => length)) * LETTER_WIDTH;

const initialOf = (diagram: Diagram, parent: string | null): string | null =>
  parent === null ? diagram.initial : (diagram.states.find(({ path }) => path === parent)?.initial ?? null);

const childrenOf = (diagram: Diagram, parent: string | null): ElkNode[] => {
  const states = diagram.states.filter((state) => state.parent === parent);
  const start =
    initialOf(diagram, parent) === null ? [] : [{ id: START + (parent ?? ''), width: DOT, height: DOT }];
  return [...start, ...states.map((state) => nodeOf(diagram, state))];
};

const nodeOf = (diagram: Diagram, state: DiagramState): ElkNode => {
  const lines = linesOf(diagram, state);
  const name = state.path.split('.').at(-1) ?? state.path;
  const width = Math.max(name.length * NAME_LETTER_WIDTH, widthOf(lines), 70) + 2 * PADDING;
  const height = NAME_HEIGHT + lines.length * LINE_HEIGHT + PADDING;
  const isComposite = diagram.states.some(({ parent }) => parent === state.path);
  if (!isComposite) return { id: state.path, width, height };
  return {
    id: state.path,
    children: childrenOf(diagram, state.path),
    layoutOptions: {
      'elk.padding': `[top=${height + 8},left=16,bottom=16,right=16]`,
      'elk.nodeSize.constraints': 'MINIMUM_SIZE',
      'elk.nodeSize.minimum': `(${width},${height})`,
    },
  };
};

const groupEdges = (diagram: Diagram): Map<string, DiagramEdge[]> => {
  const groups = new Map<string, DiagramEdge[]>();
  for (const edge of diagram.edges) {
    if (edge.from === edge.to) continue;
    const key = `${edge.from}>${edge.to}`;
    groups.set(key, [...(groups.get(key) ?? []), edge]);
  }
  return groups;
};

const elkEdge = (id: string, from: string, to: string, lines: readonly string[]): ElkExtendedEdge => ({
  id,
  sources: [from],
  targets: [to],
  labels:
    lines.length === 0
      ? []
      : [
          {
            id: `${id}:label`,
            text: lines.join('\n'),
            width: widthOf(lines),
            height: lines.length * LINE_HEIGHT,
          },
        ],
});

const boxOf = ({ x = 0, y = 0, width = 0, height = 0 }: Partial<Box>): Box => ({ x, y, width, height });

const pointsOf = ({ sections = [] }: ElkExtendedEdge): readonly Point[] =>
  sections.flatMap(({ startPoint, bendPoints = [], endPoint }) => [startPoint, ...bendPoints, endPoint]);

/** Lays the diagram out, in pixels. */
export const layOut = async (diagram: Diagram): Promise<PlacedDiagram> => {
  const groups = groupEdges(diagram);
  const parents = [null, ...diagram.states.map(({ path }) => path)];
  const starts = parents.flatMap((parent) => {
    const to = initialOf(diagram, parent);
    return to === null ? [] : [{ id: START + (parent ?? ''), to }];
  });
  const graph: ElkNode = {
    id: 'root',
    layoutOptions: OPTIONS,
    children: childrenOf(diagram, null),
    edges: [
      ...starts.map(({ id, to }) => elkEdge(`${id}>`, id, to, [])),
      ...[...groups].map(([key, edges]) => {
        const [{ from, to }] = edges as [DiagramEdge];
        return elkEdge(key, from, to, edges.map(edgeText));
      }),
    ],
  };
  const placed = await new Elk().layout(graph);
  const boxes = new Map<string, Box>();
  const walk = (node: ElkNode): void => {
    boxes.set(node.id, boxOf(node));
    node.children?.forEach(walk);
  };
  walk(placed);
  const routes = new Map((placed.edges ?? []).map((edge) => [edge.id, edge]));
  const route = (id: string): ElkExtendedEdge => routes.get(id) ?? { id, sources: [], targets: [] };
  const { width, height } = boxOf(placed);
  return {
    width,
    height,
    states: diagram.states.map((state) => ({
      state,
      box: boxes.get(state.path) ?? boxOf({}),
      lines: linesOf(diagram, state),
    })),
    edges: [...groups].map(([key, edges]) => {
      const [{ from, to }] = edges as [DiagramEdge];
      const placedEdge = route(key);
      const label = boxOf(placedEdge.labels?.[0] ?? {});
      return { from, to, edges, points: pointsOf(placedEdge), label, lines: edges.map(edgeText) };
    }),
    starts: starts.map(({ id, to }) => {
      const { x, y } = boxes.get(id) ?? boxOf({});
      return { at: { x: x + DOT / 2, y: y + DOT / 2 }, to, points: pointsOf(route(`${id}>`)) };
    }),
  };
};
