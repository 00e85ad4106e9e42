// Links that come and go, and frames with tags: the right answer at the end, and never a frame too many.
import assert from 'node:assert/strict';
import { analyse, startCapture } from '../../src/cli/lab/capture.ts';
import { encodeFrame } from '../../src/io/packets/frame.ts';
import { multicastMac, solicitedNodeAddress } from '../../src/machines/addresses.ts';
import { ANNOUNCE_BURST_FRAMES, ANNOUNCE_FRAMES_PER_SECOND } from '../../src/machines/announcer.ts';
import { type Bed, holdfast, inject, leadingBed, sleep, spokenFor, timeOf, waitFor } from '../support/bed.ts';
import { ARP_REQUEST, SOLICITATION } from '../support/frames.ts';
import { wireTest, within } from '../support/lab.ts';

const IPV4 = '10.99.0.100';
const IPV6 = 'fd99::100';
const SECONDS = process.env.HOLDFAST_LONG === '1' ? 60 : 10;
const FLAPS_PER_SECOND = 20;

const answersAll = async (bed: Bed): Promise<void> => {
  const { sent, lost } = await bed.load(['--rate', '200', '--duration', '500', ...bed.serviceIPs]);
  assert.deepEqual([lost, sent > 90], [0, true]);
};

const replays = async (bed: Bed): Promise<void> => {
  const { code, stdout } = await holdfast(bed.client, ['replay', bed.node.journal]);
  assert.equal(code, 0, stdout);
};

wireTest(
  `a link that flaps ${FLAPS_PER_SECOND} times a second for ${SECONDS} s: leader with the right answer soon after, no storm`,
  ['tcpdump', 'tshark'],
  async (context) => {
    const bed = await leadingBed(context);
    await sleep(2_500);
    const capture = await startCapture(
      bed.segment,
      { port: 'n1' },
      { filter: `ether src ${bed.node.host.mac}` },
    );
    const from = Date.now();
    // One shell that sets the port down and up, at both ends in turns: carrier lost, and administratively down.
    const halfMs = 500 / FLAPS_PER_SECOND;
    const script = `i=0; while [ $i -lt ${SECONDS * FLAPS_PER_SECOND} ]; do
      ip link set n1 down; sleep ${halfMs / 1_000}; ip link set n1 up; sleep ${halfMs / 1_000}; i=$((i+1)); done`;
    await bed.segment.switch.exec('sh', ['-ec', script], { timeoutMs: 180_000 });
    const upAt = Date.now();
    await bed.lead();
    const ledMs = Date.now() - upAt;
    await answersAll(bed);
    await sleep(2_600);
    const rows = await analyse(await capture.stop(), '', ['frame.time_epoch', 'eth.type']);
    const flapping = rows.map(timeOf).filter((at) => at >= from && at <= upAt).length;
    const perSecond = flapping / ((upAt - from) / 1_000);
    const transitions = bed.log().filter(({ to }) => to === 'leader').length;
    context.diagnostic(
      `${SECONDS * FLAPS_PER_SECOND} flaps in ${Math.round((upAt - from) / 100) / 10} s: ${perSecond.toFixed(0)} frames/s from the node, ` +
        `${transitions} times leader, led ${ledMs} ms after the last one`,
    );
    // At most: per flap a round for each IP (3 frames) and its groups' reports, beside 20 hellos a second.
    assert.ok(perSecond <= FLAPS_PER_SECOND * 12 + 60, `${perSecond} frames a second`);
    assert.ok(perSecond < ANNOUNCE_FRAMES_PER_SECOND + ANNOUNCE_BURST_FRAMES);
    for (const ip of [IPV4, IPV6]) {
      await bed.segment.setNeighbour(bed.client, ip, bed.node.host.mac, 'none');
      await bed.client.exec('ping', ['-c', '1', '-W', '1', ip]);
      assert.equal((await bed.segment.neighbour(bed.client, ip))?.mac, bed.node.host.mac);
    }
    const groups = await bed.node.host.exec('cat', ['/proc/net/igmp6']);
    assert.match(groups, /eth0\s+ff0200000000000000000001ff000100/);
    await replays(bed);
  },
);

const NEW_MAC = '02:00:00:00:01:77';

wireTest(
  'the MAC changes under traffic: the clients follow within 100 ms',
  ['tcpdump', 'tshark'],
  async (context) => {
    const bed = await leadingBed(context);
    await sleep(2_500);
    // Fresh entries, the hardest to move.
    for (const ip of bed.serviceIPs) await bed.client.exec('ping', ['-c', '2', '-i', '0.2', '-W', '1', ip]);
    const monitor = bed.client.spawn('ip', ['-ts', 'monitor', 'neigh'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let events = '';
    monitor.stdout?.on('data', (bytes: Buffer) => {
      events += bytes.toString();
    });
    await sleep(200);
    // The kernel of the node says when it changed, by its own clock.
    const links = bed.node.host.spawn('ip', ['-ts', 'monitor', 'link'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let changes = '';
    links.stdout?.on('data', (bytes: Buffer) => {
      changes += bytes.toString();
    });
    await sleep(200);
    await bed.node.host.exec('ip', ['link', 'set', 'eth0', 'address', NEW_MAC]);
    const took: string[] = [];
    for (const ip of bed.serviceIPs) {
      const [, at = ''] = await waitFor(`${ip} to follow: ${events}`, 3_000, () =>
        new RegExp(`\\[([^\\]]+)\\] ${ip} .*lladdr ${NEW_MAC}`).exec(events),
      );
      const [, changed = ''] = new RegExp(`\\[([^\\]]+)\\][^[]*${NEW_MAC}`).exec(changes) ?? [];
      const delay = Date.parse(`${at}Z`) - Date.parse(`${changed}Z`);
      took.push(`${ip} ${delay} ms`);
      within(delay, 100, `${ip} followed after`);
    }
    monitor.kill();
    links.kill();
    context.diagnostic(took.join(', '));
    await answersAll(bed);
    await replays(bed);
  },
);

wireTest(
  'an interface that is removed and made again: released at once, taken again with its new index, groups joined',
  ['tcpdump', 'tshark'],
  async (context) => {
    const bed = await leadingBed(context);
    const indexOf = async (): Promise<string> =>
      (await bed.node.host.exec('cat', ['/sys/class/net/eth0/ifindex']).catch(() => '0')).trim();
    await bed.node.host.exec('ip', ['link', 'del', 'eth0']);
    await waitFor('the release', 2_000, async () =>
      (await bed.node.status()).serviceIPs.every(({ state }) => state === 'unowned') ? true : null,
    );
    const [gone] = (await bed.node.status()).serviceIPs;
    context.diagnostic(`while it is gone: ${gone?.reason}`);
    const script = `
      ip link add name n1 type veth peer name eth0 address ${bed.node.host.mac} netns "$1"
      ip link set n1 master br0 addrgenmode none up`;
    await bed.segment.switch.exec('sh', [
      '-ec',
      script,
      'sh',
      bed.node.host.netnsPath.split('/').at(-1) as string,
    ]);
    await bed.node.host.exec('ip', ['addr', 'add', `${bed.node.host.ipv4}/24`, 'dev', 'eth0']);
    await bed.node.host.exec('ip', ['addr', 'add', `${bed.node.host.ipv6}/64`, 'dev', 'eth0', 'nodad']);
    await bed.node.host.exec('ip', ['link', 'set', 'eth0', 'up']);
    const upAt = Date.now();
    await bed.lead();
    context.diagnostic(`led ${Date.now() - upAt} ms after it was up again, index ${await indexOf()}`);
    await answersAll(bed);
    assert.match(
      await bed.node.host.exec('cat', ['/proc/net/igmp6']),
      /eth0\s+ff0200000000000000000001ff000100/,
    );
    await replays(bed);
  },
);

/** The frame with an 802.1Q tag behind its addresses. */
const tagged = (frame: Uint8Array, tci: number, protocol = 0x8100): Uint8Array =>
  Buffer.concat([
    frame.subarray(0, 12),
    Buffer.from([protocol >> 8, protocol & 0xff, tci >> 8, tci & 0xff]),
    frame.subarray(12),
  ]);

wireTest(
  'priority-tagged requests are answered, untagged; those of a VLAN, of a service tag and of two tags are not',
  ['tcpdump', 'tshark'],
  async (context) => {
    const bed = await leadingBed(context);
    await sleep(2_500);
    const mac = bed.client.mac;
    const arp = (host: number): Uint8Array =>
      encodeFrame({ ...ARP_REQUEST, ethernetSource: mac, sha: mac, spa: `10.99.0.${host}`, tpa: IPV4 });
    const ns = (host: number): Uint8Array => {
      const destination = solicitedNodeAddress(IPV6);
      const ends = { ethernetSource: mac, ethernetDestination: multicastMac(destination), destination };
      return encodeFrame({
        ...SOLICITATION,
        ...ends,
        source: `fd99::${host}`,
        target: IPV6,
        sourceLinkLayerAddress: mac,
      });
    };
    // The sender's address says in the capture which request an answer belongs to.
    const cases: readonly (readonly [number, boolean, (frame: Uint8Array) => Uint8Array])[] = [
      [11, true, (frame) => frame],
      [12, true, (frame) => tagged(frame, 0x0000)],
      [13, true, (frame) => tagged(frame, 0xe000)],
      [14, false, (frame) => tagged(frame, 0x0001)],
      [15, false, (frame) => tagged(frame, 0x6064)],
      [16, false, (frame) => tagged(frame, 0x0fff)],
      [17, false, (frame) => tagged(frame, 0x0064, 0x88a8)],
      [18, false, (frame) => tagged(tagged(frame, 0x0064), 0x0000)],
      [19, false, (frame) => tagged(tagged(frame, 0x0000), 0x0064)],
    ];
    const capture = await startCapture(bed.segment, { port: 'n1' });
    await inject(
      bed.client,
      cases.flatMap(([host, , wrap]) => [wrap(arp(host)), wrap(ns(host))]),
    );
    await sleep(500);
    const pcap = await capture.stop();
    const rows = await analyse(
      pcap,
      `(${spokenFor(IPV4, bed.node.host.mac)}) || (${spokenFor(IPV6, bed.node.host.mac)})`,
      ['arp.dst.proto_ipv4', 'ipv6.dst', 'vlan.id'],
    );
    const answered = rows.map((row) => row['arp.dst.proto_ipv4'] || row['ipv6.dst']).sort();
    const right = cases
      .filter(([, isAnswered]) => isAnswered)
      .flatMap(([host]) => [`10.99.0.${host}`, `fd99::${host}`]);
    assert.deepEqual(answered, right.sort());
    assert.deepEqual(
      rows.filter((row) => row['vlan.id'] !== ''),
      [],
      'the answers bear no tag',
    );
    const seen = await analyse(pcap, 'vlan', ['frame.number']);
    context.diagnostic(`${seen.length} tagged frames reached the port of the node`);
  },
);
