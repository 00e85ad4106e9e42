// A small HTTP server for fixed routes, on an address or a Unix socket: JSON or text, bounded requests, and
// timeouts, so that a slow or hostile client costs nothing that matters.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { ListenOptions } from 'node:net';

export interface Reply {
  readonly status?: number;
  readonly contentType?: string;
  readonly body: string;
}

/** `body` is the request's, at most 64 KiB. A rejection becomes a 500 with its message. */
export type Route = (body: string) => Reply | Promise<Reply>;
/** Keys are `METHOD /path`. */
export type Routes = Readonly<Record<string, Route>>;

const MAX_BODY_BYTES = 65_536;
const REQUEST_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 256;

export const json = (value: unknown, status = 200): Reply => ({
  status,
  contentType: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});

const readBody = async (request: IncomingMessage): Promise<string | null> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES) return null;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
};

const answer = async (routes: Routes, request: IncomingMessage): Promise<Reply> => {
  const path = (request.url ?? '/').split('?', 1)[0] as string;
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const route = routes[`${method} ${path}`];
  if (route === undefined) {
    const isKnown = Object.keys(routes).some((key) => key.endsWith(` ${path}`));
    return { status: isKnown ? 405 : 404, body: isKnown ? 'method not allowed\n' : 'not found\n' };
  }
  const body = await readBody(request);
  return body === null ? { status: 413, body: 'the request is too large\n' } : await route(body);
};

/** Starts listening. Rejects with the system's error (EADDRINUSE, EACCES). */
export const startHttpServer = (listen: ListenOptions, routes: Routes): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS });
    server.maxConnections = MAX_CONNECTIONS;
    server.on('request', (request, response) => {
      void answer(routes, request)
        .catch((error: unknown): Reply => ({ status: 500, body: `${(error as Error).message}\n` }))
        .then(({ status = 200, contentType = 'text/plain; charset=utf-8', body }) => {
          response.writeHead(status, { 'content-type': contentType, 'x-content-type-options': 'nosniff' });
          response.end(request.method === 'HEAD' ? undefined : body);
        });
    });
    server.once('error', reject);
    server.listen(listen, () => {
      server.off('error', reject);
      // Later errors concern single connections (EMFILE): the daemon goes on.
      server.on('error', () => {});
      resolve(server);
    });
  });
