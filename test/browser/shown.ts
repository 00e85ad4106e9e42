// What a page shows now, for the tests to wait for and to judge.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import type { Page } from 'puppeteer-core';

/** Far above what anything takes: two busy cores run browser, server and test. */
export const PATIENCE_MS = 30_000;

/** Waits until the page's text matches. */
export const untilShown = (page: Page, pattern: RegExp): Promise<unknown> =>
  page.waitForFunction(
    (source, flags) => new RegExp(source, flags).test(document.body.innerText),
    { timeout: PATIENCE_MS, polling: 50 },
    pattern.source,
    pattern.flags,
  );

export const textOf = (page: Page): Promise<string> => page.evaluate(() => document.body.innerText);

/** What axe-core finds serious or critical in what is shown now, a line each. */
export const axeFindings = async (page: Page): Promise<readonly string[]> => {
  // By the debugger, since the page's own policy lets no foreign script in.
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { axe: tool } = window as unknown as { axe: typeof axe };
    const { violations, passes } = await tool.run(document, { resultTypes: ['violations', 'passes'] });
    if (passes.length === 0) return ['axe found nothing to check'];
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`),
      );
  });
};

/** What is shown now, as a picture in the folder that HOLDFAST_SCREENSHOTS names; nothing without it. */
export const keepScreenshot = async (page: Page, name: string): Promise<void> => {
  const { HOLDFAST_SCREENSHOTS: folder, HOLDFAST_SCREENSHOT_TYPE: type = 'webp' } = process.env;
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  // A quarter of a PNG's size, and they are kept in git.
  const options = type === 'png' ? ({ type: 'png' } as const) : ({ type: 'webp', quality: 80 } as const);
  await page.screenshot({ ...options, path: join(folder, `${name}.${type}`) as `${string}.webp` });
};
