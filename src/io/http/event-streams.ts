// Server-sent events (WHATWG HTML, 9.2): the rows of a level table to everyone who listens, resumed by
// Last-Event-ID. Each reader has a place in the table and no queue; one that does not read is left behind, then
// cut off. Writes happen in a timer's turn of the main thread, never in the turn of an input.
import type { ServerResponse } from 'node:http';
import { EVERY_REPLY, type Reply, type Stream } from './http-server.ts';
import type { LevelTable } from './level-table.ts';

/** A page has one stream; more pages than this on one node are a mistake or an attack. Below the server's connections. */
const MAX_STREAMS = 1_024;
/** Rows in one event: some 200 kB, so that a snapshot of 10,000 does not stand in memory as one text. */
const ROWS = 500;
/** With more readers than this the events are smaller, since each may be in memory once for each reader. */
const MANY_READERS = 64;
const FEW_ROWS = 100;
/** What may wait unread in all responses together; a reader's share of it, and no less and no more than these. */
const MAX_UNREAD_BYTES = 67_108_864;
const LEAST_UNREAD_BYTES = 65_536;
const MOST_UNREAD_BYTES = 1_048_576;
/** So long may a reader have read nothing of what waits for it. */
const STALLED_MS = 10_000;
/** Changes within so long go out together. */
const GATHER_MS = 25;
/** A turn of writing ends after this, and whoever is left waits for the next … */
const TURN_MS = 8;
/** … which comes after so many times what the turn took: inputs have most of this thread, however many listen. */
const REST_SHARE = 4;
/** All streams together, 25 MB/s: a fifth of a gigabit port, whose traffic the service IPs are there for. */
const MAX_BYTES_PER_MS = 25_000;
const TURN_BYTES = TURN_MS * MAX_BYTES_PER_MS;
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

/** A part of what there is to tell, and where its reader is then. */
interface Part {
  readonly bytes: Buffer;
  readonly sequence: number;
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
  /** Who is to be served yet, in this round. */
  const waiting = new Set<Reader>();
  let isNews = false;
  let restUntil = 0;
  let writing: NodeJS.Timeout | null = null;
  let ticking: NodeJS.Timeout | null = null;

  /** What a reader at `sequence` is told next, and where it is then. */
  const nextFor = (sequence: number): Part | null => {
    const limit = readers.size > MANY_READERS ? FEW_ROWS : ROWS;
    const rows = table.since(sequence, limit);
    const isLast = rows.length < limit;
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
    return { bytes: Buffer.from(parts.join('')), sequence: reached };
  };

  const unreadLimit = (): number =>
    Math.min(Math.max(MAX_UNREAD_BYTES / readers.size, LEAST_UNREAD_BYTES), MOST_UNREAD_BYTES);

  /** Writes one part to one reader; how many bytes it was, 0: there is nothing for it now, or it does not read. */
  const serve = (reader: Reader, parts: Map<number, Part | null>): number => {
    const { response } = reader;
    if (response.destroyed) return 0;
    if (response.writableLength > unreadLimit()) {
      reader.stalledSince ??= now();
      if (now() - reader.stalledSince > STALLED_MS) response.destroy();
      return 0;
    }
    reader.stalledSince = null;
    const next = parts.get(reader.sequence) ?? nextFor(reader.sequence);
    parts.set(reader.sequence, next);
    if (next === null) return 0;
    reader.sequence = next.sequence;
    response.write(next.bytes);
    return next.bytes.length;
  };

  const writeSoon = (delayMs: number): void => {
    writing ??= setTimeout(turn, Math.max(delayMs, restUntil - performance.now())).unref();
  };

  const turn = (): void => {
    writing = null;
    // Behind those who wait already; who is among them keeps his place.
    if (isNews) for (const reader of readers) waiting.add(reader);
    isNews = false;
    const started = performance.now();
    // Most readers are at the same place: what they are told is made once, and stands in memory once.
    const parts = new Map<number, Part | null>();
    let bytes = 0;
    for (const reader of waiting) {
      waiting.delete(reader);
      const written = serve(reader, parts);
      // Behind the others, who would wait for the whole of a snapshot else.
      if (written > 0) waiting.add(reader);
      bytes += written;
      if (bytes > TURN_BYTES || performance.now() - started > TURN_MS) break;
    }
    const ended = performance.now();
    restUntil = ended + Math.max((ended - started) * REST_SHARE, bytes / MAX_BYTES_PER_MS);
    if (waiting.size > 0) writeSoon(0);
  };

  const serveSoon = (reader: Reader): void => {
    waiting.add(reader);
    writeSoon(0);
  };

  const tick = (): void => {
    isNews = true;
    writeSoon(0);
    const bytes = Buffer.from(event('tick', String(Date.now())));
    for (const { response, stalledSince } of readers) if (stalledSince === null) response.write(bytes);
  };

  const leave = (reader: Reader): void => {
    waiting.delete(reader);
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
      ...EVERY_REPLY,
    });
    response.write(`retry: ${RETRY_MS}\n\n${from === null ? event('reset', '0') : ''}`);
    response.on('drain', () => serveSoon(reader));
    response.on('error', () => response.destroy());
    response.on('close', () => leave(reader));
    readers.add(reader);
    if (ticking === null) {
      ticking = setInterval(tick, TICK_MS).unref();
      onListening(true);
    }
    serveSoon(reader);
  };

  return {
    get listeners() {
      return readers.size;
    },
    changed: () => {
      if (readers.size === 0) return;
      isNews = true;
      writeSoon(GATHER_MS);
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
      if (writing !== null) clearTimeout(writing);
      for (const { response } of readers) response.destroy();
    },
  };
};
