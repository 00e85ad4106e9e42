// Issue 2, "Must show": real kernels of clients resolve and reach the service IPs that one node announces, and
// third-party tools find nothing to say against the frames.
import assert from 'node:assert/strict';
import { analyse, findBadFrames, startCapture } from '../../src/cli/lab/capture.ts';
import { startProbe } from '../../src/cli/lab/prober.ts';
import { encodeFrame } from '../../src/io/packets/frame.ts';
import { multicastMac, solicitedNodeAddress } from '../../src/machines/addresses.ts';
import type { ArpFrame, SolicitationFrame } from '../../src/machines/frames.ts';
import {
  bedFor,
  inject,
  leadingBed,
  outputOf,
  sleep,
  spokenAt,
  spokenFor,
  timeOf,
  waitFor,
} from '../support/bed.ts';
import { wireTest, within } from '../support/lab.ts';

const IPV4 = '10.99.0.100';
const IPV6 = 'fd99::100';
const FOREIGN_MAC = '02:00:00:00:00:99';
const ARP_FIELDS = ['frame.time_epoch', 'eth.src', 'eth.dst', 'arp.src.hw_mac', 'arp.dst.hw_mac'];

wireTest(
  '1,000 pings at 2 ms to every service IP from a client that never heard of it: 0 lost',
  ['tcpdump', 'tshark'],
  async (context) => {
    const serviceIPs = [IPV4, IPV6, '10.99.0.101', 'fd99::101'];
    const bed = await bedFor(context, { serviceIPs });
    const capture = await startCapture(bed.segment, 'bridge');
    await bed.node.start();
    await bed.lead();
    const probe = startProbe(bed.client, { targets: serviceIPs, periodMs: 2, durationMs: 2_100 });
    const results = await probe.finished;
    for (const { target, sent, lost, duplicates } of results) {
      assert.ok(sent >= 1_000, `${target}: only ${sent} were sent`);
      assert.deepEqual([target, lost, duplicates], [target, 0, 0]);
    }
    context.diagnostic(results.map(({ target, rttP50Us }) => `${target}: p50 ${rttP50Us} us`).join(', '));
    for (const ip of serviceIPs) {
      const entry = await bed.segment.neighbour(bed.client, ip);
      assert.equal(entry?.mac, bed.node.host.mac, `the client's entry for ${ip}`);
    }
    bed.node.signal('SIGTERM');
    assert.equal(await bed.node.exited(), 0);
    assert.deepEqual(await findBadFrames(await capture.stop()), []);
  },
);

wireTest(
  'a client whose cache holds another MAC is corrected within 100 ms of the leader transition, both families',
  ['tcpdump'],
  async (context) => {
    const bed = await bedFor(context);
    const delays: Record<string, number[]> = { [IPV4]: [], [IPV6]: [] };
    for (const state of ['reachable', 'stale', 'reachable', 'stale'] as const) {
      for (const ip of [IPV4, IPV6]) await bed.segment.setNeighbour(bed.client, ip, FOREIGN_MAC, state);
      // The kernel itself says when the entry changed: one line each, with the monotonic time of the monitor.
      const monitor = bed.client.spawn('ip', ['-ts', 'monitor', 'neigh'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let events = '';
      monitor.stdout?.on('data', (bytes: Buffer) => {
        events += bytes.toString();
      });
      await bed.node.start();
      await bed.lead();
      const corrected = (ip: string): RegExpExecArray | null =>
        new RegExp(`\\[([^\\]]+)\\] ${ip} .*lladdr ${bed.node.host.mac}`).exec(events);
      for (const ip of [IPV4, IPV6])
        await waitFor(`${ip} corrected (${state}): ${events}`, 2_000, () => corrected(ip));
      monitor.kill();
      const led = bed.log().filter(({ to }) => to === 'leader');
      for (const ip of [IPV4, IPV6]) {
        const ledAt = Date.parse(led.findLast((line) => line.ip === ip)?.time ?? '');
        const correctedAt = Date.parse(`${corrected(ip)?.[1]}Z`);
        delays[ip]?.push(correctedAt - ledAt);
      }
      bed.node.signal('SIGTERM');
      await bed.node.exited();
    }
    context.diagnostic(`corrected after the log line (ms): ${JSON.stringify(delays)}`);
    within(Math.max(...Object.values(delays).flat()), 100, 'the slowest correction');
  },
);

wireTest(
  'a unicast NUD probe returns the entry to REACHABLE, with no multicast solicitation on the wire',
  ['tcpdump', 'tshark', 'ping'],
  async (context) => {
    const bed = await leadingBed(context);
    // Past the rounds of announcements, so that nothing but the probe can touch the entries.
    await sleep(2_600);
    const capture = await startCapture(bed.segment, { port: 'client' });
    for (const ip of [IPV4, IPV6]) {
      await bed.segment.setNeighbour(bed.client, ip, bed.node.host.mac, 'probe');
      await waitFor(`${ip} reachable`, 3_000, async () =>
        (await bed.segment.neighbour(bed.client, ip))?.state === 'reachable' ? true : null,
      );
      // And the long way: STALE, a ping, DELAY (5 s), PROBE.
      await bed.segment.setNeighbour(bed.client, ip, bed.node.host.mac, 'stale');
      await bed.client.exec('ping', ['-c', '1', '-W', '1', ip]);
    }
    for (const ip of [IPV4, IPV6]) {
      await waitFor(`${ip} reachable after DELAY`, 9_000, async () =>
        (await bed.segment.neighbour(bed.client, ip))?.state === 'reachable' ? true : null,
      );
    }
    const pcap = await capture.stop();
    const asked = await analyse(
      pcap,
      `eth.src == ${bed.client.mac} && (icmpv6.type == 135 || arp.opcode == 1)`,
      ['eth.dst'],
    );
    assert.ok(asked.length >= 4, `both families, both ways: ${asked.length} probes`);
    assert.deepEqual([...new Set(asked.map((row) => row['eth.dst']))], [bed.node.host.mac]);
    const answers = await analyse(pcap, spokenFor(IPV6, bed.node.host.mac), [
      'icmpv6.nd.na.flag.s',
      'icmpv6.nd.na.flag.o',
    ]);
    assert.ok(answers.length >= 2);
    for (const row of answers)
      assert.deepEqual(
        Object.values(row).map((text) => /^(1|True)$/.test(text)),
        [true, true],
        'S=1, O=1',
      );
    assert.deepEqual(await findBadFrames(pcap), []);
  },
);

wireTest(
  'every ARP request is answered exactly once, also when the service IP stands on lo: the kernel is silent',
  ['tcpdump', 'tshark', 'arping'],
  async (context) => {
    const bed = await leadingBed(context);
    assert.match(await bed.node.host.exec('ip', ['-4', 'addr', 'show', 'dev', 'lo']), /10\.99\.0\.100\/32/);
    const capture = await startCapture(bed.segment, { port: 'client' }, { filter: 'arp' });
    const said = await bed.client.exec('arping', ['-c', '20', '-W', '0.05', '-i', 'eth0', IPV4]);
    assert.match(said, /20 packets transmitted, 20 packets received/);
    await sleep(100);
    const pcap = await capture.stop();
    const requests = await analyse(
      pcap,
      `arp.opcode == 1 && arp.dst.proto_ipv4 == ${IPV4} && eth.src == ${bed.client.mac}`,
    );
    const replies = await analyse(
      pcap,
      `arp.opcode == 2 && arp.src.proto_ipv4 == ${IPV4} && eth.dst == ${bed.client.mac}`,
      ARP_FIELDS,
    );
    assert.deepEqual([requests.length, replies.length], [20, 20]);
    for (const row of replies) assert.equal(row['arp.src.hw_mac'], bed.node.host.mac);
  },
);

wireTest(
  'the count above would notice a kernel that answers too: without arp_ignore every request gets two replies',
  ['tcpdump', 'tshark', 'arping'],
  async (context) => {
    const bed = await leadingBed(context);
    await bed.node.host.exec('sh', ['-c', 'echo 0 >/proc/sys/net/ipv4/conf/eth0/arp_ignore']);
    const capture = await startCapture(bed.segment, { port: 'client' }, { filter: 'arp' });
    await outputOf(bed.client, 'arping', ['-c', '10', '-W', '0.05', '-i', 'eth0', IPV4]);
    await sleep(100);
    const replies = await analyse(
      await capture.stop(),
      `arp.opcode == 2 && arp.src.proto_ipv4 == ${IPV4} && eth.dst == ${bed.client.mac}`,
    );
    assert.equal(replies.length, 20);
  },
);

wireTest(
  'arping (broadcast, probe from 0.0.0.0, unicast) and ndisc6 get answers',
  ['tcpdump', 'tshark', 'arping', 'ndisc6'],
  async (context) => {
    const bed = await leadingBed(context);
    const capture = await startCapture(bed.segment, 'bridge');
    assert.match(
      await bed.client.exec('arping', ['-c', '3', '-W', '0.1', '-i', 'eth0', IPV4]),
      /3 packets received/,
    );
    // -0: source 0.0.0.0, an RFC 5227 probe: whoever holds the address must say so.
    assert.match(
      await bed.client.exec('arping', ['-0', '-c', '3', '-W', '0.1', '-i', 'eth0', IPV4]),
      /3 packets received/,
    );
    // Asked by MAC address, unicast.
    assert.match(
      await bed.client.exec('arping', ['-c', '3', '-W', '0.1', '-i', 'eth0', '-t', bed.node.host.mac, IPV4]),
      /3 packets received/,
    );
    assert.match(
      (await bed.client.exec('ndisc6', ['-1', '-m', IPV6, 'eth0'])).toLowerCase(),
      new RegExp(bed.node.host.mac),
    );
    assert.deepEqual(await findBadFrames(await capture.stop()), []);
  },
);

const dadProbe = (target: string, mac: string): SolicitationFrame => ({
  kind: 'ns',
  ethernetSource: mac,
  ethernetDestination: multicastMac(solicitedNodeAddress(target)),
  source: '::',
  destination: solicitedNodeAddress(target),
  target,
  sourceLinkLayerAddress: null,
});

wireTest(
  'a DAD probe for a service IP is answered to ff02::1 with S=0, and the prober gives the address up',
  ['tcpdump', 'tshark'],
  async (context) => {
    const bed = await leadingBed(context);
    await sleep(2_600);
    const capture = await startCapture(bed.segment, { port: 'client' }, { filter: 'icmp6' });
    await inject(bed.client, [encodeFrame(dadProbe(IPV6, bed.client.mac))]);
    // A real kernel: an address added with DAD finds out that it is taken.
    await bed.client.exec('sh', [
      '-c',
      'echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_dad; echo 1 >/proc/sys/net/ipv6/conf/eth0/dad_transmits',
    ]);
    await bed.client.exec('ip', ['addr', 'add', `${IPV6}/64`, 'dev', 'eth0']);
    await waitFor('the kernel to find the duplicate', 4_000, async () =>
      /dadfailed/.test(await bed.client.exec('ip', ['-6', 'addr', 'show', 'dev', 'eth0'])) ? true : null,
    );
    const answers = await analyse(
      await capture.stop(),
      `icmpv6.type == 136 && icmpv6.nd.na.target_address == ${IPV6}`,
      ['eth.src', 'eth.dst', 'ipv6.dst', 'icmpv6.nd.na.flag.s', 'ipv6.hlim'],
    );
    assert.ok(answers.length >= 2, `${answers.length} answers`);
    for (const row of answers) {
      assert.deepEqual(
        [row['eth.src'], row['eth.dst'], row['ipv6.dst'], row['ipv6.hlim']],
        [bed.node.host.mac, '33:33:00:00:00:01', 'ff02::1', '255'],
      );
      assert.match(row['icmpv6.nd.na.flag.s'] ?? '', /^(0|False)$/);
    }
    assert.equal((await bed.node.status()).serviceIPs.find(({ ip }) => ip === IPV6)?.state, 'leader');
  },
);

wireTest(
  "requests to another station's unicast MAC stay unanswered, to ours and to groups they are answered",
  ['tcpdump', 'tshark'],
  async (context) => {
    const bed = await leadingBed(context);
    await sleep(2_600);
    const request = (to: string, spa: string): ArpFrame => ({
      kind: 'arp',
      ethernetSource: bed.client.mac,
      ethernetDestination: to,
      operation: 'request',
      sha: bed.client.mac,
      spa,
      tha: '00:00:00:00:00:00',
      tpa: IPV4,
    });
    const solicitation = (to: string, source: string): SolicitationFrame => ({
      kind: 'ns',
      ethernetSource: bed.client.mac,
      ethernetDestination: to,
      source,
      destination: IPV6,
      target: IPV6,
      sourceLinkLayerAddress: bed.client.mac,
    });
    const capture = await startCapture(bed.segment, { port: 'n1' }, { filter: 'arp or icmp6' });
    await inject(bed.client, [
      encodeFrame(request(FOREIGN_MAC, '10.99.0.211')),
      encodeFrame(request(bed.node.host.mac, '10.99.0.212')),
      encodeFrame(request('ff:ff:ff:ff:ff:ff', '10.99.0.213')),
      encodeFrame(solicitation(FOREIGN_MAC, 'fd99::211')),
      encodeFrame(solicitation(bed.node.host.mac, 'fd99::212')),
      encodeFrame(solicitation(multicastMac(solicitedNodeAddress(IPV6)), 'fd99::213')),
    ]);
    await sleep(200);
    const pcap = await capture.stop();
    // The switch floods a frame to an unknown MAC, so it did come to the node's port.
    assert.equal((await analyse(pcap, `eth.dst == ${FOREIGN_MAC}`)).length, 2);
    const arp = await analyse(pcap, `arp.opcode == 2 && arp.src.proto_ipv4 == ${IPV4}`, [
      'arp.dst.proto_ipv4',
    ]);
    assert.deepEqual(
      arp.map((row) => row['arp.dst.proto_ipv4']),
      ['10.99.0.212', '10.99.0.213'],
    );
    const ndp = await analyse(pcap, `icmpv6.type == 136 && icmpv6.nd.na.target_address == ${IPV6}`, [
      'ipv6.dst',
    ]);
    assert.deepEqual(
      ndp.map((row) => row['ipv6.dst']),
      ['fd99::212', 'fd99::213'],
    );
  },
);

wireTest(
  'the burst leaves with the leader transition, three rounds 1.1 s apart, gratuitous ARP as request and as reply',
  ['tcpdump', 'tshark'],
  async (context) => {
    const bed = await bedFor(context);
    const capture = await startCapture(bed.segment, { port: 'n1' }, { filter: 'arp or icmp6' });
    await bed.node.start();
    await bed.lead();
    await sleep(3_600);
    const pcap = await capture.stop();
    const arp = await analyse(pcap, `arp.src.proto_ipv4 == ${IPV4}`, [
      'frame.time_epoch',
      'arp.opcode',
      'arp.src.hw_mac',
      'arp.dst.hw_mac',
      'arp.dst.proto_ipv4',
      'eth.dst',
    ]);
    assert.deepEqual(
      arp.map((row) => row['arp.opcode']),
      ['1', '2', '1', '2', '1', '2'],
    );
    for (const row of arp) {
      assert.deepEqual([row['eth.dst'], row['arp.dst.proto_ipv4']], ['ff:ff:ff:ff:ff:ff', IPV4]);
      // Linux counts a gratuitous reply as one only if THA is SHA (facts.md).
      if (row['arp.opcode'] === '2') assert.equal(row['arp.dst.hw_mac'], row['arp.src.hw_mac']);
    }
    const ndp = await analyse(pcap, `icmpv6.type == 136 && icmpv6.nd.na.target_address == ${IPV6}`, [
      'frame.time_epoch',
      'eth.dst',
      'ipv6.dst',
      'ipv6.hlim',
      'icmpv6.nd.na.flag.s',
      'icmpv6.nd.na.flag.o',
      'icmpv6.opt.linkaddr',
    ]);
    assert.equal(ndp.length, 3);
    for (const row of ndp) {
      assert.deepEqual(
        [row['ipv6.dst'], row['ipv6.hlim'], row['icmpv6.opt.linkaddr']],
        ['ff02::1', '255', bed.node.host.mac],
      );
      assert.match(row['icmpv6.nd.na.flag.s'] ?? '', /^(0|False)$/);
      assert.match(row['icmpv6.nd.na.flag.o'] ?? '', /^(1|True)$/);
    }
    for (const [ip, rows] of [
      [IPV4, arp.filter((row) => row['arp.opcode'] === '1')],
      [IPV6, ndp],
    ] as const) {
      const times = rows.map(timeOf);
      const since = (await bed.node.status()).serviceIPs.find((service) => service.ip === ip)?.since ?? '';
      const first = (times[0] as number) - Date.parse(since);
      const gaps = times.slice(1).map((at, index) => Math.round(at - (times[index] as number)));
      context.diagnostic(
        `${ip}: first ${first.toFixed(1)} ms after the transition, then ${gaps.join(', ')} ms`,
      );
      assert.ok(first > -2, `${ip}: announced ${-first} ms before the transition`);
      within(first, 50, `${ip}: first announcement after the transition`);
      within(1_000, Math.min(...gaps), `${ip}: the least between two rounds`);
      within(Math.max(...gaps), 1_300, `${ip}: the most between two rounds`);
    }
  },
);

wireTest(
  'shadow mode (announce: false) decides and journals, and not one frame leaves',
  ['tcpdump', 'tshark', 'arping'],
  async (context) => {
    const bed = await bedFor(context, { extra: 'announce: false' });
    const capture = await startCapture(bed.segment, { port: 'n1' }, { filter: 'arp or icmp6' });
    await bed.node.start();
    await bed.lead();
    await outputOf(bed.client, 'arping', ['-c', '2', '-W', '0.1', '-i', 'eth0', IPV4]);
    await sleep(1_500);
    assert.deepEqual(await spokenAt(await capture.stop(), bed.serviceIPs, bed.node.host.mac), []);
  },
);

wireTest(
  'a switch that snoops MLD lets solicitations through: the group was joined before the first claim',
  ['tcpdump', 'tshark', 'ndisc6'],
  async (context) => {
    const bed = await bedFor(context, { multicastSnooping: true });
    const capture = await startCapture(bed.segment, { port: 'n1' }, { filter: 'ip6' });
    await bed.node.start();
    await bed.lead();
    const said = await bed.client.exec('ndisc6', ['-1', '-m', IPV6, 'eth0']);
    assert.match(said.toLowerCase(), new RegExp(bed.node.host.mac));
    const pcap = await capture.stop();
    const group = solicitedNodeAddress(IPV6);
    const [report] = await analyse(pcap, `icmpv6.mldr.mar.multicast_address == ${group}`, [
      'frame.time_epoch',
    ]);
    const [announced] = await spokenAt(pcap, [IPV6], bed.node.host.mac);
    assert.ok(report !== undefined && announced !== undefined);
    const ahead = announced - timeOf(report);
    context.diagnostic(`the MLD report left ${Math.round(ahead)} ms before the first announcement`);
    assert.ok(ahead > 0);
  },
);
