// The timer table of the step loop: absolute deadlines in logical time, at most one timer per id. A binary heap
// with lazy deletion, so that ten thousand timers cost O(log n) each (xstate's SimulatedClock cannot: facts.md).
// Ties fire in the order they were set, which the generation number keeps over a checkpoint.

export interface Timer<P> {
  readonly id: string;
  readonly generation: number;
  /** Logical time, milliseconds. */
  readonly deadline: number;
  readonly payload: P;
}

/** What a checkpoint keeps of the table. */
export interface TimersCheckpoint<P> {
  readonly generation: number;
  readonly timers: readonly Timer<P>[];
}

export interface Timers<P> {
  /** Sets the timer `id`, replacing one of that id. */
  set(id: string, deadline: number, payload: P): void;
  cancel(id: string): void;
  has(id: string): boolean;
  /** The earliest deadline, or null when no timer runs. */
  next(): number | null;
  /** Removes and returns the earliest timer due at or before `now`. */
  takeDue(now: number): Timer<P> | null;
  checkpoint(): TimersCheckpoint<P>;
}

const earlier = <P>(a: Timer<P>, b: Timer<P>): boolean =>
  a.deadline < b.deadline || (a.deadline === b.deadline && a.generation < b.generation);

/** Heap entries that are dead may outnumber the live ones by this factor before the heap is rebuilt. */
const DEAD_FACTOR = 4;
const REBUILD_FLOOR = 64;

export const createTimers = <P>(from?: TimersCheckpoint<P>): Timers<P> => {
  const live = new Map<string, Timer<P>>();
  let heap: Timer<P>[] = [];
  let generation = from?.generation ?? 0;

  const up = (start: number): void => {
    let index = start;
    const timer = heap[index] as Timer<P>;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as Timer<P>;
      if (!earlier(timer, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = timer;
  };

  const down = (): void => {
    const timer = heap[0] as Timer<P>;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && earlier(heap[child + 1] as Timer<P>, heap[child] as Timer<P>))
        child += 1;
      const below = heap[child] as Timer<P>;
      if (!earlier(below, timer)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = timer;
  };

  const push = (timer: Timer<P>): void => {
    heap.push(timer);
    up(heap.length - 1);
  };

  const rebuild = (): void => {
    heap = [...live.values()].sort((a, b) => (earlier(a, b) ? -1 : 1));
  };

  const pop = (): void => {
    const last = heap.pop() as Timer<P>;
    if (heap.length === 0) return;
    heap[0] = last;
    down();
  };

  const head = (): Timer<P> | null => {
    for (;;) {
      const first = heap[0];
      if (first === undefined) return null;
      if (live.get(first.id) === first) return first;
      pop();
    }
  };

  for (const timer of from?.timers ?? []) live.set(timer.id, timer);
  rebuild();

  return {
    set: (id, deadline, payload) => {
      generation += 1;
      const timer = { id, generation, deadline, payload };
      live.set(id, timer);
      push(timer);
      if (heap.length > REBUILD_FLOOR && heap.length > live.size * DEAD_FACTOR) rebuild();
    },
    cancel: (id) => {
      live.delete(id);
    },
    has: (id) => live.has(id),
    next: () => head()?.deadline ?? null,
    takeDue: (now) => {
      const first = head();
      if (first === null || first.deadline > now) return null;
      live.delete(first.id);
      pop();
      return first;
    },
    checkpoint: () => ({
      generation,
      timers: [...live.values()].sort((a, b) => (earlier(a, b) ? -1 : 1)),
    }),
  };
};
