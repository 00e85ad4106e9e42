// The page of a lab's node for the browser of whoever runs the lab. The daemon listens in a network namespace that no
// browser is in; its control socket is a file, which has the same pages, and commands beside them. So this stands
// between: it lets through what only looks, and only to browsers that came by a loopback name.
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { ListenOptions } from 'node:net';

/** The page, its files, and the API that it asks. */
const LOOKS = /^\/($|[\w-]+\.(js|css|html)$|api\/v1\/)/;
/** Names by which a browser reaches this host's loopback: a page of another site that resolves to it has another. */
const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;

const isLook = ({ method, url = '/', headers }: IncomingMessage): boolean =>
  (method === 'GET' || method === 'HEAD') &&
  LOOKS.test(url.split('?', 1)[0] as string) &&
  LOOPBACK.test(headers.host ?? '');

const carry = (socketPath: string, incoming: IncomingMessage, response: ServerResponse): void => {
  const { method, url: path, headers } = incoming;
  const outgoing = request({ socketPath, method, path, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
    answer.on('error', () => response.destroy());
  });
  outgoing.on('error', () => {
    if (response.headersSent) response.destroy();
    else
      response.writeHead(502, { 'content-type': 'text/plain' }).end('the daemon of this node does not run\n');
  });
  response.on('close', () => outgoing.destroy());
  outgoing.end();
};

/** Serves the page of the daemon behind `controlSocket`, to be looked at. */
export const serveNodePage = (controlSocket: string, listen: ListenOptions): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer((incoming, response) => {
      incoming.resume();
      if (isLook(incoming)) return carry(controlSocket, incoming, response);
      response.writeHead(403, { 'content-type': 'text/plain' }).end('this page is for looking only\n');
    });
    server.once('error', reject);
    server.listen(listen, () => resolve(server));
    server.unref();
  });
