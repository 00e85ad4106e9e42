// Operating over http in front of a real core: only with the token of the file, and what is asked happens.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readToken } from '../../../src/io/http/operator-token.ts';
import { any, LISTENED, V4, V4_OTHER } from '../../support/core.ts';
import { type PageServer, servePage } from '../../support/page-server.ts';
import { createMember, createStandby } from '../../support/peers.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-token-'));
const closing: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of closing) await close();
  rmSync(directory, { recursive: true });
});

const TOKEN = 'a-token-of-this-test-0123456789';
let files = 0;
const fileWith = (text: string, mode = 0o600): string => {
  files += 1;
  const path = join(directory, `token-${files}`);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};

/** n1 leads both IPs and hears n2. */
const holder = () => {
  const node = createMember(['n2'], { serviceIPs: [any(V4), any(V4_OTHER)] });
  node.at(LISTENED + 1_000);
  return node;
};
const serve = async (node: ReturnType<typeof holder>, tokenFile: string | null): Promise<PageServer> => {
  const server = await servePage(node, { tokenFile });
  closing.push(server.close);
  return server;
};

const WITH = { authorization: `Bearer ${TOKEN}` };
const post = async (server: PageServer, path: string, headers: Record<string, string>, body?: unknown) => {
  const init = { method: 'POST', headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const reply = await fetch(new URL(`api/v1/${path}`, server.url), init);
  return {
    status: reply.status,
    headers: reply.headers,
    body: (await reply.json()) as Record<string, unknown>,
  };
};
const ACTS = ['drain', 'drain/preview', 'undrain', 'undrain/preview'];

test('without a token file nothing can be operated, whatever is sent, and the answer says why', async () => {
  const node = holder();
  const server = await serve(node, null);
  for (const path of ACTS)
    for (const headers of [{}, WITH, { authorization: 'Bearer null' }]) {
      const { status, body } = await post(server, path, headers);
      assert.equal(status, 403);
      assert.match(String(body.error), /page\.tokenFile/);
    }
  assert.equal(node.core.view().drained, false);
});

test('without the right token nothing happens: none, a wrong one, one in the address, the body or a cookie, its beginning', async () => {
  const node = holder();
  const server = await serve(node, fileWith(`${TOKEN}\n`));
  for (const path of ACTS)
    for (const headers of [
      {},
      { authorization: 'Bearer another-token-0123456789' },
      { authorization: `Bearer ${TOKEN.slice(0, -1)}` },
      { authorization: `Bearer ${TOKEN}x` },
      { authorization: `Basic ${TOKEN}` },
      { authorization: TOKEN },
      { cookie: `token=${TOKEN}` },
    ]) {
      const { status, body, headers: told } = await post(server, path, headers, { token: TOKEN });
      assert.equal(status, 401, JSON.stringify(headers));
      assert.equal(typeof body.error, 'string');
      assert.match(told.get('www-authenticate') ?? '', /^Bearer/);
    }
  assert.equal((await post(server, `drain?token=${TOKEN}`, {})).status, 401);
  assert.equal(node.core.view().drained, false);
  assert.deepEqual([node.state(V4), node.core.service(V4)?.movingTo], ['leader', null]);
});

test('with the token: a preview changes nothing, the drain does what it said, an undrain ends it; no answer or log bears the token', async () => {
  const node = holder();
  const server = await serve(node, fileWith(`${TOKEN}\n`));
  const preview = await post(server, 'drain/preview', WITH, { ip: V4, to: 'n2' });
  assert.equal(preview.status, 200);
  assert.equal((preview.body.sentences as string[])[0], `${V4} goes to n2.`);
  assert.equal(node.core.service(V4)?.movingTo, null);
  const moved = await post(server, 'drain', WITH, { ip: V4, to: 'n2' });
  assert.deepEqual([moved.status, moved.body], [202, { accepted: true }]);
  assert.deepEqual([node.core.service(V4)?.movingTo, node.core.service(V4_OTHER)?.movingTo], ['n2', null]);
  assert.equal(node.core.view().drained, false);
  await post(server, 'drain', WITH, {});
  assert.equal(node.core.view().drained, true);
  await post(server, 'undrain', WITH);
  assert.equal(node.core.view().drained, false);
  assert.equal(server.logged.length, 3, 'each act is in the log');
  assert.doesNotMatch(JSON.stringify([preview.body, moved.body, server.logged]), new RegExp(TOKEN));
});

test('a move of what another node holds is previewed as nothing, with the holder', async () => {
  const node = createStandby(['n2'], 'n2', [V4], { serviceIPs: [any(V4)] });
  const server = await serve(node, fileWith(TOKEN));
  const { body } = await post(server, 'drain/preview', WITH, { ip: V4 });
  assert.deepEqual(body.elsewhere, [{ ip: V4, holder: 'n2' }]);
});

test('a request that makes no sense is refused in one sentence', async () => {
  const server = await serve(holder(), fileWith(TOKEN));
  for (const [body, said] of [
    [{ ip: 'nonsense' }, /ip: an IP address/],
    [{ to: 7 }, /to: a node name/],
    [{ patient: 'yes' }, /patient: true or false/],
    [null, /an object would be right/],
  ] as const) {
    const reply = await post(server, 'drain', WITH, body);
    assert.equal(reply.status, 400);
    assert.match(String(reply.body.error), said);
  }
});

test('a new token in the file counts at once, and no file means nobody', async () => {
  const path = fileWith(TOKEN);
  const server = await serve(holder(), path);
  writeFileSync(path, 'another-token-0123456789');
  assert.equal((await post(server, 'drain/preview', WITH)).status, 401);
  assert.equal(
    (await post(server, 'drain/preview', { authorization: 'Bearer another-token-0123456789' })).status,
    200,
  );
  rmSync(path);
  const gone = await post(server, 'drain/preview', WITH);
  assert.equal(gone.status, 503);
  assert.doesNotMatch(String(gone.body.error), /token-\d/, 'the path is for the log only');
  assert.match(JSON.stringify(server.logged), /cannot be read: ENOENT/);
});

test('a token file that others may read or change, or that holds no token, is refused in one line', async () => {
  for (const mode of [0o644, 0o604, 0o620, 0o660]) {
    const read = await readToken(fileWith(TOKEN, mode));
    assert.ok('problem' in read);
    assert.match(read.problem, /mode 06\d\d lets other users read or change it; 0600/);
  }
  const link = join(directory, 'link');
  symlinkSync(fileWith(TOKEN, 0o640), link);
  assert.deepEqual(await readToken(link), { token: TOKEN }, 'a mounted Secret is a link, group-readable');
  for (const text of [
    '',
    'short',
    `${TOKEN}\n${TOKEN}`,
    'tokens may not have spaces in them',
    'x'.repeat(5_000),
  ])
    assert.ok('problem' in (await readToken(fileWith(text))), text.slice(0, 40));
  assert.ok('problem' in (await readToken(directory)));
  for (const read of [await readToken(fileWith('secret-but-too-short'))])
    assert.doesNotMatch(JSON.stringify(read), /secret-but/);
});
