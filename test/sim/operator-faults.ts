// What the operator does in a run: drains, whole and single, with and without a wish where to, and stops. Nobody
// is to notice: the planned-move checker is armed by each. An undrain is said again until the node has heard it.
import type { Input } from '../../src/machines/inputs.ts';
import { type Fault, ofNode, runningOf } from './fault.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

const INSIST_EVERY_MS = 1_000;

const drain = (ips: readonly string[] | null, to: string | null, patient = false): Input => ({
  type: 'drain.requested',
  ips,
  to,
  patient,
});

const undrain = (world: World, name: string): void => {
  const node = world.node(name);
  if (node.isRunning()) world.tell(name, { type: 'undrain.requested' });
  else world.forgetDrained(name);
  world.queue.after(INSIST_EVERY_MS, () => {
    if (node.isDrained()) undrain(world, name);
  });
};

const drainAll = (world: World, name: string, to: string | null, patient: boolean): (() => void) => {
  world.tell(name, drain(null, to, patient), { ip: null });
  return () => undrain(world, name);
};

/** Those that are not drained already: another's undrain is not to end this drain early. */
const drainable = (world: World): string[] => runningOf(world).filter((name) => !world.isLeaving(name));

const drainSome = (
  world: World,
  random: Random,
  count: number,
  to: string | null,
  patient = false,
): (() => void) | null => {
  const names = drainable(world);
  if (names.length < count) return null;
  const ends: (() => void)[] = [];
  for (let left = count; left > 0; left -= 1) {
    const [name] = names.splice(Math.floor(random.next() * names.length), 1) as [string];
    ends.push(drainAll(world, name, to, patient));
  }
  return () => {
    for (const end of ends) end();
  };
};

const drainOne = (world: World, random: Random, to: string | null, patient = false): null => {
  const ip = random.pick(world.profile.ips);
  const owner = runningOf(world).find((name) => world.node(name).isAnswering(ip));
  if (owner !== undefined && owner !== to) world.tell(owner, drain([ip], to, patient), { ip });
  return null;
};

export const OPERATOR_FAULTS: Readonly<Record<string, Fault>> = {
  drain: { lasts: [200, 20_000], begin: (world, random) => drainSome(world, random, 1, null) },
  'drain-two': { lasts: [200, 20_000], begin: (world, random) => drainSome(world, random, 2, null) },
  'drain-to': {
    lasts: [200, 20_000],
    begin: (world, random) => {
      const to = random.pick([...world.nodes.keys()]);
      return random.chance(0.5) ? drainOne(world, random, to) : drainSome(world, random, 1, to);
    },
  },
  'drain-ip': { lasts: [1, 1], begin: (world, random) => drainOne(world, random, null) },
  'drain-patient': {
    lasts: [200, 20_000],
    begin: (world, random) =>
      random.chance(0.5) ? drainOne(world, random, null, true) : drainSome(world, random, 1, null, true),
  },
  undrain: {
    lasts: [1, 1],
    begin: ofNode((world, name) => {
      world.tell(name, { type: 'undrain.requested' });
      return () => {};
    }),
  },
  'stop-all': {
    lasts: [16_000, 25_000],
    begin: (world) => {
      const names = runningOf(world);
      const reason = 'the simulated operator stops all';
      for (const name of names) world.tell(name, { type: 'stop.requested', reason }, { ip: null });
      return () => {
        for (const name of names) {
          if (world.node(name).isRunning()) world.kill(name);
          world.start(name);
        }
      };
    },
  },
};
