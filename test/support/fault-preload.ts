// Loaded before the daemon (NODE_OPTIONS=--import): SIGUSR2 makes it go wrong in the way that HOLDFAST_FAULT names,
// as it could by itself. Node's preloads run in worker threads too, hence the distinction.
import { existsSync } from 'node:fs';
import { isMainThread, type Worker, workerData } from 'node:worker_threads';

const [fault = '', argument = ''] = (process.env.HOLDFAST_FAULT ?? '').split(':');
const workers: Worker[] = [];

const FAULTS: Readonly<Record<string, () => void>> = {
  /** The main thread does nothing else for so many milliseconds. */
  busy: () => {
    const until = performance.now() + Number(argument);
    while (performance.now() < until);
  },
  throw: () => {
    throw new Error('a planted fault');
  },
  reject: () => {
    void Promise.reject(new Error('a planted rejection'));
  },
  /** The wire thread is the one started second, after the journal's writer. */
  terminate: () => {
    void workers[1]?.terminate();
  },
};

if (isMainThread) {
  process.on('worker', (worker) => workers.push(worker));
  process.on('SIGUSR2', () => FAULTS[fault]?.());
} else if (fault === 'wire-throw' && (workerData as { wakeFd?: number } | null)?.wakeFd !== undefined) {
  // The wire thread looks at a flag in every turn of its loop.
  const load = Atomics.load;
  Atomics.load = ((...args: Parameters<typeof load>) => {
    if (existsSync(argument)) throw new Error('a planted fault in the wire thread');
    return load(...args);
  }) as typeof load;
}
