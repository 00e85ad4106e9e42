// The stand-in API server as a process of its own: `stand-in-process.ts [--host H] [--port P] [--control PATH]`.
// Prints one JSON line when it listens: {"server": URL, "kubeconfig": text, "control": PATH or null}. The control
// server speaks HTTP on a Unix socket, so it is reached from any network namespace and while the API itself is
// down or hangs:
//   POST /faults  {"call": "down", "arguments": []}  calls a method of Faults, answers what it returns
//   POST /objects [{"path": COLLECTION, "object": …}]  makes objects, status included, far faster than one by one
//   POST /ask {"method": …, "path": …, "body": …}  one request to the API as any client makes it
import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { Faults } from './faults.ts';
import { kubeconfigOf } from './kubeconfig.ts';
import type { Meta } from './objects.ts';
import { targetOf } from './route.ts';
import { startStandIn } from './stand-in.ts';

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '0' },
    control: { type: 'string' },
  },
});

const standIn = await startStandIn({ host: values.host, port: Number(values.port) });
const isCall = (name: string): name is keyof Faults =>
  name !== 'constructor' && Object.getOwnPropertyNames(Faults.prototype).includes(name);

interface Call {
  readonly call: string;
  readonly arguments?: readonly unknown[];
}

const call = async ({ call: name, arguments: given = [] }: Call): Promise<unknown> => {
  if (!isCall(name)) throw new Error(`there is no fault named ${name}`);
  const method = standIn.faults[name] as (...each: readonly unknown[]) => unknown;
  return (await method.apply(standIn.faults, [...given])) ?? null;
};

interface Made {
  readonly path: string;
  readonly object: Record<string, unknown> & { metadata: Partial<Meta> };
}

const make = (all: readonly Made[]): number => {
  for (const { path, object } of all) {
    const target = targetOf(path, () => true);
    if (target === null) throw new Error(`${path} is no collection of this server`);
    const { resource, namespace } = target;
    const { name } = standIn.store.create(resource, namespace, object).metadata;
    if (resource.status && object.status !== undefined)
      standIn.store.patch(resource, namespace, name, { status: object.status }, 'status');
  }
  return all.length;
};

const server = `http://${standIn.host.includes(':') ? `[${standIn.host}]` : standIn.host}:${standIn.port}`;

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
}

const ask = async ({ method, path, body }: Asked): Promise<unknown> => {
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': type } };
  const answer = await fetch(server + path, { method, ...sent });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return JSON.parse(text);
};

const control = async (path: string | undefined, body: unknown): Promise<unknown> => {
  if (path === '/faults') return await call(body as Call);
  if (path === '/objects') return make(body as readonly Made[]);
  if (path === '/ask') return await ask(body as Asked);
  throw new Error(`there is no ${path}; POST /faults, /objects or /ask`);
};

if (values.control !== undefined) {
  const steered = createServer(async (request, response) => {
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      response.end(JSON.stringify(await control(request.url, body)));
    } catch (error) {
      response.statusCode = 400;
      response.end(JSON.stringify({ error: (error as Error).message }));
    }
  });
  // What a killed predecessor left; nobody else would use a path that a test names.
  rmSync(values.control, { force: true });
  await new Promise<void>((resolve) => steered.listen(values.control, resolve));
}

const line = { server, kubeconfig: kubeconfigOf(server), control: values.control ?? null };
process.stdout.write(`${JSON.stringify(line)}\n`);
process.on('SIGTERM', () => process.exit(0));
