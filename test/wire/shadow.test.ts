// Shadow mode beside a program that owns the service IPs: nothing of it is to be seen on the wire or on the host, and
// afterwards `timeline` says what the other did and what Holdfast would have done. keepalived is Debian's; MetalLB's
// speaker cannot be had here, and its announcements (gratuitous ARP replies to everybody) are imitated by a sender.
import assert from 'node:assert/strict';
import { analyse, startCapture } from '../../src/cli/lab/capture.ts';
import { createLabNode, type LabNode, runCli, sleep, waitFor } from '../../src/cli/lab/lab-node.ts';
import { startProbe } from '../../src/cli/lab/prober.ts';
import type { Host } from '../../src/cli/lab/segment.ts';
import { LAB_SERVICE_IPS } from '../../src/cli/lab/stage.ts';
import { encodeFrame } from '../../src/io/packets/frame.ts';
import { inject, outputOf } from '../support/bed.ts';
import { stageFor } from '../support/cluster.ts';
import { masterOf, startKeepalived } from '../support/keepalived.ts';
import { segmentFor, wireTest } from '../support/lab.ts';

const [IPV4] = LAB_SERVICE_IPS;
const SILENT = 'announce: false';
const TOGETHER = 'announce: false\nheartbeat: {inShadow: true}';

interface Told {
  readonly clocks: readonly { readonly node: string; readonly shadow: boolean }[];
  readonly wire: {
    readonly uses: readonly { readonly ip: string; readonly mac: string; readonly node: string | null }[];
    readonly comparison: readonly {
      readonly ip: string;
      readonly wire: {
        readonly before: string;
        readonly after: string;
        readonly darkMs: number | null;
      } | null;
      readonly shadow: { readonly before: string; readonly after: string; readonly gapMs: number } | null;
    }[];
  };
}

const timelineOf = async (nodes: readonly LabNode[]): Promise<Told> => {
  const { out, err } = await runCli(['timeline', '--json', ...nodes.map(({ journal }) => journal)]);
  assert.equal(err, '');
  return JSON.parse(out) as Told;
};

const stateOf = (host: Host): Promise<string> =>
  host.exec(
    'sh',
    [
      '-ec',
      'ip address show dev lo; ip address show dev eth0 | grep -v valid_lft; cat /proc/sys/net/ipv4/conf/*/arp_{ignore,announce}; cat /proc/net/igmp6',
    ].map((part) =>
      part.replace('arp_{ignore,announce}', 'arp_ignore /proc/sys/net/ipv4/conf/*/arp_announce'),
    ),
  );

const leads = (node: LabNode): Promise<true> =>
  waitFor(`${node.host.name} to lead in its mind`, 15_000, async () => {
    const { serviceIPs } = await node.status();
    return serviceIPs.length === 2 && serviceIPs.every(({ state }) => state === 'leader') ? true : null;
  });

wireTest(
  'shadow mode beside keepalived decides and records, and not one frame leaves; the host is as it was',
  ['keepalived', 'tcpdump', 'tshark', 'arping'],
  async (context) => {
    const segment = await segmentFor(context, {
      hosts: [
        { name: 'n1', role: 'node' },
        { name: 'n2', role: 'node' },
        { name: 'n3', role: 'node' },
        { name: 'client', role: 'client' },
      ],
    });
    const [n1, n2, n3, client] = [...segment.hosts.values()] as [Host, Host, Host, Host];
    for (const [index, host] of [n1, n2].entries()) startKeepalived(segment, host, 100 + index);
    const master = await masterOf([n1, n2]);
    // What n3's kernel says when an interface comes up is past.
    await sleep(3_000);
    const before = await stateOf(n3);
    const capture = await startCapture(segment, { port: 'n3' });
    const node = createLabNode(segment, n3, { serviceIPs: LAB_SERVICE_IPS, extra: SILENT });
    await node.start();
    await leads(node);
    // A question for the address, and a move of it: nothing to answer, nothing to claim.
    await outputOf(client, 'arping', ['-c', '2', '-W', '0.1', '-i', 'eth0', IPV4]);
    await segment.cut(master);
    await masterOf([n1, n2].filter((host) => host !== master));
    await sleep(1_000);
    assert.match((await node.status()).findings.join('\n'), /shadow mode/);
    assert.equal(await stateOf(n3), before);
    await leads(node);
    const frames = await analyse(await capture.stop(), `eth.src == ${n3.mac}`, ['eth.dst', 'eth.type']);
    assert.deepEqual(frames, []);
    node.signal('SIGTERM');
    assert.equal(await node.exited(), 0);
    const { clocks, wire } = await timelineOf([node]);
    assert.deepEqual(
      clocks.map(({ shadow }) => shadow),
      [true],
    );
    assert.ok(
      wire.uses.some(({ ip, mac }) => ip === IPV4 && mac !== master.mac),
      JSON.stringify(wire),
    );
  },
);

wireTest(
  'with hellos between the shadows, the timeline lays their failover beside that of keepalived',
  ['keepalived', 'nft', 'tcpdump', 'tshark'],
  async (context) => {
    const stage = await stageFor(context, { nodes: 2, clients: 1, extra: TOGETHER });
    await stage.settled();
    const hosts = stage.nodes.map(({ host }) => host);
    // The shadow's owner becomes the master: the same node is then lost to both.
    const owner = await stage.gathered();
    for (const host of hosts) startKeepalived(stage.segment, host, host === owner.host ? 150 : 100);
    const master = await masterOf(hosts);
    if (master !== owner.host) for (const ip of LAB_SERVICE_IPS) await owner.requestMove(ip, master.name);
    await stage.settled();
    await sleep(8_000);
    const capture = await startCapture(stage.segment, 'bridge', { filter: 'ether proto 0x88b5 or arp' });
    const probe = startProbe(stage.client, { targets: [IPV4] });
    await probe.ready;
    await sleep(500);
    await stage.segment.cut(master);
    await masterOf(hosts.filter((host) => host !== master));
    await sleep(2_000);
    const [result] = await probe.stop();
    const hellos = await analyse(await capture.stop(), 'eth.type == 0x88b5', ['eth.src']);
    assert.ok(hellos.length > 20, 'the shadows say hello to each other');
    const other = stage.nodes.find(({ host }) => host !== master) as LabNode;
    const told = await timelineOf(stage.nodes);
    context.diagnostic(JSON.stringify(told.wire.comparison));
    context.diagnostic(`the client went ${result?.gapMs} ms without an answer`);
    for (const address of LAB_SERVICE_IPS) {
      const move = told.wire.comparison.find(
        ({ ip, wire }) => ip === address && wire?.before === master.mac && wire.after === other.host.mac,
      );
      assert.ok(move?.wire, address);
      assert.deepEqual([move.shadow?.before, move.shadow?.after], [master.name, other.host.name]);
      const [dark, gap] = [move.wire.darkMs ?? 0, move.shadow?.gapMs ?? 0];
      assert.ok(gap > 50 && gap < 1_500, `${gap} ms`);
      assert.ok(dark > gap && dark > 2_000, `${dark} ms on the wire, ${gap} ms in shadow`);
    }
    const { out } = await runCli(['timeline', ...stage.nodes.map(({ journal }) => journal)]);
    assert.match(out, /In shadow mode: n1, n2\./);
    assert.match(
      out,
      new RegExp(`Moves, and what Holdfast would have done:[^]*${master.name} -> ${other.host.name}`),
    );
    assert.equal(await stage.replayed(), null);
  },
);

/** As MetalLB's speaker announces: a gratuitous reply whose target is everybody (facts.md). */
const announcement = (mac: string): Uint8Array =>
  encodeFrame({
    kind: 'arp',
    ethernetSource: mac,
    ethernetDestination: 'ff:ff:ff:ff:ff:ff',
    operation: 'reply',
    sha: mac,
    spa: IPV4,
    tha: 'ff:ff:ff:ff:ff:ff',
    tpa: IPV4,
  });

wireTest(
  'beside announcements as MetalLB makes them, a lone shadow stays where it would be and tells of the move',
  ['nft'],
  async (context) => {
    const stage = await stageFor(context, { nodes: 1, clients: 2, extra: SILENT, serviceIPs: [IPV4] });
    const [node] = stage.nodes as [LabNode];
    const [a, b] = stage.clients as [Host, Host];
    for (const speaker of [a, b]) {
      await inject(speaker, [announcement(speaker.mac)]);
      await sleep(1_200);
    }
    assert.equal((await node.status()).serviceIPs[0]?.state, 'leader');
    const { wire } = await timelineOf([node]);
    assert.deepEqual(
      wire.uses.map(({ mac, node: whose }) => [mac, whose]),
      [
        [a.mac, null],
        [b.mac, null],
      ],
    );
    assert.deepEqual(
      wire.comparison.map(({ wire: moved, shadow }) => [moved?.before, moved?.after, shadow]),
      [[a.mac, b.mac, null]],
    );
  },
);
