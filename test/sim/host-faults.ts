// What happens to a host and its files besides its network: a disk that takes nothing for a while, a wall clock that is
// set while the daemon is down, a configuration that is changed on every node, one after the other.
import type { ServiceIpConfig } from '../../src/machines/config.ts';
import { type Fault, ofNode, runningOf } from './fault.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** Listening, whole tables (3 s), a probe (1 s) and its ranks: then an IP that came back is served. */
const SERVED_AGAIN_MS = 5_500;
/** Somebody copies the file from node to node. */
const SPREAD_MS = 2_000;
/** Back again it comes at nearly the same time, so that the liveness phase can judge it. */
const SPREAD_BACK_MS = 400;
/** The shortest drain window: planned moves are judged for 5 s. */
const LEAST_WINDOW_MS = 6_000;
const STEP_MS = { least: 100, most: 3_600_000 };

/** `isWanted`: asked when a node's turn has come; all may have been healed meanwhile. */
const onEach = (
  world: World,
  random: Random,
  { spreadMs, isWanted }: { readonly spreadMs: number; readonly isWanted: () => boolean },
  run: (name: string) => void,
): void => {
  for (const name of world.nodes.keys()) {
    world.queue.after(random.between(0, spreadMs), () => {
      if (isWanted()) run(name);
    });
  }
};

/** Does it on every node, and returns what takes it back on every node. */
const spread = (
  world: World,
  random: Random,
  run: (name: string) => void,
  back: (name: string) => void,
): (() => void) => {
  let isOver = false;
  onEach(world, random, { spreadMs: SPREAD_MS, isWanted: () => !isOver }, run);
  return () => {
    isOver = true;
    onEach(world, random, { spreadMs: SPREAD_BACK_MS, isWanted: () => true }, back);
  };
};

/** It is not configured any more, or only for some nodes. */
const changeService = (world: World, random: Random): (() => void) | null => {
  const ip = random.pick(world.profile.ips);
  if (world.contested.has(ip)) return null;
  const nodes = random.some([...world.nodes.keys()], 0.5);
  const config: ServiceIpConfig | null = random.chance(0.5) ? null : { ip, nodes, interfaces: null };
  world.contest(ip);
  const before: ServiceIpConfig = { ip, nodes: null, interfaces: null };
  const back = spread(
    world,
    random,
    (name) => world.configure(name, ip, config),
    (name) => world.configure(name, ip, before),
  );
  return () => {
    back();
    world.queue.after(SPREAD_BACK_MS + SERVED_AGAIN_MS, () => world.settle(ip));
  };
};

const changeWindow = (world: World, random: Random): (() => void) => {
  const { windowMs } = world.profile.drain;
  const ms = Math.round(random.between(LEAST_WINDOW_MS, Math.min(windowMs, 2 * LEAST_WINDOW_MS)));
  return spread(
    world,
    random,
    (name) => world.configureWindow(name, ms),
    (name) => world.configureWindow(name, null),
  );
};

export const HOST_FAULTS: Readonly<Record<string, Fault>> = {
  'disk-frozen': {
    lasts: [2, 15_000],
    begin: ofNode((world, name, lastsMs) => {
      world.freezeDisk(name, lastsMs);
      return () => {};
    }),
  },
  'clock-step': {
    lasts: [50, 5_000],
    begin: (world, random, lastsMs) =>
      ofNode((_world, name) => {
        world.kill(name);
        const stepMs = STEP_MS.least * (STEP_MS.most / STEP_MS.least) ** random.next();
        world.stepClock(name, Math.round(random.chance(0.5) ? stepMs : -stepMs));
        return () => world.start(name);
      })(world, random, lastsMs),
  },
  /** Stopped, and started again as this version: part of a rolling upgrade. */
  upgrade: {
    lasts: [200, 5_000],
    begin: (world, random) => {
      const names = runningOf(world).filter((name) => world.isPrevious(name));
      if (names.length === 0) return null;
      const name = random.pick(names);
      const reason = 'the simulated operator upgrades it';
      world.tell(name, { type: 'stop.requested', reason }, { ip: null });
      return () => {
        if (world.node(name).isRunning()) world.kill(name);
        world.upgrade(name);
        world.start(name);
      };
    },
  },
  reload: {
    lasts: [SPREAD_MS + 500, 15_000],
    begin: (world, random) => {
      // In Kubernetes the API says which service IPs there are (cluster-faults.ts).
      if (world.api !== null || random.chance(0.3)) return changeWindow(world, random);
      return changeService(world, random);
    },
  },
};
