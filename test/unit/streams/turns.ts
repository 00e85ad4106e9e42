// Turns run by hand, so that a test decides what one turn of the inbox holds.
import type { SchedulerLike } from 'rxjs';

export interface Turns {
  readonly scheduler: SchedulerLike;
  /** Runs what is scheduled now; what that schedules waits for the next call. */
  run(): void;
  waiting(): number;
}

export const createTurns = (): Turns => {
  let tasks: (() => void)[] = [];
  const schedule = (work: () => void) => {
    tasks.push(work);
    return {
      unsubscribe: () => {
        tasks = tasks.filter((task) => task !== work);
      },
    };
  };
  return {
    scheduler: { schedule, now: () => 0 } as unknown as SchedulerLike,
    run: () => {
      const due = tasks;
      tasks = [];
      for (const task of due) task();
    },
    waiting: () => tasks.length,
  };
};
