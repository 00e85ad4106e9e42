// `lab --record DIR`: the journals that it leaves tell what the client measured, and the report tells what the commands
// tell of these journals.
import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../../src/cli/lab/lab-node.ts';
import type { ScenarioLine } from '../../src/cli/lab/scenario.ts';
import type { ReportData } from '../../src/ui/report-data.ts';
import { wireTest } from '../support/lab.ts';

const directoryFor = (context: { after(end: () => unknown): void }): string => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-record-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
};

wireTest(
  'a recorded cut: journals that replay, the gap that the client measured, a report that agrees with the commands',
  ['unshare'],
  async (context) => {
    const into = directoryFor(context);
    const { code, out, err } = await runCli(['lab', '--scenario', 'cut', '--json', '--record', into]);
    assert.equal(code, 0, out + err);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as ScenarioLine);
    assert.deepEqual(
      lines.map(({ family }) => family),
      ['ipv4', 'ipv6'],
    );
    for (const line of lines) {
      const { gapMs, recordedGapMs = 0, recordedErrorMs = 0, proberLateMs = 0 } = line;
      const off = Math.abs(gapMs - recordedGapMs);
      assert.ok(
        off <= 20 + recordedErrorMs + proberLateMs,
        `${gapMs} ms measured, ${recordedGapMs} recorded`,
      );
      assert.ok(recordedGapMs > 50, 'a cut has a gap');
    }
    const folder = join(into, 'cut');
    assert.deepEqual(JSON.parse(readFileSync(join(folder, 'client.json'), 'utf8')), lines);
    assert.deepEqual(
      [...new Set(globSync('*/*.ndjson', { cwd: folder }).map((file) => file.split('/')[0]))].sort(),
      ['n1', 'n2', 'n3'],
    );
    for (const node of ['n1', 'n2', 'n3'])
      assert.equal((await runCli(['replay', join(folder, node)])).code, 0);

    const html = readFileSync(join(into, 'report.html'), 'utf8');
    const [, embedded = ''] = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html) ?? [];
    const { scenarios } = JSON.parse(embedded) as ReportData;
    assert.equal(scenarios.length, 1);
    const [scenario] = scenarios as [ReportData['scenarios'][number]];
    const timeline = await runCli(['timeline', '--json', folder]);
    assert.deepEqual(scenario.timeline, JSON.parse(timeline.out));
    assert.deepEqual(scenario.lines, lines);
    for (const { ip, text } of scenario.explanations)
      assert.equal(`${text}\n`, (await runCli(['explain', '--ip', ip, folder])).out);
    for (const { file, text } of scenario.journals)
      assert.equal(readFileSync(join(folder, file), 'utf8'), text);
    // Nothing in it is fetched from anywhere.
    assert.doesNotMatch(
      html.replaceAll(/"[^"]*http:\/\/www\.w3\.org[^"]*"/g, ''),
      /(src|href)="(https?:)?\/\//,
    );
  },
);

wireTest(
  'a place that cannot keep a record is refused in one line, before anything is built',
  ['unshare'],
  async (context) => {
    const into = directoryFor(context);
    writeFileSync(join(into, 'mine'), '');
    for (const [directory, pattern] of [
      [into, /is not empty; a new directory would be right/],
      ['/run/record', /vanishes with it/],
      [join(into, 'mine', 'below'), /ENOTDIR|EEXIST/],
    ] as const) {
      const { code, out, err } = await runCli(['lab', '--scenario', 'claim', '--record', directory]);
      assert.deepEqual([code, out, err.trim().split('\n').length], [2, '', 1]);
      assert.match(err, pattern);
    }
  },
);
