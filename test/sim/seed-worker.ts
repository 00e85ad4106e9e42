// One core of a seed pool: runs what it is told and tells how it went.
import { parentPort } from 'node:worker_threads';
import type { SimulationOptions } from './run.ts';
import { summarise } from './run-summary.ts';

parentPort?.on('message', (options: SimulationOptions) => {
  parentPort?.postMessage(summarise(options));
});
