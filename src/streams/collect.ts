// The inbox: gathers what the sources say until the next turn, then hands it over as one batch in time order.
// RxJS has no back-pressure, so this is where it is: levels are conflated by key, events are bounded.
import { Observable, type OperatorFunction, type SchedulerLike, type Subscription } from 'rxjs';

export interface CollectOptions<T> {
  /** A later value of the same key replaces the earlier one; null: a value of its own. */
  readonly keyOf: (value: T) => string | null;
  readonly timeOf: (value: T) => number;
  /** How many values may wait; past it, those that may be dropped are, and counted. */
  readonly bound: number;
  readonly isDroppable: (value: T) => boolean;
  /** Decides when the next turn is; the first waiting value asks for it. */
  readonly scheduler: SchedulerLike;
  readonly onDropped: () => void;
  /** Called at the start of a turn: last chance for sources to deliver what they hold. */
  readonly onTurn: () => void;
}

/**
 * Emits non-empty batches, one a turn, sorted by time (equal times in order of arrival). Values that arrive
 * while a batch is being handled wait for the next turn. On completion of the source the rest is emitted.
 */
export const collect =
  <T>(options: CollectOptions<T>): OperatorFunction<T, readonly T[]> =>
  (source) =>
    new Observable((subscriber) => {
      let waiting: T[] = [];
      let places = new Map<string, number>();
      let turn: Subscription | null = null;
      let isTurnDue = false;

      const take = (): readonly T[] => {
        const batch = waiting;
        waiting = [];
        places = new Map();
        return batch.sort((a, b) => options.timeOf(a) - options.timeOf(b));
      };

      const hold = (value: T): void => {
        const key = options.keyOf(value);
        const place = key === null ? undefined : places.get(key);
        if (place !== undefined) {
          waiting[place] = value;
          return;
        }
        if (waiting.length >= options.bound && options.isDroppable(value)) return options.onDropped();
        if (key !== null) places.set(key, waiting.length);
        waiting.push(value);
      };

      const runTurn = (): void => {
        options.onTurn();
        // What onTurn delivered has joined this turn; only values from now on ask for another.
        isTurnDue = false;
        const batch = take();
        if (batch.length > 0) subscriber.next(batch);
      };

      const subscription = source.subscribe({
        next: (value) => {
          hold(value);
          if (isTurnDue) return;
          isTurnDue = true;
          turn = options.scheduler.schedule(runTurn);
        },
        error: (error) => subscriber.error(error),
        complete: () => {
          const batch = take();
          if (batch.length > 0) subscriber.next(batch);
          subscriber.complete();
        },
      });
      return () => {
        turn?.unsubscribe();
        subscription.unsubscribe();
      };
    });
