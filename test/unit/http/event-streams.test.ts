// Server-sent events over a real server and real sockets: snapshot, changes, resume, readers that do not read.
import assert from 'node:assert/strict';
import { get, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEventStreams } from '../../../src/io/http/event-streams.ts';
import { json, startHttpServer } from '../../../src/io/http/http-server.ts';
import { createLevelTable } from '../../../src/io/http/level-table.ts';

const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
});

const startStreams = async () => {
  let skewMs = 0;
  const table = createLevelTable();
  const streams = createEventStreams({ life: 'a1', table, now: () => performance.now() + skewMs });
  const server = await startHttpServer(
    { port: 0, host: '127.0.0.1' },
    {
      'GET /events': (_body, { headers }) => streams.open(headers['last-event-id'] as string | undefined),
      'GET /one/*': (_body, { rest }) => json({ rest }),
      'GET /one/exact': () => json({ exact: true }),
    },
  );
  const { port } = server.address() as AddressInfo;
  closing.push(() => {
    streams.close();
    server.closeAllConnections();
    server.close();
  });
  const set = (key: string, text: string): void => {
    table.set(key, text);
    streams.changed();
  };
  const pass = (ms: number): void => {
    skewMs += ms;
  };
  return { table, streams, port, set, pass };
};

interface Heard {
  text: string;
  readonly response: IncomingMessage;
}

const listen = (port: number, headers: Record<string, string> = {}): Promise<Heard> =>
  new Promise((resolve, reject) => {
    const asked = get({ port, host: '127.0.0.1', path: '/events', headers, agent: false }, (response) => {
      const heard: Heard = { text: '', response };
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        heard.text += chunk;
      });
      response.on('error', () => {});
      resolve(heard);
    });
    asked.on('error', reject);
    closing.push(() => asked.destroy());
  });

const until = async (isTrue: () => boolean, what: string): Promise<void> => {
  for (let waited = 0; waited < 20_000; waited += 10) {
    if (isTrue()) return;
    await sleep(10);
  }
  assert.fail(`in 20 s it did not come to: ${what}`);
};

const rowsOf = ({ text }: Heard): unknown[] =>
  [...text.matchAll(/^event: rows\ndata: (.*)$/gm)].flatMap(([, data]) => JSON.parse(data!) as unknown[]);
const lastId = ({ text }: Heard): string => [...text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '';

test('a listener gets all rows first, then changes; who comes back with the last id gets only what is newer', async () => {
  const { port, set, table } = await startStreams();
  for (let index = 0; index < 1_200; index += 1) set(`row-${index}`, `{"row":${index}}`);
  const first = await listen(port);
  await until(() => rowsOf(first).length === 1_200, 'all rows');
  assert.match(first.text, /event: reset/);
  set('row-3', '{"row":"three"}');
  await until(() => rowsOf(first).length === 1_201, 'the change');
  const id = lastId(first);
  first.response.destroy();
  set('row-4', '{"row":"four"}');
  table.remove('row-5');
  const again = await listen(port, { 'last-event-id': id });
  await until(() => rowsOf(again).length > 0, 'what changed meanwhile');
  assert.deepEqual(rowsOf(again), [{ row: 'four' }, { gone: 'row-5' }]);
  assert.doesNotMatch(again.text, /event: reset/);
});

test('an id of another life, or nonsense, gets everything anew', async () => {
  const { port, set } = await startStreams();
  set('a', '{"row":1}');
  for (const id of ['b2-1', 'a1-99', 'nonsense', '-1']) {
    const heard = await listen(port, { 'last-event-id': id });
    await until(() => rowsOf(heard).length === 1, 'the snapshot');
    assert.match(heard.text, /event: reset/);
  }
});

test('a reader that reads nothing is left behind, then cut off, and others hear everything meanwhile', async () => {
  const { port, set, streams, pass } = await startStreams();
  const socket = connect(port, '127.0.0.1');
  closing.push(() => socket.destroy());
  let isCut = false;
  socket.on('close', () => {
    isCut = true;
  });
  socket.on('error', () => {});
  socket.write('GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  socket.pause();
  await until(() => streams.listeners === 1, 'the reader is there');
  const heard = await listen(port);
  const filler = 'x'.repeat(400_000);
  for (let index = 0; index < 60; index += 1) {
    set('big', `{"row":${index},"filler":"${filler}"}`);
    if (index === 50) pass(11_000);
    await until(() => heard.text.includes(`{"row":${index},`), `the other hears of ${index}`);
    heard.text = '';
  }
  await until(() => streams.listeners === 1, 'the slow reader is gone');
  socket.resume();
  await until(() => isCut, 'its connection is closed');
});

test('1,024 streams all hear of a change; the next is refused, and admitted when one went', async () => {
  const { port, streams, set } = await startStreams();
  const open: Heard[] = [];
  for (let count = 0; count < 1_024; count += 64)
    open.push(...(await Promise.all(Array.from({ length: 64 }, () => listen(port)))));
  for (let index = 0; index < 700; index += 1) set(`row-${index}`, `{"row":${index}}`);
  await until(() => open.every((heard) => lastId(heard).startsWith('a1-')), 'the rows');
  set('late', '{"row":"late"}');
  await until(() => open.every(({ text }) => text.includes('late')), 'the change, by everyone');
  assert.ok(open.every((heard) => rowsOf(heard).length === 701));
  const refused = await listen(port);
  assert.equal(refused.response.statusCode, 503);
  open[0]!.response.destroy();
  await until(() => streams.listeners === 1_023, 'one went');
  assert.equal((await listen(port)).response.statusCode, 200);
});

test('a page of another site is refused; the own one and what is no page are served', async () => {
  const { port } = await startStreams();
  const statusFor = async (origin?: string): Promise<number> => {
    const headers: Record<string, string> = origin === undefined ? {} : { origin };
    return (await fetch(`http://127.0.0.1:${port}/one/x`, { headers })).status;
  };
  assert.equal(await statusFor('https://evil.example'), 403);
  assert.equal(await statusFor('null'), 403);
  assert.equal(await statusFor(`http://127.0.0.1:${port}`), 200);
  assert.equal(await statusFor(), 200);
});

test('a path below a route is handed over decoded, an exact route wins, an unknown one is 404', async () => {
  const { port } = await startStreams();
  const base = `http://127.0.0.1:${port}`;
  assert.deepEqual(await (await fetch(`${base}/one/fd00%3A%3A1/explain`)).json(), {
    rest: 'fd00::1/explain',
  });
  assert.deepEqual(await (await fetch(`${base}/one/%E0%A4%A`)).json(), { rest: '%E0%A4%A' });
  assert.deepEqual(await (await fetch(`${base}/one/exact`)).json(), { exact: true });
  assert.equal((await fetch(`${base}/other`)).status, 404);
  assert.equal((await fetch(`${base}/one/exact`, { method: 'POST' })).status, 405);
  assert.equal((await fetch(`${base}/toString`)).status, 404);
});
