// The page's server in front of real daemons: any node's stream shows the whole segment, a move asked for over http
// with the token is a real one and seen from both sides, and none of the doors beside it is open.
import assert from 'node:assert/strict';
import { type LabNode, waitFor } from '../../src/cli/lab/lab-node.ts';
import { LAB_SERVICE_IPS } from '../../src/cli/lab/stage.ts';
import { assertReplaysIdentically, keyFile, othersThan, STAGE_TOOLS, stageFor } from '../support/cluster.ts';
import { wireTest } from '../support/lab.ts';

const PATIENCE_MS = 30_000;
const TOKEN = 'a-token-of-this-test-0123456789';

interface Reply {
  readonly status: number;
  readonly body: string;
}

/** Runs in the node's own network namespace; fetch may not say which Host it means, so this is node:http. */
const ASK = `
const [method, path, headers, body] = JSON.parse(process.argv[1]);
const asked = require('node:http').request({ host: headers.to ?? '127.0.0.1', port: 9475, method, path, headers }, (response) => {
  let text = '';
  const done = () => { process.stdout.write(JSON.stringify({ status: response.statusCode, body: text })); process.exit(); };
  response.setEncoding('utf8').on('data', (part) => { text += part; if (text.includes('event: upto')) done(); });
  response.on('end', done);
});
asked.end(body);
`;
const ask = async (
  node: LabNode,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): Promise<Reply> =>
  JSON.parse(
    await node.host.exec(process.execPath, ['-e', ASK, JSON.stringify([method, path, headers, body])]),
  ) as Reply;

interface Row {
  readonly ip?: string;
  readonly kind?: string;
  readonly holder?: string | null;
  readonly state?: string;
  readonly operable?: boolean;
  readonly peers?: readonly { readonly node: string; readonly state: string }[];
}

/** What a page that is opened on the node is told first. */
const rowsOn = async (node: LabNode): Promise<readonly Row[]> => {
  const { body } = await ask(node, 'GET', '/api/v1/events');
  return [...body.matchAll(/^event: rows\ndata: (.*)$/gm)].flatMap(
    ([, data = '[]']) => JSON.parse(data) as Row[],
  );
};

const untilOn = (node: LabNode, what: string, isTrue: (rows: readonly Row[]) => boolean): Promise<true> =>
  waitFor(`${node.host.name}'s page: ${what}`, PATIENCE_MS, async () =>
    isTrue(await rowsOn(node)) ? true : null,
  );

const isHeldBy = (holder: string) => (rows: readonly Row[]) =>
  LAB_SERVICE_IPS.every((ip) => rows.some((row) => row.ip === ip && row.holder === holder));

wireTest(
  "any node's page shows the whole segment; a drain over http takes the token, moves for real, and is seen everywhere",
  STAGE_TOOLS,
  async (context) => {
    const tokenFile = keyFile(context, 'token', TOKEN);
    const stage = await stageFor(context, {
      nodes: 2,
      extra: `http: ':9475'\npage: {tokenFile: ${tokenFile}, hosts: [lb.example.org]}\ndrain: {window: 2s, quiet: 500ms}`,
    });
    const owner = await stage.gathered();
    const [other] = othersThan(stage, owner) as [LabNode];
    for (const node of [owner, other]) {
      await untilOn(node, 'both IPs with their holder', isHeldBy(owner.host.name));
      const peer = node === owner ? other : owner;
      await untilOn(node, 'the other node, alive', (rows) =>
        rows.some(({ peers }) => peers?.some((one) => one.node === peer.host.name && one.state === 'alive')),
      );
    }

    const { ipv4, ipv6 } = owner.host;
    for (const [to, host, status] of [
      [ipv4, ipv4, 200],
      [ipv4, `${ipv4}:9475`, 200],
      [ipv6, `[${ipv6}]:9475`, 200],
      [ipv4, 'lb.example.org', 200],
      [ipv4, owner.host.name, 421],
      [ipv4, String(other.host.ipv4), 421],
    ] as const) {
      const reply = await ask(owner, 'GET', '/api/v1/status', { to: String(to), host: String(host) });
      assert.equal(reply.status, status, `to ${to} as ${host}`);
    }

    const withToken = { authorization: `Bearer ${TOKEN}` };
    const isRefused = async (status: number, headers: Record<string, string>): Promise<void> => {
      const reply = await ask(owner, 'POST', '/api/v1/drain', headers, '{}');
      assert.equal(reply.status, status, `${JSON.stringify(headers)}: ${reply.body}`);
      assert.equal(typeof (JSON.parse(reply.body) as { error: string }).error, 'string');
      assert.doesNotMatch(reply.body, new RegExp(TOKEN));
    };
    await isRefused(401, {});
    await isRefused(401, { authorization: 'Bearer another-token-0123456789' });
    await isRefused(403, { ...withToken, origin: 'https://evil.example' });
    await isRefused(403, { ...withToken, 'sec-fetch-site': 'cross-site' });
    await isRefused(421, { ...withToken, host: 'evil.example' });
    assert.equal((await owner.status()).drained, false);
    await untilOn(owner, 'nothing has moved', isHeldBy(owner.host.name));

    const preview = await ask(owner, 'POST', '/api/v1/drain/preview', withToken, '{}');
    assert.match(preview.body, new RegExp(`2 go to ${other.host.name}`));
    assert.equal((await ask(owner, 'POST', '/api/v1/drain', withToken, '{}')).status, 202);
    for (const node of [owner, other])
      await untilOn(node, 'both IPs with the other node', isHeldBy(other.host.name));
    assert.equal((await owner.status()).drained, true);

    other.signal('SIGKILL');
    await untilOn(owner, 'the other node, dead', (rows) =>
      rows.some(({ peers }) =>
        peers?.some(({ node, state }) => node === other.host.name && state === 'dead'),
      ),
    );
    await assertReplaysIdentically(stage);
  },
);
