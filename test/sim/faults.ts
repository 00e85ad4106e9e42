// What goes wrong in a run. Swarm style: each run draws which kinds of fault it uses and how often, so that
// runs differ in kind and not only in timing. Every fault knows how it ends; at the end all are healed.
import { type Act, playAct, recordAct } from './acts.ts';
import { ATTACK_FAULTS } from './attack-faults.ts';
import { CLUSTER_FAULTS } from './cluster-faults.ts';
import { type Fault, ofNode } from './fault.ts';
import { HOST_FAULTS } from './host-faults.ts';
import { OPERATOR_FAULTS } from './operator-faults.ts';
import type { Random } from './random.ts';
import type { Era } from './run-shape.ts';
import type { World } from './world.ts';

const deaf = (way: { readonly in: boolean; readonly out: boolean }): Fault => ({
  lasts: [20, 20_000],
  begin: ofNode((world, name) => {
    world.setDeaf(name, way);
    return () => world.setDeaf(name, { in: false, out: false });
  }),
});

const FIRST_FAULTS: Readonly<Record<string, Fault>> = {
  crash: {
    lasts: [100, 20_000],
    begin: ofNode((world, name) => {
      world.crash(name);
      return () => world.start(name);
    }),
  },
  kill: {
    lasts: [50, 20_000],
    begin: ofNode((world, name) => {
      world.kill(name);
      return () => world.start(name);
    }),
  },
  restart: {
    lasts: [1_000, 20_000],
    begin: ofNode((world, name) => {
      const reason = 'the simulated operator restarts it';
      world.tell(name, { type: 'stop.requested', reason }, { ip: null });
      return () => {
        if (world.node(name).isRunning()) world.kill(name);
        world.start(name);
      };
    }),
  },
  pause: {
    lasts: [5, 15_000],
    begin: ofNode((world, name) => {
      world.pause(name);
      return () => world.resume(name);
    }),
  },
  stall: {
    lasts: [5, 6_000],
    begin: ofNode((world, name, lastsMs) => {
      world.stall(name, lastsMs);
      return () => {};
    }),
  },
  lag: {
    lasts: [1, 150],
    begin: ofNode((world, name, lastsMs) => {
      world.lag(name, lastsMs);
      return () => {};
    }),
  },
  cut: {
    lasts: [2, 20_000],
    begin: ofNode((world, name) => {
      world.setCarrier(name, false);
      return () => world.setCarrier(name, true);
    }),
  },
  deaf: deaf({ in: true, out: true }),
  'deaf-in': deaf({ in: true, out: false }),
  'deaf-out': deaf({ in: false, out: true }),
  'one-way': {
    lasts: [50, 20_000],
    begin: (world, random) => {
      const names = [...world.segment.ports.keys()].filter((name) => name !== 'foreign');
      const from = random.pick(names);
      const to = random.pick(names);
      if (from === to) return null;
      world.setOneWay(from, to, true);
      return () => world.setOneWay(from, to, false);
    },
  },
  partition: {
    lasts: [20, 30_000],
    begin: (world, random) => {
      const names = [...world.segment.ports.keys()];
      const half = random.some(names, 0.5);
      if (half.length === 0 || half.length === names.length) return null;
      world.partition(half);
      return () => world.partition([]);
    },
  },
  loss: {
    lasts: [200, 20_000],
    begin: (world, random) => {
      const name = random.pick([...world.segment.ports.keys()].filter((port) => port !== 'foreign'));
      world.setLoss(name, random.between(0.01, 0.2), random.chance(0.5) ? random.between(0, 0.1) : 0);
      return () => world.setLoss(name, 0, 0);
    },
  },
};

/**
 * Kinds that came later are drawn from streams of their own, so that seeds kept from before still give the run
 * that once failed when these kinds are left out.
 */
const LATER_FAULTS: Readonly<Record<string, Fault>> = {
  ...OPERATOR_FAULTS,
  ...ATTACK_FAULTS,
  /** The main thread hangs for about the watchdog's time, or much longer. */
  hang: {
    lasts: [2_600, 5_800],
    begin: ofNode((world, name, lastsMs) => {
      world.stall(name, lastsMs);
      return () => {};
    }),
  },
};
/** Two nodes no longer hear each other; everybody else hears both. */
const apart: Fault = {
  lasts: [500, 20_000],
  begin: (world, random) => {
    const names = [...world.nodes.keys()];
    const a = random.pick(names);
    const b = random.pick(names);
    if (a === b) return null;
    const set = (isBroken: boolean): void => {
      world.setOneWay(a, b, isBroken);
      world.setOneWay(b, a, isBroken);
    };
    set(true);
    return () => set(false);
  },
};
const NEWEST_FAULTS: Readonly<Record<string, Fault>> = { ...HOST_FAULTS, apart };

const FAULTS: Readonly<Record<string, Fault>> = {
  ...FIRST_FAULTS,
  ...LATER_FAULTS,
  ...NEWEST_FAULTS,
  ...CLUSTER_FAULTS,
};
const LATER_SHARE = 0.2;
const CLUSTER_SHARE = 0.4;

/** After these a client may have missed every announcement, and recovers only as its entry ages (53 s). */
const CLIENTS_MAY_MISS: readonly string[] = ['loss', 'one-way'];

export interface FaultPlan {
  /** The kinds this run uses, each with the mean time between two of them. */
  readonly kinds: readonly { readonly name: string; readonly everyMs: number }[];
  readonly mayClientsMiss: boolean;
  /** What happened so far, in order. */
  readonly acts: readonly Act[];
  /** Lets faults happen until `until`. */
  unleash(world: World, until: number): void;
  /** Ends every fault that still lasts, at once. */
  heal(): void;
}

/** Faults that last: each ends once, in its time or when all are healed. */
const createOpenFaults = () => {
  const open = new Set<() => void>();
  return {
    add: (world: World, lastsMs: number, end: () => void): void => {
      const once = (): void => {
        if (open.delete(once)) end();
      };
      open.add(once);
      world.queue.after(lastsMs, once);
    },
    endAll: (): void => {
      for (const end of [...open]) end();
    },
  };
};

/** `only`: these kinds, instead of drawn ones. `era`: none of those that came after it. `isClustered`: the API's too. */
export const drawFaultPlan = (
  random: Random,
  only: readonly string[] | null,
  era: Era,
  isClustered: boolean,
): FaultPlan => {
  const first = only ?? Object.keys(FIRST_FAULTS).filter(() => random.chance(0.3));
  const drawKind = (name: string, from: Random): FaultPlan['kinds'][number] => {
    if (FAULTS[name] === undefined) throw new Error(`no fault ${name}: ${Object.keys(FAULTS).join(', ')}`);
    return { name, everyMs: Math.round(1_000 * 30 ** from.next()) };
  };
  const kinds = first.map((name) => drawKind(name, random));
  if (only === null && era !== 'first') {
    const draw = (names: readonly string[], share: number): void => {
      for (const name of names) {
        const mine = random.split(`whether ${name}`);
        if (mine.chance(share)) kinds.push(drawKind(name, mine));
      }
    };
    draw(Object.keys(LATER_FAULTS), LATER_SHARE);
    if (era === 'newest') draw(Object.keys(NEWEST_FAULTS), LATER_SHARE);
    if (isClustered) draw(Object.keys(CLUSTER_FAULTS), CLUSTER_SHARE);
  }
  const names = kinds.map(({ name }) => name);
  const acts: Act[] = [];
  const open = createOpenFaults();

  const happen = (world: World, name: string, mine: Random): void => {
    const fault = FAULTS[name] as Fault;
    const [shortest, longest] = fault.lasts;
    const lastsMs = shortest * (longest / shortest) ** mine.next();
    const on = world.others.length === 0 ? world : mine.pick([world, ...world.others]);
    const { act, end } = recordAct(on, name, lastsMs, (seen) => fault.begin(seen, mine, lastsMs));
    if (end !== null || act.begin.length > 0) acts.push(act);
    if (end !== null) open.add(world, lastsMs, end);
  };

  return {
    kinds,
    mayClientsMiss: names.some((name) => CLIENTS_MAY_MISS.includes(name)),
    acts,
    unleash: (world, until) => {
      for (const { name, everyMs } of kinds) {
        const mine = random.split(name);
        const next = (): void => {
          const at = world.queue.now() - everyMs * Math.log(1 - mine.next());
          if (at >= until) return;
          world.queue.at(at, () => {
            happen(world, name, mine);
            next();
          });
        };
        next();
      }
    },
    heal: open.endAll,
  };
};

/** The acts that were written down, instead of drawn ones. */
export const playedFaultPlan = (acts: readonly Act[]): FaultPlan => {
  const open = createOpenFaults();
  return {
    kinds: [...new Set(acts.map(({ fault }) => fault))].map((name) => ({ name, everyMs: 0 })),
    mayClientsMiss: false,
    acts,
    unleash: (world, until) => {
      for (const act of acts) {
        if (act.at < until) world.queue.at(act.at, () => open.add(world, act.lastsMs, playAct(world, act)));
      }
    },
    heal: open.endAll,
  };
};
