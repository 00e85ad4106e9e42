// An IP's history for the page, read from this node's own journal as `holdfast explain` does: in a thread of its
// own, because a journal may be hundreds of megabytes and the main thread has inputs to step. One question at a time.
import { Worker } from 'node:worker_threads';
import type { Ip } from '../../machines/frames.ts';
import type { HistoryReport } from './explain-thread.ts';

export type Told = { readonly report: HistoryReport } | { readonly problem: string };

export interface ExplainDesk {
  readonly explain: (ip: Ip) => Promise<Told>;
  readonly close: () => void;
}

/** A journal of 256 MiB is read in about ten seconds; a thread that takes longer is ended. */
const TIME_LIMIT_MS = 30_000;
/** What the thread may keep of the journal; beyond it the thread ends, and nothing else does. */
const HEAP_MB = 256;
/** Who asks while another question is being answered waits, at most so many. */
const MAX_WAITING = 8;

const ask = (directory: string, ip: Ip, onStart: (worker: Worker) => void): Promise<Told> =>
  new Promise((resolve) => {
    const worker = new Worker(new URL('./explain-thread.ts', import.meta.url), {
      workerData: { directory, ip },
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    onStart(worker);
    const end = (told: Told): void => {
      clearTimeout(timeout);
      resolve(told);
      void worker.terminate();
    };
    const timeout = setTimeout(
      () =>
        end({
          problem: `the journal takes longer than ${TIME_LIMIT_MS / 1000} s to read: use holdfast explain`,
        }),
      TIME_LIMIT_MS,
    ).unref();
    worker.once('message', end);
    worker.once('error', ({ message }) => end({ problem: `the journal cannot be read: ${message}` }));
    worker.once('exit', () => end({ problem: 'the reading of the journal was ended' }));
  });

export const createExplainDesk = (directory: string): ExplainDesk => {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let running: Worker | null = null;
  return {
    explain: async (ip) => {
      if (waiting >= MAX_WAITING) return { problem: 'others are asking already: try again in a moment' };
      waiting += 1;
      const turn = last.then(() =>
        ask(directory, ip, (worker) => {
          running = worker;
        }),
      );
      last = turn;
      try {
        return await turn;
      } finally {
        waiting -= 1;
      }
    },
    close: () => void running?.terminate(),
  };
};
