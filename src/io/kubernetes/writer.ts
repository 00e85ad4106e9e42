// Writes to the API: one queue, a rate limit, a few at a time, each with its outcome. Level-based: a write is named by
// a key and made when its turn comes, from what is true then; asked for twice, it is written once. With the server
// away everything is refused at once, and the caller asks again when it is back: no pile of stale writes waits.
import { createTokenBucket } from '../../machines/token-bucket.ts';
import type { Answered, Ask, ClusterClient } from './cluster-client.ts';
import { type Failure, failed, type Outcome } from './outcome.ts';
import { apiVersionOf, pathOf, type Resource } from './resource.ts';

export interface WriteLimits {
  readonly perSecond: number;
  readonly burst: number;
  readonly inFlight: number;
  readonly queue: number;
}

const WRITE_LIMITS: WriteLimits = {
  /**
   * The kubelet of every node may make 50 requests a second, 100 in a burst; an API server bears that of all of them at
   * once. Twice as many for who took over a dead node's IPs, which is rare: at 20 a second, 3,300 took minutes. What is
   * too much it refuses (429), and that is heeded.
   */
  perSecond: 100,
  burst: 200,
  /** A slow answer must not hold up all others. */
  inFlight: 4,
  /** A ServiceIP and an Event for each of 10,000 IPs. */
  queue: 20_000,
};

/** An object as it is written: apiVersion and kind are filled in. */
export interface WrittenObject {
  readonly metadata: {
    readonly name?: string;
    readonly generateName?: string;
    readonly namespace?: string;
    readonly resourceVersion?: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** An object as the server answered it. */
export interface StoredObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion: string;
  };
  readonly [field: string]: unknown;
}

export type Write =
  | { readonly verb: 'create'; readonly resource: Resource; readonly object: WrittenObject }
  /** Compare-and-swap: `metadata.resourceVersion` must be set, or the server may refuse it. */
  | {
      readonly verb: 'replace';
      readonly resource: Resource;
      readonly object: WrittenObject;
      readonly subresource?: 'status';
    }
  /** A merge patch; a resourceVersion in it makes it a compare-and-swap too. */
  | {
      readonly verb: 'patch';
      readonly resource: Resource;
      readonly namespace?: string;
      readonly name: string;
      readonly patch: Readonly<Record<string, unknown>>;
      readonly subresource?: 'status';
    }
  | {
      readonly verb: 'delete';
      readonly resource: Resource;
      readonly namespace?: string;
      readonly name: string;
      /** Deletes only this very object, or only this version of it. */
      readonly uid?: string;
      readonly resourceVersion?: string;
    };

export interface Writer {
  /**
   * Queues the write that `make` will return when its turn comes; null: not wanted any more. Another write under the
   * same key that still waits is replaced by this one, and both callers get this one's outcome. Resolves always:
   * `busy` if the queue is full, `unreachable` at once while the server is away.
   */
  write(key: string, make: () => Write | null): Promise<Outcome<StoredObject | null>>;
  /** Writes that wait. */
  readonly waiting: number;
  /** What waits is refused; what is under way ends by itself. */
  close(): void;
}

const placeOf = ({ metadata: { namespace, name } }: WrittenObject) => ({
  namespace: namespace ?? null,
  ...(name === undefined ? {} : { name }),
});

/** Kubernetes' MicroTime: six digits behind the second, always. `at`: milliseconds since 1970. */
export const microTime = (at: number): string => new Date(at).toISOString().replace('Z', '000Z');

/** The request that a write is. */
export const askOf = (write: Write): Ask => {
  const { resource } = write;
  if (write.verb === 'create' || write.verb === 'replace') {
    const body = { apiVersion: apiVersionOf(resource), kind: resource.kind, ...write.object };
    const { namespace, name } = placeOf(write.object);
    if (write.verb === 'create') return { method: 'POST', path: pathOf(resource, { namespace }), body };
    const subresource = write.subresource === undefined ? {} : { subresource: write.subresource };
    return { method: 'PUT', path: pathOf(resource, { namespace, name: name ?? '', ...subresource }), body };
  }
  const place = { namespace: write.namespace ?? null, name: write.name };
  if (write.verb === 'delete') {
    const { uid, resourceVersion } = write;
    const isAny = uid === undefined && resourceVersion === undefined;
    const preconditions = {
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    };
    const body = isAny ? {} : { preconditions };
    return { method: 'DELETE', path: pathOf(resource, place), body };
  }
  const subresource = write.subresource === undefined ? {} : { subresource: write.subresource };
  return { method: 'PATCH', path: pathOf(resource, { ...place, ...subresource }), body: write.patch };
};

interface Entry {
  make: () => Write | null;
  readonly done: PromiseWithResolvers<Outcome<StoredObject | null>>;
}

class QueueWriter implements Writer {
  private readonly client: ClusterClient;
  private readonly limits: WriteLimits;
  private readonly bucket;
  private readonly queue = new Map<string, Entry>();
  private readonly flying = new Set<string>();
  private timer: NodeJS.Timeout | null = null;
  private pausedUntil = 0;
  private closed = false;

  constructor(client: ClusterClient, limits: WriteLimits) {
    this.client = client;
    this.limits = limits;
    this.bucket = createTokenBucket(limits.perSecond, limits.burst);
  }

  get waiting(): number {
    return this.queue.size;
  }

  write(key: string, make: () => Write | null): Promise<Outcome<StoredObject | null>> {
    if (this.closed) return Promise.resolve(failed('failed', 'closed'));
    const known = this.queue.get(key);
    if (known !== undefined) {
      known.make = make;
      return known.done.promise;
    }
    if (this.queue.size >= this.limits.queue)
      return Promise.resolve(failed('busy', `${this.limits.queue} writes to the API server wait already`));
    const entry: Entry = { make, done: Promise.withResolvers() };
    this.queue.set(key, entry);
    this.pump();
    return entry.done.promise;
  }

  close(): void {
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.refuseAll({ kind: 'failed', text: 'closed', retryAfterMs: null });
  }

  /** Starts what may start now, and sees to it that it is called again when more may. */
  private pump(): void {
    for (const [key, entry] of this.queue) {
      if (this.client.reachability.isDown) {
        const text = `${this.client.server} is away; the write will be asked for again when it is back`;
        return this.refuseAll({ kind: 'unreachable', text, retryAfterMs: null });
      }
      if (this.flying.size >= this.limits.inFlight) return;
      // Two writes of one object at a time would conflict with each other.
      if (this.flying.has(key)) continue;
      const now = performance.now();
      if (now < this.pausedUntil) return this.later(this.pausedUntil - now);
      if (!this.bucket.take(1, now)) return this.later(this.bucket.readyAt(1) - now);
      this.queue.delete(key);
      void this.perform(key, entry);
    }
  }

  private later(ms: number): void {
    if (this.timer !== null) return;
    this.timer = setTimeout(
      () => {
        this.timer = null;
        this.pump();
      },
      Math.ceil(Math.max(0, ms)),
    );
  }

  private async perform(key: string, { make, done }: Entry): Promise<void> {
    this.flying.add(key);
    try {
      const write = make();
      const outcome = write === null ? null : await this.client.ask(askOf(write));
      if (outcome?.ok === false && outcome.failure.kind === 'throttled')
        this.pausedUntil = performance.now() + (outcome.failure.retryAfterMs ?? 1000);
      done.resolve(outcome === null ? { ok: true, value: null } : storedOf(outcome));
    } catch (error) {
      // `make` threw: the caller's error, and the caller's to hear.
      done.reject(error);
    } finally {
      this.flying.delete(key);
      if (!this.closed) this.pump();
    }
  }

  private refuseAll(failure: Failure): void {
    for (const { done } of this.queue.values()) done.resolve({ ok: false, failure });
    this.queue.clear();
  }
}

const storedOf = (outcome: Outcome<Answered>): Outcome<StoredObject | null> => {
  if (!outcome.ok) return outcome;
  const { body } = outcome.value;
  // A delete is answered with a Status.
  const isObject = typeof body?.metadata?.resourceVersion === 'string';
  return { ok: true, value: isObject ? (body as StoredObject) : null };
};

export const createWriter = (client: ClusterClient, limits: Partial<WriteLimits> = {}): Writer =>
  new QueueWriter(client, { ...WRITE_LIMITS, ...limits });

/** Reads one object now, past the queue; what a conflict asks for. */
export const readObject = async (
  client: ClusterClient,
  resource: Resource,
  name: string,
  namespace: string | null = null,
): Promise<Outcome<StoredObject>> => {
  const outcome = await client.ask({ path: pathOf(resource, { namespace, name }) });
  return outcome.ok ? { ok: true, value: outcome.value.body as StoredObject } : outcome;
};
