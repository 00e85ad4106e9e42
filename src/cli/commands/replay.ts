// `holdfast replay`: steps journals again and compares what the core does with what it did.
import { type ReadJournal, readJournal, type Segment } from '../../io/journal/journal-reader.ts';
import { replay } from '../../machines/replay.ts';
import { type Command, CommandError, EXIT, print, readOptions } from '../command.ts';

interface Finding {
  readonly file: string;
  readonly line: number;
  readonly problem: string;
  readonly recorded?: unknown;
  readonly replayed?: unknown;
}

interface Outcome {
  inputs: number;
  transitions: number;
  readonly findings: Finding[];
}

/** Read what is there, or end with exit code 2. */
const readOrRefuse = (paths: readonly string[]): ReadJournal => {
  try {
    const journal = readJournal(paths);
    if (journal.segments.length === 0 && journal.damage.length === 0) {
      throw new CommandError(EXIT.usage, `${paths.join(', ')}: there is no journal (*.ndjson) here`);
    }
    return journal;
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(EXIT.usage, (error as Error).message);
  }
};

const replaySegment = (segment: Segment, next: Segment | undefined, outcome: Outcome): void => {
  const { file, steps, checkpoint, header } = segment;
  const follows = next !== undefined && next.header.instance === header.instance;
  const recorded = steps.map(({ input, output }) => ({
    at: input.at,
    input: input.in,
    effects: output?.out ?? null,
  }));
  // Where lines were lost, the last effects may be among them.
  const isCut = !follows || next.header.gap !== null;
  const { inputs, transitions, divergence, core } = replay(checkpoint.checkpoint, recorded, isCut);
  outcome.inputs += inputs;
  outcome.transitions += transitions;
  if (divergence !== null) {
    const line = steps[divergence.step]?.line ?? 0;
    const { recorded: was, replayed } = divergence;
    outcome.findings.push({ file, line, problem: 'the effects differ', recorded: was, replayed });
    return;
  }
  // Where the next segment continues this one, its checkpoint is one more thing to arrive at.
  if (!follows || next.header.gap !== null || next.header.segment !== header.segment + 1) return;
  const [was, now] = [next.checkpoint.checkpoint, core.checkpoint()].map((state) => JSON.stringify(state));
  if (was !== now) outcome.findings.push({ file: next.file, line: 2, problem: 'the checkpoint differs' });
};

const describe = ({ file, line, problem, recorded, replayed }: Finding): string => {
  const where = line > 0 ? `${file}:${line}` : file;
  if (recorded === undefined) return `${where}: ${problem}`;
  return `${where}: ${problem}\n  recorded: ${JSON.stringify(recorded)}\n  replayed: ${JSON.stringify(replayed)}`;
};

export const replayCommand: Command = {
  summary: 'steps recorded journals again and compares',
  help: [
    'Usage: holdfast replay [--json] PATH...',
    '',
    'PATH is a journal segment (*.ndjson) or a directory of them. Exit code 0: identical; 1: diverged or damaged,',
    'with the first line and both sides.',
  ].join('\n'),
  run: (args) => {
    const { values, positionals } = readOptions(args, { json: { type: 'boolean' } }, true);
    if (positionals.length === 0) throw new CommandError(EXIT.usage, 'name a journal file or directory');
    const { segments, damage } = readOrRefuse(positionals);
    const findings = damage.map(({ file, line, reason }): Finding => ({ file, line, problem: reason }));
    const outcome: Outcome = { inputs: 0, transitions: 0, findings };
    for (const [index, segment] of segments.entries()) replaySegment(segment, segments[index + 1], outcome);
    const { inputs, transitions } = outcome;
    const identical = findings.length === 0;
    if (values.json) {
      print(JSON.stringify({ identical, inputs, transitions, segments: segments.length, findings }));
    } else {
      for (const finding of findings) print(describe(finding));
      const verdict = identical ? 'identical' : 'not identical';
      print(`${verdict}: ${segments.length} segments, ${inputs} inputs, ${transitions} transitions`);
    }
    return Promise.resolve(identical ? EXIT.yes : EXIT.no);
  },
};
