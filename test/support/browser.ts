// A real Chromium for tests of the page, and what every one of them must not see: errors on the console, requests to
// anywhere but the page's own server.
import { existsSync } from 'node:fs';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where Chromium is: CHROMIUM names it, or Debian's place; null: not here. */
export const chromiumPath = (): string | null => {
  const { CHROMIUM: named } = process.env;
  return named || (PLACES.find((path) => existsSync(path)) ?? null);
};

export const launchBrowser = (executablePath: string): Promise<Browser> =>
  puppeteer.launch({
    executablePath,
    headless: true,
    pipe: true,
    // Root, and a small /dev/shm: CI runs in a container.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });

export interface Watched {
  readonly page: Page;
  /** What no page may do, in words. */
  readonly faults: string[];
}

/** A new page that is watched. `folder`: the URL of a folder whose files a page from disk may ask for; else only itself. */
export const openWatched = async (browser: Browser, url: string, folder = url): Promise<Watched> => {
  const page = await browser.newPage();
  const faults: string[] = [];
  const { origin } = new URL(url);
  // A file has no origin: of files only these may be asked for.
  const own = origin === 'null' ? folder : `${origin}/`;
  page.on('console', (message) => {
    // Chromium reports an unreachable server here; that is what the page is to cope with.
    if (message.type() === 'error' && !message.text().includes('net::ERR_')) faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('request', (request) => {
    const asked = request.url();
    if (!asked.startsWith(own) && !asked.startsWith('data:')) faults.push(`asked for ${asked}`);
  });
  await page.goto(url);
  return { page, faults };
};
