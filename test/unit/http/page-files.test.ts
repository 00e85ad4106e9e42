// The page's files as the daemon serves them: built by set-up, under a policy that lets nothing in, small.
import assert from 'node:assert/strict';
import { get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startHttpServer } from '../../../src/io/http/http-server.ts';
import { pageRoutes } from '../../../src/io/http/page-files.ts';

const BUILT = join(import.meta.dirname, '../../../dist/page');
/** The page's weight, compressed; issue 8. */
const MAX_BYTES = 300_000;

let base = '';
let bare = '';
const closing: (() => void)[] = [];
const serve = async (directory: string): Promise<string> => {
  const server = await startHttpServer({ port: 0, host: '127.0.0.1' }, pageRoutes(directory));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};
before(async () => {
  base = await serve(BUILT);
  bare = await serve('/nonexistent');
});
after(() => {
  for (const close of closing) close();
});

test('set-up built the page: its three files are served, with a policy that lets nothing in from elsewhere', async () => {
  for (const [path, type] of [
    ['/', 'text/html'],
    ['/page.css', 'text/css'],
    ['/page.js', 'text/javascript'],
  ] as const) {
    const reply = await fetch(base + path);
    assert.equal(reply.status, 200);
    assert.match(reply.headers.get('content-type') ?? '', new RegExp(`^${type}`));
    const policy = reply.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
  }
});

test('the page names no other server, and is lighter than 300 kB', async () => {
  let bytes = 0;
  for (const path of ['/', '/page.css', '/page.js']) {
    const text = await (await fetch(base + path)).text();
    const named = [...text.matchAll(/https?:\/\/[^\s"'`)]+/g)].map(([url]) => url);
    assert.deepEqual(
      named.filter((url) => !url.startsWith('http://www.w3.org/')),
      [],
      path,
    );
    const raw = await fetch(base + path, { method: 'HEAD', headers: { 'accept-encoding': 'identity' } });
    assert.equal(raw.headers.get('content-encoding'), null);
    bytes += Buffer.byteLength(text);
  }
  assert.ok(bytes < MAX_BYTES, `${bytes} bytes, not even compressed`);
});

/** As it is written: fetch would tidy the path first. */
const statusOf = (path: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(base);
    get({ hostname, port, path, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject);
  });

test('no other file can be had, however the path is written', async () => {
  const paths = ['/../../package.json', '/%2e%2e/package.json', '/..%2f..%2fpackage.json'];
  for (const path of [...paths, '/page.js/../.sources', '/.sources', '/./page.js', '//page.js'])
    assert.equal(await statusOf(path), 404, path);
});

test('a page that is not built is said, with what to do', async () => {
  const reply = await fetch(`${bare}/`);
  assert.equal(reply.status, 503);
  assert.match(await reply.text(), /run scripts\/setup\.sh/);
});
