// Reads a whole collection in pages, and lets the event loop breathe between them. A page is small enough to be
// parsed within a few milliseconds: its size follows from what the last one weighed.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ClusterClient } from './cluster-client.ts';
import { failed, type Outcome } from './outcome.ts';

/** 500 Services or slices of the usual size are about 1 MB … */
const PAGE_LIMIT = 500;
/** … and a megabyte is parsed in 5 to 10 ms; slices of a big Service can weigh a hundred times as much. */
const PAGE_BYTES = 1_000_000;
const SMALLEST_PAGE = 10;
/** A server under load takes its time over a page. */
const PAGE_MS = 30_000;

export interface Listed {
  readonly resourceVersion: string;
}

/** How many objects to ask for next, after `count` of them weighed `bytes`. */
export const nextLimit = (count: number, bytes: number): number => {
  if (count === 0 || bytes === 0) return PAGE_LIMIT;
  return Math.max(SMALLEST_PAGE, Math.min(PAGE_LIMIT, Math.floor((PAGE_BYTES * count) / bytes)));
};

/**
 * Calls `onItem` for every object, in the server's order. What it has called for stays so when a later page fails:
 * the caller keeps it apart until the list is whole. `isWanted` turning false ends the reading with a failure.
 */
export const readPages = async (
  client: ClusterClient,
  path: string,
  query: Readonly<Record<string, string>>,
  onItem: (item: unknown) => void,
  isWanted: () => boolean,
): Promise<Outcome<Listed>> => {
  let limit = PAGE_LIMIT;
  let token = '';
  for (;;) {
    const parameters = new URLSearchParams({ ...query, limit: String(limit) });
    if (token !== '') parameters.set('continue', token);
    const page = await client.ask({ path: `${path}?${parameters}`, timeoutMs: PAGE_MS });
    if (!page.ok) return page;
    const { items, metadata } = page.value.body;
    if (!Array.isArray(items) || typeof metadata?.resourceVersion !== 'string')
      return failed('failed', `${path}: the answer is not a list`);
    for (const item of items) onItem(item);
    token = typeof metadata.continue === 'string' ? metadata.continue : '';
    if (token === '') return { ok: true, value: { resourceVersion: metadata.resourceVersion } };
    limit = nextLimit(items.length, page.value.bytes);
    await nextTurn();
    if (!isWanted()) return failed('failed', 'closed');
  }
};
