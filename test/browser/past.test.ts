// The past in a real Chromium: journals of a real failure, from disk and from the node, on the timeline and stepped
// again.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { chromiumPath, launchBrowser, openWatched } from '../support/browser.ts';
import { type PageServer, servePage } from '../support/page-server.ts';
import { createStandby } from '../support/peers.ts';
import { CUT, openJournals } from './past-journals.ts';
import { PATIENCE_MS, textOf, untilShown } from './shown.ts';

const chromium = chromiumPath();
const skip = chromium === null ? 'no Chromium here: apt-get install chromium, or CHROMIUM=PATH' : false;
const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');

let browser: Browser;
const closing: (() => Promise<void>)[] = [];
before(async () => {
  if (chromium !== null) browser = await launchBrowser(chromium);
});
after(async () => {
  await browser?.close();
  for (const close of closing) await close();
});

const serve = async (journal?: string): Promise<PageServer> => {
  const server = await servePage(
    createStandby(['n2'], 'n2', ['10.99.0.100']),
    journal === undefined ? {} : { journal },
  );
  closing.push(server.close);
  return server;
};
const press = async (page: Page, name: string): Promise<void> => {
  const button = await page.waitForSelector(`::-p-aria([name="${name}"][role="button"])`, {
    timeout: PATIENCE_MS,
  });
  await button?.click();
};

test('journals opened from disk: replayed identically, owners and gaps on the timeline, any moment again', {
  skip,
}, async () => {
  const server = await serve();
  const { page, faults } = await openWatched(browser, `${server.url}#/past`);
  await openJournals(page);
  const text = await textOf(page);
  assert.equal((text.match(/identical/g) ?? []).length, 3);
  const drawn = await page.evaluate(() =>
    [...document.querySelectorAll('.lane .band')].map(({ className }) => className),
  );
  assert.ok(drawn.some((name) => name.includes('owner')) && drawn.some((name) => name.includes('gap')));
  const stepBack = (): Promise<void> =>
    page.evaluate(async () => {
      const button = [...document.querySelectorAll('button')].find(
        (each) => each.textContent === 'transition before',
      );
      button?.click();
      await new Promise(requestAnimationFrame);
    });
  const states = (): Promise<string[]> =>
    page.evaluate(() =>
      [...document.querySelectorAll('.past-nodes .badge')].map((badge) => badge.textContent),
    );
  const seen = new Set<string>();
  for (let steps = 0; steps < 40; steps += 1) {
    await stepBack();
    for (const state of await states()) seen.add(state);
  }
  for (const state of ['leader', 'draining', 'candidate', 'unowned'])
    assert.ok(seen.has(state), `${state} among ${[...seen].join(', ')}`);
  assert.deepEqual(faults, []);
  await page.close();
});

interface Replayed {
  readonly identical: boolean;
  readonly inputs: number;
  readonly transitions: number;
}

test('the replay in the browser steps what holdfast replay steps: as many inputs and transitions, all identical', {
  skip,
}, async () => {
  const server = await serve();
  const { page, faults } = await openWatched(browser, `${server.url}#/past`);
  await openJournals(page);
  const text = await textOf(page);
  const said = [...text.matchAll(/(\d+) inputs replayed here, (\d+) transitions: identical/g)].map(
    ([, inputs, transitions]) => [Number(inputs), Number(transitions)],
  );
  const nodes = readdirSync(CUT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
  const known = nodes.map((node) => {
    const out = execFileSync(process.execPath, [MAIN, 'replay', '--json', join(CUT, node)], {
      encoding: 'utf8',
    });
    return JSON.parse(out) as Replayed;
  });
  assert.deepEqual(
    said,
    known.map(({ inputs, transitions }) => [inputs, transitions]),
  );
  assert.ok(known.every(({ identical }) => identical));
  assert.deepEqual(faults, []);
  await page.close();
});

test("the node's own journal is opened from the node; where it has none, that is said", {
  skip,
}, async () => {
  const server = await serve(join(CUT, 'n1'));
  const { page, faults } = await openWatched(browser, `${server.url}#/past`);
  await press(page, "Open this node's own journal");
  await untilShown(page, /n1[\s\S]*identical/);
  assert.equal(((await textOf(page)).match(/identical/g) ?? []).length, 1);
  assert.deepEqual(faults, []);
  await page.close();
  const bare = await serve('/nonexistent');
  const { page: other } = await openWatched(browser, `${bare.url}#/past`);
  await press(other, "Open this node's own journal");
  await untilShown(other, /the journal of this node cannot be read: the journal cannot be read: ENOENT/);
  await other.close();
});

test('by keyboard on a lane: from band to band, each said with its cause; closer down to a millisecond', {
  skip,
}, async () => {
  const server = await serve();
  const { page, faults } = await openWatched(browser, `${server.url}#/past`);
  await openJournals(page);
  await page.focus('.lane-name');
  const detail = (): Promise<string> =>
    page.evaluate(() => document.querySelector('.detail')?.textContent ?? '');
  const steps: string[] = [];
  for (let step = 0; step < 12; step += 1) {
    await page.keyboard.press('ArrowLeft');
    steps.push(
      await page
        .waitForFunction(() => document.querySelector('.detail')?.textContent)
        .then((handle) => handle.jsonValue())
        .then(String),
    );
    if ((await detail()) === 'no further band on this lane') break;
  }
  const told = steps.join('\n');
  assert.match(told, /took it: .*silent for \d+ ms/);
  assert.match(told, /gap of \d+ ms/);
  await page.keyboard.press('ArrowRight');
  for (let zooms = 0; zooms < 30; zooms += 1) await page.keyboard.press('+');
  await untilShown(page, /UTC, 1\.0 ms/);
  const ticks = await page.evaluate(() =>
    [...document.querySelectorAll('.tick')].map(({ textContent }) => textContent),
  );
  assert.ok(ticks.length >= 3, ticks.join(' '));
  await press(page, 'all of it');
  await untilShown(page, /UTC, [\d.]+ s/);
  assert.deepEqual(faults, []);
  await page.close();
});

test('input by input: each that was recorded is one step, named with its line, and back again by the same', {
  skip,
}, async () => {
  const server = await serve(join(CUT, 'n1'));
  const { page, faults } = await openWatched(browser, `${server.url}#/past`);
  await press(page, "Open this node's own journal");
  await untilShown(page, /identical/);
  const step = (name: string): Promise<string> =>
    page.evaluate(async (wanted) => {
      [...document.querySelectorAll('button')].find(({ textContent }) => textContent === wanted)?.click();
      await new Promise(requestAnimationFrame);
      await new Promise(requestAnimationFrame);
      return document.querySelector('.inputs-now')?.textContent ?? '';
    }, name);
  const walk = async (name: string): Promise<string[]> => {
    const said: string[] = [];
    for (let last = ''; said.length < 200; ) {
      const now = await step(name);
      if (now === last) break;
      said.push(now);
      last = now;
    }
    return said;
  };
  const back = await walk('input before');
  const forth = await walk('next input');
  const refs = new Set([...back, ...forth].join(' ').match(/ndjson:\d+/g));
  const [, count] = /(\d+) inputs replayed/.exec(await textOf(page)) ?? [];
  assert.ok(
    refs.size > 0.8 * Number(count),
    `${refs.size} of ${count}: more than five of one moment are not named`,
  );
  assert.match(back.join(' '), /n1: claims\.heard \(.*ndjson:\d+\)/);
  assert.deepEqual(back.slice(0, -1).toReversed().slice(0, forth.length), forth.slice(0, back.length - 1));
  assert.deepEqual(faults, []);
  await page.close();
});

test('by node: a lane for each node and one for gaps and overlaps; pointing at a band says what it is', {
  skip,
}, async () => {
  const server = await serve();
  const { page, faults } = await openWatched(browser, `${server.url}#/past`);
  await openJournals(page);
  await press(page, 'by node');
  const names = await page.evaluate(() =>
    [...document.querySelectorAll('.lane-name')].map(({ textContent }) => textContent),
  );
  assert.deepEqual(names, ['gaps, overlaps', 'n1', 'n2', 'n3']);
  assert.ok((await page.$$('.lane:first-child .band.gap')).length > 0);
  const about = await page.evaluate(() =>
    [...document.querySelectorAll('.band.owner')].map((band) => (band as HTMLElement).title),
  );
  assert.ok(
    about.some((text) => /^n\d holds .*It took .*: /.test(text)),
    about.join('\n'),
  );
  await page.hover('.band.owner');
  await untilShown(page, /n\d holds .*It (took|gave up)/);
  assert.deepEqual(faults, []);
  await page.close();
});

for (const [motion, animation] of [
  ['no-preference', 'flow'],
  ['reduce', 'none'],
] as const)
  test(`prefers-reduced-motion: ${motion}: a taken arrow's animation is ${animation}`, { skip }, async () => {
    const server = await serve();
    const { page } = await openWatched(browser, `${server.url}#/ip/10.99.0.100`);
    await page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: motion }]);
    await page.waitForSelector('svg g.edge path', { timeout: PATIENCE_MS });
    const name = await page.evaluate(() => {
      const edge = document.querySelector('svg g.edge');
      edge?.classList.add('taken');
      const path = edge?.querySelector('path');
      return path == null ? '' : getComputedStyle(path).animationName;
    });
    assert.equal(name, animation);
    await page.close();
  });
