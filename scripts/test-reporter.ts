// Node's own spec reporter, minus its closing summary: scripts/test.ts runs the runner several times and
// prints one summary over all of them. This run's counts go, as JSON, to the file HOLDFAST_TEST_COUNTS names.
import { writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { spec as Spec } from 'node:test/reporters';

/** What the runner's `test:summary` event counts, for one run. */
export interface Counts {
  tests: number;
  suites: number;
  passed: number;
  failed: number;
  cancelled: number;
  skipped: number;
  todo: number;
}

interface RunnerEvent {
  type: string;
  data: {
    nesting?: number;
    message?: string;
    file?: string | undefined;
    counts?: Counts & { topLevel: number };
  };
}

const SUMMARY_LINE = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;

async function* withoutSummary(events: AsyncIterable<RunnerEvent>): AsyncGenerator<RunnerEvent> {
  for await (const event of events) {
    const { type, data } = event;
    // A summary with a file is that file's own; the one without is the run's.
    if (type === 'test:summary' && data.file === undefined) {
      const path = process.env.HOLDFAST_TEST_COUNTS;
      if (path !== undefined) writeFileSync(path, JSON.stringify(data.counts));
    }
    if (type === 'test:diagnostic' && data.nesting === 0 && SUMMARY_LINE.test(data.message ?? '')) continue;
    yield event;
  }
}

/** What `--test-reporter` loads: runner events in, text out. The runner demands a default export. */
// biome-ignore lint/style/noDefaultExport: Node looks for a reporter under this name only
export default async function* report(events: AsyncIterable<RunnerEvent>): AsyncGenerator<string> {
  yield* Readable.from(withoutSummary(events)).pipe(new Spec());
}
