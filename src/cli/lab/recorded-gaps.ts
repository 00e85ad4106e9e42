// What the nodes' journals say of the time in which clients were not served, held against what a client measured: the
// record is worth something only if both agree.
import { ownershipOf } from '../../machines/ownership.ts';
import { openJournals } from '../history/journals.ts';
import { readChronicles } from '../history/read-chronicles.ts';
import type { Say, Scenario, ScenarioLine } from './scenario.ts';

/** Issue 7: the timeline shows the gap that the client measured within this, beside what it says it may be off. */
const AGREE_WITHIN_MS = 20;

interface RecordedGap {
  readonly ms: number;
  readonly errorMs: number;
}

const NONE: RecordedGap = { ms: 0, errorMs: 0 };

/** The longest gap of a family's IPs within the probing; null: nothing is known of the clocks. */
const longest = (journals: readonly string[], line: ScenarioLine): RecordedGap | null => {
  const { gaps } = ownershipOf(readChronicles(openJournals(journals).lives).chronicles);
  const { probedFrom = 0, probedTo = Number.POSITIVE_INFINITY } = line;
  const own = gaps
    .filter(({ ip }) => ip.includes(':') === (line.family === 'ipv6'))
    .map(({ from, to, errorMs }) => ({
      ms: Math.min(to ?? Number.POSITIVE_INFINITY, probedTo) - Math.max(from, probedFrom),
      errorMs,
    }))
    .filter(({ ms }) => ms > 0)
    .sort((a, b) => b.ms - a.ms);
  const [first] = own;
  if (first === undefined) return NONE;
  return first.errorMs === null ? null : { ms: first.ms, errorMs: first.errorMs };
};

const round = (ms: number): number => Math.round(ms * 10) / 10;

/** The lines with what the journals say; one that says otherwise is a broken promise. */
export const withRecordedGaps = (
  { recorded }: Scenario,
  lines: readonly ScenarioLine[],
  journals: readonly string[],
  say: Say,
): readonly ScenarioLine[] => {
  if (recorded === undefined) return lines;
  return lines.map((line) => {
    const measured = line[recorded] ?? 0;
    const gap = longest(journals, line);
    if (gap === null) return line;
    const { ms, errorMs } = gap;
    const told = { ...line, recordedGapMs: round(ms), recordedErrorMs: round(errorMs) };
    const words = `${line.family}: the client measured ${round(measured)} ms, the journals say ${round(ms)} ± ${round(errorMs)} ms`;
    say(words);
    const allowed = AGREE_WITHIN_MS + errorMs + (line.proberLateMs ?? 0);
    if (Math.abs(ms - measured) <= allowed) return told;
    return { ...told, ok: false, note: line.note === undefined ? words : `${words}; ${line.note}` };
  });
};
