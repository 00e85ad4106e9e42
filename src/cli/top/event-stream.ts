// Follows a daemon's server-sent events over its control socket: parses them (WHATWG HTML, 9.2), resumes by the last
// id, and goes on trying when the daemon is away.
import { type ClientRequest, type IncomingMessage, request } from 'node:http';

export interface StreamListener {
  /** One event of the stream, in order. */
  event(type: string, data: string): void;
  /** The stream ended, or could not be opened; it is tried again by itself. */
  away(why: string): void;
}

export interface EventStream {
  close(): void;
}

/** The daemon says something every two seconds; after this it, or the way to it, is gone. */
const SILENT_MS = 6_000;
/** A daemon that restarts is back within a second or two. */
const AGAIN_MS = 1_000;
/** One event holds 500 rows, some 200 kB; a line that grows beyond this is no stream of ours. */
const MAX_PENDING_CHARS = 16 * 1_048_576;

export interface EventParser {
  /** Takes what was read; a piece may end anywhere. Throws when it is no stream of events. */
  take(text: string): void;
}

/** Calls back with each event when its empty line has come. */
export const createEventParser = (
  onEvent: (type: string, data: string, id: string | null) => void,
): EventParser => {
  let pending = '';
  const parse = (block: string): void => {
    let type = 'message';
    let id: string | null = null;
    const data: string[] = [];
    for (const line of block.split('\n')) {
      const [, field = '', value = ''] = /^([^:]*): ?(.*)$/.exec(line) ?? [];
      if (field === 'event') type = value;
      else if (field === 'data') data.push(value);
      else if (field === 'id') id = value;
    }
    if (data.length > 0) onEvent(type, data.join('\n'), id);
  };
  return {
    take: (text) => {
      pending += text;
      if (pending.length > MAX_PENDING_CHARS) throw new Error('it sends what is no event');
      const blocks = pending.split('\n\n');
      pending = blocks.pop() as string;
      for (const block of blocks) parse(block);
    },
  };
};

/** Opens the stream at `path` of the daemon behind `socketPath`, again and again until it is closed. */
export const followEvents = (socketPath: string, path: string, listener: StreamListener): EventStream => {
  let lastId: string | null = null;
  let current: ClientRequest | null = null;
  let again: NodeJS.Timeout | null = null;
  let isClosed = false;

  const open = (): void => {
    again = null;
    const headers = lastId === null ? {} : { 'last-event-id': lastId };
    const outgoing = request({ socketPath, path, method: 'GET', timeout: SILENT_MS, headers });
    current = outgoing;
    let isOver = false;
    const lost = (why: string): void => {
      if (isOver || isClosed) return;
      isOver = true;
      outgoing.destroy();
      listener.away(why);
      again = setTimeout(open, AGAIN_MS);
    };
    const read = (response: IncomingMessage): void => {
      if (response.statusCode !== 200) {
        response.resume();
        lost(response.statusCode === 503 ? 'too many look at it already' : `it says ${response.statusCode}`);
        return;
      }
      const parser = createEventParser((type, data, id) => {
        lastId = id ?? lastId;
        listener.event(type, data);
      });
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        try {
          parser.take(chunk);
        } catch (error) {
          lost((error as Error).message);
        }
      });
      response.on('end', () => lost('it ended the connection'));
      response.on('error', (error) => lost(error.message));
    };
    outgoing.on('response', read);
    outgoing.on('timeout', () => lost('it says nothing any more'));
    outgoing.on('error', (error: NodeJS.ErrnoException) => lost(error.code ?? error.message));
    outgoing.end();
  };

  open();
  return {
    close: () => {
      isClosed = true;
      if (again !== null) clearTimeout(again);
      current?.destroy();
    },
  };
};
