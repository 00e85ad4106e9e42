// A raw watch for tests: what the server wrote, line by line.
import { type ClientRequest, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createInterface } from 'node:readline';
import type { Cluster } from './cluster.ts';

interface WatchLine {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: an object or a Status, as the server said it
  readonly object: any;
}

export interface WatchLines {
  readonly events: readonly WatchLine[];
  readonly opened: Promise<void>;
  /** The server ended it, or the connection broke. */
  readonly ended: Promise<void>;
  /** Resolves when so many events were heard; rejects after 10 s. */
  until(count: number): Promise<void>;
  close(): void;
}

export const openWatch = (cluster: Cluster, path: string): WatchLines => {
  const events: WatchLine[] = [];
  const opened = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const { server, token } = cluster;
  const make = server.startsWith('https:') ? httpsRequest : httpRequest;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const options = { headers, rejectUnauthorized: false, agent: false };
  const request: ClientRequest = make(server + path, options, (response) => {
    opened.resolve();
    createInterface(response)
      .on('line', (line) => events.push(JSON.parse(line) as WatchLine))
      .on('close', () => ended.resolve());
  });
  request.on('error', () => ended.resolve());
  request.end();
  return {
    events,
    opened: opened.promise,
    ended: ended.promise,
    until: async (count) => {
      const end = performance.now() + 10_000;
      while (events.length < count) {
        if (performance.now() > end) throw new Error(`heard ${events.length} of ${count} events within 10 s`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    close: () => request.destroy(),
  };
};
