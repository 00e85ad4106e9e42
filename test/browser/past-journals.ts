// The kept journals of a real failure, opened in the page as a person opens them.
import { globSync } from 'node:fs';
import { join } from 'node:path';
import type { ElementHandle, Page } from 'puppeteer-core';
import { PATIENCE_MS, untilShown } from './shown.ts';

export const CUT = join(import.meta.dirname, '../fixtures/journal/cut');

/** Opens the three nodes' journals of the cut in the page. */
export const openJournals = async (page: Page): Promise<void> => {
  const files = globSync('*/*.ndjson', { cwd: CUT }).map((file) => join(CUT, file));
  const input = await page.waitForSelector('input[type=file]', { timeout: PATIENCE_MS });
  await (input as ElementHandle<HTMLInputElement>).uploadFile(...files);
  await untilShown(page, /identical/);
};
