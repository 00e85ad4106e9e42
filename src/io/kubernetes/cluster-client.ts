// Requests to the API server: JSON in and out, a time-out on everything, failures as values. Also knows whether the
// server can be reached at all, so that whoever waits for its return is woken then, and so that a hundred nodes ask
// a returning server one small question each instead of all their lists.
import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Access, type Opened, openAccess } from './access.ts';
import { failed, failureOf, type Outcome } from './outcome.ts';
import { createReachability, type Reachability } from './reachability.ts';

/** A healthy server answers in milliseconds; a loaded one's own limit is 60 s, by which time the answer is stale. */
const REQUEST_MS = 10_000;
/** Far above what a page of a list can be: pages.ts asks for smaller ones long before. */
const MAX_BODY_BYTES = 256 * 1024 * 1024;
/** An object is at most 1.5 MiB in etcd; its JSON with escapes not much more. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** A flood of changes leaves the event loop to others after this long; the server waits meanwhile. */
const BUSY_MS = 10;

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

export interface Answered {
  // biome-ignore lint/suspicious/noExplicitAny: what a server says has no type; readers check what they use
  readonly body: any;
  readonly bytes: number;
}

export interface LineHandlers {
  /** The server took the request. */
  readonly onOpen: () => void;
  readonly onLine: (line: string) => void;
}

export interface ClusterClient {
  readonly server: string;
  readonly namespace: string | null;
  readonly reachability: Reachability;
  ask(ask: Ask): Promise<Outcome<Answered>>;
  /**
   * Reads an answer line by line until it ends (ok), breaks, says nothing for `silenceMs`, or `signal` fires (ok).
   */
  readLines(
    path: string,
    silenceMs: number,
    handlers: LineHandlers,
    signal: AbortSignal,
  ): Promise<Outcome<null>>;
  close(): void;
}

const reasonOf = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException;
  return message || code || String(error);
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

const isFine = ({ statusCode = 0 }: IncomingMessage): boolean => statusCode >= 200 && statusCode < 300;

const readAll = async (response: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES) throw new Error(`the answer is longer than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
};

const splitLines = async (response: IncomingMessage, onLine: (line: string) => void): Promise<void> => {
  let rest: Buffer[] = [];
  let held = 0;
  let turnBegan = performance.now();
  for await (const chunk of response as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const piece = chunk.subarray(start, end);
      const line = held === 0 ? piece : Buffer.concat([...rest, piece]);
      rest = [];
      held = 0;
      start = end + 1;
      if (line.length > 0) onLine(line.toString('utf8'));
    }
    if (start < chunk.length) {
      rest.push(chunk.subarray(start));
      held += chunk.length - start;
      if (held > MAX_LINE_BYTES) throw new Error(`a line is longer than ${MAX_LINE_BYTES} bytes`);
    }
    if (performance.now() - turnBegan < BUSY_MS) continue;
    await nextTurn();
    turnBegan = performance.now();
  }
};

class HttpClient implements ClusterClient {
  readonly server: string;
  readonly namespace: string | null;
  readonly reachability: Reachability;
  private readonly access: Access;
  private readonly closed = new AbortController();

  constructor(access: Access, random: () => number) {
    this.access = access;
    this.server = access.server.href.replace(/\/$/, '');
    this.namespace = access.namespace;
    this.reachability = createReachability(() => this.attempt({ path: '/version' }), random);
  }

  async ask(ask: Ask): Promise<Outcome<Answered>> {
    const outcome = await this.attempt(ask);
    this.note(outcome);
    return outcome;
  }

  async readLines(
    path: string,
    silenceMs: number,
    { onOpen, onLine }: LineHandlers,
    signal: AbortSignal,
  ): Promise<Outcome<null>> {
    const cancel = new AbortController();
    const stop = AbortSignal.any([cancel.signal, this.closed.signal, signal]);
    const silent = (): void => cancel.abort(new Error(`the watch said nothing for ${silenceMs} ms`));
    const headMs = Math.min(silenceMs, REQUEST_MS);
    const late = (): void => cancel.abort(new Error(`no answer within ${headMs} ms`));
    let timer = setTimeout(late, headMs);
    let isOpen = false;
    const heard = (): void => {
      clearTimeout(timer);
      timer = setTimeout(silent, silenceMs);
    };
    try {
      const response = await this.send({ path }, stop);
      if (!isFine(response)) return this.refusal(response, await readAll(response));
      heard();
      isOpen = true;
      this.reachability.heard();
      onOpen();
      await splitLines(response, (line) => {
        heard();
        onLine(line);
      });
      return { ok: true, value: null };
    } catch (error) {
      if (signal.aborted || this.closed.signal.aborted) return { ok: true, value: null };
      const reason = cancel.signal.aborted ? cancel.signal.reason : error;
      const outcome = failed('unreachable', `${this.server}: ${reasonOf(reason)}`);
      // An open watch that breaks says nothing about the server: one that restarts breaks them all.
      if (!isOpen || cancel.signal.aborted) this.note(outcome);
      return outcome;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.closed.abort(new Error('closed'));
    this.reachability.close();
    this.access.close();
  }

  private note(outcome: Outcome<unknown>): void {
    if (!outcome.ok && outcome.failure.kind === 'unreachable') {
      if (!this.closed.signal.aborted) this.reachability.lost();
    } else this.reachability.heard();
  }

  /** Any answer at all, even a refusal, means reachable. */
  private async attempt(ask: Ask): Promise<Outcome<Answered>> {
    const late = new AbortController();
    const timeoutMs = ask.timeoutMs ?? REQUEST_MS;
    const timer = setTimeout(() => late.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    try {
      const response = await this.send(ask, AbortSignal.any([late.signal, this.closed.signal]));
      const bytes = await readAll(response);
      if (!isFine(response)) return this.refusal(response, bytes);
      const body = parsed(bytes.toString('utf8'));
      if (body === null || typeof body !== 'object')
        return failed('failed', `${this.server}: the answer is not JSON`);
      return { ok: true, value: { body, bytes: bytes.length } };
    } catch (error) {
      const reason = late.signal.aborted ? late.signal.reason : error;
      return failed('unreachable', `${this.server}: ${reasonOf(reason)}`);
    } finally {
      clearTimeout(timer);
    }
  }

  private refusal(response: IncomingMessage, bytes: Buffer): Outcome<never> {
    const { statusCode = 0, headers } = response;
    if (statusCode === 401) this.access.doubt();
    return {
      ok: false,
      failure: failureOf(statusCode, parsed(bytes.toString('utf8')), headers['retry-after']),
    };
  }

  /** Resolves with the head of the answer; rejects with what broke, or with the signal's reason. */
  private async send(ask: Ask, signal: AbortSignal): Promise<IncomingMessage> {
    const access = await this.access.options();
    const { response, request } = this.start(ask, access, signal);
    try {
      return await response;
    } catch (error) {
      // A kept connection that the server had closed meanwhile: nothing was wrong with the request. A create is
      // not sent twice, since the first may have arrived.
      const isStale = request.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET';
      if (!isStale || ask.method === 'POST' || signal.aborted) throw error;
      return await this.start(ask, access, signal).response;
    }
  }

  private start(
    { method = 'GET', path, body }: Ask,
    access: RequestOptions,
    signal: AbortSignal,
  ): { request: ClientRequest; response: Promise<IncomingMessage> } {
    const text = body === undefined ? null : Buffer.from(JSON.stringify(body));
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const headers = {
      ...access.headers,
      accept: 'application/json',
      'user-agent': 'holdfast',
      ...(text === null ? {} : { 'content-type': type, 'content-length': text.length }),
    } as Record<string, string | number>;
    const base = this.access.server.pathname.replace(/\/$/, '');
    const make = access.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = make({ ...access, method, path: base + path, headers, signal });
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.on('response', resolve);
      request.on('error', (error) => reject(signal.aborted ? signal.reason : error));
    });
    request.end(text ?? undefined);
    return { request, response };
  }
}

/**
 * Opens the client without a request: whether the server is there shows later. `random` is from [0, 1);
 * `mayRunPrograms` as in access.ts.
 */
export const openCluster = async (
  kubeconfig: string | null,
  random: () => number = Math.random,
  mayRunPrograms = false,
): Promise<Opened<ClusterClient>> => {
  const access = await openAccess(kubeconfig, '', mayRunPrograms);
  return access.ok ? { ok: true, value: new HttpClient(access.value, random) } : access;
};
