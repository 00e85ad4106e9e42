// The control socket: HTTP over a Unix socket that only root may open. Both ends are here.
import { chmodSync, rmSync } from 'node:fs';
import { request, type Server } from 'node:http';
import { dirname } from 'node:path';
import { type Routes, startHttpServer } from '../http/http-server.ts';
import { makeDirectory } from '../make-directory.ts';

const TIMEOUT_MS = 5_000;

/** The daemon behind the socket cannot be reached: `code` is the system's (ENOENT, ECONNREFUSED, EACCES). */
export class UnreachableError extends Error {
  readonly code: string;

  constructor(socket: string, code: string, why: string) {
    super(`${socket}: ${why}`);
    this.name = 'UnreachableError';
    this.code = code;
  }
}

/** Another daemon holds the socket; the message says who. */
export class SocketTakenError extends Error {}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket: is the daemon running?',
  ECONNREFUSED: 'no daemon listens there any more',
  EACCES: 'permission denied: the control socket is for root',
};

export interface ControlReply {
  readonly status: number;
  readonly body: string;
}

/** One request over the socket. `timeoutMs` 0: wait as long as the daemon takes. Rejects with UnreachableError. */
export const requestControl = (
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
  body: unknown = null,
  timeoutMs: number = TIMEOUT_MS,
): Promise<ControlReply> =>
  new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException): void => {
      const code = error.code ?? 'unknown';
      reject(new UnreachableError(socketPath, code, WHY[code] ?? error.message));
    };
    const outgoing = request({ socketPath, method, path, timeout: timeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      response.on('error', refuse);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('the daemon did not answer in time')));
    outgoing.on('error', refuse);
    outgoing.end(body === null ? undefined : JSON.stringify(body));
  });

/** Who answers on the socket: a sentence, or null when nobody does and the file is a leftover. */
const occupant = async (path: string): Promise<string | null> => {
  try {
    const { body } = await requestControl(path, 'GET', '/identity');
    const { node, pid } = JSON.parse(body) as { node: string; pid: number };
    return `holdfast ${node} (process ${pid})`;
  } catch (error) {
    if (error instanceof UnreachableError && ['ECONNREFUSED', 'ENOENT'].includes(error.code)) return null;
    return 'a process that does not say who it is';
  }
};

const isInUse = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EADDRINUSE';

/**
 * Listens on `path`, mode 0600. A leftover file of a dead daemon is replaced; a socket that is answered gives
 * SocketTakenError.
 */
export const startControlSocket = async (path: string, routes: Routes): Promise<Server> => {
  makeDirectory(dirname(path), 0o755);
  const listen = async (): Promise<Server> => {
    // The umask closes the gap between bind and chmod.
    const before = process.umask(0o177);
    try {
      return await startHttpServer({ path }, routes);
    } finally {
      process.umask(before);
    }
  };
  let server: Server;
  try {
    server = await listen();
  } catch (error) {
    if (!isInUse(error)) throw error;
    const who = await occupant(path);
    if (who !== null) throw new SocketTakenError(`the control socket ${path} is taken by ${who}`);
    rmSync(path, { force: true });
    server = await listen();
  }
  chmodSync(path, 0o600);
  return server;
};
