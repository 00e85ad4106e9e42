// What goes wrong around the API server, or is asked through it: it is away for all or for one, a watch tells late,
// hellos are blocked between all nodes while it is there (what the objects exist for), Nodes are not Ready, Services
// change. Only in runs that have an API server.
import type { ServiceIpConfig } from '../../src/machines/config.ts';
import { type Fault, ofNode } from './fault.ts';
import type { World } from './world.ts';

/** Listening, whole tables (3 s), a probe (1 s) and its ranks: then a Service that came back is served. */
const SERVED_AGAIN_MS = 5_500;

const clustered = (begin: Fault['begin']): Fault['begin'] => {
  return (world, random, lastsMs) => (world.api === null ? null : begin(world, random, lastsMs));
};

const away = (world: World, names: readonly string[]): (() => void) => {
  const set = (isUp: boolean): void => {
    for (const name of names) world.toApi('setUp', name, isUp);
  };
  set(false);
  return () => set(true);
};

export const CLUSTER_FAULTS: Readonly<Record<string, Fault>> = {
  'api-away': { lasts: [500, 45_000], begin: clustered((world) => away(world, [...world.nodes.keys()])) },
  'api-away-one': {
    lasts: [500, 45_000],
    begin: clustered((world, random) => away(world, [random.pick([...world.nodes.keys()])])),
  },
  'watch-lag': {
    lasts: [100, 20_000],
    begin: clustered(
      ofNode((world, name) => {
        const hold = (isHeldBack: boolean): void => world.toApi('setHeldBack', name, isHeldBack);
        hold(true);
        return () => hold(false);
      }),
    ),
  },
  hush: {
    lasts: [1_000, 45_000],
    begin: clustered((world) => {
      if (world.segment.isHushed()) return null;
      world.setHushed(true);
      return () => world.setHushed(false);
    }),
  },
  'not-ready': {
    lasts: [200, 20_000],
    begin: clustered((world, random) => {
      const name = random.pick([...world.nodes.keys()]);
      if (world.api?.isExcluded(name) === true) return null;
      const set = (is: boolean): void => world.toApi('setExcluded', name, is);
      set(true);
      return () => set(false);
    }),
  },
  service: {
    lasts: [200, 15_000],
    begin: clustered((world, random) => {
      const ip = random.pick(world.profile.ips);
      if (world.contested.has(ip)) return null;
      const nodes = random.some([...world.nodes.keys()], 0.5);
      const keep = random.some([...world.nodes.keys()], 0.5);
      const config: ServiceIpConfig = { ip, nodes, interfaces: null, keep };
      world.changeService(ip, random.chance(0.3) ? null : config);
      return () => {
        world.changeService(ip, { ip, nodes: null, interfaces: null });
        world.queue.after(SERVED_AGAIN_MS, () => world.settle(ip));
      };
    }),
  },
};
