// The lab's report in a real Chromium, from disk: everything in one file, no network, no error, and nothing in the data
// runs.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'puppeteer-core';
import { openLabRecord, recordObstacle } from '../../src/cli/lab/lab-record.ts';
import type { ScenarioLine } from '../../src/cli/lab/scenario.ts';
import { chromiumPath, launchBrowser, openWatched } from '../support/browser.ts';

const chromium = chromiumPath();
const skip = chromium === null ? 'no Chromium here: apt-get install chromium, or CHROMIUM=PATH' : false;
const FIXTURES = join(import.meta.dirname, '../fixtures/journal');
const PATIENCE_MS = 30_000;
const { HOLDFAST_SCREENSHOTS: screenshots } = process.env;

let browser: Browser;
const folder = mkdtempSync(join(tmpdir(), 'holdfast-report-'));
before(async () => {
  if (chromium !== null) browser = await launchBrowser(chromium);
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const linesOf = (name: string): readonly ScenarioLine[] =>
  JSON.parse(readFileSync(join(FIXTURES, name, 'client.json'), 'utf8')) as readonly ScenarioLine[];
const nodesOf = (name: string) =>
  ['n1', 'n2', 'n3'].map((node) => ({ host: { name: node }, journal: join(FIXTURES, name, node) }));

test('a report opens from disk: measured gaps, owners, the machine at any moment, explanations; another scenario at a click', {
  skip,
}, async () => {
  const into = join(folder, 'two');
  assert.equal(recordObstacle(into), null);
  const record = openLabRecord(into);
  for (const name of ['cut', 'drain']) record.add(name, `what ${name} is`, linesOf(name), nodesOf(name));
  const { page, faults } = await openWatched(browser, pathToFileURL(record.finish()).href);
  const shows = (pattern: RegExp): Promise<unknown> =>
    page.waitForFunction(
      (source) => new RegExp(source).test(document.body.innerText),
      { timeout: PATIENCE_MS, polling: 50 },
      pattern.source,
    );
  await shows(/cut: what cut is/);
  const text = await page.evaluate(() => document.body.innerText);
  assert.equal((text.match(/transitions: identical/g) ?? []).length, 3, 'replayed in the browser');
  assert.match(text, /gap of 18\d ms ± .* of 10\.99\.0\.100, after n1, before n2/);
  assert.match(text, /At \S+ fd99::100 was owned by n2/);
  const bands = await page.evaluate(() =>
    [...document.querySelectorAll('.lane .band')].map(({ className }) => className),
  );
  assert.ok(bands.some((name) => name.includes('owner')) && bands.some((name) => name.includes('gap')));
  assert.ok(await page.$('.diagram svg .state.now'), 'the drawing is lit');
  if (screenshots !== undefined) {
    mkdirSync(screenshots, { recursive: true });
    await page.setViewport({ width: 1400, height: 900 });
    await page.screenshot({
      path: join(screenshots, 'report-light-1400.png') as `${string}.png`,
      fullPage: true,
    });
  }
  await page.setViewport({ width: 390, height: 900 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${wide} px too wide`);
  await page.evaluate(() => {
    [...document.querySelectorAll('button')].find(({ textContent }) => textContent === 'drain')?.click();
  });
  await shows(/drain: what drain is/);
  assert.deepEqual(faults, []);
  await page.close();
});

test('whatever the data say, nothing of them runs or ends its element', { skip }, async () => {
  const into = join(folder, 'hostile');
  assert.equal(recordObstacle(into), null);
  const evil =
    '</script><script>document.title="owned"</script><img src=x onerror="document.title=1"><!--<script>';
  const record = openLabRecord(into);
  record.add(
    'cut',
    evil,
    linesOf('cut').map((line) => ({ ...line, note: evil })),
    nodesOf('cut'),
  );
  const path = record.finish();
  assert.equal(readFileSync(path, 'utf8').match(/<\/script>/g)?.length, 2);
  const { page, faults } = await openWatched(browser, pathToFileURL(path).href);
  await page.waitForFunction(
    (text) => document.body.innerText.includes(text),
    { timeout: PATIENCE_MS },
    evil,
  );
  assert.equal(await page.title(), 'Holdfast: report of the lab');
  // What the policy is for: a script that got in by another way does not run either.
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'document.title = "owned"';
    document.body.append(script);
  });
  assert.equal(await page.title(), 'Holdfast: report of the lab');
  assert.deepEqual(
    faults.filter((fault) => !/Content Security Policy/.test(fault)),
    [],
  );
  await page.close();
});
