// A stand-in for a Kubernetes API server: real HTTP, the resources that Holdfast uses, compare-and-swap, watches with
// history, and faults on demand. For tests in the process and, through stand-in-process.ts, for labs. It knows no
// authentication and no schemas; tests that run against it must also pass against a real server (cluster.ts).
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Faults } from './faults.ts';
import { fieldSelector, Lists } from './lists.ts';
import { badRequest, Refusal } from './objects.ts';
import { qualified } from './resources.ts';
import { discovery, type Target, targetOf, verbOf } from './route.ts';
import { type Preconditions, Store } from './store.ts';
import { textOf, Watches } from './watches.ts';

/** The limit of a real server's request bodies is 3 MiB. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;
/** Without timeoutSeconds a real server ends a watch after 30 to 60 minutes. */
const WATCH_MS = 1_800_000;
const HEALTH = ['/healthz', '/livez', '/readyz'];

export interface StandInOptions {
  readonly host?: string;
  /** 0 or absent: any free one, the same again after `faults.up()`. */
  readonly port?: number;
}

export interface StandIn {
  readonly host: string;
  readonly port: number;
  readonly store: Store;
  readonly faults: Faults;
  close(): Promise<void>;
}

const readBody = async (request: IncomingMessage): Promise<Record<string, unknown>> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES) throw new Refusal(413, 'RequestEntityTooLarge', 'the request is too large');
    chunks.push(chunk as Buffer);
  }
  if (size === 0) return {};
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if (body !== null && typeof body === 'object' && !Array.isArray(body))
      return body as Record<string, unknown>;
  } catch {
    // Told below, like a body that is no object.
  }
  throw badRequest('the body of the request could not be decoded: it must be a JSON object');
};

const send = (response: ServerResponse, status: number, text: string, extra = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...extra });
  response.end(text);
};

const refuse = (response: ServerResponse, refusal: Refusal): void =>
  send(response, refusal.code, JSON.stringify(refusal.body()));

const forbidden = (verb: string, { resource, name, namespace, isStatus }: Target): Refusal => {
  const kind = isStatus ? `${resource.plural}/status` : resource.plural;
  const which = name === undefined ? '' : ` "${name}"`;
  const scope = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  const user = 'system:serviceaccount:holdfast-system:holdfast';
  const what = `User "${user}" cannot ${verb} resource "${kind}" in API group "${resource.group}" ${scope}`;
  return new Refusal(403, 'Forbidden', `${qualified(resource)}${which} is forbidden: ${what}`, {
    ...(name === undefined ? {} : { name }),
    group: resource.group,
    kind: resource.plural,
  });
};

class ApiServer {
  readonly store = new Store();
  readonly faults: Faults;
  readonly host: string;
  port: number;
  private readonly lists = new Lists(this.store);
  private readonly watches = new Watches(this.store);
  private server: Server | null = null;
  private accepted = 0;

  constructor({ host = '127.0.0.1', port = 0 }: StandInOptions) {
    this.host = host;
    this.port = port;
    this.faults = new Faults({
      closeWatches: () => this.watches.closeAll(),
      muteWatches: () => this.watches.muteAll(),
      sendBookmarks: () => this.watches.bookmarkAll(),
      connections: () => this.accepted,
      openWatches: () => this.watches.count,
      compact: () => {
        this.store.compact();
        this.lists.forget();
      },
      down: () => this.close(),
      up: () => this.listen(),
    });
  }

  listen(): Promise<void> {
    if (this.server !== null) return Promise.resolve();
    const server = createServer((request, response) => void this.answer(request, response));
    server.requestTimeout = 0;
    server.on('connection', () => {
      this.accepted += 1;
    });
    this.server = server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: this.host, port: this.port }, () => {
        this.port = (server.address() as AddressInfo).port;
        resolve();
      });
    });
  }

  close(): Promise<void> {
    const { server } = this;
    this.server = null;
    if (server === null) return Promise.resolve();
    return new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://stand-in');
    const hasGroup = (group: string): boolean => this.faults.hasGroup(group);
    const target = targetOf(url.pathname, hasGroup);
    const method = request.method ?? 'GET';
    const verb = target === null ? 'get' : verbOf(method, target, url.searchParams);
    const resource = target === null ? '' : target.resource.plural + (target.isStatus ? '/status' : '');
    response.on('close', () =>
      this.faults.note({
        verb,
        resource,
        path: request.url ?? '',
        status: response.statusCode,
        agent: request.headers['user-agent'] ?? '',
      }),
    );
    request.on('error', () => {});
    try {
      if (this.faults.isHanging(url.pathname)) return;
      if (this.faults.delayMs > 0) await sleep(this.faults.delayMs);
      const rule = this.faults.failing(verb, url.pathname);
      if (rule !== null) {
        const extra = rule.retryAfterSeconds === undefined ? {} : { 'retry-after': rule.retryAfterSeconds };
        const reason = rule.status === 429 ? 'TooManyRequests' : 'InternalError';
        const refusal = new Refusal(rule.status, reason, `injected fault: ${rule.status}`);
        send(response, rule.status, JSON.stringify(refusal.body()), extra);
        return;
      }
      if (target === null) {
        this.answerRest(url.pathname, response, hasGroup);
        return;
      }
      if (this.faults.isDenied(verb, resource)) throw forbidden(verb, target);
      await this.perform(verb, target, url.searchParams, request, response);
    } catch (error) {
      const known = error instanceof Refusal;
      const refusal = known ? error : new Refusal(500, 'InternalError', String(error));
      if (response.headersSent) response.destroy();
      else refuse(response, refusal);
    }
  }

  private answerRest(path: string, response: ServerResponse, hasGroup: (group: string) => boolean): void {
    if (HEALTH.includes(path)) {
      send(response, 200, 'ok', { 'content-type': 'text/plain' });
      return;
    }
    const document = discovery(path, hasGroup);
    if (document !== null) send(response, 200, JSON.stringify(document));
    else send(response, 404, '404 page not found\n', { 'content-type': 'text/plain' });
  }

  private async perform(
    verb: string,
    target: Target,
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { resource, namespace, name = '', isStatus } = target;
    const half = isStatus ? 'status' : 'main';
    const { store } = this;
    if (verb === 'watch') return this.watch(target, query, response);
    if (verb === 'list') {
      if (query.has('labelSelector')) throw badRequest('the stand-in knows no labelSelector');
      return send(response, 200, this.lists.read(resource, namespace, query));
    }
    if (verb === 'get') return send(response, 200, textOf(store.get(resource, namespace, name)));
    const body = await readBody(request);
    if (verb === 'create' && target.name === undefined && (namespace !== undefined || !resource.namespaced))
      return send(response, 201, textOf(store.create(resource, namespace, body)));
    if (verb === 'update' && name !== '')
      return send(response, 200, textOf(store.replace(resource, namespace, name, body, half)));
    if (verb === 'patch' && name !== '') {
      const type = (request.headers['content-type'] ?? '').split(';', 1)[0];
      if (type !== 'application/merge-patch+json')
        throw new Refusal(
          415,
          'UnsupportedMediaType',
          `the body of the request was in an unknown format - accepted media types include: application/merge-patch+json`,
        );
      return send(response, 200, textOf(store.patch(resource, namespace, name, body, half)));
    }
    if (verb === 'delete' && name !== '' && !isStatus) {
      const wanted = (body.preconditions ?? {}) as Preconditions;
      const { uid } = store.remove(resource, namespace, name, wanted).metadata;
      const details = { name, group: resource.group, kind: resource.plural, uid };
      const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
      return send(response, 200, JSON.stringify(status));
    }
    throw new Refusal(
      405,
      'MethodNotAllowed',
      'the server does not allow this method on the requested resource',
    );
  }

  private watch(
    { resource, namespace, name }: Target,
    query: URLSearchParams,
    response: ServerResponse,
  ): void {
    if (query.has('labelSelector')) throw badRequest('the stand-in knows no labelSelector');
    const selected = fieldSelector(query.get('fieldSelector'));
    const version = query.get('resourceVersion') ?? '';
    if (!/^\d*$/.test(version)) throw badRequest(`invalid resource version "${version}"`);
    const seconds = Number(query.get('timeoutSeconds') ?? 0);
    this.watches.start(
      {
        resource,
        wanted: (object) =>
          (namespace === undefined || object.metadata.namespace === namespace) &&
          (name === undefined || object.metadata.name === name) &&
          selected(object),
        from: version === '' || version === '0' ? null : Number(version),
        bookmarks: query.get('allowWatchBookmarks') === 'true',
        timeoutMs: seconds > 0 ? seconds * 1000 : WATCH_MS,
        bookmarkEveryMs: this.faults.bookmarkEveryMs,
        isMuted: this.faults.isMuted,
      },
      response,
    );
  }
}

/** Starts listening; rejects with the system's error (EADDRINUSE, EADDRNOTAVAIL). */
export const startStandIn = async (options: StandInOptions = {}): Promise<StandIn> => {
  const server = new ApiServer(options);
  await server.listen();
  const { host, store, faults } = server;
  return { host, port: server.port, store, faults, close: () => server.close() };
};
