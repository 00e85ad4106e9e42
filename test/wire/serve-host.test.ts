// `serve: host` on a real host: this machine takes the traffic, and everything else about it stays as it was.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { analyse, startCapture } from '../../src/cli/lab/capture.ts';
import { startProbe } from '../../src/cli/lab/prober.ts';
import { type Bed, bedFor, leadingBed, outputOf, sleep, waitFor } from '../support/bed.ts';
import { wireTest } from '../support/lab.ts';

const IPV4 = '10.99.0.100';
const IPV6 = 'fd99::100';

const addresses = async (bed: Bed, device: string): Promise<string[]> =>
  [...(await bed.node.host.exec('ip', ['-o', 'addr', 'show', 'dev', device])).matchAll(/inet6? (\S+)/g)].map(
    (match) => match[1] as string,
  );

const sysctls = (bed: Bed): Promise<string> =>
  bed.node.host.exec('sh', ['-c', 'cd /proc/sys/net/ipv4/conf; cat */arp_ignore */arp_announce */rp_filter']);

wireTest(
  'after SIGKILL the addresses stay; the next start cleans exactly those, and serves again',
  ['ping'],
  async (context) => {
    const bed = await bedFor(context);
    for (const foreign of ['10.99.0.150/32', '10.99.0.101/32', 'fd99::150/128'])
      await bed.node.host.exec('ip', ['addr', 'add', foreign, 'dev', 'lo']);
    const before = await sysctls(bed);
    const untouched = await addresses(bed, 'lo');
    await bed.node.start();
    await bed.lead();
    bed.node.signal('SIGKILL');
    await bed.node.exited();
    const left = await addresses(bed, 'lo');
    assert.ok(left.includes(`${IPV4}/32`) && left.includes(`${IPV6}/128`), left.join());
    // The next life has another config: what it does not hold must be cleaned all the same.
    const text = readFileSync(bed.node.configFile, 'utf8');
    writeFileSync(bed.node.configFile, text.replaceAll(IPV4, '10.99.0.120').replaceAll(IPV6, 'fd99::120'));
    await bed.node.start();
    await waitFor('the new IPs to be led', 10_000, async () =>
      (await bed.node.status()).serviceIPs.every(({ state }) => state === 'leader') ? true : null,
    );
    assert.deepEqual(
      (await addresses(bed, 'lo')).sort(),
      [...untouched, '10.99.0.120/32', 'fd99::120/128'].sort(),
    );
    bed.node.signal('SIGTERM');
    assert.equal(await bed.node.exited(), 0);
    assert.deepEqual((await addresses(bed, 'lo')).sort(), untouched.sort());
    assert.equal(await sysctls(bed), before);
  },
);

wireTest(
  'a service IP that somebody else had put on lo is served, and is still there afterwards',
  [],
  async (context) => {
    const bed = await bedFor(context);
    await bed.node.host.exec('ip', ['addr', 'add', `${IPV4}/32`, 'dev', 'lo']);
    await bed.node.start();
    await bed.lead();
    bed.node.signal('SIGTERM');
    assert.equal(await bed.node.exited(), 0);
    assert.ok((await addresses(bed, 'lo')).includes(`${IPV4}/32`));
  },
);

/** Answers from the service IP to a client whose neighbour entry here is stale: the trap of facts.md. */
const provoke = async (bed: Bed, announce: '0' | null): Promise<string[]> => {
  if (announce !== null)
    await bed.node.host.exec('sh', ['-c', `echo ${announce} >/proc/sys/net/ipv4/conf/eth0/arp_announce`]);
  const capture = await startCapture(bed.segment, { port: 'n1' }, { filter: 'arp' });
  const client = bed.segment.addressOf(bed.client, 'ipv4');
  for (let round = 0; round < 3; round += 1) {
    await bed.segment.setNeighbour(bed.node.host, client, bed.client.mac, 'none');
    await bed.client.exec('ping', ['-c', '1', '-W', '1', IPV4]);
    // And on its own account, from the service IP.
    await bed.segment.setNeighbour(bed.node.host, client, bed.client.mac, 'none');
    await outputOf(bed.node.host, 'ping', ['-c', '1', '-W', '1', '-I', IPV4, client]);
  }
  const pcap = await capture.stop();
  const asked = await analyse(
    pcap,
    `arp.opcode == 1 && eth.src == ${bed.node.host.mac} && arp.dst.proto_ipv4 == ${client}`,
    ['arp.src.proto_ipv4'],
  );
  return asked.map((row) => row['arp.src.proto_ipv4'] as string);
};

wireTest(
  'a leader that sends from the service IP never asks ARP in its name; without the setting it would',
  ['tcpdump', 'tshark', 'ping'],
  async (context) => {
    const bed = await leadingBed(context);
    await sleep(2_600);
    const asked = await provoke(bed, null);
    assert.ok(asked.length >= 6, `${asked.length} requests`);
    assert.deepEqual([...new Set(asked)], ['10.99.0.1']);
    // The provocation provokes: with the kernel's default the requests bear the service IP.
    assert.ok((await provoke(bed, '0')).includes(IPV4));
  },
);

wireTest(
  "the node's own traffic goes on, and its connections do not come from a service IP",
  ['ping'],
  async (context) => {
    const bed = await leadingBed(context);
    const [ipv4, ipv6] = [
      bed.segment.addressOf(bed.client, 'ipv4'),
      bed.segment.addressOf(bed.client, 'ipv6'),
    ];
    assert.match(await bed.node.host.exec('ip', ['route', 'get', ipv4]), / src 10\.99\.0\.1 /);
    assert.match(await bed.node.host.exec('ip', ['-6', 'route', 'get', ipv6]), / src fd99::1 /);
    for (const ip of [ipv4, ipv6]) await bed.node.host.exec('ping', ['-c', '2', '-i', '0.1', '-W', '1', ip]);
    const own = [bed.segment.addressOf(bed.node.host, 'ipv4'), bed.segment.addressOf(bed.node.host, 'ipv6')];
    for (const { target, lost } of await startProbe(bed.client, { targets: own, durationMs: 400 }).finished)
      assert.deepEqual([target, lost], [target, 0]);
  },
);

wireTest('a local client reaches a service IP that its own node holds', ['ping'], async (context) => {
  const bed = await leadingBed(context);
  for (const ip of bed.serviceIPs) await bed.node.host.exec('ping', ['-c', '1', '-W', '1', ip]);
});

wireTest(
  'the link goes and comes back: released, taken again, announced, no restart',
  ['tcpdump', 'tshark'],
  async (context) => {
    const bed = await leadingBed(context);
    for (let round = 0; round < 3; round += 1) {
      await bed.segment.cut('n1');
      await waitFor('the release', 3_000, async () =>
        (await bed.node.status()).serviceIPs.every(({ state }) => state === 'unowned') ? true : null,
      );
      await bed.segment.restore('n1');
      await bed.lead();
    }
    for (const { target, lost } of await startProbe(bed.client, { targets: bed.serviceIPs, durationMs: 400 })
      .finished)
      assert.deepEqual([target, lost], [target, 0]);
  },
);

wireTest(
  'an interface that is deleted and made again under the same name serves again, groups joined anew',
  ['tcpdump', 'ndisc6'],
  async (context) => {
    const bed = await leadingBed(context);
    const { switch: bridge } = bed.segment;
    await bed.node.host.exec('ip', ['link', 'del', 'eth0']);
    await waitFor('the release', 3_000, async () =>
      (await bed.node.status()).serviceIPs.every(({ state }) => state === 'unowned') ? true : null,
    );
    const node = bed.segment.hosts.get('n1');
    await bridge.exec('ip', [
      ...['link', 'add', 'name', 'n1', 'type', 'veth', 'peer', 'name', 'eth0'],
      ...['address', bed.node.host.mac, 'netns', node?.netnsPath.split('/').at(-1) as string],
    ]);
    await bridge.exec('ip', ['link', 'set', 'n1', 'master', 'br0', 'up']);
    await bed.node.host.exec('ip', ['addr', 'add', '10.99.0.1/24', 'dev', 'eth0']);
    await bed.node.host.exec('ip', ['addr', 'add', 'fd99::1/64', 'dev', 'eth0', 'nodad']);
    await bed.node.host.exec('ip', ['link', 'set', 'eth0', 'up']);
    await bed.lead();
    assert.match(
      await bed.node.host.exec('ip', ['-6', 'maddr', 'show', 'dev', 'eth0']),
      /ff02::1:ff00:100/,
      'the solicited-node group of the service IP',
    );
    for (const { target, lost } of await startProbe(bed.client, { targets: bed.serviceIPs, durationMs: 400 })
      .finished)
      assert.deepEqual([target, lost], [target, 0]);
  },
);
