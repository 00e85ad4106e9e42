// Open watches of the stand-in: events from a revision on, bookmarks, an end after timeoutSeconds, and silence where
// a test wants it.
import type { ServerResponse } from 'node:http';
import type { KubeObject, Refusal } from './objects.ts';
import { apiVersionOf, type Resource } from './resources.ts';
import type { Store, StoreEvent } from './store.ts';

export interface WatchRequest {
  readonly resource: Resource;
  readonly wanted: (object: KubeObject) => boolean;
  /** Null: begin with what there is. */
  readonly from: number | null;
  readonly bookmarks: boolean;
  readonly timeoutMs: number;
  readonly bookmarkEveryMs: number;
  readonly isMuted: boolean;
}

interface Watch {
  readonly request: WatchRequest;
  readonly response: ServerResponse;
  muted: boolean;
  readonly timers: NodeJS.Timeout[];
}

/** The same object goes to every watch: it is written out once. */
const written = new WeakMap<KubeObject, string>();

export const textOf = (object: KubeObject): string => {
  const known = written.get(object);
  if (known !== undefined) return known;
  const text = JSON.stringify(object);
  written.set(object, text);
  return text;
};

export class Watches {
  private readonly store: Store;
  private readonly open = new Set<Watch>();

  constructor(store: Store) {
    this.store = store;
    store.listen((event) => this.tell(event));
  }

  start(request: WatchRequest, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' });
    response.flushHeaders();
    const watch: Watch = { request, response, muted: request.isMuted, timers: [] };
    response.on('close', () => this.forget(watch));
    this.open.add(watch);
    if (watch.muted) return;
    try {
      this.replay(watch);
    } catch (error) {
      response.end(`{"type":"ERROR","object":${JSON.stringify((error as Refusal).body())}}\n`);
      return;
    }
    if (request.bookmarks)
      watch.timers.push(setInterval(() => this.bookmark(watch), request.bookmarkEveryMs).unref());
    watch.timers.push(
      setTimeout(() => {
        if (watch.muted) return;
        this.bookmark(watch);
        response.end();
      }, request.timeoutMs).unref(),
    );
  }

  get count(): number {
    return this.open.size;
  }

  closeAll(): void {
    for (const { response } of this.open) response.end();
  }

  muteAll(): void {
    for (const watch of this.open) watch.muted = true;
  }

  bookmarkAll(): void {
    for (const watch of this.open) this.bookmark(watch);
  }

  private replay(watch: Watch): void {
    const { resource, from, wanted } = watch.request;
    if (from === null)
      for (const object of this.store.list(resource)) {
        if (wanted(object)) watch.response.write(`{"type":"ADDED","object":${textOf(object)}}\n`);
      }
    else for (const event of this.store.since(resource, from)) this.write(watch, event);
  }

  private tell(event: StoreEvent): void {
    for (const watch of this.open) if (watch.request.resource === event.resource) this.write(watch, event);
  }

  private write(watch: Watch, { type, object }: StoreEvent): void {
    if (watch.muted || !watch.request.wanted(object)) return;
    watch.response.write(`{"type":"${type}","object":${textOf(object)}}\n`);
  }

  private bookmark(watch: Watch): void {
    if (watch.muted || !watch.request.bookmarks) return;
    const { resource } = watch.request;
    const metadata = { resourceVersion: String(this.store.revision), creationTimestamp: null };
    const object = { kind: resource.kind, apiVersion: apiVersionOf(resource), metadata };
    watch.response.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
  }

  private forget(watch: Watch): void {
    this.open.delete(watch);
    for (const timer of watch.timers) clearTimeout(timer);
  }
}
