// The page in a real Chromium, in front of a real core: what it shows, how soon, with whom it talks, and what it does
// when the daemon goes away.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import type { Input } from '../../src/machines/inputs.ts';
import { chromiumPath, launchBrowser, openWatched } from '../support/browser.ts';
import { any, createLeader, type Node } from '../support/core.ts';
import { type PageServer, servePage } from '../support/page-server.ts';
import { claim, claimed, createMember, createStandby, late } from '../support/peers.ts';
import { openJournals } from './past-journals.ts';
import { axeFindings, keepScreenshot, PATIENCE_MS, textOf, untilShown } from './shown.ts';

const chromium = chromiumPath();
const skip = chromium === null ? 'no Chromium here: apt-get install chromium, or CHROMIUM=PATH' : false;
const JOURNAL = join(import.meta.dirname, '../fixtures/journal/cut/n1');

let browser: Browser;
const closing: (() => Promise<void>)[] = [];
before(async () => {
  if (chromium !== null) browser = await launchBrowser(chromium);
});
after(async () => {
  await browser?.close();
  for (const close of closing) await close();
});

const serve = async (...args: Parameters<typeof servePage>): Promise<PageServer> => {
  const server = await servePage(...args);
  closing.push(server.close);
  return server;
};

/** n1, standing by for n2, which holds two IPs. */
const standby = () =>
  createStandby(['n2'], 'n2', ['10.99.0.100', '10.99.0.101'], {
    serviceIPs: [any('10.99.0.100'), any('10.99.0.101')],
  });

test('the overview shows each IP with holder and reason, talks to its own server only, and reports no error', {
  skip,
}, async () => {
  const server = await serve(standby());
  const { page, faults } = await openWatched(browser, server.url);
  await untilShown(page, /10\.99\.0\.101[\s\S]*n2/);
  const text = await textOf(page);
  assert.match(text, /node n1/);
  assert.match(text, /n2\s+alive/);
  assert.match(text, /2 of 2 shown/);
  assert.match(text, /live/);
  await page.evaluate(() => document.querySelector<HTMLInputElement>('.filter')?.focus());
  await page.keyboard.type('0.101 n2');
  await untilShown(page, /1 of 2 shown/);
  assert.deepEqual(faults, []);
  await page.close();
});

test('a failover is on the page moments after the transition: state, drawing, candidates', {
  skip,
}, async () => {
  const server = await serve(standby(), { journal: JOURNAL });
  const { page, faults } = await openWatched(browser, `${server.url}#/ip/10.99.0.100`);
  await untilShown(page, /Now: unowned → idle[\s\S]*/);
  await untilShown(page, /n1 leaves it alone: n2 holds it/);
  // The moment at which the page first says so, by the page's own clock, which is this machine's.
  await page.evaluate(() => {
    const seen = window as unknown as { leaderAt?: number; arrows: string[] };
    seen.arrows = [];
    new MutationObserver(() => {
      if (seen.leaderAt === undefined && document.body.innerText.includes('Now: leader'))
        seen.leaderAt = Date.now();
      for (const arrow of document.querySelectorAll<SVGElement>('g.edge.taken'))
        seen.arrows.push(`${arrow.dataset.from} ${arrow.dataset.to}`);
    }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
  });
  server.at(600, late('n2', 600));
  const steppedAt = Date.now();
  server.at(5_000);
  await untilShown(page, /Now: leader → settled/);
  // Arrows are lit after the text is painted.
  await page.waitForFunction(
    () => (window as unknown as { arrows: string[] }).arrows.some((arrow) => arrow.endsWith(' leader')),
    { timeout: PATIENCE_MS, polling: 50 },
  );
  const { leaderAt, arrows } = await page.evaluate(() => {
    const { leaderAt: at = 0, arrows: lit } = window as unknown as { leaderAt?: number; arrows: string[] };
    return { leaderAt: at, arrows: [...new Set(lit)] };
  });
  console.log(`seen on the page ${leaderAt - steppedAt} ms after the transition`);
  assert.ok(leaderAt - steppedAt < 5_000);
  const lit = await page.evaluate(() =>
    [...document.querySelectorAll<SVGElement>('.state.now')].map(({ dataset }) => dataset.state),
  );
  assert.deepEqual(lit, ['leader', 'leader.settled']);
  assert.ok(arrows.includes('unowned.idle candidate.confirming'), arrows.join(', '));
  assert.ok(arrows.includes('candidate.confirming leader'), arrows.join(', '));
  await untilShown(page, /n1 holds it/);
  await untilShown(page, /cannot: /);
  assert.deepEqual(faults, []);
  await page.close();
});

test("one IP's history is told in sentences from the journal", { skip }, async () => {
  const server = await serve(createLeader({ serviceIPs: [any('10.99.0.100')] }), { journal: JOURNAL });
  const { page, faults } = await openWatched(browser, `${server.url}#/ip/10.99.0.100`);
  await untilShown(page, /took 10\.99\.0\.100 \(epoch \d+/);
  assert.deepEqual(faults, []);
  await page.close();
});

test('10,000 IPs: some dozens of rows are in the document, a filter answers at once, the end can be reached', {
  skip,
}, async () => {
  const ips = Array.from(
    { length: 10_000 },
    (_, index) => `10.${99 + (index >> 16)}.${index >> 8}.${index & 255}`,
  );
  const server = await serve(createLeader({ serviceIPs: ips.map(any) }));
  const { page, faults } = await openWatched(browser, server.url);
  await untilShown(page, /10000 of 10000 shown/);
  const rows = (): Promise<number> => page.evaluate(() => document.querySelectorAll('.body .row').length);
  assert.ok((await rows()) < 100);
  const tookMs = await page.evaluate(async () => {
    const input = document.querySelector<HTMLInputElement>('.filter');
    if (input === null) return -1;
    const started = performance.now();
    input.value = '10.99.39.15';
    input.dispatchEvent(new Event('input', { bubbles: true }));
    while (!document.body.innerText.includes('1 of 10000 shown')) await new Promise(requestAnimationFrame);
    return performance.now() - started;
  });
  console.log(`a filter over 10,000 rows answered in ${tookMs.toFixed(0)} ms`);
  assert.ok(tookMs >= 0 && tookMs < 3_000);
  await page.evaluate(() => {
    const input = document.querySelector<HTMLInputElement>('.filter');
    if (input !== null) input.value = '';
    input?.dispatchEvent(new Event('input', { bubbles: true }));
  });
  await untilShown(page, /10000 of 10000 shown/);
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await untilShown(page, /10\.99\.39\.15/);
  assert.ok((await rows()) < 100);
  assert.deepEqual(faults, []);
  await page.close();
});

test('when the daemon goes away the page says so, and shows the new one when it is back', {
  skip,
}, async () => {
  const first = await servePage(standby());
  const { page, faults } = await openWatched(browser, first.url);
  await untilShown(page, /n2\s+alive/);
  await first.close();
  await untilShown(page, /The daemon does not answer/);
  assert.deepEqual(await axeFindings(page), []);
  assert.match(await textOf(page), /10\.99\.0\.100/);
  const leader = createLeader({ serviceIPs: [any('10.99.0.100')] });
  await serve(leader, { port: first.port, instance: 'bb' });
  await untilShown(page, /1 of 1 shown; 1 held here/);
  assert.doesNotMatch(await textOf(page), /does not answer/);
  assert.deepEqual(faults, []);
  await page.close();
});

test('by keyboard alone: to an IP and back, and every control has a name', { skip }, async () => {
  const server = await serve(standby(), { journal: JOURNAL });
  const { page, faults } = await openWatched(browser, server.url);
  await untilShown(page, /10\.99\.0\.101/);
  const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.textContent ?? '');
  for (let presses = 0; presses < 30 && (await focused()) !== '10.99.0.101'; presses += 1)
    await page.keyboard.press('Tab');
  assert.equal(await focused(), '10.99.0.101');
  await page.keyboard.press('Enter');
  await untilShown(page, /Who could take it/);
  const nameless = async (): Promise<string[]> => {
    const tree = await page.accessibility.snapshot({ interestingOnly: true });
    const found: string[] = [];
    const walk = (node: typeof tree): void => {
      if (['button', 'link', 'searchbox', 'table', 'image', 'img'].includes(node?.role ?? '') && !node?.name)
        found.push(node?.role ?? '');
      for (const child of node?.children ?? []) walk(child);
    };
    walk(tree);
    return found;
  };
  assert.deepEqual(await nameless(), []);
  await page.goBack();
  await untilShown(page, /2 of 2 shown/);
  assert.deepEqual(await nameless(), []);
  assert.deepEqual(faults, []);
  await page.close();
});

/** Lanes by node, and what the first band is. */
const showNodes = async (page: Page): Promise<void> => {
  await (await page.$('::-p-aria([name="by node"][role="button"])'))?.click();
  await page.hover('.lane:nth-child(2) .band');
  await untilShown(page, /holds|not in the record/);
};

/** n1 with two peers, of which one is dead, and IPs in every state that an operator sees. */
const cluster = (): Node => {
  const ips = [
    ...Array.from({ length: 9 }, (_, index) => `10.99.0.${100 + index}`),
    'fd99::100',
    'fd99::101',
  ];
  const node = createMember(['n2', 'n3'], { serviceIPs: ips.map(any) });
  node.at(300, claimed('n2', ...['10.99.0.101', '10.99.0.104', 'fd99::101'].map((ip) => claim('n2', ip, 5))));
  node.at(310, claimed('n3', claim('n3', '10.99.0.102', 5), claim('n3', '10.99.0.107', 5)));
  node.at(2_000);
  const move: Input = { type: 'drain.requested', ips: ['10.99.0.100'], to: 'n2' };
  node.at(2_500, move);
  node.at(2_520, claimed('n2', claim('n2', '10.99.0.100', 9)));
  node.at(3_000, late('n3', 2_950));
  node.at(3_500);
  return node;
};

for (const scheme of ['light', 'dark'] as const)
  test(`${scheme}, wide and narrow: nothing runs off the screen, text stands out from its ground, axe finds nothing serious`, {
    skip,
  }, async () => {
    const server = await serve(cluster(), { journal: JOURNAL });
    const { page } = await openWatched(browser, server.url);
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    for (const [view, hash, shown] of [
      ['overview', '#/', /11 of 11 shown/],
      ['one', '#/ip/10.99.0.100', /took 10\.99\.0\.100/],
      ['past', '#/past', /Past/],
      ['past-nodes', '#/past', /Past/],
    ] as const)
      for (const width of [1400, 390]) {
        await page.setViewport({ width, height: 900 });
        await page.evaluate((to) => {
          location.hash = to;
        }, hash);
        await untilShown(page, shown);
        if (view === 'past') assert.deepEqual(await axeFindings(page), [], 'nothing opened yet');
        if (view.startsWith('past')) await openJournals(page);
        if (view === 'past-nodes') await showNodes(page);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${view} at ${width}: ${wide} px too wide`);
        const faint = await page.evaluate(() => {
          const channels = (colour: string): number[] => (colour.match(/[\d.]+/g) ?? []).map(Number);
          const luminance = (colour: string): number => {
            const [r = 0, g = 0, b = 0] = channels(colour).map((channel) => {
              const part = channel / 255;
              return part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const groundOf = (element: Element): string => {
            for (let at: Element | null = element; at !== null; at = at.parentElement) {
              const { backgroundColor: colour } = getComputedStyle(at);
              if (channels(colour)[3] !== 0) return colour;
            }
            return 'rgb(255, 255, 255)';
          };
          const found: string[] = [];
          for (const element of document.querySelectorAll('#root *:not(svg *)')) {
            const hasText = [...element.childNodes].some(
              (child) => child.nodeType === 3 && child.textContent?.trim(),
            );
            if (!hasText) continue;
            const [a, b] = [luminance(getComputedStyle(element).color), luminance(groundOf(element))];
            const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (contrast < 4.5)
              found.push(`${element.className} ${element.textContent} ${contrast.toFixed(1)}`);
          }
          return found;
        });
        assert.deepEqual(faint, [], `${view} at ${width}`);
        assert.deepEqual(await axeFindings(page), [], `${view} at ${width}`);
        await keepScreenshot(page, `${view}-${scheme}-${width}`);
      }
    await page.close();
  });
