// Sources as Observables. io offers listeners (it knows no RxJS); here they become streams that cannot take the
// daemon down: a source that fails is said, and subscribed again after a while.
import { Observable, retry, type SchedulerLike, timer } from 'rxjs';
import type { Fact } from './facts.ts';

/** Subscribes a listener; returns how to stop. */
export type Listen<T> = (listener: (value: T) => void) => () => void;

export const fromListener = <T>(listen: Listen<T>): Observable<T> =>
  new Observable((subscriber) => listen((value) => subscriber.next(value)));

/** How long a failed source rests before it is subscribed again. */
export const SOURCE_REST_MS = 1_000;

/** A failure of the source becomes a `source.failed` fact, then the source is subscribed again. */
export const guarded = (name: string, source: Observable<Fact>, scheduler: SchedulerLike): Observable<Fact> =>
  new Observable((subscriber) => {
    const rest = (error: unknown): Observable<0> => {
      const reason = error instanceof Error ? error.message : String(error);
      subscriber.next({ input: { type: 'source.failed', source: name, reason } });
      return timer(SOURCE_REST_MS, scheduler);
    };
    return source.pipe(retry({ delay: rest })).subscribe(subscriber);
  });
