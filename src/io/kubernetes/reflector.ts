// Mirrors one resource: list, then watch, for as long as the daemon lives. Survives what API servers do: watches
// that end, 410 Gone, silence, refusals, absence for hours. Meanwhile what is known stays known.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Reflection, SourceHealth } from '../../machines/reflection.ts';
import { oneLine } from '../config/wrong.ts';
import { type Backoff, backoffMs, REFUSED_BACKOFF } from './backoff.ts';
import type { ClusterClient } from './cluster-client.ts';
import { Mirror, type Parse } from './mirror.ts';
import { type Failure, failed, failureOf } from './outcome.ts';
import { readPages } from './pages.ts';
import { pathOf, type Resource } from './resource.ts';

export interface ReflectorTimings {
  /** A watch without a word for so long, not even a bookmark (which come each minute), is half-open. */
  readonly silenceMs: number;
  /** Asked of the server, so that a healthy watch ends by itself and finds its way to another server. */
  readonly watchSeconds: number;
  /** How often to look for a resource that the server does not have. */
  readonly absentMs: number;
  readonly backoff: Backoff;
}

const REFLECTOR_TIMINGS: ReflectorTimings = {
  silenceMs: 90_000,
  watchSeconds: 300,
  absentMs: 300_000,
  backoff: REFUSED_BACKOFF,
};

/** A server that takes watches and ends them at once is not asked as fast as it does so. */
const SHORTEST_WATCH_MS = 1_000;
/** After so many silent watches in a row their resourceVersion is doubted, and everything is listed again. */
const SILENT_WATCHES = 2;
/** Whoever waited for the server's return spreads over this. */
const RETURN_JITTER_MS = 250;

export interface ReflectorOptions<T> {
  readonly client: ClusterClient;
  readonly resource: Resource;
  /** Absent: all namespaces. */
  readonly namespace?: string;
  /** `metadata.name=…`, where one object is all that is wanted. */
  readonly fieldSelector?: string;
  readonly parse: Parse<T>;
  readonly listener: (reflection: Reflection<T>) => void;
  /** Stamps `since`; milliseconds. */
  readonly now: () => number;
  /** From [0, 1): jitter. */
  readonly random: () => number;
  readonly timings?: Partial<ReflectorTimings>;
}

export interface Reflector {
  readonly health: SourceHealth;
  /** Why objects are passed over, or known as they were before, a line each, `most` at most. */
  malformed(most: number): readonly string[];
  /** Nothing is told afterwards. */
  close(): void;
}

interface WatchEvent {
  readonly type?: unknown;
  readonly object?: { readonly metadata?: { readonly resourceVersion?: unknown }; readonly code?: unknown };
}

class Reflecting<T> implements Reflector {
  private readonly options: ReflectorOptions<T>;
  private readonly timings: ReflectorTimings;
  private readonly path: string;
  private readonly mirror: Mirror<T>;
  private readonly closed = new AbortController();
  /** Where to watch from; null: list first. */
  private version: string | null = null;
  private attempts = 0;
  /** How often the server came back without a watch that lasted. */
  private returns = 0;
  private silentWatches = 0;
  private misses = 0;
  health: SourceHealth;

  constructor(options: ReflectorOptions<T>) {
    this.options = options;
    this.timings = { ...REFLECTOR_TIMINGS, ...options.timings };
    this.path = pathOf(options.resource, { namespace: options.namespace ?? null });
    this.mirror = new Mirror(options.parse, (reflection) => this.tell(reflection));
    this.health = { state: 'starting', reason: null, since: options.now() };
  }

  async run(): Promise<void> {
    while (!this.isClosed()) {
      const failure = this.version === null ? await this.list() : await this.watch(this.version);
      if (failure !== null && !this.isClosed()) await this.rest(failure);
    }
  }

  malformed(most: number): readonly string[] {
    return this.mirror.malformed(most);
  }

  close(): void {
    this.closed.abort();
  }

  private isClosed(): boolean {
    return this.closed.signal.aborted;
  }

  /** The whole collection; null when it is known. */
  private async list(): Promise<Failure | null> {
    const { client, fieldSelector } = this.options;
    const list = this.mirror.beginList();
    const query = fieldSelector === undefined ? {} : { fieldSelector };
    const outcome = await readPages(client, this.path, query, list.add, () => !this.isClosed());
    if (this.isClosed()) return null;
    if (!outcome.ok) {
      this.complain(outcome.failure);
      return outcome.failure;
    }
    this.version = outcome.value.resourceVersion;
    this.misses = 0;
    list.replace();
    this.setHealth('synced', null);
    return null;
  }

  /** Watches until the watch ends; null: go on at once. */
  private async watch(version: string): Promise<Failure | null> {
    const { client, fieldSelector, random, resource } = this.options;
    const { watchSeconds, silenceMs } = this.timings;
    // Spread, or all watches that a restart began together would end together.
    const seconds = Math.max(1, Math.round(watchSeconds * (0.8 + 0.2 * random())));
    const query = new URLSearchParams({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: version,
      timeoutSeconds: String(seconds),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    });
    const cancel = new AbortController();
    const opened = performance.now();
    let isOpen = false;
    let heard = 0;
    let verdict: Failure | null = null;
    const onLine = (line: string): void => {
      if (verdict !== null || this.isClosed()) return;
      heard += 1;
      verdict = this.take(line);
      if (verdict !== null) cancel.abort();
    };
    const onOpen = (): void => {
      isOpen = true;
      this.setHealth('synced', null);
    };
    const signal = AbortSignal.any([this.closed.signal, cancel.signal]);
    const path = `${this.path}?${query}`;
    const outcome = await client.readLines(path, silenceMs, { onOpen, onLine }, signal);
    if (this.isClosed()) return null;
    this.silentWatches = isOpen && heard === 0 && !outcome.ok ? this.silentWatches + 1 : 0;
    if (this.silentWatches >= SILENT_WATCHES) this.version = null;
    const isShort = performance.now() - opened < SHORTEST_WATCH_MS;
    if (isOpen && !isShort) {
      this.attempts = 0;
      this.returns = 0;
    }
    const failure: Failure | null = verdict ?? (outcome.ok ? null : outcome.failure);
    if (failure?.kind === 'gone' || failure?.kind === 'missing') this.version = null;
    // Known to be old is no outage: the list comes next.
    if (failure?.kind === 'gone' && !isShort) return null;
    if (failure === null) {
      if (!isShort) return null;
      return failed('failed', `the watch of ${resource.plural} ended at once`).failure;
    }
    if (!isOpen) this.complain(failure);
    return failure;
  }

  /** Takes one line of a watch; a failure ends it. */
  private take(line: string): Failure | null {
    let event: WatchEvent;
    try {
      event = JSON.parse(line) as WatchEvent;
    } catch {
      // What the line meant is lost, so nothing short of a list is the truth.
      this.version = null;
      const reason = `a line of the watch of ${this.options.resource.plural} is not JSON`;
      this.tell({ type: 'malformed', key: '', reason });
      return failed('failed', reason).failure;
    }
    const { type, object } = event;
    switch (type) {
      case 'ADDED':
      case 'MODIFIED':
        this.mirror.put(object);
        break;
      case 'DELETED':
        this.mirror.remove(object);
        break;
      case 'ERROR':
        return failureOf(typeof object?.code === 'number' ? object.code : 500, object);
      default:
        // BOOKMARK, and whatever a later server may say: only the place counts.
        break;
    }
    const version = object?.metadata?.resourceVersion;
    if (typeof version === 'string' && version !== '') this.version = version;
    return null;
  }

  /** Says that what is known grows old; once for an outage. */
  private complain(failure: Failure): void {
    if (failure.kind === 'gone') return;
    const reason = oneLine(`${this.options.resource.plural}: ${failure.text}`);
    if (failure.kind !== 'missing') return this.setHealth('broken', reason);
    // After a restart a server may not know its custom resources for a moment. What was there is gone only if it
    // is missing the next time too.
    this.misses += 1;
    if (this.mirror.size > 0 && this.misses < 2) return this.setHealth('broken', reason);
    if (this.mirror.size > 0) this.mirror.beginList().replace();
    this.setHealth('absent', reason);
  }

  private async rest(failure: Failure): Promise<void> {
    const { random } = this.options;
    const { backoff, absentMs } = this.timings;
    if (failure.kind === 'unreachable' && this.options.client.reachability.isDown)
      return await this.restUntilBack();
    const usual = backoffMs(backoff, this.attempts, random);
    this.attempts += 1;
    const asked = (failure.retryAfterMs ?? 0) * (1 + random() / 4);
    const ms = failure.kind === 'missing' ? absentMs : Math.max(usual, asked);
    await this.sleep(ms, this.closed.signal);
  }

  /** One question for all asks whether the server is back (reachability.ts); the cap is for when that fails. */
  private async restUntilBack(): Promise<void> {
    const { client, random } = this.options;
    const back = new AbortController();
    const stop = client.reachability.onBack(() => back.abort());
    await this.sleep(this.timings.backoff.capMs, AbortSignal.any([back.signal, this.closed.signal]));
    stop();
    if (!back.signal.aborted) return;
    // A server that answers others at once and drops this request each time must not be asked in a loop.
    const ms = this.returns === 0 ? 0 : backoffMs(this.timings.backoff, this.returns, random);
    this.returns += 1;
    await this.sleep(ms + random() * RETURN_JITTER_MS, this.closed.signal);
  }

  private async sleep(ms: number, signal: AbortSignal): Promise<void> {
    await sleep(ms, undefined, { signal }).catch(() => {});
  }

  private setHealth(state: SourceHealth['state'], reason: string | null): void {
    if (this.health.state === state) return;
    this.health = { state, reason, since: this.options.now() };
    this.tell({ type: 'health', health: this.health });
  }

  private tell(reflection: Reflection<T>): void {
    if (!this.isClosed()) this.options.listener(reflection);
  }
}

/** Begins at once; everything is told to `listener`, never before this returns. */
export const startReflector = <T>(options: ReflectorOptions<T>): Reflector => {
  const reflecting = new Reflecting(options);
  // A throwing listener is a programmer's error, which ends the process like any other.
  queueMicrotask(() => void reflecting.run());
  return reflecting;
};
