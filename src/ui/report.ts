// The report of a lab run: one file with everything in it, opened from disk. What the client measured, what the journals
// say of it, the timeline, the machine at any moment, and the explanations.
import { signal } from '@preact/signals';
import { type ComponentChildren, h, render } from 'preact';
import { readSegment, type Segment } from './journal-file.ts';
import { layPast } from './past-state.ts';
import { OpenedPast } from './past-view.ts';
import type { ReportBetween, ReportData, ReportLine, ReportScenario } from './report-data.ts';
import { moment, timeOfDay } from './words.ts';

const chosen = signal(0);
const said = signal('');

const milliseconds = (ms: number | undefined): string =>
  ms === undefined ? '–' : `${ms >= 10 ? Math.round(ms) : ms.toFixed(1)} ms`;

const cells = (kind: 'th' | 'td', texts: readonly ComponentChildren[]): ComponentChildren =>
  h(
    'tr',
    null,
    texts.map((text, index) => h(kind, { key: index }, text)),
  );

const measuredRow = (line: ReportLine): ComponentChildren => {
  const { family, sent, lost, gapMs, newClientMs, recordedGapMs, recordedErrorMs, ok, promise, note } = line;
  const recorded =
    recordedGapMs === undefined ? '–' : `${milliseconds(recordedGapMs)} ± ${milliseconds(recordedErrorMs)}`;
  const verdict = h('span', { class: `badge ${ok ? 'leader' : 'dead'}` }, ok ? 'kept' : 'BROKEN');
  return cells('td', [
    family,
    `${lost} of ${sent}`,
    milliseconds(gapMs),
    milliseconds(newClientMs),
    recorded,
    [verdict, ` ${promise}`, note === undefined ? '' : ` (${note})`],
  ]);
};

const HEAD = ['Family', 'Pings lost', 'Longest gap', 'New client', 'Gap by the journals', 'Promise'];

const Measured = ({ lines }: { readonly lines: readonly ReportLine[] }): ComponentChildren =>
  h(
    'section',
    { 'aria-labelledby': 'measured' },
    h('h2', { id: 'measured' }, 'What the client measured'),
    h(
      'div',
      { class: 'wide', tabIndex: 0, role: 'group', 'aria-labelledby': 'measured' },
      h(
        'table',
        { class: 'measured' },
        h('thead', null, cells('th', HEAD)),
        h('tbody', null, lines.map(measuredRow)),
      ),
    ),
  );

const betweenText = (kind: string, { ip, from, ms, errorMs, before, after }: ReportBetween): string => {
  const error = errorMs === null ? ' ± ?' : ` ± ${milliseconds(errorMs)}`;
  const who =
    kind === 'gap' ? `after ${before}${after === null ? '' : `, before ${after}`}` : `${before} and ${after}`;
  return `${timeOfDay(from)} ${kind} of ${milliseconds(ms ?? undefined)}${error} of ${ip}, ${who}`;
};

const Betweens = ({ timeline }: Pick<ReportScenario, 'timeline'>): ComponentChildren => {
  const all = [
    ...timeline.gaps.map((gap) => betweenText('gap', gap)),
    ...timeline.overlaps.map((overlap) => betweenText('overlap', overlap)),
  ].sort();
  return h(
    'section',
    { 'aria-labelledby': 'betweens' },
    h('h2', { id: 'betweens' }, 'Gaps and overlaps'),
    all.length === 0
      ? h('p', { class: 'empty' }, 'None: there was one owner all the time.')
      : h(
          'ul',
          null,
          all.map((text) => h('li', { key: text }, text)),
        ),
  );
};

const Explanations = ({ explanations }: Pick<ReportScenario, 'explanations'>): ComponentChildren =>
  h(
    'section',
    { 'aria-labelledby': 'explained' },
    h('h2', { id: 'explained' }, 'Why each IP is where it is'),
    explanations.map(({ ip, text }) =>
      h('div', { key: ip }, h('h3', null, ip), h('pre', { class: 'explanation', tabIndex: 0 }, text)),
    ),
  );

/** Shows the scenario of this number; its journals are laid over each other and stepped here. */
const choose = ({ scenarios }: ReportData, index: number): void => {
  chosen.value = index;
  said.value = '';
  const read = (scenarios[index]?.journals ?? []).map(({ file, text }) => readSegment(file, text));
  said.value = read.filter((problem): problem is string => typeof problem === 'string').join('; ');
  layPast(read.filter((segment): segment is Segment => typeof segment !== 'string'));
};

const Choice = ({ data }: { readonly data: ReportData }): ComponentChildren =>
  h(
    'div',
    { class: 'tools', role: 'group', 'aria-label': 'Scenario' },
    data.scenarios.map(({ name, lines }, index) =>
      h(
        'button',
        {
          key: name,
          type: 'button',
          class: index === chosen.value ? 'chosen' : '',
          'aria-pressed': index === chosen.value,
          onClick: () => choose(data, index),
        },
        `${name}${lines.every(({ ok }) => ok) ? '' : ' (broken)'}`,
      ),
    ),
  );

const TOO_LARGE =
  'The journals are too large to be carried here; they lie beside this file, for holdfast timeline.';

const ScenarioView = ({ scenario }: { readonly scenario: ReportScenario }): ComponentChildren =>
  h(
    'div',
    null,
    h('h1', null, `${scenario.name}: ${scenario.summary}`),
    h(Measured, scenario),
    h('h2', null, 'Who owned what when'),
    said.value === '' ? null : h('p', { class: 'problem', role: 'status' }, said.value),
    scenario.journals.length === 0 ? h('p', { class: 'empty' }, TOO_LARGE) : h(OpenedPast, null),
    h(Betweens, scenario),
    h(Explanations, scenario),
  );

const Report = ({ data }: { readonly data: ReportData }): ComponentChildren => {
  const scenario = data.scenarios[chosen.value];
  return h(
    'div',
    { class: 'page report' },
    h(
      'header',
      { class: 'bar' },
      h('span', { class: 'brand' }, 'Holdfast'),
      h('span', { class: 'version' }, data.version),
      h('span', { class: 'clock' }, `lab, recorded ${moment(data.recordedAt)} UTC`),
    ),
    h(
      'main',
      null,
      data.scenarios.length > 1 ? h(Choice, { data }) : null,
      scenario === undefined
        ? h('p', { class: 'empty' }, 'Nothing was played.')
        : h(ScenarioView, { scenario }),
    ),
  );
};

const root = document.getElementById('root');
const embedded = document.getElementById('data')?.textContent;
if (root !== null && embedded !== null && embedded !== undefined) {
  const data = JSON.parse(embedded) as ReportData;
  if (data.scenarios.length > 0) choose(data, 0);
  render(h(Report, { data }), root);
}
