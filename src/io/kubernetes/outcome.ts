// What came of a request, as a value: the answer, or one of the kinds of failure that callers treat differently.
// "Away", "stale", "not allowed" and "slow down" each have their own remedy; nothing here is thrown.
import { oneLine } from '../config/wrong.ts';

type FailureKind =
  /** Refused, reset, timed out, or no answer at all. */
  | 'unreachable'
  /** 410: the resourceVersion or the continue token is too old; list again. */
  | 'gone'
  /** 409 on a write: somebody else wrote first; read again. */
  | 'conflict'
  /** 409 on a create. */
  | 'exists'
  /** 403: RBAC. */
  | 'forbidden'
  /** 429, or 503 that says when to come back. */
  | 'throttled'
  /** 404: no such object, or no such resource. */
  | 'missing'
  /** The queue of writes is full; nothing was sent. */
  | 'busy'
  | 'failed';

export interface Failure {
  readonly kind: FailureKind;
  /** One line for people. */
  readonly text: string;
  /** What the server asked for, milliseconds. */
  readonly retryAfterMs: number | null;
}

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: Failure };

/** A server that asks for more is not waited for: an hour would be a configuration, not a pause. */
const MAX_RETRY_AFTER_MS = 60_000;
const MAX_TEXT = 500;

const line = (text: string): string => oneLine(text).slice(0, MAX_TEXT);

export const failed = (
  kind: FailureKind,
  text: string,
  retryAfterMs: number | null = null,
): { ok: false; failure: Failure } => ({ ok: false, failure: { kind, text: line(text), retryAfterMs } });

/** Seconds as Kubernetes writes them; a date, which HTTP allows too, counts as one second. */
const retryAfter = (header: string | undefined): number | null => {
  if (header === undefined) return null;
  const seconds = Number(header);
  return Math.min(MAX_RETRY_AFTER_MS, Math.max(0, Number.isFinite(seconds) ? seconds : 1) * 1000);
};

interface StatusBody {
  readonly message?: unknown;
  readonly reason?: unknown;
}

const statusOf = (body: unknown): StatusBody =>
  body !== null && typeof body === 'object' ? (body as StatusBody) : {};

const DENIED =
  /User "([^"]*)" cannot (\S+) resource "([^"]*)" in API group "([^"]*)"(?: (?:at the (cluster) scope|in the namespace "([^"]*)"))?/;

/** `cannot list services: needs …`, from the words that RBAC uses; anything else stays as it was said. */
const denial = (message: string): string => {
  const [, user, verb, resource, group, cluster, namespace] = DENIED.exec(message) ?? [];
  if (user === undefined) return message;
  const name = group === '' ? resource : `${resource}.${group}`;
  const where = namespace === undefined ? '' : ` in namespace ${namespace}`;
  const role = cluster === undefined && namespace !== undefined ? 'a Role or ClusterRole' : 'a ClusterRole';
  const rule = `verb "${verb}" on resource "${resource}" of apiGroup "${group}"`;
  return `cannot ${verb} ${name}${where}: needs ${role} that grants ${user} the ${rule}`;
};

/** The failure that an HTTP answer other than 2xx stands for; `body` is parsed JSON, or text. */
export const failureOf = (status: number, body: unknown, retryAfterHeader?: string): Failure => {
  const { message, reason } = statusOf(body);
  const said = typeof message === 'string' ? message : typeof body === 'string' ? body : '';
  const text = line(said === '' ? `the API server answered ${status}` : said);
  const wait = retryAfter(retryAfterHeader);
  const failure = (kind: FailureKind, words = text): Failure => ({ kind, text: words, retryAfterMs: wait });
  switch (status) {
    case 403:
      return failure('forbidden', line(denial(said === '' ? 'the API server forbids it' : said)));
    case 404:
      return failure('missing');
    case 409:
      return failure(reason === 'AlreadyExists' ? 'exists' : 'conflict');
    case 410:
      return failure('gone');
    case 429:
      return failure('throttled');
    default:
      return failure(status === 503 && wait !== null ? 'throttled' : 'failed');
  }
};
