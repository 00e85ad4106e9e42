// Sums over many plays of a scenario, and the table that people read.
import type { ScenarioLine } from '../src/cli/lab/scenario.ts';

/** One number of a scenario that is worth a row, and how to get it. */
type Measure = readonly [words: string, of: (line: ScenarioLine) => number | undefined];

const MEASURES: Readonly<Record<string, readonly Measure[]>> = {
  crash: [
    ['gap, known client', ({ gapMs }) => gapMs],
    ['gap, new client', ({ newClientMs }) => newClientMs],
  ],
  partition: [
    ['gap in the split', ({ gapMs }) => gapMs],
    ['until one owner', ({ convergedMs }) => convergedMs],
    ['until clients follow', ({ clientsMs }) => clientsMs],
  ],
};
const GAP: readonly Measure[] = [['gap', ({ gapMs }) => gapMs]];

export interface Series {
  /** `holdfast 50/200 ms`, `keepalived 1 s`. */
  readonly system: string;
  readonly lines: readonly ScenarioLine[];
}

/** The smallest of `sorted` that is not below so great a part of them. */
export const quantile = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;

const sum = (numbers: readonly (number | undefined)[]): number =>
  numbers.reduce<number>((total, number) => total + (number ?? 0), 0);

const milliseconds = (value: number): string => (Number.isFinite(value) ? value.toFixed(0) : 'never');

const tcpText = (lines: readonly ScenarioLine[]): string => {
  const opened = sum(lines.map(({ tcpOpened }) => tcpOpened));
  if (opened === 0) return '';
  const [failed, cut, resets] = (['tcpFailed', 'tcpCut', 'resets'] as const).map((key) =>
    sum(lines.map((line) => line[key])),
  );
  const perRun = ((resets ?? 0) / lines.length).toFixed(1);
  const isCounted = lines.some((line) => line.resets !== undefined);
  const longLived = isCounted ? `, ${perRun} of 10 long-lived reset` : '';
  return `TCP: ${failed} of ${opened} failed, ${cut} cut short${longLived}`;
};

const remarks = (lines: readonly ScenarioLine[]): string => {
  const changes = sum(lines.map(({ ownerChanges }) => ownerChanges));
  const isCounted = lines.some(({ ownerChanges }) => ownerChanges !== undefined);
  const late = lines.filter(({ note }) => note?.includes('prober')).length;
  const broken = lines.filter(({ ok }) => !ok).length;
  return [
    tcpText(lines),
    isCounted ? `${changes} owner changes` : '',
    late > 0 ? `${late} with a late prober` : '',
    broken > 0 ? `${broken} PROMISES BROKEN` : '',
  ]
    .filter((text) => text !== '')
    .join('; ');
};

const HEAD = ['system', 'scenario', 'family', 'measure', 'runs', 'min', 'median', 'p95', 'worst', 'lost', ''];

const rowsOf = ({ system, lines }: Series): string[][] => {
  const keys = [...new Set(lines.map(({ scenario, family }) => `${scenario} ${family}`))];
  return keys.flatMap((key) => {
    const [scenario, family] = key.split(' ') as [string, string];
    const own = lines.filter((line) => line.scenario === scenario && line.family === family);
    const lost = `${sum(own.map((line) => line.lost))} of ${sum(own.map(({ sent }) => sent))}`;
    return (MEASURES[scenario] ?? GAP).map(([words, of], index) => {
      const sorted = own.map((line) => of(line) ?? Number.NaN).sort((a, b) => a - b);
      const numbers = [sorted[0] ?? Number.NaN, quantile(sorted, 0.5), quantile(sorted, 0.95), sorted.at(-1)];
      const cells = numbers.map((value) => milliseconds(value ?? Number.NaN));
      const last = index === 0 ? [lost, remarks(own)] : ['', ''];
      return [system, scenario, family, words, String(own.length), ...cells, ...last];
    });
  });
};

/** Rows as Markdown, padded. */
export const markdown = (heading: readonly string[], cells: readonly (readonly string[])[]): string => {
  const rows = [heading, ...cells];
  const widths = heading.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head, ...body] = rows.map(line);
  return [head, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body].join('\n');
};

/** A Markdown table of all series, times in milliseconds. */
export const table = (series: readonly Series[]): string => markdown(HEAD, series.flatMap(rowsOf));
