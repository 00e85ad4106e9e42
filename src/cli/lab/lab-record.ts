// `lab --record DIR`: the journals of every node of every scenario, what the client measured, and one report of it all
// that opens from disk.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { ownershipOf } from '../../machines/ownership.ts';
import type { ReportScenario } from '../../ui/report-data.ts';
import { reportOn, reportText } from '../history/explain-report.ts';
import { openJournals } from '../history/journals.ts';
import { readChronicles } from '../history/read-chronicles.ts';
import { findingsOf, overlapLimitMs, timelineJson } from '../history/timeline-report.ts';
import { VERSION } from '../version.ts';
import { reportPage } from './report-page.ts';
import type { ScenarioLine } from './scenario.ts';

/** Whose journal is kept. */
export interface Recorded {
  readonly host: { readonly name: string };
  /** A directory. */
  readonly journal: string;
}

export interface LabRecord {
  /** Keeps a scenario that was played; the nodes may still run. */
  add(name: string, summary: string, lines: readonly ScenarioLine[], nodes: readonly Recorded[]): void;
  /** Writes the report; its path. */
  finish(): string;
}

/** What a browser opens without effort; scenarios beyond it are in the report without their journals. */
const MAX_CARRIED_BYTES = 32 * 1_048_576;
/** Where scripts/build-page.ts puts the bundle. */
const PAGE = join(import.meta.dirname, '../../../dist/page');

/** Why nothing can be recorded into `directory`, in words that say what would be right; null: it can be. */
export const recordObstacle = (directory: string): string | null => {
  const path = resolve(directory);
  if (path === '/run' || path.startsWith('/run/'))
    return `--record ${directory}: the lab's /run vanishes with it; another place would be right`;
  if (!existsSync(join(PAGE, 'report.js'))) return '--record: the report is not built: run scripts/setup.sh';
  try {
    if (existsSync(path) && readdirSync(path).length > 0)
      return `--record ${directory}: is not empty; a new directory would be right`;
    mkdirSync(path, { recursive: true });
  } catch (error) {
    return `--record ${directory}: ${(error as Error).message}`;
  }
  return null;
};

const copyJournal = ({ host, journal }: Recorded, into: string): void => {
  mkdirSync(join(into, host.name), { recursive: true });
  for (const file of readdirSync(journal).filter((name) => name.endsWith('.ndjson')))
    cpSync(join(journal, file), join(into, host.name, file));
};

/** Why each IP is where it is, at the end of the record. */
const explanationsOf = (journals: ReturnType<typeof openJournals>): ReportScenario['explanations'] => {
  const ips = new Set(
    readChronicles(journals.lives).chronicles.flatMap(({ transitions }) => transitions.map(({ ip }) => ip)),
  );
  const ownership = ownershipOf(readChronicles(journals.lives, () => true).chronicles);
  const end = Math.max(...ownership.lanes.map(({ to }) => to));
  return [...ips]
    .sort()
    .map((ip) => ({ ip, text: reportText(reportOn(ownership, journals.lives, ip, end)) }));
};

const describe = (
  folder: string,
  summary: string,
  lines: readonly ScenarioLine[],
  room: number,
): ReportScenario => {
  const journals = openJournals([folder]);
  const { chronicles, damage } = readChronicles(journals.lives);
  const ownership = ownershipOf(chronicles);
  const findings = findingsOf(ownership, { gapMs: 0, overlapMs: overlapLimitMs(ownership) });
  const problems = [...journals.damage, ...damage].map(
    ({ file, line, reason }) => `${file}:${line}: ${reason}`,
  );
  const carried = journals.files.map(({ file }) => ({
    file: relative(folder, file),
    text: readFileSync(file, 'utf8'),
  }));
  const bytes = carried.reduce((sum, { text }) => sum + text.length, 0);
  return {
    name: basename(folder),
    summary,
    lines,
    timeline: timelineJson(ownership, findings, problems),
    explanations: explanationsOf(journals),
    journals: bytes > room ? [] : carried,
  };
};

/** `directory` has no obstacle. */
export const openLabRecord = (directory: string): LabRecord => {
  const scenarios: ReportScenario[] = [];
  const recordedAt = new Date().toISOString();
  let room = MAX_CARRIED_BYTES;
  return {
    add: (name, summary, lines, nodes) => {
      const folder = join(directory, name);
      for (const node of nodes) copyJournal(node, folder);
      writeFileSync(join(folder, 'client.json'), `${JSON.stringify(lines, null, 2)}\n`);
      const scenario = describe(folder, summary, lines, room);
      for (const { text } of scenario.journals) room -= text.length;
      scenarios.push(scenario);
    },
    finish: () => {
      const [script, style] = ['report.js', 'page.css'].map((name) =>
        readFileSync(join(PAGE, name), 'utf8'),
      ) as [string, string];
      const path = join(directory, 'report.html');
      writeFileSync(path, reportPage({ version: VERSION, recordedAt, scenarios }, { script, style }));
      return path;
    },
  };
};
