// The pages of the lab's nodes, from the host on which the lab runs: there while it is, for looking only, gone with it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { waitFor } from '../support/bed.ts';
import { wireTest } from '../support/lab.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const PATIENCE_MS = 60_000;

interface Answer {
  readonly status: number;
  readonly body: string;
}

const ask = (
  url: string,
  { method = 'GET', host }: { method?: string; host?: string } = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const headers = host === undefined ? {} : { host };
    const outgoing = request(url, { method, headers }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text: string) => {
        body += text;
        // A stream has no end.
        if (answer.headers['content-type'] === 'text/event-stream' && body.includes('"kind":"node"'))
          answer.destroy();
      });
      answer.once('close', () => resolve({ status: answer.statusCode ?? 0, body }));
      answer.on('error', () => {});
    });
    outgoing.on('error', reject);
    outgoing.end();
  });

wireTest(
  "the tour prints its nodes' pages; they show the segment, change nothing, and go with it",
  ['unshare'],
  async (context) => {
    const lab = spawn(process.execPath, [MAIN, 'lab', '--nodes', '2', '--keep'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    context.after(() => lab.kill('SIGKILL'));
    let out = '';
    for (const stream of [lab.stdout, lab.stderr])
      stream.on('data', (bytes: Buffer) => {
        out += bytes.toString();
      });
    const pages = (): string[] =>
      [...out.matchAll(/^ {2}(http:\S+) \(n\d\)$/gm)].map(([, url]) => url as string);
    await waitFor('two pages', PATIENCE_MS, () => (pages().length === 2 ? true : null));
    const [first, second] = pages() as [string, string];
    assert.match((await ask(first)).body, /<script type="module" src="page.js">/);
    assert.match((await ask(`${first}page.js`)).body, /EventSource/);
    const nodes = await Promise.all(
      [first, second].map(
        async (url) => (JSON.parse((await ask(`${url}api/v1/status`)).body) as { node: string }).node,
      ),
    );
    assert.deepEqual(nodes, ['n1', 'n2']);
    const stream = await ask(`${second}api/v1/events`);
    assert.match(stream.body, /"kind":"node","node":"n2"/);

    for (const refused of [
      ask(`${first}drain`, { method: 'POST' }),
      ask(`${first}api/v1/status`, { method: 'POST' }),
      ask(`${first}identity`),
      ask(`${first}api/v1/status`, { host: 'elsewhere.example' }),
    ])
      assert.deepEqual(await refused, { status: 403, body: 'this page is for looking only\n' });

    await waitFor('the tour to be over', PATIENCE_MS, () => (out.includes('Ctrl-C here') ? true : null));
    assert.match(out, /Every promise was kept/);
    lab.kill('SIGTERM');
    await new Promise((resolve) => lab.once('close', resolve));
    await assert.rejects(ask(first), { code: 'ECONNREFUSED' });
  },
);
