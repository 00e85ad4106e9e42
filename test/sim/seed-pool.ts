// Runs seeds, one after the other or on several cores at once: each job is a worker thread that gets the next seed when
// it has told of its last. The order of the reports is that in which runs end.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { SimulationOptions } from './run.ts';
import { type RunSummary, summarise } from './run-summary.ts';

export type WantedRun = Omit<SimulationOptions, 'seed' | 'prepare'>;

export interface SeedPoolOptions {
  readonly wanted: WantedRun;
  readonly jobs: number;
  /** The next seed; null: no more. */
  readonly next: () => number | null;
  readonly onRun: (run: RunSummary) => void;
  readonly onTrace: ((line: string) => void) | null;
}

const work = async ({ wanted, next, onRun }: SeedPoolOptions): Promise<void> => {
  const worker = new Worker(new URL('./seed-worker.ts', import.meta.url));
  try {
    for (let seed = next(); seed !== null; seed = next()) {
      worker.postMessage({ ...wanted, seed });
      const [run] = (await once(worker, 'message')) as [RunSummary];
      onRun(run);
    }
  } finally {
    await worker.terminate();
  }
};

export const runSeeds = async (options: SeedPoolOptions): Promise<void> => {
  const { wanted, jobs, next, onRun, onTrace } = options;
  if (jobs > 1) {
    await Promise.all(Array.from({ length: jobs }, () => work(options)));
    return;
  }
  for (let seed = next(); seed !== null; seed = next()) onRun(summarise({ ...wanted, seed }, onTrace));
};
