// Servers, proxies and networks that do what no API server should: torn lines, junk, half answers, connections that
// break at the worst moment. And TLS, which the stand-in does not speak.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClusterClient, openCluster } from '../../src/io/kubernetes/cluster-client.ts';
import { startReflector } from '../../src/io/kubernetes/reflector.ts';
import { SERVICE_IPS } from '../../src/io/kubernetes/resource.ts';
import type { Reflection } from '../../src/machines/reflection.ts';
import { kubeconfigOf } from '../support/kube/kubeconfig.ts';
import { ipOf, until } from '../support/kube/mirrored.ts';

const folder = (t: TestContext): string => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-broken-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
};

const listening = async (
  t: TestContext,
  server: Server & { closeAllConnections(): void },
): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
};

const open = async (t: TestContext, config: string): Promise<ClusterClient> => {
  const file = join(folder(t), 'kubeconfig');
  writeFileSync(file, config);
  const opened = await openCluster(file);
  assert.ok(opened.ok, opened.ok ? '' : opened.problem);
  t.after(() => opened.value.close());
  return opened.value;
};

const clientOf = async (t: TestContext, listener: RequestListener): Promise<ClusterClient> =>
  await open(t, kubeconfigOf(`http://127.0.0.1:${await listening(t, createServer(listener))}`, 'secret'));

const object = (name: string, version: string, ip = '10.0.0.1') => ({
  metadata: { name, resourceVersion: version },
  spec: { ip },
});
const event = (type: string, about: unknown): string => `${JSON.stringify({ type, object: about })}\n`;

/** Mirrors from a server whose list is `items` and whose watches are answered by `watch`, one after the other. */
const mirrorOf = async (
  t: TestContext,
  items: () => unknown[],
  watches: ((answer: ServerResponse) => void)[],
) => {
  let lists = 0;
  let watched = 0;
  const client = await clientOf(t, (request, answer) => {
    if (!request.url?.includes('watch=true')) {
      if (request.url?.includes('serviceips')) lists += 1;
      answer.end(JSON.stringify({ metadata: { resourceVersion: '100' }, items: items() }));
      return;
    }
    const watch = watches[watched];
    watched += 1;
    answer.writeHead(200);
    answer.flushHeaders();
    watch?.(answer);
  });
  const known = new Map<string, string>();
  const told: Reflection<string>[] = [];
  const listener = (reflection: Reflection<string>): void => {
    told.push(reflection);
    if (reflection.type === 'replaced') {
      known.clear();
      for (const [key, value] of reflection.items) known.set(key, value);
    } else if (reflection.type === 'changed') {
      if (reflection.value === null) known.delete(reflection.key);
      else known.set(reflection.key, reflection.value);
    }
  };
  const options = { client, resource: SERVICE_IPS, parse: ipOf, listener, random: Math.random };
  const reflector = startReflector({ ...options, now: () => performance.now() });
  t.after(() => reflector.close());
  return { known, told, lists: () => lists, watched: () => watched };
};

test('lines that come in pieces, several at once, and with two-byte characters torn apart are read', async (t) => {
  const bytes = Buffer.from(
    event('ADDED', object('ä', '101', '10.0.0.2')) + event('ADDED', object('b', '102', '10.0.0.3')),
  );
  const watch = async (answer: ServerResponse): Promise<void> => {
    for (let i = 0; i < bytes.length; i += 7) {
      answer.write(bytes.subarray(i, i + 7));
      await sleep(1);
    }
  };
  const { known } = await mirrorOf(t, () => [], [watch]);
  await until('both are known', () => known.get('ä') === '10.0.0.2' && known.get('b') === '10.0.0.3');
});

test('after a line that is no JSON everything is listed again, for what it meant is lost', async (t) => {
  const items: unknown[] = [object('a', '1')];
  const watch = (answer: ServerResponse): void => {
    items.push(object('b', '101', '10.0.0.2'));
    answer.write('{"type":"ADDED","object":{"metad\n');
  };
  const { known, lists, told } = await mirrorOf(t, () => items, [watch]);
  await until('b is known', () => known.has('b'));
  assert.equal(lists(), 2);
  assert.ok(told.some((each) => each.type === 'malformed' && /not JSON/.test(each.reason)));
});

test('a watch cut in the middle of a line is resumed from the last whole one', async (t) => {
  const cut = (answer: ServerResponse): void => {
    answer.write(event('ADDED', object('a', '101')));
    answer.write('{"type":"ADDED","obj');
    setTimeout(() => answer.destroy(), 100);
  };
  const whole = (answer: ServerResponse): void => {
    assert.match(answer.req.url ?? '', /resourceVersion=101&/);
    answer.write(event('ADDED', object('b', '102')));
  };
  const { known, lists } = await mirrorOf(t, () => [], [cut, whole]);
  await until('b is known', () => known.has('a') && known.has('b'));
  assert.equal(lists(), 1);
});

test('a line without an end is given up before it fills the memory', async (t) => {
  const flood = (answer: ServerResponse): void => {
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    const more = (): void => {
      while (!answer.destroyed && answer.write(chunk));
    };
    answer.on('drain', more);
    more();
  };
  const { known, watched } = await mirrorOf(t, () => [], [
    flood,
    (answer) => answer.write(event('ADDED', object('a', '101'))),
  ]);
  await until('a is known', () => known.has('a'));
  assert.equal(watched(), 2);
});

for (const [what, answer] of [
  ['a page of HTML', '<html>sign in</html>'],
  ['half an answer', '{"items": ['],
  ['an answer without items', '{"metadata":{"resourceVersion":"1"}}'],
  ['an answer without a resourceVersion', '{"items":[],"metadata":{}}'],
] as const)
  test(`${what} instead of a list is said, and not taken for an empty collection`, async (t) => {
    const client = await clientOf(t, (_, response) => response.end(answer));
    const told: Reflection<string>[] = [];
    const listener = (reflection: Reflection<string>): void => {
      told.push(reflection);
    };
    const options = { client, resource: SERVICE_IPS, parse: ipOf, listener, random: Math.random };
    const reflector = startReflector({ ...options, now: () => performance.now() });
    t.after(() => reflector.close());
    await until('it is said', () => told.length > 0);
    assert.equal(reflector.health.state, 'broken');
    assert.ok(!told.some(({ type }) => type === 'replaced'));
  });

test('credentials that are refused are read again, and the next request bears the new ones', async (t) => {
  const file = join(folder(t), 'kubeconfig');
  const tokens: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    tokens.push(request.headers.authorization);
    response.statusCode = request.headers.authorization === 'Bearer new' ? 200 : 401;
    response.end('{}');
  });
  const url = `http://127.0.0.1:${await listening(t, server)}`;
  writeFileSync(file, kubeconfigOf(url, 'old'));
  const opened = await openCluster(file);
  assert.ok(opened.ok);
  t.after(() => opened.value.close());
  writeFileSync(file, kubeconfigOf(url, 'new'));
  assert.equal((await opened.value.ask({ path: '/api' })).ok, false);
  assert.equal((await opened.value.ask({ path: '/api' })).ok, true);
  assert.deepEqual(tokens, ['Bearer old', 'Bearer new']);
});

/** A certificate for 127.0.0.1 that signs itself, or null where there is no openssl. */
const certificate = (t: TestContext): { cert: string; key: string } | null => {
  const directory = folder(t);
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
  const subject = ['-subj', '/CN=holdfast-test', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
  ];
  const made = spawnSync('openssl', [...args, ...subject, '-keyout', key, '-out', cert]);
  if (made.status !== 0) return null;
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
};

const tlsConfig = (port: number, ca: string): string => {
  const config = JSON.parse(kubeconfigOf(`https://127.0.0.1:${port}`, 'secret'));
  config.clusters[0].cluster = {
    server: `https://127.0.0.1:${port}`,
    'certificate-authority-data': Buffer.from(ca).toString('base64'),
  };
  return JSON.stringify(config);
};

test('over TLS a server whose CA is known is trusted, with one connection for many requests', async (t) => {
  const own = certificate(t);
  if (own === null) return t.skip('openssl is missing: apt-get install openssl');
  let connections = 0;
  const server = createTlsServer(own, (request, response) => {
    response.end(JSON.stringify({ token: request.headers.authorization }));
  });
  server.on('secureConnection', () => {
    connections += 1;
  });
  const client = await open(t, tlsConfig(await listening(t, server), own.cert));
  for (let i = 0; i < 20; i += 1) {
    const outcome = await client.ask({ path: '/api' });
    assert.ok(outcome.ok, outcome.ok ? '' : outcome.failure.text);
    assert.equal(outcome.value.body.token, 'Bearer secret');
  }
  assert.equal(connections, 1);
});

test('over TLS a server of another CA gets no request, and no credentials', async (t) => {
  const [own, other] = [certificate(t), certificate(t)];
  if (own === null || other === null) return t.skip('openssl is missing: apt-get install openssl');
  let requests = 0;
  const server = createTlsServer(own, (_, response) => {
    requests += 1;
    response.end('{}');
  });
  const client = await open(t, tlsConfig(await listening(t, server), other.cert));
  const outcome = await client.ask({ path: '/api' });
  assert.equal(outcome.ok ? '' : outcome.failure.kind, 'unreachable');
  assert.match(outcome.ok ? '' : outcome.failure.text, /certificate/);
  assert.equal(requests, 0);
});
