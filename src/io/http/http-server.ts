// A small HTTP server for fixed routes, on an address or a Unix socket: JSON, text or a stream, bounded requests,
// and timeouts, so that a slow or hostile client costs nothing that matters.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ListenOptions } from 'node:net';
import { type Gate, refusalOf } from './gate.ts';

export interface Reply {
  readonly status?: number;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** A reply that goes on: whoever is given the response writes to it and ends it. */
export interface Stream {
  readonly stream: (response: ServerResponse) => void;
}

export interface Asked {
  /** What a path that ends in `*` left open, percent-decoded; '' without one. */
  readonly rest: string;
  readonly headers: IncomingMessage['headers'];
}

/** `body` is the request's, at most 64 KiB. A rejection becomes a 500 with its message. */
export type Route = (body: string, asked: Asked) => Reply | Stream | Promise<Reply | Stream>;
/** Keys are `METHOD /path`, or `METHOD /path/*` for all that is below it. An exact one wins. */
export type Routes = Readonly<Record<string, Route>>;

const MAX_BODY_BYTES = 65_536;
const REQUEST_TIMEOUT_MS = 10_000;
/** Requests whose time is over are looked for so often; Node's default of 30 s would give each three times its time. */
const CHECK_EVERY_MS = 2_000;
/** Each stream has one (event-streams.ts), and others ask between them. */
const MAX_CONNECTIONS = 1_280;

export const json = (value: unknown, status = 200): Reply => ({
  status,
  contentType: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});

/** `{"error": …}`, one sentence. */
export const jsonError = (error: string, status: number): Reply => json({ error }, status);

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

/** No other site may put an answer of this server into its own page, whatever kind it takes it for. */
export const EVERY_REPLY = {
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** The route for a path, and what its `*` stands for. */
const find = (routes: Routes, method: string, path: string): { route: Route; rest: string } | null => {
  const exact = Object.hasOwn(routes, `${method} ${path}`) ? routes[`${method} ${path}`] : undefined;
  if (exact !== undefined) return { route: exact, rest: '' };
  for (const [key, route] of Object.entries(routes)) {
    const start = key.slice(method.length + 1, -1);
    if (key.endsWith('/*') && key.startsWith(`${method} `) && path.startsWith(start))
      return { route, rest: decoded(path.slice(start.length)) };
  }
  return null;
};

const answer = async (
  routes: Routes,
  request: IncomingMessage,
  gate: Gate | null,
): Promise<Reply | Stream> => {
  const path = (request.url ?? '/').split('?', 1)[0] as string;
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET');
  const refusal = refusalOf(request, gate);
  if (refusal !== null) return jsonError(refusal.error, refusal.status);
  const found = find(routes, method, path);
  if (found === null) {
    const isKnown = Object.keys(routes).some((key) => key.endsWith(` ${path}`));
    return { status: isKnown ? 405 : 404, body: isKnown ? 'method not allowed\n' : 'not found\n' };
  }
  const body = await readBody(request);
  if (body === null) return { status: 413, body: 'the request is too large\n' };
  const reply = await found.route(body, { rest: found.rest, headers: request.headers });
  return 'stream' in reply && request.method === 'HEAD' ? { body: '' } : reply;
};

const send = (reply: Reply, request: IncomingMessage, response: ServerResponse): void => {
  const { status = 200, contentType = 'text/plain; charset=utf-8', headers = {}, body } = reply;
  response.writeHead(status, {
    'content-type': contentType,
    ...EVERY_REPLY,
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
};

/** Starts listening; `gate` null: any Host will do. Rejects with the system's error (EADDRINUSE, EACCES). */
export const startHttpServer = (
  listen: ListenOptions,
  routes: Routes,
  gate: Gate | null = null,
): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer({
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.on('request', (request, response) => {
      void answer(routes, request, gate)
        .catch((error: unknown): Reply => ({ status: 500, body: `${(error as Error).message}\n` }))
        .then((reply) => ('stream' in reply ? reply.stream(response) : send(reply, request, response)));
    });
    server.once('error', reject);
    server.listen(listen, () => {
      server.off('error', reject);
      // Later errors concern single connections (EMFILE): the daemon goes on.
      server.on('error', () => {});
      resolve(server);
    });
  });
