// The move that docs/from-keepalived.md describes: shadows beside keepalived, then keepalived stops, backups first, and
// every Holdfast starts again to announce. Afterwards the addresses are ours, and the client has followed.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { sleep } from '../../src/cli/lab/lab-node.ts';
import { startProbe } from '../../src/cli/lab/prober.ts';
import { LAB_SERVICE_IPS } from '../../src/cli/lab/stage.ts';
import { stageFor } from '../support/cluster.ts';
import { masterOf, startKeepalived } from '../support/keepalived.ts';
import { wireTest, within } from '../support/lab.ts';

/** Shadows stop within this, then a start, the listening time and a claim; a loaded machine takes its time. */
const MOST_DARK_MS = 10_000;

wireTest(
  'a segment moves from keepalived to Holdfast by shadow mode, and its clients follow',
  ['keepalived', 'nft'],
  async (context) => {
    const stage = await stageFor(context, {
      nodes: 2,
      clients: 1,
      extra: 'announce: false\nprobe: off\nheartbeat: {inShadow: true}\ndrain: {window: 5s, quiet: 500ms}',
    });
    const hosts = stage.nodes.map(({ host }) => host);
    const running = new Map(
      hosts.map((host, index) => [host, startKeepalived(stage.segment, host, 100 + index)]),
    );
    const master = await masterOf(hosts);
    await sleep(6_000);
    const probe = startProbe(stage.client, { targets: LAB_SERVICE_IPS });
    await probe.ready;
    for (const node of stage.nodes) {
      const text = readFileSync(node.configFile, 'utf8').replace('announce: false', 'announce: true');
      writeFileSync(node.configFile, text);
      node.signal('SIGTERM');
    }
    await Promise.all(stage.nodes.map((node) => node.exited()));
    const order = [...hosts.filter((host) => host !== master), master];
    const stopped = order.map((host) => new Promise((resolve) => running.get(host)?.once('close', resolve)));
    for (const host of order) running.get(host)?.kill('SIGTERM');
    await Promise.all([...stopped, ...stage.nodes.map((node) => node.start())]);
    const owners = await stage.owners();
    await sleep(1_500);
    for (const { target, family, lost, sent, gapMs } of await probe.stop()) {
      context.diagnostic(`${family}: dark for ${gapMs} ms, ${lost} of ${sent} pings lost`);
      within(gapMs, MOST_DARK_MS, `${family}: dark`);
      const entry = await stage.segment.neighbour(stage.client, target);
      assert.equal(entry?.mac, owners.get(target)?.host.mac, target);
    }
    for (const host of hosts) {
      const shown = await host.exec('ip', ['-br', 'address', 'show', 'dev', 'eth0']);
      for (const ip of LAB_SERVICE_IPS) assert.ok(!shown.includes(`${ip}/`), `${host.name}: ${shown}`);
    }
    assert.equal(await stage.replayed(), null);
  },
);
