// Whose requests are taken: over real sockets, with the headers that browsers and attackers send.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, before, test } from 'node:test';
import { json, startHttpServer } from '../../../src/io/http/http-server.ts';

let port = 0;
let openPort = 0;
const closing: (() => void)[] = [];
before(async () => {
  const routes = { 'GET /': () => json({ read: true }), 'POST /act': () => json({ done: true }) };
  for (const gate of [{ hosts: () => ['lb.example.org', 'fd99::5'] }, null]) {
    const server = await startHttpServer({ port: 0, host: '127.0.0.1' }, routes, gate);
    closing.push(() => server.close());
    closing.push(() => server.closeAllConnections());
    const { port: bound } = server.address() as AddressInfo;
    if (gate === null) openPort = bound;
    else port = bound;
  }
});
after(() => {
  for (const close of closing.toReversed()) close();
});

type Answer = readonly [status: number, body: string];
const ask = (method: string, headers: Record<string, string>, to = port): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const path = method === 'GET' ? '/' : '/act';
    request({ host: '127.0.0.1', port: to, method, path, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve([response.statusCode ?? 0, body]));
    })
      .on('error', reject)
      .end();
  });
const status = async (...args: Parameters<typeof ask>): Promise<number> => (await ask(...args))[0];

test('a name that now resolves to this address is refused (DNS rebinding), reading or acting, and told what to do', async () => {
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.9',
    'evil@localhost',
    'localhost:80:80',
    '[::1',
    'lb.example.org.',
  ])
    for (const method of ['GET', 'POST']) {
      const [code, body] = await ask(method, { host, origin: `http://${host}` });
      assert.equal(code, 421, `${method} with Host ${host}`);
      assert.match((JSON.parse(body) as { error: string }).error, /page\.hosts/);
    }
});

test('loopback names, the address that was connected to and configured names are served, with any port', async () => {
  for (const host of [
    'localhost',
    'LOCALHOST:9475',
    '127.0.0.1',
    `127.0.0.1:${port}`,
    '127.9.9.9',
    '[::1]:9475',
    'lb.example.org',
    'LB.example.org:443',
    '[fd99::5]:80',
  ])
    assert.equal(await status('GET', { host }), 200, host);
});

test('a request of HTTP/1.0 that names no Host is refused', async () => {
  const said = await new Promise<string>((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
  });
  assert.match(said, /^HTTP\/1\.1 421/);
});

test('a server without a gate, as for metrics, looks at no Host', async () => {
  assert.equal(await status('GET', { host: 'node-7.rack.example:9476' }, openPort), 200);
  assert.equal(await status('GET', { host: 'x', origin: 'https://evil.example' }, openPort), 403);
});

const HOST = { host: 'localhost' };
const OWN = { origin: 'http://localhost' };
const site = (value: string, mode = 'cors') => ({ 'sec-fetch-site': value, 'sec-fetch-mode': mode });
for (const [what, method, headers, expected] of [
  ['a program', 'POST', {}, 200],
  ['the own page', 'POST', { ...OWN, ...site('same-origin') }, 200],
  ['another origin', 'POST', { origin: 'https://evil.example' }, 403],
  ['a sandboxed frame (Origin: null)', 'POST', { origin: 'null' }, 403],
  ['the same host at another port', 'POST', { origin: 'http://localhost:8080' }, 403],
  ['another site whose browser sends no Origin', 'POST', site('cross-site', 'no-cors'), 403],
  ['a sibling site', 'POST', site('same-site'), 403],
  ['a form of another site', 'POST', site('cross-site', 'navigate'), 403],
  ['a request that claims to be a person typing', 'POST', site('none', 'navigate'), 403],
  ['an image tag of another site', 'GET', site('cross-site', 'no-cors'), 403],
  ['a link on another site', 'GET', site('cross-site', 'navigate'), 200],
  ['the address bar', 'GET', site('none', 'navigate'), 200],
] as const)
  test(`${method} by ${what}: ${expected}`, async () => {
    assert.equal(await status(method, { ...HOST, ...headers }), expected);
  });

test('nobody is told that other origins may ask or embed: no CORS headers, CORP, and a preflight is refused', async () => {
  for (const method of ['OPTIONS', 'GET']) {
    const reply = await fetch(`http://127.0.0.1:${port}/`, { method });
    assert.equal(reply.headers.get('access-control-allow-origin'), null);
    assert.equal(reply.headers.get('cross-origin-resource-policy'), 'same-origin');
    assert.equal(reply.status, method === 'GET' ? 200 : 405);
  }
});
