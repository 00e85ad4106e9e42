// The loop of a live node: sources -> merge -> stamp -> collect -> journal -> step -> effects. Everything that
// is RxJS about the daemon is here and beside it; what it steps is pure, what it performs is io's.
import {
  asyncScheduler,
  EMPTY,
  filter,
  map,
  merge,
  type Observable,
  type SchedulerLike,
  Subject,
  switchMap,
  timer,
} from 'rxjs';
import type { Core, CoreCheckpoint } from '../machines/core.ts';
import type { Effect, EffectType } from '../machines/effects.ts';
import type { StampedInput } from '../machines/inputs.ts';
import { collect } from './collect.ts';
import { type Fact, isDroppable, levelKey } from './facts.ts';
import { guarded } from './sources.ts';

/** What may wait in the inbox: some seconds of a very busy wire. Past it news is dropped and counted. */
const MAX_WAITING = 65_536;
/** setTimeout's largest delay; a later deadline is simply looked at again. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Where inputs and effects are recorded (src/io/journal). It is called, not subscribed: order matters. */
export interface JournalPort {
  appendInputs(inputs: readonly StampedInput[]): void;
  appendEffects(n: number, effects: readonly Effect[]): void;
  nextNumber(): number;
  settle(checkpoint: () => CoreCheckpoint): void;
}

export interface RuntimeOptions {
  readonly core: Core;
  readonly journal: JournalPort;
  /** Logical time now, milliseconds. */
  readonly now: () => number;
  readonly sources: Readonly<Record<string, Observable<Fact>>>;
  /** When a turn runs after its first fact; default: after pending I/O, at once. */
  readonly turns: SchedulerLike;
  /** Timers; default: asyncScheduler. */
  readonly time?: SchedulerLike;
  /** Makes the sources deliver what they hold, so that queued news is never taken for silence. */
  readonly deliver: () => void;
  readonly onStep?: (input: StampedInput, milliseconds: number) => void;
}

export interface RuntimeCounters {
  turns: number;
  droppedFacts: number;
}

export interface Runtime {
  /** One array a turn: the effects that the state still wants, in order. */
  readonly effects$: Observable<readonly Effect[]>;
  readonly counters: Readonly<RuntimeCounters>;
  start(): void;
  stop(): void;
}

/** The effects of some types, one by one. */
export const effectsOf = <T extends EffectType>(
  effects$: Observable<readonly Effect[]>,
  ...types: readonly T[]
): Observable<readonly Extract<Effect, { type: T }>[]> =>
  effects$.pipe(
    map((effects) =>
      effects.filter((effect): effect is Extract<Effect, { type: T }> => types.includes(effect.type as T)),
    ),
    filter((effects) => effects.length > 0),
  );

export const createRuntime = (options: RuntimeOptions): Runtime => {
  const { core, journal, now } = options;
  const time = options.time ?? asyncScheduler;
  const effects$ = new Subject<readonly Effect[]>();
  const deadline$ = new Subject<number | null>();
  const counters: RuntimeCounters = { turns: 0, droppedFacts: 0 };

  const alarm$: Observable<Fact> = deadline$.pipe(
    switchMap((deadline) =>
      deadline === null ? EMPTY : timer(Math.min(Math.max(deadline - now(), 0), MAX_DELAY_MS), time),
    ),
    map(() => ({ input: { type: 'clock' } })),
  );

  const stamp = ({ at, input }: Fact): StampedInput => ({ at: at ?? now(), input });

  /** A stamp older than the logical clock is raised to it, and so journaled. */
  const raise = (batch: readonly StampedInput[]): readonly StampedInput[] => {
    let least = core.now();
    return batch.map(({ at, input }) => {
      least = Math.max(least, at);
      return { at: least, input };
    });
  };

  const handle = (batch: readonly StampedInput[]): void => {
    counters.turns += 1;
    const inputs = raise(batch);
    const first = journal.nextNumber();
    journal.appendInputs(inputs);
    const led: Effect[] = [];
    for (const [index, input] of inputs.entries()) {
      const before = performance.now();
      const effects = core.step(input.at, input.input);
      options.onStep?.(input, performance.now() - before);
      journal.appendEffects(first + index, effects);
      led.push(...effects);
    }
    const wanted = led.filter(core.wants);
    if (wanted.length > 0) effects$.next(wanted);
    journal.settle(core.checkpoint);
    deadline$.next(core.nextDeadline());
  };

  const facts = Object.entries(options.sources).map(([name, source]) => guarded(name, source, time));
  const loop$ = merge(alarm$, ...facts).pipe(
    map(stamp),
    collect<StampedInput>({
      keyOf: levelKey,
      timeOf: ({ at }) => at,
      bound: MAX_WAITING,
      isDroppable,
      scheduler: options.turns,
      onDropped: () => {
        counters.droppedFacts += 1;
      },
      onTurn: options.deliver,
    }),
  );
  let subscription: { unsubscribe(): void } | null = null;

  return {
    effects$: effects$.asObservable(),
    counters,
    start: () => {
      subscription ??= loop$.subscribe(handle);
    },
    stop: () => {
      subscription?.unsubscribe();
      subscription = null;
      effects$.complete();
    },
  };
};
