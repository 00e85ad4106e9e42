// `doctor --wire` names what is wrong on a wire, and nothing else: each finding is made in namespaces and asked for from
// a node beside its running daemon, or from a host where none runs.
import assert from 'node:assert/strict';
import { analyse, startCapture } from '../../src/cli/lab/capture.ts';
import { type LabNode, sleep, waitFor } from '../../src/cli/lab/lab-node.ts';
import { startProbe } from '../../src/cli/lab/prober.ts';
import { SHORT_DRAIN } from '../../src/cli/lab/scenario.ts';
import type { Stage } from '../../src/cli/lab/stage.ts';
import { ETHERTYPE_HELLO } from '../../src/io/packets/ethernet.ts';
import { holdfast } from '../support/bed.ts';
import { keyFile, othersThan, STAGE_TOOLS, stageFor } from '../support/cluster.ts';
import { wireTest } from '../support/lab.ts';

const IPV4 = '10.99.0.100';
const HELLO = { etherType: ETHERTYPE_HELLO } as const;

interface Said {
  readonly code: number | null;
  /** `level code what; right: right` of every finding that only --wire makes. */
  readonly lines: readonly string[];
}

const WIRE_CODES =
  /^(hellos|one-way|not-heard|late|transport|hello-.*|group|mtu|nobody|silent|announcements|rival|answers|slow-clients|wire)$/;

const doctor = async (node: LabNode, wrapper: readonly string[] = []): Promise<Said> => {
  const args = ['doctor', '--config', node.configFile, '--wire', '--json'];
  const { code, stdout, stderr } = await holdfast(node.host, args, { wrapper });
  assert.equal(stderr, '');
  const { findings } = JSON.parse(stdout) as {
    findings: readonly { level: string; code: string; what: string; right: string | null }[];
  };
  const lines = findings
    .filter((finding) => WIRE_CODES.test(finding.code))
    .map(({ level, code: name, what, right }) => `${level} ${name} ${what}; right: ${right}`);
  return { code, lines };
};

/** Asks until the doctor of `node` says something like `line`; gives all that it said. */
const saysOf = (node: LabNode, line: RegExp): Promise<Said> =>
  waitFor(`${node.host.name}'s doctor to say ${line}`, 30_000, async () => {
    const said = await doctor(node);
    return said.lines.some((each) => line.test(each)) ? said : null;
  });

const nodes = ({ nodes: all }: Stage): readonly [LabNode, LabNode, LabNode] =>
  all as unknown as readonly [LabNode, LabNode, LabNode];

wireTest(
  'a healthy wire has no finding; all that is sent is an ARP probe for each IPv4 service IP',
  [...STAGE_TOOLS, 'tcpdump', 'tshark'],
  async (context) => {
    const stage = await stageFor(context);
    await stage.settled();
    const owner = (await stage.owners()).get(IPV4) as LabNode;
    const asker = othersThan(stage, owner)[0] as LabNode;
    // The refreshes, and what follows the start, are past.
    await sleep(4_000);
    const capture = await startCapture(stage.segment, { port: asker.host.name }, { filter: 'arp' });
    const { code, lines } = await doctor(asker);
    const probes = await analyse(
      await capture.stop(),
      `eth.src == ${asker.host.mac} && arp.opcode == 1 && arp.dst.proto_ipv4 == ${IPV4}`,
      ['arp.src.proto_ipv4', 'arp.src.hw_mac'],
    );
    assert.deepEqual(
      probes.map((row) => Object.values(row).join(' ')),
      [`0.0.0.0 ${asker.host.mac}`],
    );
    const text = lines.join('\n');
    for (const { host } of othersThan(stage, asker))
      assert.match(text, new RegExp(`(ok|warn) (hellos|late) ${host.name} (is heard )?on eth0`));
    assert.match(text, new RegExp(`ok answers ${owner.host.name} answers for ${IPV4} on eth0`));
    assert.match(text, /ok wire sent 1 ARP probe \(sender 0\.0\.0\.0/);
    assert.doesNotMatch(text, /^fail/m);
    assert.equal(code, 0, text);
  },
);

wireTest(
  'hellos that pass one way, a node heard of but not heard, an MTU and a second answer are named',
  [...STAGE_TOOLS, 'ip'],
  async (context) => {
    const stage = await stageFor(context);
    await stage.settled();
    const [n1, n2, n3] = nodes(stage);
    const drop = await stage.segment.dropFrames({ ...HELLO, from: 'n3', to: 'n2' });
    const deaf = await saysOf(n1, /^fail one-way n2 is heard on eth0 and does not hear n3/);
    assert.equal(deaf.code, 1);
    await saysOf(n2, /^fail not-heard n1 hears n3 on eth0, and this host does not/);
    await saysOf(n2, /^warn silent n3 has been silent on eth0 for .* \(another node hears it\)/);
    await drop.undo();
    await stage.settled();
    await n3.host.exec('ip', ['link', 'set', 'eth0', 'mtu', '1400']);
    await saysOf(n3, /^warn mtu eth0 has an MTU of 1400, and a full hello takes 1500 octets/);
    await n3.host.exec('ip', ['link', 'set', 'eth0', 'mtu', '1500']);
    // A machine that answers for everybody: the address on lo, and a kernel that answers for it on eth0.
    const thief = await stage.segment.addHost({ name: 'thief', role: 'client' });
    await thief.exec('ip', ['addr', 'add', `${IPV4}/32`, 'dev', 'lo']);
    const owner = (await stage.owners()).get(IPV4) as LabNode;
    const asker = othersThan(stage, owner)[0] as LabNode;
    const answers = new RegExp(`^fail answers ${thief.mac} answers for ${IPV4} on eth0, which n. holds`);
    await saysOf(asker, answers);
  },
);

wireTest('another key and another transport are named, with whose they are', STAGE_TOOLS, async (context) => {
  const [a, b] = [
    keyFile(context, 'a', 'correct horse battery'),
    keyFile(context, 'b', 'staple and another'),
  ];
  const stage = await stageFor(context, {
    nodes: 2,
    extra: (node) => {
      const key = node === 'extra' ? b : a;
      const transport = node === 'n2' ? 'udp' : 'ethernet';
      return `heartbeat: {keyFile: ${key}, transport: ${transport}}\n${SHORT_DRAIN}`;
    },
  });
  const [n1] = nodes(stage);
  const foreign = await stage.newcomer();
  await saysOf(n1, /^fail transport n2 says hello over udp, this node over ethernet/);
  const said = await saysOf(foreign, /^fail hello-signature .* says hellos that no key here verifies/);
  assert.match(said.lines.join('\n'), new RegExp(n1.host.mac));
  // Where the ethertype is lost, n1 hears n2 and n2 is deaf.
  await stage.segment.dropFrames(HELLO);
  await saysOf(n1, /^fail one-way n2 is heard on eth0 and does not hear n1/);
});

wireTest(
  'a switch that swallows gratuitous ARP, and clients that do not follow, are named',
  [...STAGE_TOOLS, 'ip'],
  async (context) => {
    const stage = await stageFor(context, {
      nodes: 2,
      serviceIPs: [IPV4],
      extra: `announcements: {refresh: 1s}\n${SHORT_DRAIN}`,
    });
    await stage.settled();
    const owner = (await stage.owners()).get(IPV4) as LabNode;
    const other = othersThan(stage, owner)[0] as LabNode;
    await saysOf(other, new RegExp(`^ok announcements announcements of ${owner.host.name} arrive on eth0`));
    await stage.segment.dropFrames({
      etherType: 'arp',
      to: other.host.name,
      match: `arp saddr ip ${IPV4} arp daddr ip ${IPV4}`,
    });
    const swallowed = `^warn announcements ${owner.host.name} holds ${IPV4}, its hellos arrive on eth0 and its announcements do not`;
    await saysOf(other, new RegExp(swallowed));
    // The client is known to both nodes; then its port loses what asks it to follow.
    await startProbe(stage.client, { targets: [IPV4], durationMs: 100 }).finished;
    await stage.segment.cut(stage.client);
    await owner.requestMove(IPV4, other.host.name);
    const address = stage.segment.addressOf(stage.client, 'ipv4');
    const slow = `^warn slow-clients did not show that they followed the last move of an IP: ${address} \\(${stage.client.mac}\\)`;
    await saysOf(other, new RegExp(slow.replaceAll('.', '\\.')));
  },
);

wireTest(
  'where no daemon runs it listens for three seconds, sends nothing, and knows the nodes by their hellos',
  [...STAGE_TOOLS, 'tcpdump', 'tshark', 'setpriv'],
  async (context) => {
    const stage = await stageFor(context);
    await stage.settled();
    const [n1, n2, n3] = nodes(stage);
    n3.signal('SIGTERM');
    await n3.exited();
    // Not IPv6: the kernel still reports the groups that the daemon left.
    const capture = await startCapture(stage.segment, { port: 'n3' }, { filter: 'not ip6' });
    const { lines } = await doctor(n3);
    const sent = await analyse(await capture.stop(), `eth.src == ${n3.host.mac}`, ['eth.dst']);
    assert.deepEqual(sent, []);
    const text = lines.join('\n');
    assert.match(text, /(ok|warn) (hellos|late) n1 (is heard )?on eth0/);
    assert.match(text, /(ok|warn) (hellos|late) n2 (is heard )?on eth0/);
    assert.match(text, /ok wire listened 3 s on eth0 and sent nothing: no daemon at /);
    for (const node of [n1, n2]) node.signal('SIGKILL');
    await Promise.all([n1.exited(), n2.exited()]);
    assert.match((await doctor(n3)).lines.join('\n'), /warn nobody no node is heard on eth0/);
    const rightless = ['setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw', '--'];
    const args = ['doctor', '--config', n3.configFile, '--wire'];
    const refused = await holdfast(n3.host, args, { wrapper: rightless });
    assert.deepEqual([refused.code, refused.stdout], [3, '']);
    assert.match(refused.stderr, /CAP_NET_RAW/);
  },
);
