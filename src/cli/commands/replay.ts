// `holdfast replay`: steps journals again and compares what the core does with what it did.
import type { Transition } from '../../machines/side-by-side.ts';
import type { TransitionDifference } from '../../machines/transition-diff.ts';
import { type Command, EXIT, type ExitCode, print, readOptions } from '../command.ts';
import { readAlternative } from '../history/alternative.ts';
import { type Journals, openJournals } from '../history/journals.ts';
import { duration, joinNegativeMoments, requireMoment, timeOfDay } from '../history/moments.ts';
import { type Finding, replayFiles, type Window } from '../history/replay-run.ts';
import { type LifeDifferences, runWhatIf, type WhatIfOutcome } from '../history/what-if-run.ts';

const OPTIONS = {
  json: { type: 'boolean' },
  from: { type: 'string' },
  to: { type: 'string' },
  against: { type: 'string' },
  set: { type: 'string', multiple: true },
} as const;

/** One side of a difference: the first effect that differs, since there may be thousands. */
const sides = (recorded: unknown, replayed: unknown): readonly string[] => {
  if (!Array.isArray(recorded) || !Array.isArray(replayed))
    return [`  recorded: ${JSON.stringify(recorded)}`, `  replayed: ${JSON.stringify(replayed)}`];
  const at = recorded.findIndex(
    (effect, index) => JSON.stringify(effect) !== JSON.stringify(replayed[index]),
  );
  const index = at < 0 ? recorded.length : at;
  const side = (effects: readonly unknown[]): string =>
    index < effects.length ? JSON.stringify(effects[index]) : 'none';
  return [
    `  effect ${index + 1} recorded (of ${recorded.length}): ${side(recorded)}`,
    `  effect ${index + 1} replayed (of ${replayed.length}): ${side(replayed)}`,
  ];
};

const describe = ({ file, line, problem, input, recorded, replayed }: Finding): string => {
  const lines = [`${line > 0 ? `${file}:${line}` : file}: ${problem}`];
  if (input !== undefined) lines.push(`  input: ${JSON.stringify(input)}`);
  if (recorded !== undefined) lines.push(...sides(recorded, replayed));
  return lines.join('\n');
};

const moved = ({ from, to, epoch, cause, at }: Transition): string =>
  `${timeOfDay(at)} ${from} → ${to} (epoch ${epoch}, ${cause})`;

const describeDifference = ({ ip, kind, was, now }: TransitionDifference): string => {
  if (was === null) return `  ${ip}  ${moved(now as Transition)} would have come as well`;
  if (now === null) return `  ${ip}  ${moved(was)} would not have come`;
  const shift = now.at - was.at;
  const when =
    shift === 0 ? 'at the same time' : `${duration(Math.abs(shift))} ${shift > 0 ? 'later' : 'earlier'}`;
  if (kind === 'time') return `  ${ip}  ${moved(was)} would have come ${when}`;
  return `  ${ip}  ${moved(was)} would have come ${when}, as epoch ${now.epoch}, ${now.cause}: ${now.reason}`;
};

const isSame = ({ differences, steps }: LifeDifferences): boolean =>
  differences.length === 0 && steps.differing === 0;

const describeLife = (life: LifeDifferences): readonly string[] => {
  const { node, instance, differences, steps } = life;
  const lines = [`${node} (life ${instance.slice(0, 8)}): ${isSame(life) ? 'the same' : 'different'}`];
  lines.push(...differences.map((difference) => describeDifference(difference)));
  if (steps.differing > 0)
    lines.push(`  ${steps.differing} steps ended in other effects, the first at ${steps.first}`);
  return lines;
};

const printWhatIf = ({ lives, notes }: WhatIfOutcome, name: string, isJson: boolean): ExitCode => {
  const same = lives.every(isSame);
  if (isJson) print(JSON.stringify({ same, against: name, lives, notes }));
  else {
    for (const life of lives) for (const line of describeLife(life)) print(line);
    for (const note of notes) print(`note: ${note}`);
    print(`${same ? 'the same' : 'not the same'} with ${name}`);
  }
  return same ? EXIT.yes : EXIT.no;
};

const printReplay = (journals: Journals, window: Window, isJson: boolean): ExitCode => {
  const { inputs, transitions, segments, findings } = replayFiles(journals.files, window);
  const identical = findings.length === 0;
  if (isJson) {
    print(JSON.stringify({ identical, inputs, transitions, segments, findings }));
  } else {
    for (const finding of findings) print(describe(finding));
    const verdict = identical ? 'identical' : 'not identical';
    print(`${verdict}: ${segments} segments, ${inputs} inputs, ${transitions} transitions`);
  }
  return identical ? EXIT.yes : EXIT.no;
};

export const replayCommand: Command = {
  summary: 'steps recorded journals again and compares',
  help: [
    'Usage: holdfast replay [--from TIME] [--to TIME] [--set KEY=VALUE]... [--against FILE|DIR] [--json] PATH...',
    '',
    'PATH is a journal segment (*.ndjson) or a directory of them. Exit code 0: identical; 1: diverged or damaged,',
    'with the first line and both sides.',
    '',
    '  --from, --to TIME   only what was taken in this window (replay starts at the checkpoint before it);',
    '                      TIME is 2026-11-20T12:00:03.204Z, 12:00:03 of the last day (UTC), or -5m before the end',
    '  --set KEY=VALUE     what if this key of the configuration had been another: --set drain.window=30s',
    '  --against FILE      what if the configuration had been this file',
    '  --against DIR       would the build in this checkout have done the same?',
    '',
    'With --set and --against the differences are listed, and the exit code is 1 when there are any.',
  ].join('\n'),
  run: async (args) => {
    const { values, positionals } = readOptions(joinNegativeMoments(args, ['--from', '--to']), OPTIONS, true);
    const alternative = await readAlternative(values.set ?? [], values.against);
    const journals = openJournals(positionals);
    const window = {
      from: requireMoment('--from', values.from, journals.end, Number.NEGATIVE_INFINITY),
      to: requireMoment('--to', values.to, journals.end, Number.POSITIVE_INFINITY),
    };
    const isJson = values.json ?? false;
    if (alternative === null) return printReplay(journals, window, isJson);
    const outcome = runWhatIf(journals, alternative, window);
    return printWhatIf(outcome, alternative.name, isJson);
  },
};
