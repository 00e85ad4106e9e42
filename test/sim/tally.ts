// What many runs come to: how much was simulated, what went wrong in them, and what was found.
import { isViolated, type RunSummary } from './run-summary.ts';

export interface Tally {
  add(run: RunSummary): void;
  runs(): number;
  failed(): readonly number[];
  /** The closing lines. `wallMs`: since the first run began, all cores together. */
  lines(first: number, revision: string, wallMs: number): readonly string[];
}

/** Seeds named in the last line; all are named above it. */
const MAX_NAMED = 20;
const HOUR_MS = 3_600_000;

export const createTally = (): Tally => {
  const failed: number[] = [];
  const drawn = new Map<string, { runs: number; times: number }>();
  let [runs, clusterMs, nodeMs, kubernetes, segmented, mixed] = [0, 0, 0, 0, 0, 0];

  return {
    add: (run) => {
      runs += 1;
      clusterMs += run.simulatedMs;
      nodeMs += run.simulatedMs * run.nodes;
      if (run.kubernetes) kubernetes += 1;
      if (run.previous > 0) mixed += 1;
      if (run.segments > 1) segmented += 1;
      if (isViolated(run)) failed.push(run.seed);
      for (const { name, times } of run.faults) {
        const known = drawn.get(name) ?? { runs: 0, times: 0 };
        drawn.set(name, { runs: known.runs + 1, times: known.times + times });
      }
    },
    runs: () => runs,
    failed: () => failed,
    lines: (first, revision, wallMs) => {
      const faults = [...drawn]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, { runs: inRuns, times }]) => `${name} ${inRuns}/${times}`);
      const hours = (ms: number): string => (ms / HOUR_MS).toFixed(1);
      return [
        `faults drawn, runs/times: ${faults.join(', ') || 'none'}`,
        `${hours(clusterMs)} cluster-hours, ${Math.round(clusterMs / Math.max(wallMs, 1))} times real time; ` +
          `${kubernetes} of ${runs} runs in Kubernetes, ${segmented} on two segments, ${mixed} with mixed versions; commit ${revision}`,
        `${runs} seeds from ${first}, ${hours(nodeMs)} simulated node-hours: ` +
          (failed.length === 0
            ? 'no violation'
            : `${failed.length} violated: ${failed.slice(0, MAX_NAMED).join(' ')}`),
      ];
    },
  };
};
