// A hostile network: floods of frames that nobody should have sent, beside clients who mean it; and hosts that use a
// service IP without asking.
import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Flood } from '../../bench/answer-flood.ts';
import { analyse, startCapture } from '../../src/cli/lab/capture.ts';
import type { Host } from '../../src/cli/lab/segment.ts';
import { encodeFrame } from '../../src/io/packets/frame.ts';
import { HELLO_GROUP } from '../../src/io/packets/hello-codec.ts';
import { gratuitousRequest, unsolicitedAdvertisement } from '../../src/machines/neighbor-frames.ts';
import { type Bed, bedFor, inject, outputOf, sleep, spokenAt, timeOf, waitFor } from '../support/bed.ts';
import { ARP_REPLY, ARP_REQUEST, patched, sampleFrames, seeded } from '../support/frames.ts';
import { wireTest, within } from '../support/lab.ts';

const IPV4 = '10.99.0.100';
const IPV6 = 'fd99::100';
/** A service IP that rivals claim in the flood: by RFC 5227 §2.4 it may be lost, and the others must not be. */
const VICTIM = '10.99.0.111';
const FOREIGN_MAC = '02:00:00:00:00:99';
const SECONDS = process.env.HOLDFAST_LONG === '1' ? 30 : 10;
const RATE = 100_000;
const FLOOD = fileURLToPath(new URL('../../bench/answer-flood.ts', import.meta.url));

const macBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(':', ''), 'hex');
const randomMac = (random: () => number): string =>
  `02:66:${[0, 1, 2, 3].map(() => (random() & 0xff).toString(16).padStart(2, '0')).join(':')}`;

/** 4,000 frames of every hostile kind, most of them to the node itself. */
const hostileFrames = (node: Host, seed: number): Uint8Array[] => {
  const random = seeded(seed);
  const noise = (length: number): Uint8Array => Uint8Array.from({ length }, () => random() & 0xff);
  const samples = sampleFrames();
  const sample = (): Uint8Array => samples[random() % samples.length] as Uint8Array;
  const mutated = (): Uint8Array => {
    let frame = sample();
    for (let count = 1 + (random() % 4); count > 0; count -= 1) {
      frame = patched(frame, 12 + (random() % (frame.length - 12)), noise(1 + (random() % 3)).subarray(0, 1));
    }
    return frame;
  };
  const kinds: readonly (() => Uint8Array)[] = [
    mutated,
    mutated,
    mutated,
    // Cut short, down to the bare header.
    () => sample().subarray(0, 14 + (random() % 40)),
    // Requests for addresses that are nobody's business here, from senders that do not exist.
    () => {
      const mac = randomMac(random);
      const spa = `10.99.${random() % 256}.${random() % 256}`;
      const tpa = `10.99.${1 + (random() % 255)}.${random() % 256}`;
      return encodeFrame({ ...ARP_REQUEST, ethernetSource: mac, sha: mac, spa, tpa });
    },
    // Real requests for a service IP from clients that do not exist: each would be remembered.
    () => {
      const mac = randomMac(random);
      const spa = `10.99.${random() % 256}.${random() % 256}`;
      return encodeFrame({
        ...ARP_REQUEST,
        ethernetSource: mac,
        sha: mac,
        spa,
        tpa: random() % 2 ? IPV4 : VICTIM,
      });
    },
    // Rivals, with a MAC of their own each.
    () => {
      const mac = randomMac(random);
      return encodeFrame({ ...ARP_REPLY, ethernetSource: mac, sha: mac, spa: VICTIM });
    },
    // Replies nobody asked for, in the name of the client.
    () => encodeFrame({ ...ARP_REPLY, sha: randomMac(random), spa: '10.99.0.201', tpa: IPV4 }),
    // Hellos of somebody without the key.
    () =>
      patched(
        noise(60 + (random() % 900)),
        0,
        Buffer.concat([macBytes(HELLO_GROUP), macBytes(randomMac(random)), Buffer.from('88b5', 'hex')]),
      ),
    // Noise behind an ethertype that the filter lets in.
    () =>
      patched(
        noise(60 + (random() % 200)),
        12,
        Buffer.from(['0806', '86dd', '8100', '88b5'][random() % 4] as string, 'hex'),
      ),
  ];
  const oversize = (): Uint8Array =>
    patched(noise(9_000), 0, random() % 2 ? sample() : encodeFrame(ARP_REQUEST));
  return Array.from({ length: 4_000 }, (_, index) => {
    const frame = Uint8Array.from(
      index % 50 === 0 ? oversize() : (kinds[random() % kinds.length] as () => Uint8Array)(),
    );
    // Not by the name of the node or of the client: who can do that is the switch, and can do anything.
    if (frame[5] !== macBytes(HELLO_GROUP)[5] || frame[0] !== 0x01)
      frame.set(random() % 10 === 0 ? macBytes('ff:ff:ff:ff:ff:ff') : macBytes(node.mac), 0);
    frame.set(macBytes(randomMac(seeded(index % 64))), 6);
    return frame;
  });
};

const writeFrames = (file: string, frames: readonly Uint8Array[]): string => {
  const withLength = frames.map((frame) =>
    Buffer.concat([Buffer.from([frame.length >> 8, frame.length & 0xff]), frame]),
  );
  writeFileSync(file, Buffer.concat(withLength));
  return file;
};

const residentMib = (bed: Bed): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${bed.node.pid()}/status`, 'utf8'))?.[1]) / 1_024;
const journalBytes = (bed: Bed): number =>
  readdirSync(bed.node.journal).reduce((sum, name) => sum + statSync(join(bed.node.journal, name)).size, 0);

/** Jumbo frames between attacker and node: a frame longer than what the wire thread reads. */
const allowJumbo = async (bed: Bed, attacker: Host): Promise<void> => {
  for (const host of [attacker, bed.node.host]) await host.exec('ip', ['link', 'set', 'eth0', 'mtu', '9100']);
  for (const port of ['attacker', 'n1'])
    await bed.segment.switch.exec('ip', ['link', 'set', port, 'mtu', '9100']);
};

wireTest(
  `100,000 hostile frames a second for ${SECONDS} s: every good request is answered, memory and journal do not grow`,
  [],
  async (context) => {
    const seed = Date.now() % 100_000;
    const bed = await bedFor(context, {
      serviceIPs: [IPV4, IPV6, VICTIM],
      hosts: [{ name: 'attacker', role: 'client' }],
    });
    const keys = join(bed.node.directory, 'keys');
    writeFileSync(keys, `${'5a'.repeat(32)}\n`);
    chmodSync(keys, 0o600);
    writeFileSync(
      bed.node.configFile,
      `${readFileSync(bed.node.configFile, 'utf8')}heartbeat: {keyFile: ${keys}}\n`,
    );
    await bed.node.start();
    await bed.lead();
    const attacker = bed.segment.hosts.get('attacker') as Host;
    await allowJumbo(bed, attacker);
    await bed.lead();
    const file = writeFrames(join(bed.node.directory, 'frames'), hostileFrames(bed.node.host, seed));
    const flood = (seconds: number): Promise<Flood> =>
      attacker
        .exec(
          process.execPath,
          [FLOOD, '--rate', String(RATE), '--duration', String(seconds * 1_000), file],
          {
            timeoutMs: 120_000,
          },
        )
        .then((text) => JSON.parse(text) as Flood);
    // Compiled, and every table as full as it gets: growth from here on would be a leak.
    await flood(4);
    const before = { resident: residentMib(bed), journal: journalBytes(bed) };
    const flooding = flood(SECONDS);
    await sleep(300);
    const load = await bed.load(['--rate', '500', '--duration', String(SECONDS * 1_000 - 1_000), IPV4, IPV6]);
    const { framesPerSecond, refused } = await flooding;
    const after = { resident: residentMib(bed), journal: journalBytes(bed) };
    context.diagnostic(
      `seed ${seed}: ${framesPerSecond} frames/s; ${load.answered} of ${load.sent} answered, p50 ${load.p50Us} µs, p99 ${load.p99Us} µs; ` +
        `resident ${before.resident.toFixed(0)} → ${after.resident.toFixed(0)} MiB, journal +${((after.journal - before.journal) / 1024).toFixed(0)} KiB`,
    );
    within(0.9 * RATE, framesPerSecond, `frames a second to be sent (${refused} refused)`);
    within(load.sent - load.answered, 0, 'requests left unanswered');
    // The wire thread's nursery is small (wire.ts), so that garbage is collected before it is felt.
    assert.ok(after.resident - before.resident < 32, 'memory grew');
    // A rival is news four times a second at most, whatever its MACs.
    assert.ok(after.journal - before.journal < SECONDS * 16_384, 'the journal grew');
    const { serviceIPs } = await bed.node.status();
    for (const ip of [IPV4, IPV6]) assert.equal(serviceIPs.find((one) => one.ip === ip)?.state, 'leader');
    assert.deepEqual(
      bed
        .log()
        .filter(({ level, from }) => level >= 50 || from === 'leader')
        .map(({ ip }) => ip ?? 'error')
        .filter((ip) => ip !== VICTIM),
      [],
    );
  },
);

const claimOf = (ip: string): Uint8Array =>
  encodeFrame(
    ip.includes(':') ? unsolicitedAdvertisement(ip, FOREIGN_MAC) : gratuitousRequest(ip, FOREIGN_MAC),
  );

wireTest(
  'a foreign host that has the address: refused at the first claim, with the reason in status, and not one frame',
  ['tcpdump', 'tshark'],
  async (context) => {
    const bed = await bedFor(context, { hosts: [{ name: 'foreign', role: 'client' }] });
    const foreign = bed.segment.hosts.get('foreign') as Host;
    for (const ip of [`${IPV4}/24`, `${IPV6}/64`]) {
      await foreign.exec('ip', ['addr', 'add', ip, 'dev', 'eth0', ...(ip.includes(':') ? ['nodad'] : [])]);
    }
    const capture = await startCapture(bed.segment, { port: 'n1' }, { filter: 'arp or icmp6' });
    await bed.node.start();
    const refused = await waitFor('both to be refused', 8_000, async () => {
      const { serviceIPs } = await bed.node.status();
      return serviceIPs.every(({ cause }) => cause === 'foreign-use') ? serviceIPs : null;
    });
    for (const { state, holder, reason } of refused) {
      assert.deepEqual([state, holder], ['unowned', null]);
      assert.ok(reason.includes(foreign.mac), reason);
    }
    await sleep(1_500);
    const { findings } = await bed.node.status();
    for (const ip of [IPV4, IPV6])
      assert.ok(
        findings.some((text) => text.includes(ip)),
        findings.join('\n'),
      );
    for (const ip of [IPV4, IPV6]) {
      await outputOf(bed.client, 'ping', ['-c', '1', '-W', '1', ip]);
      assert.equal(
        (await bed.segment.neighbour(bed.client, ip))?.mac,
        foreign.mac,
        'the client sees who had it',
      );
    }
    assert.deepEqual(await spokenAt(await capture.stop(), [IPV4, IPV6], bed.node.host.mac), []);
  },
);

for (const ip of [IPV4, IPV6]) {
  wireTest(
    `a foreign claim of ${ip} while leader: defended once, given up at the second within 10 s, as the capture shows`,
    ['tcpdump', 'tshark'],
    async (context) => {
      const bed = await bedFor(context, { hosts: [{ name: 'foreign', role: 'client' }] });
      const foreign = bed.segment.hosts.get('foreign') as Host;
      await bed.node.start();
      await bed.lead();
      await sleep(3_000); // The rounds of the taking are over: what is announced from now on is defence.
      await outputOf(bed.client, 'ping', ['-c', '1', '-W', '1', ip]);
      const capture = await startCapture(bed.segment, { port: 'n1' }, { filter: 'arp or icmp6' });
      await inject(foreign, [claimOf(ip)]);
      await sleep(1_500);
      const between = await bed.segment.neighbour(bed.client, ip);
      const isLed = async (): Promise<string | undefined> =>
        (await bed.node.status()).serviceIPs.find((one) => one.ip === ip)?.state;
      assert.equal(await isLed(), 'leader');
      assert.equal(between?.mac, bed.node.host.mac, 'the defence brought the client back');
      await inject(foreign, [claimOf(ip)]);
      const released = await waitFor('the release', 1_000, async () =>
        (await isLed()) === 'unowned' ? Date.now() : null,
      );
      await sleep(1_500);
      await outputOf(bed.client, 'arping', ['-c', '2', '-W', '0.2', '-i', 'eth0', IPV4]);
      const status = (await bed.node.status()).serviceIPs.find((one) => one.ip === ip);
      assert.equal(status?.cause, 'foreign-use');
      assert.ok(status?.reason.includes(FOREIGN_MAC));
      const pcap = await capture.stop();
      const claims = (
        await analyse(
          pcap,
          ip === IPV4
            ? `arp.src.hw_mac == ${FOREIGN_MAC}`
            : `icmpv6.nd.na.target_address == ${ip} && icmpv6.opt.linkaddr == ${FOREIGN_MAC}`,
          ['frame.time_epoch'],
        )
      ).map(timeOf);
      assert.equal(claims.length, 2);
      const ours = await spokenAt(pcap, [ip], bed.node.host.mac);
      const [first = 0, second = 0] = claims;
      const defence = ours.filter((at) => at >= first && at < second);
      context.diagnostic(
        `defended ${((defence[0] ?? 0) - first).toFixed(1)} ms after the claim with ${defence.length} frames, released ${Math.round(released - second)} ms after the second`,
      );
      assert.equal(defence.length, ip === IPV4 ? 2 : 1, 'one defence');
      assert.deepEqual(
        ours.filter((at) => at > second + 50),
        [],
        'silent after the release',
      );
      assert.equal(
        (await bed.segment.neighbour(bed.client, ip))?.mac,
        FOREIGN_MAC,
        'the client believes the last claim',
      );
    },
  );
}
