// The service IP machine drawn from its definition, so that the picture cannot differ from the code.
import type { AnyStateMachine, AnyStateNode } from 'xstate';

export interface DiagramEdge {
  readonly from: string;
  readonly to: string;
  readonly event: string;
  readonly guard: string | null;
  readonly actions: readonly string[];
}

export interface DiagramState {
  readonly path: string;
  readonly parent: string | null;
  readonly initial: string | null;
  readonly entry: readonly string[];
  readonly exit: readonly string[];
}

export interface Diagram {
  readonly id: string;
  readonly initial: string;
  readonly states: readonly DiagramState[];
  readonly edges: readonly DiagramEdge[];
}

const nameOf = (thing: unknown): string => {
  if (typeof thing === 'string') return thing;
  if (typeof thing === 'function') return (thing as { type?: string }).type ?? thing.name;
  const { type } = thing as { type?: unknown };
  return typeof type === 'string' ? type : nameOf(type);
};

/** `xstate.raise` of a delay is shown as the timer it starts, its cancellation as the timer it stops. */
const actionName = (action: unknown): string => {
  const { event, delay, sendId } = action as { event?: { type: string }; delay?: unknown; sendId?: string };
  const name = nameOf(action);
  if (name === 'xstate.raise' && event !== undefined) return `start ${String(delay)} -> ${event.type}`;
  if (name === 'xstate.cancel') return `cancel ${sendId}`;
  return name === 'xstate.assign' ? 'assign' : name;
};

const pathOf = (node: AnyStateNode): string => node.path.join('.');

const edgesOf = (node: AnyStateNode): DiagramEdge[] => {
  const transitions = [...node.transitions.values()].flat().concat(node.always ?? []);
  return transitions.map((transition) => ({
    from: pathOf(node),
    to: pathOf(transition.target?.[0] ?? node),
    event: transition.eventType === '' ? 'always' : transition.eventType,
    guard: transition.guard === undefined ? null : nameOf(transition.guard),
    actions: transition.actions.map(actionName),
  }));
};

const initialOf = (node: AnyStateNode): string | null => {
  const target = node.type === 'atomic' ? undefined : node.initial.target[0];
  return target === undefined ? null : pathOf(target);
};

/** Walks the machine, in the order of its definition. */
export const diagramOf = (machine: AnyStateMachine): Diagram => {
  const nodes: AnyStateNode[] = [];
  const walk = (node: AnyStateNode): void => {
    nodes.push(node);
    for (const child of Object.values(node.states)) walk(child);
  };
  walk(machine.root);
  const states = nodes.slice(1).map((node) => ({
    path: pathOf(node),
    parent: node.parent === undefined || node.parent === machine.root ? null : pathOf(node.parent),
    initial: initialOf(node),
    entry: node.entry.map(actionName),
    exit: node.exit.map(actionName),
  }));
  const edges = nodes.slice(1).flatMap(edgesOf);
  return { id: machine.id, initial: initialOf(machine.root) ?? '', states, edges };
};

const idOf = (path: string): string => path.replaceAll('.', '_');
const labelOf = ({ event, guard, actions }: DiagramEdge): string => {
  const condition = guard === null ? '' : ` [${guard}]`;
  return `${event}${condition}${actions.length > 0 ? ` / ${actions.join(', ')}` : ''}`;
};

/** Mermaid `stateDiagram-v2` text, the same for the same machine. */
export const toMermaid = (diagram: Diagram): string => {
  const lines = ['stateDiagram-v2'];
  const draw = (parent: string | null, indent: string): void => {
    const initial =
      parent === null ? diagram.initial : diagram.states.find(({ path }) => path === parent)?.initial;
    if (initial) lines.push(`${indent}[*] --> ${idOf(initial)}`);
    for (const state of diagram.states.filter((candidate) => candidate.parent === parent)) {
      const name = state.path.split('.').at(-1) ?? state.path;
      const isComposite = diagram.states.some((candidate) => candidate.parent === state.path);
      lines.push(`${indent}state "${name}" as ${idOf(state.path)}${isComposite ? ' {' : ''}`);
      if (isComposite) {
        draw(state.path, `${indent}  `);
        lines.push(`${indent}}`);
      }
      for (const action of state.entry) lines.push(`${indent}${idOf(state.path)} : entry / ${action}`);
      for (const action of state.exit) lines.push(`${indent}${idOf(state.path)} : exit / ${action}`);
    }
  };
  draw(null, '  ');
  for (const edge of diagram.edges)
    lines.push(`  ${idOf(edge.from)} --> ${idOf(edge.to)} : ${labelOf(edge)}`);
  return `${lines.join('\n')}\n`;
};
