// The documentation's site in a real Chromium, from disk: no network, no error, the search finds, telephones can read it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'puppeteer-core';
import { chromiumPath, launchBrowser, openWatched } from '../support/browser.ts';

const chromium = chromiumPath();
const skip = chromium === null ? 'no Chromium here: apt-get install chromium, or CHROMIUM=PATH' : false;
const PATIENCE_MS = 30_000;
const { HOLDFAST_SCREENSHOTS: screenshots } = process.env;

let browser: Browser;
const site = mkdtempSync(join(tmpdir(), 'holdfast-docs-'));
const folder = `${pathToFileURL(site).href}/`;
before(async () => {
  if (chromium === null) return;
  const script = join(import.meta.dirname, '../../scripts/build-docs.ts');
  const made = spawnSync(process.execPath, [script, site], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  browser = await launchBrowser(chromium);
});
after(async () => {
  await browser?.close();
  rmSync(site, { recursive: true, force: true });
});

const search = async (page: Page, words: string): Promise<readonly string[]> => {
  await page.keyboard.press('Escape');
  await page.keyboard.press('/');
  await page.keyboard.type(words);
  await page.waitForFunction(() => document.querySelector<HTMLElement>('#found')?.childElementCount !== 0, {
    timeout: PATIENCE_MS,
  });
  return await page.evaluate(() =>
    [...document.querySelectorAll('#found a')].map((link) => link.getAttribute('href') ?? ''),
  );
};

test('the search finds a section by words of its title and of its text, Enter opens it, and a word that is nowhere finds nothing', {
  skip,
}, async () => {
  const { page, faults } = await openWatched(browser, `${folder}index.html`, folder);
  const found = await search(page, 'HoldfastHellosLate');
  assert.ok(found.includes('operating.html#holdfasthelloslate'), found.join(' '));
  assert.equal((await search(page, 'rendezvous rank'))[0], 'protocol.html#rendezvous-rank');
  await Promise.all([page.waitForNavigation({ timeout: PATIENCE_MS }), page.keyboard.press('Enter')]);
  assert.match(page.url(), /protocol\.html#rendezvous-rank$/);
  assert.deepEqual(await search(page, 'zxqv <img src=x onerror=alert(1)>'), []);
  assert.equal(await page.$('#found img'), null, 'what was typed is text');
  assert.deepEqual(faults, []);
  await page.close();
});

test('every page opens from disk without an error, light and dark, no wider than a telephone, its pictures loaded', {
  skip,
}, async () => {
  for (const file of globSync('*.html', { cwd: site })) {
    const { page, faults } = await openWatched(browser, `${folder}${file}`, folder);
    await page.setViewport({ width: 390, height: 800 });
    const { wide, blank } = await page.evaluate(() => ({
      wide: document.documentElement.scrollWidth - innerWidth,
      blank: [...document.images].filter((image) => image.complete && image.naturalWidth === 0).length,
    }));
    assert.ok(wide <= 0, `${file} is ${wide} px too wide`);
    assert.equal(blank, 0, `${file}: pictures that did not load`);
    const grounds: string[] = [];
    for (const value of ['light', 'dark']) {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }]);
      grounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    }
    assert.notEqual(grounds[0], grounds[1], file);
    if (screenshots !== undefined && file === 'operating.html') {
      await page.setViewport({ width: 1400, height: 900 });
      await page.screenshot({ path: join(screenshots, 'docs-dark-1400.png') as `${string}.png` });
    }
    assert.deepEqual(faults, [], file);
    await page.close();
  }
});
