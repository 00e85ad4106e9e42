// The descriptors that the wire thread sleeps on, as poll(2) wants them: one byte array, made anew only when the
// set changes.
import { POLLIN, poll } from '../native/libc.ts';

/** `struct pollfd`: int32 fd, int16 events, int16 revents. */
const ENTRY_BYTES = 8;

export interface PollSet {
  /** Sleeps until one is readable, or for `timeoutMs` (-1: for ever). */
  wait(timeoutMs: number): void;
  /** Whether descriptor number `index` had something in the last `wait`, hang-ups included. */
  isReady(index: number): boolean;
}

export const createPollSet = (fds: readonly number[]): PollSet => {
  const bytes = new Uint8Array(fds.length * ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, fd] of fds.entries()) {
    view.setInt32(index * ENTRY_BYTES, fd, true);
    view.setInt16(index * ENTRY_BYTES + 4, POLLIN, true);
  }
  return {
    wait: (timeoutMs) => {
      poll(bytes, fds.length, timeoutMs);
    },
    isReady: (index) => view.getInt16(index * ENTRY_BYTES + 6, true) !== 0,
  };
};
