// A changed configuration reaches the wire for the IPs that it changes, and for nobody else.
import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { analyse, startCapture } from '../../src/cli/lab/capture.ts';
import { startProbe } from '../../src/cli/lab/prober.ts';
import { type Bed, leadingBed, sleep, spokenAt, waitFor } from '../support/bed.ts';
import { wireTest } from '../support/lab.ts';

const IPV4 = '10.99.0.100';
const NEW_IPS = ['10.99.0.110', 'fd99::110'];

const leadsExactly = (bed: Bed, ips: readonly string[]): Promise<true> =>
  waitFor(`it to lead ${ips.join(', ')}`, 8_000, async () => {
    const { serviceIPs } = await bed.node.status();
    const led = serviceIPs.filter(({ state }) => state === 'leader').map(({ ip }) => ip);
    return serviceIPs.length === ips.length && led.sort().join() === [...ips].sort().join() ? true : null;
  });

const withIps = (text: string, ips: readonly string[]): string =>
  text.replace(/serviceIPs:\n( {2}- .*\n)+/, `serviceIPs:\n${ips.map((ip) => `  - ip: "${ip}"\n`).join('')}`);

for (const how of ['SIGHUP', 'a changed file', 'a replaced file'] as const) {
  wireTest(
    `${how} adds and removes IPs; those that stay lose no ping, and no frame is sent about them`,
    ['tcpdump', 'tshark'],
    async (context) => {
      const bed = await leadingBed(context);
      const text = readFileSync(bed.node.configFile, 'utf8');
      const write = (content: string): void => {
        if (how === 'a replaced file') {
          writeFileSync(`${bed.node.configFile}.new`, content);
          renameSync(`${bed.node.configFile}.new`, bed.node.configFile);
        } else writeFileSync(bed.node.configFile, content);
        if (how === 'SIGHUP') bed.node.signal('SIGHUP');
      };
      // Resolve first, and let the rounds of announcements pass.
      await startProbe(bed.client, { targets: bed.serviceIPs, durationMs: 100 }).finished;
      await sleep(2_600);
      const capture = await startCapture(bed.segment, { port: 'n1' }, { filter: 'arp or icmp6' });
      const probe = startProbe(bed.client, { targets: bed.serviceIPs });
      await probe.ready;
      write(withIps(text, [...bed.serviceIPs, ...NEW_IPS]));
      await leadsExactly(bed, [...bed.serviceIPs, ...NEW_IPS]);
      await startProbe(bed.client, { targets: NEW_IPS, durationMs: 50 }).finished;
      write(text);
      await leadsExactly(bed, bed.serviceIPs);
      const releasedAt = Date.now();
      await sleep(300);
      for (const { target, lost } of await probe.stop()) assert.deepEqual([target, lost], [target, 0]);
      const pcap = await capture.stop();
      // Nobody asked for them either: the client's entries were fresh.
      const unasked = await analyse(
        pcap,
        `eth.src == ${bed.node.host.mac} && (arp.isgratuitous == 1 || ipv6.dst == ff02::1) && (arp.src.proto_ipv4 == ${IPV4} || icmpv6.nd.na.target_address == fd99::100)`,
      );
      assert.deepEqual(unasked, []);
      const news = await spokenAt(pcap, NEW_IPS, bed.node.host.mac);
      assert.ok(news.length >= 3, `${news.length} frames about the new IPs`);
      assert.ok((news.at(-1) as number) < releasedAt + 50, 'nothing about them after their release');
    },
  );
}

wireTest('a bad file keeps the last good one, and says one line a problem, once', [], async (context) => {
  const bed = await leadingBed(context);
  const text = readFileSync(bed.node.configFile, 'utf8');
  const rejected = (): string[] =>
    bed
      .log()
      .filter(({ code }) => code === 'config-rejected')
      .map(({ msg }) => msg);
  const probe = startProbe(bed.client, { targets: bed.serviceIPs });
  await probe.ready;
  const bad: readonly (readonly [string, RegExp])[] = [
    [
      `${text}serviceIP: []\n`,
      /config\.yaml:\d+: serviceIP: is not a known key; did you mean serviceIPs\?; the last good one stays/,
    ],
    [withIps(text, [IPV4, IPV4]), /10\.99\.0\.100/],
    [withIps(text, ['10.99.0.0/24']), /range/],
    [withIps(text, ['010.1.1.1']), /010\.1\.1\.1/],
    ['serviceIPs: [\n', /config\.yaml/],
  ];
  for (const [content, expected] of bad) {
    const before = rejected().length;
    writeFileSync(bed.node.configFile, content);
    bed.node.signal('SIGHUP');
    bed.node.signal('SIGHUP');
    await waitFor('the line', 3_000, () => (rejected().length > before ? true : null));
    await sleep(250);
    const said = rejected().slice(before);
    assert.equal(said.length, 1, said.join('\n'));
    assert.match(said[0] as string, expected);
  }
  for (const { target, lost } of await probe.stop()) assert.deepEqual([target, lost], [target, 0]);
  await leadsExactly(bed, bed.serviceIPs);
  // The good one comes back: no news, no transition.
  writeFileSync(bed.node.configFile, text);
  bed.node.signal('SIGHUP');
  await sleep(400);
  assert.deepEqual(
    bed.log().filter(({ from }) => from === 'leader'),
    [],
  );
});

wireTest(
  'a reload that changes what only a start can change says so, and the service goes on as it was',
  [],
  async (context) => {
    const bed = await leadingBed(context, { extra: 'serve: none' });
    const text = readFileSync(bed.node.configFile, 'utf8');
    writeFileSync(
      bed.node.configFile,
      withIps(text.replace('serve: none', 'serve: host').replace('node: n1', 'node: n7'), [
        ...bed.serviceIPs,
        '10.99.0.111',
      ]),
    );
    bed.node.signal('SIGHUP');
    await leadsExactly(bed, [...bed.serviceIPs, '10.99.0.111']);
    const said = bed
      .log()
      .map(({ msg }) => msg)
      .join('\n');
    assert.match(said, /node, serve: .*restart/);
    assert.equal((await bed.node.status()).node, 'n1');
  },
);
