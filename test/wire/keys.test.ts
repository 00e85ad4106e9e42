// Keys rotate while IPs are served: the new one second everywhere, then first, then alone, node after node, by reload.
// At each moment nodes of two kinds stand beside each other; nothing moves, and no ping is lost.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LabNode, runCli, sleep } from '../../src/cli/lab/lab-node.ts';
import { SHORT_DRAIN, startProbing } from '../../src/cli/lab/scenario.ts';
import { requestControl } from '../../src/io/control/control-socket.ts';
import {
  assertReplaysIdentically,
  holdings,
  STAGE_TOOLS,
  stageFor,
  untilStrong,
} from '../support/cluster.ts';
import { wireTest, within } from '../support/lab.ts';

const freshKey = async (): Promise<string> => {
  const { code, out } = await runCli(['key', 'new']);
  assert.equal(code, 0);
  assert.match(out, /^[0-9a-f]{64}\n$/);
  return out.trim();
};

const refusedSignatures = async (node: LabNode): Promise<number> => {
  const { body } = await requestControl(node.socket, 'GET', '/metrics');
  return Number(/^holdfast_frames_dropped_total\{reason="hello-signature"\} (\d+)$/m.exec(body)?.[1] ?? 0);
};

wireTest(
  'a key is rotated in three rounds of reloads, node after node: no owner changes, no ping lost, no hello refused',
  STAGE_TOOLS,
  async (context) => {
    const fileOf = (node: string): string => join(tmpdir(), `holdfast-test-${process.pid}-${node}.keys`);
    const [old, fresh] = [await freshKey(), await freshKey()];
    const write = (node: string, keys: readonly string[]): void =>
      writeFileSync(fileOf(node), `# first signs\n${keys.join('\n')}\n`, { mode: 0o600 });
    for (const node of ['n1', 'n2', 'n3']) {
      write(node, [old]);
      context.after(() => rmSync(fileOf(node), { force: true }));
    }
    const stage = await stageFor(context, {
      extra: (node) => `heartbeat: {keyFile: ${fileOf(node)}}\n${SHORT_DRAIN}`,
    });
    await untilStrong(stage);
    const before = await holdings(stage);
    const stop = await startProbing(stage.client);
    for (const keys of [[old, fresh], [fresh, old], [fresh]]) {
      for (const node of stage.nodes) {
        write(node.host.name, keys);
        node.signal('SIGHUP');
        // Beyond the hold time: a node whose hellos were refused would be given up meanwhile.
        await sleep(600);
      }
    }
    const results = await stop();
    for (const { family, sent, lost } of results) {
      context.diagnostic(`${family}: ${lost} of ${sent} pings lost`);
      within(lost, 0, `${family} pings lost`);
    }
    assert.deepEqual(await holdings(stage), before);
    assert.deepEqual(await Promise.all(stage.nodes.map(refusedSignatures)), [0, 0, 0]);
    // The old key opens nothing any more: who still has it alone is not heard, and says whose hellos it refuses.
    const [last] = stage.nodes as [LabNode];
    write(last.host.name, [old]);
    last.signal('SIGHUP');
    await sleep(600);
    assert.ok((await refusedSignatures(last)) > 0);
    write(last.host.name, [fresh]);
    last.signal('SIGHUP');
    await stage.settled();
    await assertReplaysIdentically(stage);
  },
);
