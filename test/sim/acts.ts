// What a fault did, as data: each act is the deeds that began it and those that ended it, so that a run can be
// written down, cut short and played again (script.ts). Recorded always: whoever fails wants it.
import type { World } from './world.ts';

/** What may be done to a world from outside, by name. */
export const DEEDS = [
  'start',
  'kill',
  'crash',
  'pause',
  'resume',
  'stall',
  'lag',
  'setCarrier',
  'setDeaf',
  'setOneWay',
  'partition',
  'setLoss',
  'foreignClaim',
  'setHushed',
  'toApi',
  'changeService',
  'contest',
  'settle',
  'injectForeign',
  'note',
  'tell',
  'forgetDrained',
  'freezeDisk',
  'stepClock',
  'upgrade',
  'configure',
  'configureWindow',
] as const satisfies readonly (keyof World)[];
export type DeedName = (typeof DEEDS)[number];

export interface Deed {
  /** Since the act began, or ended, simulated milliseconds. */
  readonly afterMs: number;
  readonly do: DeedName;
  readonly with: readonly unknown[];
}

export interface Act {
  readonly fault: string;
  /** Absent: the segment that every node is on. */
  readonly segment?: number;
  /** Simulated milliseconds. */
  readonly at: number;
  readonly lastsMs: number;
  readonly begin: readonly Deed[];
  readonly end: readonly Deed[];
}

/** The world as a fault sees it, where every deed is written to the list that `where` names. */
const recorded = (world: World, where: () => { readonly deeds: Deed[]; readonly since: number }): World => {
  const seen = { ...world } as unknown as Record<string, unknown>;
  for (const name of DEEDS) {
    const run = world[name] as (...args: readonly unknown[]) => void;
    seen[name] = (...args: readonly unknown[]): void => {
      const { deeds, since } = where();
      deeds.push({ afterMs: world.queue.now() - since, do: name, with: args });
      run(...args);
    };
  }
  return seen as unknown as World;
};

/** Begins a fault and writes down what it does; `end` is null when there is nothing to end. */
export const recordAct = (
  world: World,
  fault: string,
  lastsMs: number,
  begin: (world: World) => (() => void) | null,
): { readonly act: Act; readonly end: (() => void) | null } => {
  const at = world.queue.now();
  const segment = world.index === 0 ? {} : { segment: world.index };
  const act = { fault, ...segment, at, lastsMs, begin: [] as Deed[], end: [] as Deed[] };
  let where = { deeds: act.begin, since: at };
  const end = begin(recorded(world, () => where));
  if (end === null) return { act, end };
  return {
    act,
    end: () => {
      where = { deeds: act.end, since: world.queue.now() };
      end();
    },
  };
};

const perform = (world: World, deeds: readonly Deed[], isWanted: () => boolean): void => {
  for (const { afterMs, do: name, with: args } of deeds) {
    const run = (): void => {
      if (isWanted()) (world[name] as (...all: readonly unknown[]) => void)(...args);
    };
    if (afterMs <= 0) run();
    else world.queue.after(afterMs, run);
  }
};

/** Begins an act as it was written down; returns how it ends. */
export const playAct = (main: World, { segment, begin, end }: Act): (() => void) => {
  const world = segment === undefined ? main : (main.others[segment - 1] ?? main);
  // Healed early, what was still to begin does not.
  let isOver = false;
  perform(world, begin, () => !isOver);
  return () => {
    isOver = true;
    perform(world, end, () => true);
  };
};
