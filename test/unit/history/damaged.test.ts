// Damaged journals under every command that looks back: what can be read is used, what cannot is named, nothing
// crashes.
import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { readAlternative } from '../../../src/cli/history/alternative.ts';
import { reportOn, reportText } from '../../../src/cli/history/explain-report.ts';
import { openJournals } from '../../../src/cli/history/journals.ts';
import { readChronicles } from '../../../src/cli/history/read-chronicles.ts';
import { findingsOf, timelineText } from '../../../src/cli/history/timeline-report.ts';
import { runWhatIf } from '../../../src/cli/history/what-if-run.ts';
import { mayExplain } from '../../../src/machines/explain-words.ts';
import { ownershipOf } from '../../../src/machines/ownership.ts';
import { withDirectory } from '../journal/recorder.ts';

const CUT = join(import.meta.dirname, '../../fixtures/journal/cut');
const IP = '10.99.0.100';
const ALWAYS = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };

test('whatever octets of a journal are changed, its story is told as far as it can be read', () =>
  withDirectory(async (directory) => {
    cpSync(CUT, directory, { recursive: true });
    const [name = ''] = readdirSync(join(directory, 'n1'));
    const file = join(directory, 'n1', name);
    const whole = readFileSync(file);
    const alternative = await readAlternative(['drain.quiet=1s'], undefined);
    // Of a last line that lost its end nobody knows that it had one: that is no damage.
    const lastLine = whole.lastIndexOf(0x0a, whole.length - 2);
    const change = fc.tuple(fc.nat(lastLine - 1), fc.integer({ min: 32, max: 126 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = Buffer.from(whole);
        for (const [at, octet] of changes) bytes[at] = octet;
        writeFileSync(file, bytes);
        const journals = openJournals([directory]);
        const { chronicles, damage } = readChronicles(journals.lives, mayExplain(IP));
        if (!bytes.equals(whole)) assert.ok(damage.length + journals.damage.length > 0);
        const ownership = ownershipOf(chronicles);
        const text = timelineText(ownership, findingsOf(ownership, { gapMs: 0, overlapMs: 100 }));
        assert.match(text, /holder-dead/);
        assert.match(reportText(reportOn(ownership, journals.lives, IP, journals.end)), /n2/);
        if (alternative !== null) runWhatIf(journals, alternative, ALWAYS);
      }),
      { numRuns: 150 },
    );
  }));

test('a segment that is missing in the middle, an empty file and one of the future leave the others readable', () =>
  withDirectory((directory) => {
    cpSync(CUT, directory, { recursive: true });
    writeFileSync(join(directory, 'n9-00000001.ndjson'), '');
    const [name = ''] = readdirSync(join(directory, 'n3'));
    const text = readFileSync(join(directory, 'n3', name), 'utf8').replace('"format":1', '"format":2');
    writeFileSync(join(directory, 'n3', name), text);
    const { lives, damage } = openJournals([directory]);
    assert.deepEqual(
      lives.map(({ node }) => node),
      ['n1', 'n2'],
    );
    assert.ok(damage.some(({ reason }) => /the file is empty/.test(reason)));
    assert.ok(damage.some(({ reason }) => /has format 2; this version reads up to 1/.test(reason)));
  }));
