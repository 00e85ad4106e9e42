// The disk under a node's journal, as far as the loop notices it: how long a turn waits until the kernel has its inputs.
// As src/io/journal/journal.ts: 20 ms at most, and not at all while the disk is known to be behind. A disk that is full
// costs records, not time, and so is not seen here.
import type { EventQueue } from './event-queue.ts';

export interface SimDisk {
  /** For this turn, milliseconds. */
  waitMs(): number;
  freeze(milliseconds: number): void;
}

const ACKNOWLEDGE_MS = 20;
/** Turns that wait before batches have queued up. */
const WAITING_TURNS = 2;

export const createSimDisk = (queue: EventQueue): SimDisk => {
  let frozenUntil = 0;
  let waited = 0;
  return {
    waitMs: () => {
      const left = frozenUntil - queue.now();
      if (left <= 0) waited = 0;
      if (left <= 0 || waited >= WAITING_TURNS) return 0;
      waited += 1;
      return Math.min(left, ACKNOWLEDGE_MS);
    },
    freeze: (milliseconds) => {
      frozenUntil = Math.max(frozenUntil, queue.now() + milliseconds);
    },
  };
};
