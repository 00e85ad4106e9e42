// Nodes back to back: whole cores and whole wire steps on one perfect wire, every hello as its octets. Time runs
// from deadline to deadline; the wire takes 0.05 ms.
import { helloCodec, LONGEST_HELLO } from '../../src/io/packets/hello-codec.ts';
import type { CoreConfig } from '../../src/machines/config.ts';
import type { Effect } from '../../src/machines/effects.ts';
import type { Input } from '../../src/machines/inputs.ts';
import type { WireCommand, WireFrame, WireOutput } from '../../src/machines/wire-facts.ts';
import { any, createNode, ETH0, loaded, type Node, START, V4, V6 } from './core.ts';
import { birthOf, createWire, type Wire } from './wire-step.ts';

const DELAY_MS = 0.05;
const COMMANDS: readonly Effect['type'][] = [
  'listen',
  'hello.flags',
  'retell',
  'witness',
  'yield',
  'answer.start',
  'answer.stop',
  'announce',
  'probe',
  'probe.stop',
  'defend',
];

export interface Coupled extends Node {
  readonly wire: Wire;
  tell(input: Input): void;
  /** The wire thread hears nothing, says nothing, or neither. */
  isDeaf: boolean;
  isMute: boolean;
}

export interface Couple {
  /** Adds a node, named or as the one before it; it starts now. */
  add(key: string, over?: Partial<CoreConfig>): Coupled;
  until(ms: number): void;
  /** Who answers for the IP. */
  answering(ip: string): readonly string[];
}

export const createCouple = (): Couple => {
  const nodes = new Map<string, Coupled>();
  const flying: { readonly at: number; readonly from: string; readonly frame: WireFrame }[] = [];
  const codec = helloCodec({ group: 'default', keys: [new Uint8Array(32).fill(7)] });
  let now = 0;

  const overTheWire = (frame: WireFrame): WireFrame => {
    if (frame.kind !== 'hello') return frame;
    const octets = new Uint8Array(LONGEST_HELLO);
    const read = codec.read(octets, codec.write(frame, octets));
    if (read.kind !== 'hello') throw new Error(`it says what it would drop itself: ${JSON.stringify(read)}`);
    return read;
  };

  const add = (key: string, over: Partial<CoreConfig> = {}): Coupled => {
    const name = over.node ?? key;
    const index = nodes.size + 1;
    const birth = birthOf(key, 1);
    const base = createNode({ isWirePatient: false });
    const wire = createWire({ node: name, watched: [V4, V6] }, key);
    const take = (outputs: readonly WireOutput[]): void => {
      for (const output of outputs) {
        if (output.type === 'fact') act(output.input);
        else if (output.type === 'send') flying.push({ at: now + DELAY_MS, from: key, frame: output.frame });
      }
    };
    const act = (input: Input): void => {
      for (const effect of base.at(now, input).filter(base.core.wants)) {
        if (COMMANDS.includes(effect.type)) take(wire.obey(now, effect as WireCommand));
      }
    };
    const node: Coupled = { ...base, wire, tell: act, isDeaf: false, isMute: false };
    nodes.set(key, node);
    act({ type: 'node.started', instance: birth, version: 'test', drained: false });
    act(loaded({ serviceIPs: [any(V4), any(V6)], ...over, node: name }));
    take(wire.at(now, { type: 'link.changed', interface: { ...ETH0, mac: `02:00:00:00:01:0${index}` } }));
    return node;
  };

  const clock = ({ wire, core, tell }: Coupled): void => {
    if ((core.nextDeadline() ?? Number.POSITIVE_INFINITY) <= START + now) tell({ type: 'clock' });
    if ((wire.step.nextDeadline() ?? Number.POSITIVE_INFINITY) > START + now) return;
    for (const output of wire.clock(now)) {
      if (output.type === 'fact') tell(output.input);
      else if (output.type === 'send') {
        const from = [...nodes].find(([, node]) => node.wire === wire)?.[0] ?? '';
        flying.push({ at: now + DELAY_MS, from, frame: output.frame });
      }
    }
  };

  const arrive = (): void => {
    const due = flying.filter(({ at }) => at <= now);
    for (const each of due) {
      flying.splice(flying.indexOf(each), 1);
      if (nodes.get(each.from)?.isMute === true) continue;
      const frame = overTheWire(each.frame);
      for (const [key, node] of nodes) {
        if (key === each.from || node.isDeaf) continue;
        for (const output of node.wire.hear(now, frame)) {
          if (output.type === 'fact') node.tell(output.input);
          else if (output.type === 'send')
            flying.push({ at: now + DELAY_MS, from: key, frame: output.frame });
        }
      }
    }
  };

  return {
    add,
    until: (ms) => {
      for (;;) {
        const deadlines = [...nodes.values()].flatMap(({ core, wire }) =>
          [core.nextDeadline(), wire.step.nextDeadline()].flatMap((at) => (at === null ? [] : [at - START])),
        );
        const next = Math.min(...deadlines, ...flying.map(({ at }) => at), Number.POSITIVE_INFINITY);
        if (next > ms) break;
        // A microsecond at least, as on a thread.
        now = Math.max(next, now + 0.001);
        arrive();
        for (const node of nodes.values()) clock(node);
      }
      now = ms;
    },
    answering: (ip) => [...nodes].flatMap(([key, { wire }]) => (wire.step.isAnswering(ip) ? [key] : [])),
  };
};
