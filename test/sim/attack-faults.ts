// Somebody on the segment without the key: records hellos, withholds some, and sends them again (design.md, What
// must never happen, 6). What the attacker sends bears the attacker's own MAC; that a forged source moves the
// switch's own table is nothing that a hello can help.
import { type Fault, runningOf } from './fault.ts';
import type { SimHello } from './sim-frames.ts';
import type { World } from './world.ts';

/** Hellos remembered per node: some seconds of them. */
const REMEMBERED = 200;
const SPACING_MS = 3;
const BURST = 40;

interface Recorded {
  readonly at: number;
  readonly hello: SimHello;
}

/** By the world's queue: faults see a world of their own each, which writes down what they do. */
const tapes = new WeakMap<World['queue'], Map<string, Recorded[]>>();

/** Every hello that a node sends from now on, delivered or not; the oldest go. */
const tapesOf = (world: World): Map<string, Recorded[]> => {
  const known = tapes.get(world.queue);
  if (known !== undefined) return known;
  const tape = new Map<string, Recorded[]>();
  tapes.set(world.queue, tape);
  world.observe({
    onSent: (node, frame) => {
      if (frame.kind !== 'hello') return;
      const hellos = tape.get(node) ?? [];
      tape.set(node, hellos);
      hellos.push({ at: world.queue.now(), hello: frame });
      if (hellos.length > 2 * REMEMBERED) hellos.splice(0, REMEMBERED);
    },
  });
  return tape;
};

const replayAll = (world: World, hellos: readonly Recorded[]): void => {
  const first = hellos[0]?.hello;
  if (first === undefined) return;
  world.note('foreign', `replays ${hellos.length} hellos of ${first.node} from number ${first.sequence} on`);
  for (const [index, { at, hello }] of hellos.entries()) {
    world.queue.after(index * SPACING_MS, () => world.injectForeign(hello, world.queue.now() - at));
  }
};

export const ATTACK_FAULTS: Readonly<Record<string, Fault>> = {
  /** What was recorded until now is played when the fault ends. */
  replay: {
    lasts: [10, 15_000],
    begin: (world, random) => {
      const tape = tapesOf(world).get(random.pick([...world.nodes.keys()])) ?? [];
      if (tape.length === 0) return null;
      const from = random.whole(0, tape.length - 1);
      const hellos = tape.slice(from, from + BURST);
      return () => replayAll(world, hellos);
    },
  },
  /** Keeps back what a node sends, perhaps until its process is another one, and delivers it late. */
  withhold: {
    lasts: [20, 2_000],
    begin: (world, random) => {
      const names = runningOf(world);
      if (names.length === 0) return null;
      const name = random.pick(names);
      const tape = tapesOf(world);
      const port = world.port(name);
      if (port.isMute) return null;
      const before = tape.get(name)?.at(-1);
      world.setDeaf(name, { in: port.isDeaf, out: true });
      const restarts = random.chance(0.5);
      const lateMs = 10 * 1_000 ** random.next();
      return () => {
        const all = tape.get(name) ?? [];
        const kept = all.slice(before === undefined ? 0 : all.lastIndexOf(before) + 1).slice(-BURST);
        if (restarts && world.node(name).isRunning()) {
          world.kill(name);
          world.start(name);
        }
        world.setDeaf(name, { in: false, out: false });
        world.queue.after(lateMs, () => replayAll(world, kept));
      };
    },
  },
};
