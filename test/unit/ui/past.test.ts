// Journals opened in the page tell the same as the command line does of them: the kept journals of real failures.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openJournals } from '../../../src/cli/history/journals.ts';
import { readChronicles } from '../../../src/cli/history/read-chronicles.ts';
import { ownershipOf } from '../../../src/machines/ownership.ts';
import { lanesOf, placed, wholeSpan, zoomed } from '../../../src/ui/bands.ts';
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
