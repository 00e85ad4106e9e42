// A whole node for the RFC tests: bytes in, bytes out, through the codecs, the wire step and the core.
import { decodeFrame, encodeFrame } from '../../src/io/packets/frame.ts';
import type { CoreConfig } from '../../src/machines/config.ts';
import type { Effect } from '../../src/machines/effects.ts';
import type { NeighborFrame } from '../../src/machines/frames.ts';
import type { Input } from '../../src/machines/inputs.ts';
import { unsolicitedAdvertisement } from '../../src/machines/neighbor-frames.ts';
import type { WireOutput } from '../../src/machines/wire-facts.ts';
import { any, createNode, LISTENED, link, loaded, type Node, START, V4, V6 } from '../support/core.ts';
import { createWire, type Wire, wireConfig } from '../support/wire-step.ts';

export interface Sent {
  /** Milliseconds after START. */
  readonly at: number;
  readonly frame: NeighborFrame;
}

export interface Station {
  readonly node: Node;
  readonly wire: Wire;
  /** Everything that left but hellos, in order. */
  readonly sent: readonly Sent[];
  /** What bytes lead to: the frames that leave at once. Malformed ones lead to nothing. */
  hear(ms: number, frame: NeighborFrame | Uint8Array): readonly NeighborFrame[];
  /** Lets time pass until `ms`, every deadline in its turn. */
  until(ms: number): void;
}

const COMMANDS: readonly Effect['type'][] = [
  'listen',
  'hello.flags',
  'witness',
  'yield',
  'answer.start',
  'answer.stop',
  'announce',
  'probe',
  'probe.stop',
  'defend',
];

/** A node with one interface that begins to claim V4 and V6 at LISTENED. */
export const createStation = (over: Partial<CoreConfig> = {}): Station => {
  const node = createNode({ isWirePatient: false });
  const wire = createWire({ ...wireConfig() });
  const sent: Sent[] = [];

  const take = (ms: number, outputs: readonly WireOutput[]): void => {
    for (const output of outputs) {
      if (output.type === 'fact') act(ms, output.input);
      else if (output.type === 'send' || output.type === 'advertise') {
        const frame = output.type === 'send' ? output.frame : unsolicitedAdvertisement(output.ip, output.mac);
        if (frame.kind === 'hello') continue;
        const bytes = encodeFrame(frame);
        const read = decodeFrame(bytes, bytes.length);
        if (read.kind === 'dropped') throw new Error(`it sent what it would drop itself: ${read.reason}`);
        sent.push({ at: ms, frame: read });
      }
    }
  };
  const act = (ms: number, input: Input): void => {
    for (const effect of node.at(ms, input).filter(node.core.wants)) {
      if (COMMANDS.includes(effect.type)) take(ms, wire.obey(ms, effect as never));
    }
  };
  act(0, link());
  act(0, loaded({ serviceIPs: [any(V4), any(V6)], ...over }));
  return {
    node,
    wire,
    sent,
    hear: (ms, frame) => {
      const bytes = frame instanceof Uint8Array ? frame : encodeFrame(frame);
      const read = decodeFrame(bytes, bytes.length);
      const before = sent.length;
      if (read.kind !== 'dropped') take(ms, wire.hear(ms, read));
      return sent.slice(before).map(({ frame: left }) => left);
    },
    until: (ms) => {
      let last = 0;
      for (;;) {
        const deadlines = [node.core.nextDeadline(), wire.step.nextDeadline()].flatMap((at) =>
          at === null ? [] : [at - START],
        );
        const next = Math.max(Math.min(...deadlines, ms + 1), last);
        if (next > ms) return;
        act(next, { type: 'clock' });
        take(next, wire.clock(next));
        last = next + 0.001;
      }
    },
  };
};

/** A station that has led V4 and V6 for a while. */
export const createHolder = (): Station => {
  const station = createStation();
  station.until(LISTENED + 5_000);
  return station;
};
