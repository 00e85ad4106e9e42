// Starts stand-in-process.ts and steers it: for tests that must not share an event loop with their API server.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROCESS = fileURLToPath(new URL('./stand-in-process.ts', import.meta.url));
/** 1,000 objects of the usual size are about 2 MB of JSON. */
const BATCH = 1000;

export interface StandInChild {
  readonly server: string;
  /** The path of a kubeconfig file. */
  readonly kubeconfig: string;
  /** Calls a method of Faults. */
  fault(name: string, ...given: readonly unknown[]): Promise<unknown>;
  /** Makes objects, status included. */
  make(path: string, objects: readonly unknown[]): Promise<void>;
  close(): Promise<void>;
}

const post = (socketPath: string, path: string, body: unknown): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, path, method: 'POST', agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const said = JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
        if (response.statusCode === 200) resolve(said);
        else reject(new Error(`${path}: ${(said as { error: string }).error}`));
      });
    });
    request.on('error', reject);
    request.end(JSON.stringify(body));
  });

const firstLine = async (child: ChildProcess): Promise<string> => {
  if (child.stdout === null) throw new Error('the child has no stdout');
  for await (const line of createInterface(child.stdout)) return line;
  throw new Error('the stand-in ended before it listened');
};

/** `through` is put before the command: `ip netns exec NAME`, `nsenter …`. */
export const startStandInChild = async (
  args: readonly string[] = [],
  through: readonly string[] = [],
): Promise<StandInChild> => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-stand-in-'));
  const control = join(directory, 'control.sock');
  const command = [...through, process.execPath, PROCESS, '--control', control, ...args];
  const child = spawn(command[0] as string, command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  const { server, kubeconfig } = JSON.parse(await firstLine(child)) as { server: string; kubeconfig: string };
  const file = join(directory, 'kubeconfig');
  writeFileSync(file, kubeconfig);
  return {
    server,
    kubeconfig: file,
    fault: (name, ...given) => post(control, '/faults', { call: name, arguments: given }),
    make: async (path, objects) => {
      for (let i = 0; i < objects.length; i += BATCH) {
        const batch = objects.slice(i, i + BATCH).map((object) => ({ path, object }));
        await post(control, '/objects', batch);
      }
    },
    close: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
};
