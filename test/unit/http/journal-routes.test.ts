// A node's own journal over http: the files of its directory as they are, and nothing else of the host.
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { journalRoutes } from '../../../src/cli/daemon/journal-routes.ts';
import { startHttpServer } from '../../../src/io/http/http-server.ts';

const root = mkdtempSync(join(tmpdir(), 'holdfast-journal-'));
const directory = join(root, 'journal');
let base = '';
const closing: (() => void)[] = [];
const serve = async (of: string): Promise<string> => {
  const server = await startHttpServer({ port: 0, host: '127.0.0.1' }, journalRoutes(of));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/journal`;
};
before(async () => {
  mkdirSync(directory);
  writeFileSync(join(root, 'secret.ndjson'), 'secret');
  writeFileSync(join(directory, 'drained'), '');
  writeFileSync(join(directory, 'n1-2.ndjson'), 'second\n');
  writeFileSync(join(directory, 'n1-1.ndjson'), 'first\n'.repeat(100_000));
  mkdirSync(join(directory, 'folder.ndjson'));
  symlinkSync('/nonexistent', join(directory, 'dangling.ndjson'));
  base = await serve(directory);
});
after(() => {
  for (const close of closing) close();
  rmSync(root, { recursive: true });
});

test('segments are listed oldest first with their sizes, and each is given as it is', async () => {
  const { segments } = (await (await fetch(base)).json()) as { segments: { name: string; bytes: number }[] };
  assert.deepEqual(segments, [
    { name: 'n1-1.ndjson', bytes: 600_000 },
    { name: 'n1-2.ndjson', bytes: 7 },
  ]);
  assert.equal(await (await fetch(`${base}/n1-1.ndjson`)).text(), 'first\n'.repeat(100_000));
  assert.equal((await fetch(`${base}/n1-1.ndjson`, { method: 'HEAD' })).status, 200);
});

/** As it is written: fetch would tidy the path first. */
const statusOf = (path: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const { hostname, port, pathname } = new URL(base);
    get({ hostname, port, path: pathname + path, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject);
  });

test('no other file can be had, however its name is written', async () => {
  for (const path of [
    '/../secret.ndjson',
    '/..%2fsecret.ndjson',
    '/%2e%2e%2fsecret.ndjson',
    '/%2e%2e/secret.ndjson',
    '/drained',
    '/folder.ndjson',
    '/dangling.ndjson',
    '/',
    '/n1-1.ndjson/',
    '/n1-1.ndjson%00',
    `/${encodeURIComponent(join(root, 'secret.ndjson'))}`,
    '/./n1-1.ndjson',
  ])
    assert.equal(await statusOf(path), 404, path);
});

test('two may read at once and a third is told to wait; when one has left there is room again', async () => {
  writeFileSync(join(directory, 'n1-3.ndjson'), 'x'.repeat(60_000_000));
  const { hostname, port, pathname } = new URL(base);
  const hold = () =>
    new Promise<() => void>((resolve) => {
      const request = get({ hostname, port, path: `${pathname}/n1-3.ndjson`, agent: false }, (response) => {
        response.pause();
        resolve(() => request.destroy());
      });
      request.on('error', () => {});
    });
  const [leave] = [await hold(), await hold()];
  assert.equal(await statusOf('/n1-2.ndjson'), 503);
  leave?.();
  for (let waited = 0; waited < 20_000; waited += 50) {
    if ((await statusOf('/n1-2.ndjson')) === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail('nobody may read any more');
});

test('what is written meanwhile does not come after the length that was told', async () => {
  const path = join(directory, 'n1-4.ndjson');
  writeFileSync(path, 'a'.repeat(2_000_000));
  const reply = await fetch(`${base}/n1-4.ndjson`);
  appendFileSync(path, 'b'.repeat(2_000_000));
  assert.equal((await reply.text()).length, 2_000_000);
});

test('a directory that cannot be read is said', async () => {
  const reply = await fetch(await serve('/nonexistent'));
  assert.equal(reply.status, 503);
  assert.match(await reply.text(), /the journal cannot be read: ENOENT/);
});
