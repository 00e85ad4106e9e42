// `holdfast timeline`: several nodes' journals merged: who owned what when, gaps, overlaps, moves and their cause.
import { writeFileSync } from 'node:fs';
import { readDuration } from '../../io/config/durations.ts';
import { ownershipOf } from '../../machines/ownership.ts';
import { type Command, CommandError, EXIT, type ExitCode, print, readOptions } from '../command.ts';
import { openJournals } from '../history/journals.ts';
import { readChronicles } from '../history/read-chronicles.ts';
import { findingsOf, overlapLimitMs, timelineJson, timelineText } from '../history/timeline-report.ts';
import { traceOf } from '../history/trace-file.ts';

const HOUR_MS = 3_600_000;
const RIGHT = 'gap, overlap or both, each with a duration if you like: gap=300ms,overlap';

interface FailOn {
  readonly gap: number | null;
  readonly overlap: number | null;
}

/** What `--fail-on` names; the default limits where it gives none. */
const readFailOn = (text: string | undefined, overlapMs: number): FailOn => {
  let failOn: FailOn = { gap: null, overlap: null };
  for (const part of text === undefined ? [] : text.split(',')) {
    const [kind, length] = part.split('=') as [string, string | undefined];
    if (kind !== 'gap' && kind !== 'overlap')
      throw new CommandError(EXIT.usage, `--fail-on ${text}: ${RIGHT} would be right`);
    const read = length === undefined ? null : readDuration(length, 0, HOUR_MS);
    if (read !== null && 'wrong' in read)
      throw new CommandError(EXIT.usage, `--fail-on ${part}: ${read.wrong}; ${read.right}`);
    failOn = { ...failOn, [kind]: read?.value ?? (kind === 'gap' ? 0 : overlapMs) };
  }
  return failOn;
};

const writeTrace = (file: string, text: string): void => {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new CommandError(EXIT.usage, `--trace ${file}: ${(error as Error).message}`);
  }
};

export const timeline: Command = {
  summary: "several nodes' journals merged: who owned what when",
  help: [
    'Usage: holdfast timeline [--json] [--trace FILE] [--fail-on gap,overlap] PATH...',
    '',
    'PATH is a journal segment (*.ndjson) or a directory of them; name those of every node. Times are those of the',
    'node whose record is the longest; how far the clocks of the others were off is estimated from what one said',
    'and the other heard, and stated.',
    '',
    '  --trace FILE       writes what ui.perfetto.dev and chrome://tracing open',
    '  --fail-on WHAT     exit code 1 when there are gaps, or overlaps of more than two intervals, beyond what the',
    '                     clocks may be off; gap=300ms,overlap=100ms sets other limits',
  ].join('\n'),
  run: (args) => {
    const { values, positionals } = readOptions(
      args,
      { json: { type: 'boolean' }, trace: { type: 'string' }, 'fail-on': { type: 'string' } },
      true,
    );
    readFailOn(values['fail-on'], 0);
    const { lives, damage: unreadable } = openJournals(positionals);
    const { chronicles, damage } = readChronicles(lives);
    const problems = [...unreadable, ...damage].map(({ file, line, reason }) => `${file}:${line}: ${reason}`);
    if (chronicles.length === 0) throw new CommandError(EXIT.usage, problems[0] ?? 'nothing can be read');
    const ownership = ownershipOf(chronicles);
    const failOn = readFailOn(values['fail-on'], overlapLimitMs(ownership));
    const limits = { gapMs: failOn.gap ?? 0, overlapMs: failOn.overlap ?? overlapLimitMs(ownership) };
    const findings = findingsOf(ownership, limits);
    if (values.trace !== undefined) writeTrace(values.trace, JSON.stringify(traceOf(ownership)));
    if (values.json) print(JSON.stringify(timelineJson(ownership, findings, problems)));
    else {
      for (const problem of problems) process.stderr.write(`holdfast: ${problem}\n`);
      print(timelineText(ownership, findings));
    }
    const isFailed =
      (failOn.gap !== null && findings.gaps.length > 0) ||
      (failOn.overlap !== null && findings.overlaps.length > 0);
    return Promise.resolve<ExitCode>(isFailed ? EXIT.no : EXIT.yes);
  },
};
