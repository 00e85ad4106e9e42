// Virtual time: what happens next in the simulated world. Milliseconds outside, whole microseconds inside, so
// that equal times are equal; ties run in the order in which they were asked for.

/** The next whole microsecond: what is compared to `now()` must be on its grain. */
export const onGrain = (ms: number): number => Math.ceil(ms * 1000) / 1000;

export interface EventQueue {
  /** Simulated milliseconds since the world began. */
  now(): number;
  /** Runs `run` at `at` (not before now). */
  at(at: number, run: () => void): void;
  after(delayMs: number, run: () => void): void;
  /** Runs everything due up to and at `at`, then stands there. */
  runUntil(at: number): void;
  /** How many events ran. */
  readonly events: number;
}

interface Event {
  readonly us: number;
  readonly order: number;
  readonly run: () => void;
}

const earlier = (a: Event, b: Event): boolean => a.us < b.us || (a.us === b.us && a.order < b.order);

export const createEventQueue = (): EventQueue => {
  const heap: Event[] = [];
  let nowUs = 0;
  let order = 0;
  let events = 0;

  const push = (event: Event): void => {
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as Event;
      if (!earlier(event, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  };

  const pop = (): Event => {
    const first = heap[0] as Event;
    const last = heap.pop() as Event;
    const size = heap.length;
    if (size === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= size) break;
      if (child + 1 < size && earlier(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      const below = heap[child] as Event;
      if (!earlier(below, last)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
    return first;
  };

  const at = (when: number, run: () => void): void => {
    order += 1;
    push({ us: Math.max(nowUs, Math.round(when * 1000)), order, run });
  };

  return {
    now: () => nowUs / 1000,
    at,
    after: (delayMs, run) => at(nowUs / 1000 + delayMs, run),
    runUntil: (when) => {
      const endUs = Math.round(when * 1000);
      for (let first = heap[0]; first !== undefined && first.us <= endUs; first = heap[0]) {
        pop();
        nowUs = first.us;
        events += 1;
        first.run();
      }
      nowUs = Math.max(nowUs, endUs);
    },
    get events() {
      return events;
    },
  };
};
