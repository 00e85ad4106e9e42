// A visit of a real Chromium to a node's page: what it weighs, how soon it paints, how soon the filter answers, and how
// long after a transition the page shows it.
import puppeteer, { type Page } from 'puppeteer-core';

export interface Visit {
  readonly bytes: number;
  readonly paintMs: number;
  readonly rowsMs: number;
  readonly filterMs: readonly number[];
  readonly seenMs: readonly number[];
}

const PATIENCE_MS = 60_000;
const FILTERS = ['10.99.2', 'n2', 'n1 10.99.17', ''];

/** These functions run in the page; what they use of it is not in the types of this program. */
const inPage = <T>(page: Page, source: string): Promise<T> => page.evaluate(source) as Promise<T>;

const filterMs = (page: Page, text: string): Promise<number> =>
  inPage(
    page,
    `(async () => {
      const input = document.querySelector('.filter');
      const before = document.querySelector('.counts').textContent;
      const started = performance.now();
      input.value = ${JSON.stringify(text)};
      input.dispatchEvent(new Event('input', { bubbles: true }));
      while (document.querySelector('.counts').textContent === before && performance.now() - started < 5000)
        await new Promise(requestAnimationFrame);
      return performance.now() - started;
    })()`,
  );

/** Waits for a newer line of the IP's transitions than `before`: when it was seen, and when it happened. */
const seen = (page: Page, before: string): Promise<number> =>
  inPage(
    page,
    `new Promise((resolve) => {
      const look = () => {
        const time = document.querySelector('section[aria-labelledby=moves] time');
        const title = time === null ? '' : time.title;
        if (title === '' || title === ${JSON.stringify(before)}) return false;
        resolve(Date.now() - Date.parse(title.replace(' ', 'T') + 'Z'));
        return true;
      };
      if (look()) return;
      const observer = new MutationObserver(() => { if (look()) observer.disconnect(); });
      observer.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    })`,
  );

/** `count` IPs are shown; each of `ips` is looked at while `move` has the daemon give it away. */
export const visitPage = async (
  executablePath: string,
  url: string,
  count: number,
  ips: readonly string[],
  move: (ip: string) => Promise<void>,
): Promise<Visit> => {
  const browser = await puppeteer.launch({
    executablePath,
    headless: true,
    pipe: true,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
  try {
    const page = await browser.newPage();
    const started = performance.now();
    await page.goto(url);
    await page.waitForFunction(`document.body.innerText.includes('${count} of ${count} shown')`, {
      timeout: PATIENCE_MS,
      polling: 20,
    });
    const rowsMs = performance.now() - started;
    await page.waitForFunction("performance.getEntriesByName('first-contentful-paint').length > 0");
    const paintMs = await inPage<number>(
      page,
      "performance.getEntriesByName('first-contentful-paint')[0].startTime",
    );
    const bytes = await inPage<number>(
      page,
      "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].reduce((sum, { transferSize }) => sum + transferSize, 0)",
    );
    const answers: number[] = [];
    for (const text of FILTERS) answers.push(await filterMs(page, text));
    const seenMs: number[] = [];
    for (const ip of ips) {
      await inPage(page, `location.hash = '#/ip/${ip}'`);
      await page.waitForFunction(`document.querySelector('h1')?.textContent === '${ip}'`);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const before = await inPage<string>(
        page,
        "document.querySelector('section[aria-labelledby=moves] time')?.title ?? ''",
      );
      const [ms] = await Promise.all([seen(page, before), move(ip)]);
      seenMs.push(ms);
    }
    return { bytes, paintMs, rowsMs, filterMs: answers, seenMs };
  } finally {
    await browser.close();
  }
};
