// The stand-in API server as a process of its own: `stand-in-process.ts [--host H] [--port P] [--control PATH]`.
// Prints one JSON line when it listens: {"server": URL, "kubeconfig": text, "control": PATH or null}. The control
// server speaks HTTP on a Unix socket, so it is reached from any network namespace and while the API itself is
// down or hangs: `POST /faults` {"call": "down", "arguments": []} calls a method of Faults and answers what it
// returns as JSON.
import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { Faults } from './faults.ts';
import { kubeconfigOf } from './kubeconfig.ts';
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

const call = async (text: string): Promise<unknown> => {
  const { call: name, arguments: given = [] } = JSON.parse(text) as { call: string; arguments?: unknown[] };
  if (!isCall(name)) throw new Error(`there is no fault named ${name}`);
  const method = standIn.faults[name] as (...each: unknown[]) => unknown;
  return (await method.apply(standIn.faults, given)) ?? null;
};

if (values.control !== undefined) {
  const control = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    try {
      response.end(JSON.stringify(await call(Buffer.concat(chunks).toString('utf8'))));
    } catch (error) {
      response.statusCode = 400;
      response.end(JSON.stringify({ error: (error as Error).message }));
    }
  });
  // What a killed predecessor left; nobody else would use a path that a test names.
  rmSync(values.control, { force: true });
  await new Promise<void>((resolve) => control.listen(values.control, resolve));
}

const server = `http://${standIn.host.includes(':') ? `[${standIn.host}]` : standIn.host}:${standIn.port}`;
const control = values.control ?? null;
process.stdout.write(`${JSON.stringify({ server, kubeconfig: kubeconfigOf(server), control })}\n`);
process.on('SIGTERM', () => process.exit(0));
