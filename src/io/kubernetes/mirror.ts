// The memory of a reflector: what the server last said of each object, as the consumer's values. Works out what is
// news, keeps the last good value of an object that has become unusable, and never parses an unchanged version twice.
import { isDeepStrictEqual } from 'node:util';
import type { Reflection } from '../../machines/reflection.ts';
import { oneLine } from '../config/wrong.ts';
import { keyOf } from './resource.ts';

/** `value` undefined: a sound object that is none of this mirror's business, and not kept. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T | undefined }
  | { readonly ok: false; readonly reason: string };

/** Reads what is used of an object, and nothing else; `reason` completes "KEY: …". */
export type Parse<T> = (object: unknown) => Parsed<T>;

/** `value` undefined: not wanted, or never usable so far. */
interface Known<T> {
  readonly version: string;
  readonly value: T | undefined;
  /** Why this version cannot be read; absent: it can. */
  readonly wrong?: string;
}

const MAX_REASON = 200;

interface Identified {
  readonly key: string;
  readonly version: string;
}

const identify = (object: unknown): Identified | null => {
  const { metadata } = (object ?? {}) as { metadata?: Record<string, unknown> };
  const { name, namespace, resourceVersion } = metadata ?? {};
  if (typeof name !== 'string' || typeof resourceVersion !== 'string') return null;
  return { key: keyOf(typeof namespace === 'string' ? namespace : null, name), version: resourceVersion };
};

export class Mirror<T> {
  private readonly parse: Parse<T>;
  private readonly tell: (reflection: Reflection<T>) => void;
  private known = new Map<string, Known<T>>();

  constructor(parse: Parse<T>, tell: (reflection: Reflection<T>) => void) {
    this.parse = parse;
    this.tell = tell;
  }

  /** Objects known, usable or not. */
  get size(): number {
    return this.known.size;
  }

  /** Why objects cannot be read, a line each, `most` at most. */
  malformed(most: number): readonly string[] {
    const lines: string[] = [];
    for (const { wrong } of this.known.values()) {
      if (lines.length >= most) break;
      if (wrong !== undefined) lines.push(wrong);
    }
    return lines;
  }

  /** Begins a list: take its items, then say `replace` when it is whole, or drop it. */
  beginList(): { add(object: unknown): void; replace(): void } {
    const next = new Map<string, Known<T>>();
    return {
      add: (object) => {
        const identified = this.identified(object);
        if (identified !== null) next.set(identified.key, this.read(identified, object));
      },
      replace: () => {
        this.known = next;
        const items = new Map<string, T>();
        for (const [key, { value }] of next) if (value !== undefined) items.set(key, value);
        this.tell({ type: 'replaced', items });
      },
    };
  }

  /** ADDED and MODIFIED alike. */
  put(object: unknown): void {
    const identified = this.identified(object);
    if (identified === null) return;
    const { key } = identified;
    const before = this.known.get(key);
    const after = this.read(identified, object);
    this.known.set(key, after);
    // What others write into an object, and is not read here, is no news: nothing to step, nothing to journal.
    if (!isDeepStrictEqual(after.value, before?.value))
      this.tell({ type: 'changed', key, value: after.value ?? null });
  }

  remove(object: unknown): void {
    const identified = this.identified(object);
    if (identified === null) return;
    const before = this.known.get(identified.key);
    this.known.delete(identified.key);
    if (before?.value === undefined) return;
    this.tell({ type: 'changed', key: identified.key, value: null });
  }

  private identified(object: unknown): Identified | null {
    const found = identify(object);
    if (found === null)
      this.tell({ type: 'malformed', key: '', reason: 'an object without a name or resourceVersion' });
    return found;
  }

  private read({ key, version }: Identified, object: unknown): Known<T> {
    const before = this.known.get(key);
    if (before?.version === version) return before;
    const parsed = this.attempt(object);
    if (parsed.ok) return { version, value: parsed.value };
    const reason = oneLine(parsed.reason).slice(0, MAX_REASON);
    this.tell({ type: 'malformed', key, reason });
    return { version, value: before?.value, wrong: reason };
  }

  private attempt(object: unknown): Parsed<T> {
    try {
      return this.parse(object);
    } catch (error) {
      // A shape that the reader did not think of must not end the watch for all others.
      return { ok: false, reason: (error as Error).message };
    }
  }
}
