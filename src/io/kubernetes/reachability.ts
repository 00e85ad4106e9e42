// Whether the API server can be reached. After the first failure one small question is asked again and again, and
// whoever waits is told of the answer: thus a server that was away for hours is heard of within two seconds, and
// not by every list and watch of every node at once.
import { backoffMs, PROBE_BACKOFF } from './backoff.ts';
import type { Outcome } from './outcome.ts';

export interface Reachability {
  readonly isDown: boolean;
  /** Called each time the server is back; returns how to stop. */
  onBack(listener: () => void): () => void;
  /** A request failed without an answer. */
  lost(): void;
  /** An answer came, whatever it said. */
  heard(): void;
  close(): void;
}

export const createReachability = (
  probe: () => Promise<Outcome<unknown>>,
  random: () => number,
): Reachability => {
  const listeners = new Set<() => void>();
  let isDown = false;
  let attempts = 0;
  let timer: NodeJS.Timeout | null = null;
  let isClosed = false;

  const stop = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
  };

  const heard = (): void => {
    if (!isDown || isClosed) return;
    isDown = false;
    attempts = 0;
    stop();
    for (const listener of [...listeners]) listener();
  };

  const ask = async (): Promise<void> => {
    const outcome = await probe();
    if (!isDown || isClosed) return;
    if (outcome.ok || outcome.failure.kind !== 'unreachable') heard();
    else schedule();
  };

  const schedule = (): void => {
    timer = setTimeout(() => void ask(), backoffMs(PROBE_BACKOFF, attempts, random));
    attempts += 1;
  };

  return {
    get isDown() {
      return isDown;
    },
    onBack: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    lost: () => {
      if (isDown || isClosed) return;
      isDown = true;
      schedule();
    },
    heard,
    close: () => {
      isClosed = true;
      stop();
    },
  };
};
