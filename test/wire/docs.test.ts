// What a stranger types from the pages beside a running daemon: each such command, as it is printed there, on three
// nodes and a client of a lab segment. Only addresses, node names and the control socket are the lab's.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readPages } from '../../scripts/docs-pages.ts';
import type { LabNode } from '../../src/cli/lab/lab-node.ts';
import { LAB_SERVICE_IPS, type Stage } from '../../src/cli/lab/stage.ts';
import { holdings, keyFile, othersThan, STAGE_TOOLS, stageFor } from '../support/cluster.ts';
import { docCommands, howOf } from '../support/doc-commands.ts';
import { wireTest } from '../support/lab.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const [IPV4] = LAB_SERVICE_IPS;
const TOKEN = 'a-token-of-this-test-0123456789';

const ownerOf = async (stage: Stage): Promise<LabNode> => {
  const name = (await holdings(stage))[IPV4]?.node;
  const node = stage.nodes.find(({ host }) => host.name === name);
  assert.ok(node !== undefined, `nobody holds ${IPV4}`);
  return node;
};

/** The page's line for this lab: run where the IP is held, with the lab's names in the places of the page's. */
const script = (text: string, node: LabNode, other: LabNode): string => {
  const shell = `cd ${node.directory}
holdfast() { case $1 in doctor | check | run) ;; *) set -- "$@" --socket ${node.socket} ;; esac; ${process.execPath} ${MAIN} "$@"; }
`;
  return (
    shell +
    text
      .replaceAll('bin/holdfast', 'holdfast')
      .replaceAll('192.168.77.100', IPV4)
      .replaceAll('/run/holdfast/holdfast.sock', node.socket)
      .replaceAll('/etc/holdfast/config.yaml', node.configFile)
      .replaceAll(' config.yaml', ` ${node.configFile}`)
      .replaceAll('--ip IP', `--ip ${IPV4}`)
      .replaceAll('--to NODE', `--to ${other.host.name}`)
      .replaceAll('"to": "n2"', `"to": "${other.host.name}"`)
  );
};

wireTest(
  'what the pages tell an operator to type beside a daemon does what they say',
  [...STAGE_TOOLS, 'arping', 'curl'],
  async (context) => {
    const stage = await stageFor(context, {
      extra: `http: 127.0.0.1:9475\npage: {tokenFile: ${keyFile(context, 'docs-token', TOKEN)}}\ndrain: {window: 2s, quiet: 500ms}`,
    });
    await stage.settled();
    for (const node of stage.nodes) writeFileSync(join(node.directory, 'token'), `${TOKEN}\n`);
    const texts = new Set(
      docCommands(readPages())
        .filter((command) => howOf(command) === 'segment')
        .map(({ text }) => text),
    );
    assert.ok(texts.size >= 12, [...texts].join('\n'));
    for (const text of texts) {
      const owner = await ownerOf(stage);
      const [other] = othersThan(stage, owner) as [LabNode];
      const run = async (): Promise<string> =>
        await owner.host.exec('sh', ['-c', script(text, owner, other)]);
      const holderAfter = async (): Promise<string | undefined> => {
        await stage.settled();
        return (await holdings(stage))[IPV4]?.node;
      };
      if (/^(ping|arping) /.test(text)) {
        const out = await stage.client.exec('sh', ['-c', script(text, owner, other)]);
        assert.match(out, /(3 received|2 packets received|[Rr]eceived 2 response)/, text);
      } else if (/ run /.test(text)) {
        // The stage's daemons were started by this very line; a second one on the host is refused.
        await assert.rejects(run, /control socket \S+ is taken by/, text);
      } else if (/ doctor /.test(text)) {
        assert.match(await run().catch(String), /\bok\b.*kernel/, text);
      } else if (/ (status|top)\b/.test(text)) {
        assert.match(await run(), /n1/, text);
      } else if (/ explain /.test(text)) {
        assert.match(await run(), new RegExp(` took ${IPV4} `), text);
      } else if (/undrain/.test(text)) {
        for (const node of stage.nodes) await node.host.exec('sh', ['-c', script(text, node, other)]);
        assert.deepEqual(
          await Promise.all(stage.nodes.map(async (node) => (await node.status()).drained)),
          stage.nodes.map(() => false),
          text,
        );
      } else if (/--to NODE|"to"/.test(text)) {
        await run();
        assert.equal(await holderAfter(), other.host.name, text);
      } else {
        assert.match(text, /drain/);
        assert.match(await run(), new RegExp(`^${IPV4} n\\d`, 'm'), text);
        assert.notEqual(await holderAfter(), owner.host.name, text);
        assert.equal((await owner.status()).drained, true, text);
        assert.equal((await owner.command('undrain')).code, 0);
      }
    }
    assert.equal(await stage.replayed(), null);
  },
);
