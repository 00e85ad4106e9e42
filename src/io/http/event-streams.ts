// Server-sent events (WHATWG HTML, 9.2): the rows of a level table to everyone who listens, resumed by
// Last-Event-ID. Each reader has a place in the table and no queue; one that does not read is left behind, then
// cut off. Writes happen in a timer's turn of the main thread, never in the turn of an input.
import type { ServerResponse } from 'node:http';
import type { Reply, Stream } from './http-server.ts';
import type { LevelTable } from './level-table.ts';

/** A page has one stream; so many pages on one node are a mistake or an attack. Below the server's connections. */
const MAX_STREAMS = 64;
/** Rows in one event: some 200 kB, so that a snapshot of 10,000 does not stand in memory as one text. */
const ROWS = 500;
/** What may wait in one response before its reader is left behind. */
const MAX_UNREAD_BYTES = 1_048_576;
/** So long may a reader have read nothing of what waits for it. */
const STALLED_MS = 10_000;
/** Changes within so long go out together. */
const GATHER_MS = 40;
/** A reader that hears nothing for some of these knows that the daemon, or the way to it, is gone. */
const TICK_MS = 2_000;
/** How long a browser waits before it asks again. */
const RETRY_MS = 1_000;

export interface EventStreams {
  readonly listeners: number;
  /** Something changed in the table: it goes out soon. */
  changed(): void;
  /** `lastEventId`: where the reader was, or undefined. */
  open(lastEventId: string | undefined): Reply | Stream;
  close(): void;
}

export interface StreamOptions {
  /** Numbers of another life mean nothing in this one. */
  readonly life: string;
  readonly table: LevelTable;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** The first one came, or the last one went. */
  readonly onListening?: (isListening: boolean) => void;
}

interface Reader {
  readonly response: ServerResponse;
  sequence: number;
  /** When it began to have too much unread; null: it reads. */
  stalledSince: number | null;
}

const event = (type: string, data: string, id = ''): string =>
  `event: ${type}\n${id === '' ? '' : `id: ${id}\n`}data: ${data}\n\n`;

/** The number in an id of this life; null: begin anew. */
const resumeAt = ({ life, table }: StreamOptions, id: string | undefined): number | null => {
  const [, of, digits] = /^([\w]+)-(\d{1,15})$/.exec(id ?? '') ?? [];
  const sequence = Number(digits);
  return of === life && table.knows(sequence) ? sequence : null;
};

export const createEventStreams = (options: StreamOptions): EventStreams => {
  const { life, table, now, onListening = () => {} } = options;
  const readers = new Set<Reader>();
  let gathering: NodeJS.Timeout | null = null;
  let ticking: NodeJS.Timeout | null = null;

  /** What a reader at `sequence` is told next, and where it is then. */
  const nextFor = (sequence: number): { readonly text: string; readonly sequence: number } | null => {
    const rows = table.since(sequence, ROWS);
    const isLast = rows.length < ROWS;
    const reached = isLast ? table.sequence : (rows.at(-1)?.sequence ?? sequence);
    if (reached === sequence) return null;
    const moves = table.movesSince(sequence).filter((move) => move.sequence <= reached);
    const data = rows.map(({ key, text }) => (text === null ? `{"gone":${JSON.stringify(key)}}` : text));
    const parts = [
      ...(data.length > 0 ? [event('rows', `[${data.join(',')}]`)] : []),
      ...(moves.length > 0 ? [event('moves', `[${moves.map(({ text }) => text).join(',')}]`)] : []),
      // The id comes last: who got only a part of this asks for all of it again.
      event('upto', String(isLast), `${life}-${reached}`),
    ];
    return { text: parts.join(''), sequence: reached };
  };

  const serve = (reader: Reader, texts: Map<number, ReturnType<typeof nextFor>>): void => {
    const { response } = reader;
    while (!response.destroyed) {
      if (response.writableLength > MAX_UNREAD_BYTES) {
        reader.stalledSince ??= now();
        if (now() - reader.stalledSince > STALLED_MS) response.destroy();
        return;
      }
      reader.stalledSince = null;
      const next = texts.get(reader.sequence) ?? nextFor(reader.sequence);
      texts.set(reader.sequence, next);
      if (next === null) return;
      reader.sequence = next.sequence;
      response.write(next.text);
    }
  };

  const serveAll = (): void => {
    gathering = null;
    // Most readers are at the same place: what they are told is made once.
    const texts = new Map<number, ReturnType<typeof nextFor>>();
    for (const reader of readers) serve(reader, texts);
  };

  const tick = (): void => {
    serveAll();
    for (const { response, stalledSince } of readers)
      if (stalledSince === null) response.write(event('tick', String(Date.now())));
  };

  const leave = (reader: Reader): void => {
    if (!readers.delete(reader) || readers.size > 0) return;
    if (ticking !== null) clearInterval(ticking);
    ticking = null;
    onListening(false);
  };

  const join = (response: ServerResponse, from: number | null): void => {
    const reader: Reader = { response, sequence: from ?? 0, stalledSince: null };
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    response.write(`retry: ${RETRY_MS}\n\n${from === null ? event('reset', '0') : ''}`);
    response.on('drain', () => serve(reader, new Map()));
    response.on('error', () => response.destroy());
    response.on('close', () => leave(reader));
    readers.add(reader);
    if (ticking === null) {
      ticking = setInterval(tick, TICK_MS).unref();
      onListening(true);
    }
    serve(reader, new Map());
  };

  return {
    get listeners() {
      return readers.size;
    },
    changed: () => {
      if (readers.size > 0) gathering ??= setTimeout(serveAll, GATHER_MS).unref();
    },
    open: (lastEventId) => {
      if (readers.size >= MAX_STREAMS)
        return {
          status: 503,
          headers: { 'retry-after': '5' },
          body: `${MAX_STREAMS} streams are open already\n`,
        };
      return { stream: (response) => join(response, resumeAt(options, lastEventId)) };
    },
    close: () => {
      if (gathering !== null) clearTimeout(gathering);
      for (const { response } of readers) response.destroy();
    },
  };
};
