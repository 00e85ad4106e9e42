// Operating from the page, in a real Chromium in front of a real core: who may, what is said before, what happens then.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { chromiumPath, launchBrowser, openWatched } from '../support/browser.ts';
import { any, LISTENED, type Node, V4, V4_OTHER } from '../support/core.ts';
import { type PageServer, servePage } from '../support/page-server.ts';
import { createMember, createStandby } from '../support/peers.ts';
import { axeFindings, keepScreenshot, PATIENCE_MS, textOf, untilShown } from './shown.ts';

const chromium = chromiumPath();
const skip = chromium === null ? 'no Chromium here: apt-get install chromium, or CHROMIUM=PATH' : false;
const TOKEN = 'a-token-of-this-test-0123456789';

let browser: Browser;
const directory = mkdtempSync(join(tmpdir(), 'holdfast-operate-'));
const tokenFile = join(directory, 'token');
writeFileSync(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
const closing: (() => Promise<void>)[] = [];
before(async () => {
  if (chromium !== null) browser = await launchBrowser(chromium);
});
after(async () => {
  await browser?.close();
  for (const close of closing) await close();
  rmSync(directory, { recursive: true });
});

const serve = async (
  node: Node,
  over: Parameters<typeof servePage>[1] = { tokenFile },
): Promise<PageServer> => {
  const server = await servePage(node, over);
  closing.push(server.close);
  return server;
};
/** n1 leads both IPs and hears n2 and n3. */
const holder = (): Node => {
  const node = createMember(['n2', 'n3'], { serviceIPs: [any(V4), any(V4_OTHER)] });
  node.at(LISTENED + 1_000);
  return node;
};

const press = async (page: Page, name: string): Promise<void> => {
  const button = await page.waitForSelector(`::-p-aria([name="${name}"][role="button"])`, {
    timeout: PATIENCE_MS,
  });
  await button?.click();
};
/** Escape, and the dialog is gone. */
const leave = async (page: Page): Promise<void> => {
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null, { timeout: PATIENCE_MS });
};
const buttons = (page: Page): Promise<string[]> =>
  page.evaluate(() => [...document.querySelectorAll('button')].map(({ textContent }) => textContent));
const signIn = async (page: Page, token = TOKEN): Promise<void> => {
  await press(page, 'Operate …');
  await page.waitForSelector('dialog[open] input:focus', { timeout: PATIENCE_MS });
  await page.keyboard.type(token);
  await page.keyboard.press('Enter');
};

test('without a token configured the page has no button that operates', { skip }, async () => {
  const server = await serve(holder(), {});
  const { page } = await openWatched(browser, server.url);
  await untilShown(page, /2 of 2 shown/);
  assert.deepEqual(
    (await buttons(page)).filter((text) => /operate|drain|move/i.test(text)),
    [],
  );
  await page.evaluate((ip) => {
    location.hash = `#/ip/${ip}`;
  }, V4);
  await untilShown(page, /Who could take it/);
  assert.deepEqual(
    (await buttons(page)).filter((text) => /operate|drain|move/i.test(text)),
    [],
  );
  await page.close();
});

test('a wrong token is refused in words; the right one opens the buttons, and is in no storage, address or cookie', {
  skip,
}, async () => {
  const server = await serve(holder());
  const { page } = await openWatched(browser, server.url);
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await signIn(page, 'not-the-token-at-all-012345');
  await untilShown(page, /that is not the token of this node/);
  await leave(page);
  assert.ok(!(await buttons(page)).includes('Drain n1 …'));
  await signIn(page);
  await untilShown(page, /Drain n1 …/);
  const kept = await page.evaluate(() =>
    JSON.stringify([
      { ...sessionStorage },
      { ...localStorage },
      document.cookie,
      location.href,
      history.length,
    ]),
  );
  assert.doesNotMatch(kept + asked.join(' '), new RegExp(TOKEN));
  await press(page, 'Stop operating');
  await untilShown(page, /Operate …/);
  assert.ok(!(await buttons(page)).includes('Drain n1 …'));
  await page.close();
});

test('by keyboard: a drain says first what will happen, Escape leaves it, and confirmed it happens and is seen', {
  skip,
}, async () => {
  const node = holder();
  const server = await serve(node);
  const { page, faults } = await openWatched(browser, server.url);
  await signIn(page);
  await untilShown(page, /Drain n1 …/);
  const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.textContent ?? '');
  const tabTo = async (name: string): Promise<void> => {
    for (let presses = 0; presses < 40 && (await focused()) !== name; presses += 1)
      await page.keyboard.press('Tab');
    assert.equal(await focused(), name);
  };
  await tabTo('Drain n1 …');
  await page.keyboard.press('Enter');
  await untilShown(page, /takes no service IP until it is undrained/);
  const text = await textOf(page);
  assert.match(text, /10\.99\.0\.10\d goes to n2\./);
  assert.match(text, /open are reset/);
  assert.deepEqual(await axeFindings(page), []);
  await leave(page);
  assert.equal(node.core.view().drained, false, 'nothing happened');
  assert.equal(await focused(), 'Drain n1 …', 'the focus is back where it was');
  await page.keyboard.press('Enter');
  await untilShown(page, /takes no service IP until it is undrained/);
  await tabTo('Drain n1');
  await page.keyboard.press('Enter');
  await untilShown(page, /Undrain n1 …/);
  assert.equal(node.core.view().drained, true);
  assert.ok([V4, V4_OTHER].every((ip) => node.core.service(ip)?.movingTo !== null));
  await press(page, 'Undrain n1 …');
  await untilShown(page, /Nothing moves back by itself/);
  await press(page, 'Undrain n1');
  await untilShown(page, /Drain n1 …/);
  assert.equal(node.core.view().drained, false);
  assert.deepEqual(faults, []);
  await page.close();
});

test('one IP is moved to the node that was chosen, the other stays; its page says where to', {
  skip,
}, async () => {
  const node = holder();
  const server = await serve(node);
  const { page } = await openWatched(browser, `${server.url}#/ip/${V4}`);
  await signIn(page);
  await press(page, `Move ${V4} …`);
  await untilShown(page, /10\.99\.0\.100 goes to n[23]\./);
  await page.select('dialog select', 'n3');
  await untilShown(page, /10\.99\.0\.100 goes to n3\./);
  await press(page, `Move ${V4}`);
  await untilShown(page, /Moving to\s+n3/);
  assert.deepEqual([node.core.service(V4)?.movingTo, node.core.service(V4_OTHER)?.movingTo], ['n3', null]);
  await page.close();
});

test('what another node holds is not moved here: the page says whose page does that', { skip }, async () => {
  const server = await serve(createStandby(['n2'], 'n2', [V4], { serviceIPs: [any(V4)] }));
  const { page } = await openWatched(browser, `${server.url}#/ip/${V4}`);
  await signIn(page);
  await untilShown(page, /It is moved from the page of n2, which holds it/);
  assert.ok(!(await buttons(page)).some((text) => text.startsWith('Move')));
  await page.close();
});

test('a token that was changed on the node ends operating, and is asked for again', { skip }, async () => {
  const own = join(directory, 'changing');
  writeFileSync(own, TOKEN, { mode: 0o600 });
  const node = holder();
  const server = await serve(node, { tokenFile: own });
  const { page } = await openWatched(browser, server.url);
  await signIn(page);
  await untilShown(page, /Drain n1 …/);
  writeFileSync(own, 'another-token-0123456789');
  await press(page, 'Drain n1 …');
  await untilShown(page, /It takes the token of this node/);
  assert.equal(node.core.view().drained, false);
  await page.close();
});

for (const scheme of ['light', 'dark'] as const)
  test(`${scheme}: the dialogs fit the screen, wide and narrow, and axe finds nothing serious`, {
    skip,
  }, async () => {
    const server = await serve(holder());
    const { page } = await openWatched(browser, `${server.url}#/ip/${V4}`);
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await press(page, 'Operate …');
    await page.waitForSelector('dialog[open] input:focus', { timeout: PATIENCE_MS });
    assert.deepEqual(await axeFindings(page), []);
    await leave(page);
    await signIn(page);
    await press(page, `Move ${V4} …`);
    await untilShown(page, /goes to n/);
    for (const width of [1400, 390]) {
      await page.setViewport({ width, height: 900 });
      const wide = await page.evaluate(() => {
        const box = document.querySelector('dialog')?.getBoundingClientRect();
        return Math.max(
          (box?.right ?? 0) - innerWidth,
          -(box?.left ?? 0),
          document.documentElement.scrollWidth - innerWidth,
        );
      });
      assert.ok(wide <= 0, `${wide} px too wide at ${width}`);
      assert.deepEqual(await axeFindings(page), [], `at ${width}`);
      await keepScreenshot(page, `operate-${scheme}-${width}`);
    }
    await page.close();
  });
