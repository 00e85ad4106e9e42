// This node's own journal for the page, which steps it in the browser: what segments there are, and each as it is on
// disk. Only names that the directory has are ever opened. The last segment is being written: its end may be torn.
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { EVERY_REPLY, json, jsonError, type Route, type Routes } from '../../io/http/http-server.ts';

/** Each reads at the pace of its network, in pieces of 64 kB: more at once would only be slower. */
const MAX_READERS = 2;

export interface JournalFile {
  readonly name: string;
  readonly bytes: number;
}

/** Oldest first: names begin with node and time. */
const segmentsOf = async (directory: string): Promise<readonly JournalFile[]> => {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.ndjson')).sort();
  const sizes = await Promise.allSettled(names.map((name) => stat(join(directory, name))));
  // The oldest may be removed in between.
  return names.flatMap((name, index) => {
    const size = sizes[index];
    return size?.status === 'fulfilled' && size.value.isFile() ? [{ name, bytes: size.value.size }] : [];
  });
};

export const journalRoutes = (directory: string): Routes => {
  let readers = 0;
  const list: Route = async () => {
    try {
      return json({ segments: await segmentsOf(directory) });
    } catch (error) {
      return jsonError(`the journal cannot be read: ${(error as NodeJS.ErrnoException).code}`, 503);
    }
  };
  const send = ({ name, bytes }: JournalFile, response: ServerResponse): void => {
    readers += 1;
    response.writeHead(200, {
      'content-type': 'application/x-ndjson',
      'content-length': bytes,
      'cache-control': 'no-store',
      ...EVERY_REPLY,
    });
    // As long as it was when it was asked for: it grows meanwhile. One that went has fewer bytes than were told, which
    // whoever reads takes for what it is: a broken answer.
    const content = bytes === 0 ? [] : createReadStream(join(directory, name), { end: bytes - 1 });
    pipeline(content, response, () => {
      readers -= 1;
    });
  };
  const one: Route = async (_body, { rest }) => {
    const known = await segmentsOf(directory).catch(() => []);
    const file = known.find(({ name }) => name === rest);
    if (file === undefined) return jsonError('there is no such segment', 404);
    if (readers >= MAX_READERS)
      return {
        ...jsonError(`${MAX_READERS} others read the journal already`, 503),
        headers: { 'retry-after': '5' },
      };
    return { stream: (response) => send(file, response) };
  };
  return { 'GET /api/v1/journal': list, 'GET /api/v1/journal/*': one };
};
