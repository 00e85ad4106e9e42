// Hellos over UDP on a network that loses everything of our ethertype: nodes hear each other, fail over and drain as
// ever, though their kernels' firewalls drop what comes in; and who is configured otherwise is named, not ignored.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { analyse, startCapture } from '../../src/cli/lab/capture.ts';
import { type LabNode, sleep } from '../../src/cli/lab/lab-node.ts';
import { playOn, SHORT_DRAIN, startProbing } from '../../src/cli/lab/scenario.ts';
import { cut } from '../../src/cli/lab/scenario-failover.ts';
import { drain } from '../../src/cli/lab/scenario-planned.ts';
import type { Segment } from '../../src/cli/lab/segment.ts';
import { requestControl } from '../../src/io/control/control-socket.ts';
import { ETHERTYPE_HELLO } from '../../src/io/packets/ethernet.ts';
import {
  assertKept,
  assertReplaysIdentically,
  holdings,
  STAGE_TOOLS,
  stageFor,
  untilStrong,
} from '../support/cluster.ts';
import { wireTest, within } from '../support/lab.ts';

const UDP = 'heartbeat: {transport: udp}\ndrain: {window: 5s, quiet: 1s}';
const NO_ETHERTYPE = { etherType: ETHERTYPE_HELLO } as const;

/** A switch that loses the ethertype, and follows IGMP; nodes whose kernels drop all UDP. */
const hostileNetwork = async (segment: Segment): Promise<void> => {
  await segment.dropFrames(NO_ETHERTYPE);
  await segment.switch.exec('ip', 'link set br0 type bridge mcast_snooping 1 mcast_querier 1'.split(' '));
  const firewall =
    'table inet fw {\nchain in {\ntype filter hook input priority 0\nmeta l4proto udp drop\n}\n}\n';
  for (const host of segment.hosts.values())
    if (host.role === 'node') await host.exec('nft', ['-f', '-'], { input: firewall });
};

wireTest(
  'where the ethertype is lost, a cut and a drain over UDP keep their promises',
  [...STAGE_TOOLS, 'tcpdump', 'tshark'],
  async (context) => {
    const stage = await stageFor(context, { extra: UDP, prepare: hostileNetwork });
    await stage.settled();
    const capture = await startCapture(stage.segment, 'bridge', { filter: 'udp port 1021' });
    for (const scenario of [drain, cut]) {
      const lines = await playOn(stage, scenario, () => {});
      for (const line of lines) context.diagnostic(JSON.stringify(line));
      assertKept(lines);
    }
    // A third party's word for it: what leaves is as a router would never have passed it on.
    const rows = await analyse(await capture.stop(), 'udp', [
      'ip.ttl',
      'ip.dst',
      'eth.dst',
      'ip.checksum.status',
    ]);
    assert.ok(rows.length > 100, `${rows.length} hellos`);
    assert.deepEqual(
      new Set(rows.map((row) => Object.values(row).join(' '))),
      new Set(['255 224.0.0.254 01:00:5e:00:00:fe 1']),
    );
    await assertReplaysIdentically(stage);
  },
);

wireTest(
  'nodes without an IPv4 address hear each other over UDP, and hold an IPv6 address',
  STAGE_TOOLS,
  async (context) => {
    const stage = await stageFor(context, {
      nodes: 2,
      clients: 1,
      extra: UDP,
      serviceIPs: ['fd99::100'],
      host: (spec) => (spec.role === 'node' ? { ...spec, ipv4: null } : spec),
      prepare: hostileNetwork,
    });
    await stage.settled();
    assert.equal((await stage.owners()).size, 1);
  },
);

const metric = async (node: LabNode, name: string): Promise<number> => {
  const { body } = await requestControl(node.socket, 'GET', '/metrics');
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(body)?.[1]);
};

wireTest(
  'a node of the other transport is heard all the same, and named in status, log and metrics',
  STAGE_TOOLS,
  async (context) => {
    const stage = await stageFor(context, {
      extra: (node) => (node === 'n3' ? UDP : SHORT_DRAIN),
    });
    await stage.settled();
    const [n1, n3] = [stage.nodes[0] as LabNode, stage.nodes[2] as LabNode];
    assert.match((await n1.status()).findings.join('\n'), /n3 says its hellos by another transport/);
    assert.match((await n3.status()).findings.join('\n'), /n1 says its hellos by another transport/);
    assert.match(readFileSync(n1.logFile, 'utf8'), /n3 says its hellos over udp, this node over ethernet/);
    assert.equal(await metric(n1, 'holdfast_peers_other_transport'), 1);
    assert.equal(await metric(n3, 'holdfast_peers_other_transport'), 2);
  },
);

wireTest(
  'the transport is changed by reloads, node after node: no owner changes, no ping is lost',
  STAGE_TOOLS,
  async (context) => {
    const stage = await stageFor(context);
    await stage.settled();
    await untilStrong(stage);
    const before = await holdings(stage);
    const stop = await startProbing(stage.client);
    for (const node of stage.nodes) {
      const text = readFileSync(node.configFile, 'utf8');
      writeFileSync(node.configFile, `${text}heartbeat: {transport: udp}\n`);
      node.signal('SIGHUP');
      await sleep(500);
    }
    const findings = await Promise.all(stage.nodes.map(async (node) => (await node.status()).findings));
    const results = await stop();
    assert.doesNotMatch(findings.flat().join('\n'), /transport/);
    assert.deepEqual(await holdings(stage), before);
    for (const { family, lost } of results) within(lost, 0, `${family} pings lost`);
    await stage.segment.dropFrames(NO_ETHERTYPE);
    await sleep(1_000);
    await stage.settled();
    assert.deepEqual(await holdings(stage), before);
    await assertReplaysIdentically(stage);
  },
);
