// What the main thread and the journal's writer thread say to each other.
import type { SegmentHeader } from './journal-lines.ts';

/** What the main thread posts. `batch` counts up; its acknowledgement means that the kernel has the lines. */
export type WriterMessage =
  | {
      readonly type: 'segment';
      readonly batch: number;
      readonly file: string;
      readonly header: Omit<SegmentHeader, 'previous'>;
      /** The checkpoint record. */
      readonly lines: readonly string[];
      /** Octets that this segment may grow to. */
      readonly limit: number;
    }
  | {
      readonly type: 'append';
      readonly batch: number;
      readonly lines: readonly string[];
      /** How many of the lines are inputs: what a gap costs. */
      readonly inputs: number;
    }
  | { readonly type: 'close'; readonly batch: number };

/** What comes back when a write failed; lines are dropped from then on until the next `segment`. */
export interface WriterFailure {
  readonly type: 'failed';
  readonly code: string;
}

export const DONE = 0;
export const FAILING = 1;
/** Inputs that the writer had to drop since the last segment began. */
export const DROPPED = 2;

export interface WriterData {
  readonly directory: string;
  readonly maxBytes: number;
  readonly prefix: string;
  /** [DONE] the last batch that is done, whether it was written or failed; [FAILING] 1 while writes fail; [DROPPED] see above. */
  readonly done: Int32Array<SharedArrayBuffer>;
}
