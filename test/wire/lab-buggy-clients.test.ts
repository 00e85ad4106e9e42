// What the kernels of clients with a bug do on every kind of news about a service IP, beside a healthy one.
import assert from 'node:assert/strict';
import { type BuggyClient, CLIENT_BUGS, type ClientBug, giveBug } from '../../src/cli/lab/buggy-clients.ts';
import { analyse, startCapture } from '../../src/cli/lab/capture.ts';
import { startProbe } from '../../src/cli/lab/prober.ts';
import type { Host, Segment } from '../../src/cli/lab/segment.ts';
import { LAB_SERVICE_IPS } from '../../src/cli/lab/stage.ts';
import { encodeFrame } from '../../src/io/packets/frame.ts';
import type { NeighborFrame } from '../../src/machines/frames.ts';
import { inject, outputOf, sleep, waitFor } from '../support/bed.ts';
import { segmentFor, type WireContext, wireTest } from '../support/lab.ts';

const TOOLS = ['nft', 'ping', 'tcpdump', 'tshark'];
const [IPV4, IPV6] = LAB_SERVICE_IPS;
const OLD_MAC = '02:00:00:00:00:99';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const NOBODY = '00:00:00:00:00:00';

type Kind = ClientBug | 'healthy';
const KINDS: readonly Kind[] = ['healthy', ...CLIENT_BUGS];

interface Ground {
  readonly segment: Segment;
  /** Whoever tells the news. */
  readonly owner: Host;
  readonly clients: ReadonlyMap<Kind, Host>;
}

const groundFor = async (context: WireContext, kinds: readonly Kind[]): Promise<Ground> => {
  const segment = await segmentFor(context, {
    hosts: [
      { name: 'n1', role: 'node' },
      ...kinds.map((_, index) => ({ name: `client${index + 1}`, role: 'client' as const })),
    ],
  });
  const clients = new Map(
    kinds.map((kind, index) => [kind, segment.hosts.get(`client${index + 1}`) as Host]),
  );
  return { segment, owner: segment.hosts.get('n1') as Host, clients };
};

const set = async (host: Host, settings: Readonly<Record<string, number>>): Promise<void> => {
  const lines = Object.entries(settings).map(([key, value]) => `echo ${value} >/proc/sys/net/${key}`);
  await host.exec('sh', ['-ec', lines.join('\n')]);
};

/** Every kind of news that a client may get unasked, as the frame that one client gets. */
const newsFor = (owner: Host, client: Host): Readonly<Record<string, NeighborFrame>> => {
  const ethernet = { ethernetSource: owner.mac, ethernetDestination: client.mac };
  const [ipv4, ipv6] = [client.ipv4 as string, client.ipv6 as string];
  const arp = { ...ethernet, kind: 'arp', sha: owner.mac, spa: IPV4 } as const;
  const toAll = { ...arp, ethernetDestination: BROADCAST, tpa: IPV4 };
  const na = { ...ethernet, kind: 'na', source: IPV6, destination: ipv6, target: IPV6 } as const;
  const told = { router: false, override: true, targetLinkLayerAddress: owner.mac };
  const ns = { ...ethernet, kind: 'ns', source: IPV6, destination: ipv6, target: ipv6 } as const;
  return {
    'gratuitous request': { ...toAll, operation: 'request', tha: NOBODY },
    'gratuitous reply': { ...toAll, operation: 'reply', tha: owner.mac },
    'unsolicited NA': {
      ...{ ...na, ...told, solicited: false },
      ...{ ethernetDestination: '33:33:00:00:00:01', destination: 'ff02::1' },
    },
    'unasked reply': { ...arp, operation: 'reply', tha: client.mac, tpa: ipv4 },
    'unasked NA': { ...na, ...told, solicited: true },
    'directed request': { ...arp, operation: 'request', tha: NOBODY, tpa: ipv4 },
    'directed solicitation': { ...ns, sourceLinkLayerAddress: owner.mac },
  };
};

const DIRECTED = ['directed request', 'directed solicitation'];
/** Until then a kernel has taken a frame that `inject` sent, or never will. */
const TAKEN_WITHIN_MS = 100;

/** Whose cache names the owner of `ip`. */
const followers = async ({ segment, owner, clients }: Ground, ip: string): Promise<readonly Kind[]> => {
  const entries = await Promise.all(
    [...clients].map(async ([kind, client]) => [kind, await segment.neighbour(client, ip)] as const),
  );
  return entries.filter(([, entry]) => entry?.mac === owner.mac).map(([kind]) => kind);
};

/** Tells every client one kind of news; who follows. */
const tell = async (ground: Ground, words: string): Promise<readonly Kind[]> => {
  const { segment, owner, clients } = ground;
  const frames = [...clients.values()].map((client) => newsFor(owner, client)[words] as NeighborFrame);
  const ip = frames[0]?.kind === 'arp' ? IPV4 : IPV6;
  for (const client of clients.values()) await segment.setNeighbour(client, ip, OLD_MAC, 'reachable');
  await inject(
    owner,
    frames.map((frame) => encodeFrame(frame)),
  );
  await sleep(TAKEN_WITHIN_MS);
  return await followers(ground, ip);
};

/** The owner's kernel has the address: clients ask the old MAC, in vain, then everybody, as their traffic demands. */
const letAsk = async (ground: Ground, ip: string): Promise<readonly Kind[]> => {
  const { segment, owner, clients } = ground;
  const address = ip === IPV6 ? [`${ip}/64`, 'dev', 'eth0', 'nodad'] : [`${ip}/24`, 'dev', 'eth0'];
  await owner.exec('ip', ['addr', 'add', ...address]);
  for (const client of clients.values()) await segment.setNeighbour(client, ip, OLD_MAC, 'probe');
  const haveAllLearned = async (): Promise<true | null> => {
    await Promise.all([...clients.values()].map((host) => outputOf(host, 'ping', ['-c1', '-W1', ip])));
    return (await followers(ground, ip)).length === clients.size ? true : null;
  };
  await waitFor(`the answer about ${ip}`, 5_000, haveAllLearned);
  return await followers(ground, ip);
};

const GOOD = ['healthy', 'never-ages'];
const TAKEN_BY: Readonly<Record<string, readonly string[]>> = {
  'gratuitous request': GOOD,
  'gratuitous reply': GOOD,
  'unsolicited NA': GOOD,
  'unasked reply': ['healthy', 'ignores-gratuitous', 'never-ages'],
  'unasked NA': ['healthy', 'ignores-gratuitous', 'never-ages'],
  'directed request': ['healthy', 'ignores-gratuitous', 'never-ages'],
  'directed solicitation': ['healthy', 'ignores-gratuitous', 'never-ages'],
};

/** Who answered the directed questions of one family. */
const answerers = async (pcap: string, { clients }: Ground, ip: string): Promise<readonly Kind[]> => {
  const filter =
    ip === IPV4
      ? `arp.opcode == 2 && arp.dst.proto_ipv4 == ${ip}`
      : `icmpv6.type == 136 && ipv6.dst == ${ip} && icmpv6.checksum.status == 1`;
  const rows = await analyse(pcap, filter, ['eth.src']);
  const macs = rows.map((row) => row['eth.src']);
  return [...clients].filter(([, { mac }]) => macs.includes(mac)).map(([kind]) => kind);
};

wireTest('each client takes exactly the news that its bug leaves it', TOOLS, async (context) => {
  const ground = await groundFor(context, KINDS);
  const { owner, clients } = ground;
  const bugs: BuggyClient[] = [];
  for (const [kind, client] of clients) {
    // The kernel takes no second answer within a second (locktime), and asks again after one: not in a test.
    await set(client, { 'ipv4/neigh/eth0/locktime': 0 });
    await set(client, { 'ipv4/neigh/eth0/retrans_time_ms': 50, 'ipv6/neigh/eth0/retrans_time_ms': 50 });
    if (kind !== 'healthy') bugs.push(await giveBug(client, kind, LAB_SERVICE_IPS));
  }
  const capture = await startCapture(ground.segment, { port: 'n1' }, { filter: 'arp or icmp6' });
  const taken: Record<string, readonly Kind[]> = {};
  for (const words of Object.keys(TAKEN_BY)) taken[words] = await tell(ground, words);
  assert.deepEqual(taken, TAKEN_BY);
  const pcap = await capture.stop();
  const answering = KINDS.filter((kind) => kind !== 'ignores-unsolicited');
  for (const ip of LAB_SERVICE_IPS) {
    assert.deepEqual(await answerers(pcap, ground, ip), answering, `who answers a question of ${ip}`);
    assert.deepEqual(await letAsk(ground, ip), KINDS, `who believes the answer about ${ip}`);
  }
  for (const { bug, withheld } of bugs) assert.equal((await withheld()) > 0, bug !== 'never-ages', bug);

  await owner.exec('ip', ['addr', 'flush', 'dev', 'eth0', 'scope', 'global']);
  for (const { cure } of bugs) await cure();
  for (const { cure } of bugs) await cure();
  for (const words of ['gratuitous request', 'unsolicited NA', ...DIRECTED])
    assert.deepEqual(await tell(ground, words), KINDS, `cured: ${words}`);
});

wireTest('a client that never-ages asks nothing more, where a healthy one does', TOOLS, async (context) => {
  const ground = await groundFor(context, ['healthy', 'never-ages']);
  const { segment, owner, clients } = ground;
  const targets = [owner.ipv4 as string, owner.ipv6 as string];
  for (const [kind, client] of clients) {
    for (const family of ['ipv4', 'ipv6']) {
      const ageing = { base_reachable_time_ms: 200, delay_first_probe_time: 1 };
      for (const [key, value] of Object.entries(ageing))
        await set(client, { [`${family}/neigh/eth0/${key}`]: value });
    }
    if (kind === 'never-ages') await giveBug(client, kind, LAB_SERVICE_IPS);
    for (const ip of targets) await segment.setNeighbour(client, ip, owner.mac, 'reachable');
  }
  const capture = await startCapture(segment, { port: 'n1' }, { filter: 'arp or icmp6' });
  // Not `ping`: it tells the kernel that the neighbour answers (MSG_CONFIRM), which spares the question.
  const probes = [...clients.values()].map((client) =>
    startProbe(client, { targets, periodMs: 50, durationMs: 2_500 }),
  );
  for (const { finished } of probes) for (const { lost } of await finished) assert.equal(lost, 0);
  const asked = await analyse(await capture.stop(), 'arp.opcode == 1 || icmpv6.type == 135', ['eth.src']);
  const questions = (kind: Kind): number =>
    asked.filter((row) => row['eth.src'] === clients.get(kind)?.mac).length;
  assert.equal(questions('never-ages'), 0);
  assert(questions('healthy') >= 2, 'both families');
});
