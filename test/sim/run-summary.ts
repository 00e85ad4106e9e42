// What is told of a run, as plain data that can cross threads: how it went and what it drew. A failed assertion of the
// program, or of the simulator, is a finding like any other.
import type { Silence } from './checkers/reach.ts';
import { runSimulation, type SimulationOptions, type Violation } from './run.ts';

export interface RunSummary {
  readonly seed: number;
  /** What ran; the line that does it again. */
  readonly reproduce: string;
  readonly violations: readonly Violation[];
  /** Of an exception; null: none. */
  readonly error: string | null;
  readonly nodes: number;
  readonly ips: number;
  readonly clients: number;
  readonly kubernetes: boolean;
  readonly segments: number;
  /** Nodes that began as the version before. */
  readonly previous: number;
  /** Each kind of fault drawn, its mean distance, and how often it really happened. */
  readonly faults: readonly { readonly name: string; readonly everyMs: number; readonly times: number }[];
  readonly worstSilence: Silence | null;
  readonly simulatedMs: number;
  readonly wallMs: number;
  readonly traceHash: string;
}

export const isViolated = ({ violations, error }: RunSummary): boolean =>
  violations.length > 0 || error !== null;

/** The command that runs the same again. */
const reproduceLine = (options: SimulationOptions): string => {
  if (options.script !== undefined) return 'npm run sim -- --script FILE';
  const { seed, nodes, ips, segments, versions, durationMs, faults, kubernetes } = options;
  const flags = [
    ...(nodes === undefined ? [] : [`--nodes ${nodes}`]),
    ...(ips === undefined ? [] : [`--ips ${ips}`]),
    ...(segments === undefined ? [] : [`--segments ${segments}`]),
    ...(versions === undefined ? [] : [`--versions ${versions}`]),
    ...(durationMs === undefined ? [] : [`--seconds ${durationMs / 1_000}`]),
    ...(faults === undefined ? [] : [`--faults ${faults.join(',') || "''"}`]),
    ...(kubernetes === true ? ['--kubernetes'] : []),
  ];
  return ['npm run sim -- --seed', seed, ...flags].join(' ');
};

/** Runs it. `onTrace`: gets every line of the trace. */
export const summarise = (
  options: SimulationOptions,
  onTrace: ((line: string) => void) | null = null,
): RunSummary => {
  const reproduce = reproduceLine(options);
  try {
    const { world, acts, ...result } = runSimulation(options);
    if (onTrace !== null) for (const line of world.trace.drain()) onTrace(line);
    const timesOf = (name: string): number => acts.filter(({ fault }) => fault === name).length;
    const { seed, violations, nodes, ips, simulatedMs, wallMs, traceHash } = result;
    return {
      ...{ seed, reproduce, violations, error: null, nodes, ips, simulatedMs, wallMs, traceHash },
      clients: result.clients.length,
      worstSilence: result.worstSilence,
      kubernetes: world.api !== null,
      segments: 1 + world.others.length,
      previous: result.shape.previous?.length ?? 0,
      faults: result.faults.map(({ name, everyMs }) => ({ name, everyMs, times: timesOf(name) })),
    };
  } catch (error) {
    const none = { nodes: 0, ips: 0, clients: 0, simulatedMs: 0, wallMs: 0, traceHash: '' };
    const text = (error as Error).stack ?? String(error);
    const { seed } = options;
    return {
      seed,
      reproduce,
      violations: [],
      error: text,
      kubernetes: false,
      worstSilence: null,
      segments: 1,
      previous: 0,
      faults: [],
      ...none,
    };
  }
};

export const formatSeconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** The run in a line; of a violated one what was violated, with the trace before it, and how to see it again. */
export const describeRun = (run: RunSummary, revision: string): readonly string[] => {
  const again = `  again: ${run.reproduce}`;
  if (run.error !== null) return [`seed ${run.seed}: an exception: ${run.error}`, again];
  const faults = run.faults.map(({ name, everyMs }) => `${name}/${formatSeconds(everyMs)}`);
  const { worstSilence: worst } = run;
  const silence = worst === null ? 'none' : `${formatSeconds(worst.ms)} (${worst.client} ${worst.ip})`;
  const lines = [
    `seed ${run.seed} (${revision}): ${isViolated(run) ? 'violated' : 'ok'}; ` +
      `${run.nodes} nodes, ${run.ips} IPs${run.segments > 1 ? ' on two segments' : ''}${run.previous > 0 ? `, ${run.previous} of the version before` : ''}${run.kubernetes ? ' in Kubernetes' : ''}, ${run.clients} clients; ` +
      `faults: ${faults.join(' ') || 'none'}; worst silence ${silence}; ${formatSeconds(run.simulatedMs)} simulated, ` +
      `${Math.round(run.simulatedMs / run.wallMs)} times real time; trace ${run.traceHash}`,
  ];
  for (const { checker, claim, at, ip, what, excerpt } of run.violations) {
    const where = ip === null ? '' : ` ${ip}`;
    lines.push(`  VIOLATED at ${formatSeconds(at)} (${checker}: ${claim})${where}: ${what}`);
    for (const line of excerpt) lines.push(`    ${line}`);
  }
  return isViolated(run) ? [...lines, again] : lines;
};
