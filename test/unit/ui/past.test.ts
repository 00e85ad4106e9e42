// Journals opened in the page tell the same as the command line does of them: the kept journals of real failures.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openJournals } from '../../../src/cli/history/journals.ts';
import { readChronicles } from '../../../src/cli/history/read-chronicles.ts';
import { readSegment as readWhole } from '../../../src/io/journal/journal-reader.ts';
import { createCore } from '../../../src/machines/core.ts';
import { ownershipOf } from '../../../src/machines/ownership.ts';
import { ticksOf } from '../../../src/ui/axis.ts';
import {
  type Band,
  drawnBands,
  lanesOf,
  nodeLanesOf,
  placed,
  showing,
  wholeSpan,
  zoomed,
} from '../../../src/ui/bands.ts';
import { readSegment, type Segment } from '../../../src/ui/journal-file.ts';
import { createScrubber, livesOf, ownershipOfLives, replayLife } from '../../../src/ui/past.ts';

const JOURNALS = join(import.meta.dirname, '../../fixtures/journal');

const files = (name: string): readonly string[] =>
  readdirSync(join(JOURNALS, name), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ndjson'))
    .map((file) => join(JOURNALS, name, file))
    .sort();

const opened = (name: string) =>
  livesOf(
    files(name).map((file) => {
      const segment = readSegment(file, readFileSync(file, 'utf8'));
      assert.equal(typeof segment, 'object', String(segment));
      return segment as Segment;
    }),
  );

for (const name of ['crash', 'cut', 'drain']) {
  test(`${name}: owners, gaps and overlaps are those of holdfast timeline`, () => {
    const { chronicles } = readChronicles(openJournals(files(name)).lives);
    const said = ownershipOf(chronicles);
    const page = ownershipOfLives(opened(name));
    const brief = ({ tenures, gaps, overlaps }: typeof said) => ({
      tenures: tenures.map(({ ip, node, from, to }) => ({ ip, node, from, to })),
      gaps: gaps.map(({ ip, from, ms }) => ({ ip, from, ms })),
      overlaps: overlaps.map(({ ip, from, ms }) => ({ ip, from, ms })),
    });
    assert.deepEqual(brief(page), brief(said));
    assert.ok(lanesOf(page).length > 0);
  });

  test(`${name}: every life replays identically, and a changed record is named`, () => {
    for (const life of opened(name)) {
      const { inputs, differsAt } = replayLife(life);
      assert.equal(differsAt, null);
      assert.ok(inputs > 5);
      const [first] = life.segments as [Segment];
      const at = first.steps.findIndex(({ output }) => output?.includes('"hello.flags"'));
      assert.ok(at >= 0);
      const steps = first.steps.map((step, index) =>
        index === at ? { ...step, output: step.output!.replace('"hello.flags"', '"hello.other"') } : step,
      );
      const changed = replayLife({ ...life, segments: [{ ...first, steps }] });
      assert.equal(changed.differsAt, `${first.file}:${first.steps[at]!.line}`);
    }
  });

  test(`${name}: at the end of each life the page's core is in the state that the command line's replay ends in`, () => {
    for (const life of opened(name)) {
      const [file = ''] = life.segments.map((segment) => segment.file);
      const { segment } = readWhole(file, readFileSync(file, 'utf8'));
      assert.ok(segment !== null);
      const core = createCore(segment.checkpoint.checkpoint);
      for (const { input } of segment.steps) core.step(input.at, input.in);
      const page = createScrubber(life).to(Number.POSITIVE_INFINITY);
      assert.ok(core.view().serviceIPs.length > 0);
      assert.deepEqual(page?.checkpoint(), core.checkpoint());
    }
  });

  test(`${name}: forwards, back and anywhere, the scrubber is where a straight replay is`, () => {
    for (const life of opened(name)) {
      const scrubber = createScrubber(life);
      const { steps } = life.segments[0]!;
      for (const index of steps.map((_, each) => (each * 7) % steps.length)) {
        const { at } = steps[index]!;
        assert.deepEqual(scrubber.to(at)?.view(), createScrubber(life).to(at)?.view());
      }
      assert.equal(scrubber.to(steps[0]!.at - 1), null);
    }
  });
}

test('what is no journal is refused with its name, a torn last line is left out', () => {
  assert.match(String(readSegment('a', 'hello\nthere\n')), /^a: it does not begin with a journal header$/);
  assert.match(String(readSegment('a', '')), /^a: it ends before its checkpoint$/);
  const text = readFileSync(files('cut')[0]!, 'utf8');
  const whole = readSegment('x', text) as Segment;
  const torn = readSegment('x', text.slice(0, -20)) as Segment;
  assert.ok(whole.steps.length - torn.steps.length <= 1);
  assert.match(String(readSegment('x', text.replace('"format":1', '"format":99'))), /^x: it has format 99/);
});

test('zooming stays within the record, keeps the point in sight, and ends at a millisecond', () => {
  const whole = wholeSpan(ownershipOfLives(opened('cut')));
  let sight = whole;
  const at = whole.from + (whole.to - whole.from) * 0.3;
  for (let times = 0; times < 40; times += 1) {
    sight = zoomed(sight, whole, 0.4, at);
    assert.ok(sight.from >= whole.from - 0.01 && sight.to <= whole.to + 0.01);
    assert.ok(at >= sight.from - 0.01 && at <= sight.to + 0.01);
  }
  assert.ok(Math.abs(sight.to - sight.from - 1) < 0.01);
  for (let times = 0; times < 40; times += 1) sight = zoomed(sight, whole, 2.5, at);
  assert.ok(Math.abs(sight.from - whole.from) < 1 && Math.abs(sight.to - whole.to) < 1);
});

test('a band is cut to what is in sight, and not drawn beyond it', () => {
  const sight = { from: 100, to: 200 };
  assert.deepEqual(placed({ from: 0, to: 150 }, sight), { left: 0, width: 50 });
  assert.deepEqual(placed({ from: 150, to: 900 }, sight), { left: 50, width: 50 });
  assert.equal(placed({ from: 0, to: 99 }, sight), null);
  assert.equal(placed({ from: 201, to: 300 }, sight), null);
});

for (const name of ['crash', 'cut', 'drain'])
  test(`${name}: at every moment the lanes by node say of each IP what the lanes by IP say`, () => {
    const ownership = ownershipOfLives(opened(name));
    const whole = wholeSpan(ownership);
    const [between, ...nodes] = nodeLanesOf(ownership);
    const ips = lanesOf(ownership);
    const at = (bands: readonly Band[], kind: string, when: number): readonly Band[] =>
      bands.filter((band) => band.kind === kind && band.from <= when && when < band.to);
    let seen = 0;
    for (let part = 0; part < 500; part += 1) {
      const when = whole.from + ((whole.to - whole.from) * (part + 0.5)) / 500;
      for (const node of nodes) {
        const own = ips.filter(({ bands }) =>
          at(bands, 'owner', when).some(({ name: who }) => who === node.name),
        );
        const [band] = at(node.bands, 'owner', when);
        const expected = own.length > 1 ? `${own.length} IPs` : own[0]?.name;
        assert.equal(band?.name, expected, `${node.name} at ${when}`);
        if (band !== undefined) seen += 1;
      }
      for (const kind of ['gap', 'overlap'])
        assert.equal(
          at(between?.bands ?? [], kind, when).length,
          ips.flatMap(({ bands }) => at(bands, kind, when)).length,
        );
    }
    assert.ok(seen > 100);
  });

test('a node that is not in the record at a time is said to be away then, and why', () => {
  const lanes = nodeLanesOf(ownershipOfLives(opened('crash')));
  const away = lanes.flatMap(({ bands }) => bands.filter(({ kind }) => kind === 'away'));
  assert.ok(
    away.some(({ about }) => /is not in the record: it was lost/.test(about)),
    JSON.stringify(away),
  );
});

const band = (from: number, to: number, kind: Band['kind'] = 'owner'): Band => ({
  ...{ from, to, kind, name: `${from}`, node: 'n1', about: '' },
});
test('ten thousand moves within a hair are drawn as one band that says how many; wide ones and gaps as they are', () => {
  const bands = [
    band(0, 50_000),
    ...Array.from({ length: 10_000 }, (_, index) => band(50_000 + index / 100, 50_000 + (index + 1) / 100)),
    band(50_100, 100_000),
    band(50_000, 50_001, 'gap'),
  ];
  const drawn = drawnBands(bands, { from: 0, to: 100_000 });
  assert.deepEqual(
    drawn.map(({ band: { kind }, count }) => [kind, count]),
    [
      ['owner', 1],
      ['owner', 10_000],
      ['owner', 1],
      ['gap', 1],
    ],
  );
  assert.match(drawn[1]!.band.about, /^10000 moves side by side/);
  const close = drawnBands(bands, { from: 50_010, to: 50_010.05 });
  assert.ok(close.length >= 5 && close.every(({ count }) => count === 1), 'zoomed in each is itself');
});

test('a moment out of sight is brought into it at the same zoom, within the record', () => {
  const whole = { from: 0, to: 1_000 };
  assert.deepEqual(showing({ from: 0, to: 100 }, whole, 50), { from: 0, to: 100 });
  assert.deepEqual(showing({ from: 0, to: 100 }, whole, 500), { from: 450, to: 550 });
  assert.deepEqual(showing({ from: 0, to: 100 }, whole, 990), { from: 900, to: 1_000 });
});

test('the axis has a few round times at every zoom, from a month to a millisecond', () => {
  const start = Date.UTC(2026, 10, 20, 12, 0, 0, 123);
  for (const width of [1, 3, 17, 250, 2_000, 45_000, 600_000, 7_200_000, 86_400_000, 30 * 86_400_000]) {
    const ticks = ticksOf({ from: start, to: start + width });
    assert.ok(ticks.length >= 1 && ticks.length <= 7, `${ticks.length} at ${width}`);
    assert.equal(new Set(ticks.map(({ text }) => text)).size, ticks.length, `${width}: each its own text`);
  }
  assert.deepEqual(
    ticksOf({ from: start, to: start + 2_000 }).map(({ text }) => text),
    ['00:00.500', '00:01.000', '00:01.500', '00:02.000'],
  );
});
