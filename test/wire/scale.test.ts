// Ten thousand service IPs on one node, 5,000 of each family: all answer, all groups are joined, each is announced at
// the stated pace, a reload that adds one disturbs none, and it ends in time.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { captureMany, mostWithin } from '../../bench/capture-many.ts';
import { analyse, timeOf } from '../../src/cli/lab/capture.ts';
import { solicitedNodeAddress } from '../../src/machines/addresses.ts';
import { ANNOUNCE_BURST_FRAMES, ANNOUNCE_FRAMES_PER_SECOND } from '../../src/machines/announcer.ts';
import { type Bed, bedFor, sleep, waitFor } from '../support/bed.ts';
import { wireTest, within } from '../support/lab.ts';

const PAIRS = 5_000;
const ips = Array.from({ length: PAIRS }, (_, index) => [
  `10.99.${16 + Math.floor(index / 250)}.${1 + (index % 250)}`,
  `fd99::${(0x1000 + index).toString(16)}`,
]).flat();
const ONE_MORE = '10.99.99.99';

const groupsOf = async (bed: Bed): Promise<Set<string>> => {
  const text = await bed.node.host.exec('cat', ['/proc/net/igmp6']);
  return new Set([...text.matchAll(/^\d+\s+eth0\s+([0-9a-f]{32})/gm)].map((match) => match[1] as string));
};

/** A group as /proc/net/igmp6 writes it: ff02::1:ffXX:XXXX without colons. */
const written = (ip: string): string => {
  const [high = '', low = ''] = solicitedNodeAddress(ip).split(':').slice(-2);
  return `ff0200000000000000000001${high.padStart(4, '0')}${low.padStart(4, '0')}`;
};

const residentMib = (bed: Bed): number =>
  Math.round(
    Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${bed.node.pid()}/status`, 'utf8'))?.[1]) / 1_024,
  );

const addressesOnLo = async (bed: Bed): Promise<number> =>
  (await bed.node.host.exec('ip', ['-o', 'addr', 'show', 'dev', 'lo'])).trim().split('\n').length;

const captureOurs = (bed: Bed): Promise<() => Promise<string>> =>
  captureMany(bed.segment, 'n1', `ether src ${bed.node.host.mac} and (arp or icmp6)`);

/** Which IP each frame that this node announced was about, with its time. */
const announcements = async (pcap: string, bed: Bed): Promise<{ at: number; ip: string }[]> => {
  const filter = `eth.src == ${bed.node.host.mac} && ((arp.isgratuitous == 1) || (icmpv6.type == 136 && ipv6.dst == ff02::1))`;
  const fields = ['frame.time_epoch', 'arp.src.proto_ipv4', 'icmpv6.nd.na.target_address'];
  return (await analyse(pcap, filter, fields)).map((row) => ({
    at: timeOf(row),
    ip: row['arp.src.proto_ipv4'] || (row['icmpv6.nd.na.target_address'] as string),
  }));
};

const loadAll = async (bed: Bed): Promise<void> => {
  // Every IP is asked for once at least: in turns, 32 at a time.
  const load = await bed.load(['--outstanding', '32', '--duration', '3000', ...ips]);
  assert.ok(load.answered >= ips.length, `${load.answered} answers in 3 s`);
  assert.equal(load.lost, 0);
};

wireTest(
  '10,000 service IPs: announced at the stated pace, all groups joined, all answered, one more disturbs none',
  ['tcpdump', 'tshark'],
  async (context) => {
    const bed = await bedFor(context, {
      serviceIPs: ips,
      extra: 'announcements: {refresh: 1h}',
    });
    for (const host of [bed.node.host, bed.client]) {
      await host.exec('sh', [
        '-ec',
        `ip addr del ${host.ipv4}/24 dev eth0; ip addr add ${host.ipv4}/16 dev eth0`,
      ]);
    }
    const stopFirst = await captureOurs(bed);
    const from = performance.now();
    await bed.node.start();
    const startedMs = performance.now() - from;
    await bed.lead(60_000);
    const ledMs = performance.now() - from;
    const groups = await groupsOf(bed);
    const missing = ips.filter((ip) => ip.includes(':') && !groups.has(written(ip)));
    assert.deepEqual(missing, [], `${missing.length} groups are not joined`);
    await sleep(6_000);
    const frames = await announcements(await stopFirst(), bed);
    const perIp = new Map<string, number>();
    for (const { ip } of frames) perIp.set(ip, (perIp.get(ip) ?? 0) + 1);
    const silent = ips.filter((ip) => (perIp.get(ip) ?? 0) < (ip.includes(':') ? 1 : 2));
    assert.deepEqual(silent, [], `${silent.length} were never announced`);
    const times = frames.map(({ at }) => at);
    const most = mostWithin(times, 1_000);
    const mostArp = mostWithin(
      frames.filter(({ ip }) => !ip.includes(':')).map(({ at }) => at),
      1_000,
    );
    const lastFirst = Math.max(...ips.map((ip) => frames.find((frame) => frame.ip === ip)?.at ?? Number.NaN));
    context.diagnostic(
      `up after ${Math.round(startedMs)} ms, all led after ${Math.round(ledMs)} ms; every IP announced within ` +
        `${Math.round(lastFirst - (times[0] as number))} ms of the first; at most ${most} frames (${mostArp} ARP) in a second; resident ${residentMib(bed)} MiB`,
    );
    const stated = ANNOUNCE_FRAMES_PER_SECOND + ANNOUNCE_BURST_FRAMES;
    within(mostArp, 1.02 * stated, 'ARP frames in a second');
    // IPv6 announcements leave by the main thread, later than they were taken from the bucket while it is busy.
    within(most, 2 * stated, 'frames in a second');
    await loadAll(bed);
    await sleep(1_000);
    context.diagnostic(`resident after the load ${residentMib(bed)} MiB`);

    const stopSecond = await captureOurs(bed);
    const text = readFileSync(bed.node.configFile, 'utf8');
    const reloadAt = performance.now();
    writeFileSync(bed.node.configFile, text.replace('serviceIPs:', `serviceIPs:\n  - ip: "${ONE_MORE}"`));
    bed.node.signal('SIGHUP');
    const load = bed.load(['--rate', '500', '--duration', '3000', ...ips.slice(0, 20)]);
    await waitFor('the new IP to be led', 20_000, async () =>
      (await bed.node.status()).serviceIPs.some(({ ip, state }) => ip === ONE_MORE && state === 'leader')
        ? true
        : null,
    );
    const reloadedMs = performance.now() - reloadAt;
    const during = await load;
    await sleep(500);
    const others = (await announcements(await stopSecond(), bed)).filter(({ ip }) => ip !== ONE_MORE);
    context.diagnostic(
      `reload: led after ${Math.round(reloadedMs)} ms (1 s of it probing); answers meanwhile p99 ${during.p99Us} µs, worst ${during.maxUs} µs`,
    );
    assert.deepEqual(others, [], 'no frame about any other IP');
    assert.equal(during.lost, 0);

    const stopAt = performance.now();
    bed.node.signal('SIGTERM');
    assert.equal(await bed.node.exited(), 0);
    const exitMs = performance.now() - stopAt;
    context.diagnostic(`SIGTERM: ended after ${Math.round(exitMs)} ms`);
    assert.equal(await addressesOnLo(bed), 2, 'nothing is left on lo');
  },
);
