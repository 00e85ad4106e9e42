// A capture holds every frame from the moment it is ready until it is stopped, and third-party eyes judge it.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { analyse, findBadFrames, startCapture } from '../../src/cli/lab/capture.ts';
import type { Host, HostSpec } from '../../src/cli/lab/segment.ts';
import { segmentFor, wireTest } from '../support/lab.ts';

const hosts: HostSpec[] = [
  { name: 'c1', role: 'client' },
  { name: 'c2', role: 'client' },
];

wireTest(
  'host, port and bridge each see the same five pings, first and last included',
  ['tcpdump', 'tshark', 'ping'],
  async (context) => {
    const segment = await segmentFor(context, { hosts });
    const c1 = segment.hosts.get('c1') as Host;
    const start = performance.now();
    const captures = [
      await startCapture(segment, { host: c1 }),
      await startCapture(segment, { port: 'c2' }, { filter: 'icmp or arp' }),
      await startCapture(segment, 'bridge'),
    ];
    context.diagnostic(`three captures ready after ${(performance.now() - start).toFixed(0)} ms`);
    await c1.exec('ping', ['-n', '-c', '5', '-i', '0.01', '10.99.0.202']);
    const stopping = performance.now();
    const files = await Promise.all(captures.map((capture) => capture.stop()));
    context.diagnostic(`stopped after ${(performance.now() - stopping).toFixed(0)} ms`);
    for (const file of files) {
      assert.equal((await analyse(file, 'icmp.type == 8')).length, 5);
      assert.equal((await analyse(file, 'icmp.type == 0')).length, 5);
      const [request] = await analyse(file, 'arp.opcode == 1', [
        'eth.src',
        'arp.src.proto_ipv4',
        'arp.dst.proto_ipv4',
      ]);
      assert.deepEqual(request, {
        'eth.src': '02:00:00:00:02:01',
        'arp.src.proto_ipv4': '10.99.0.201',
        'arp.dst.proto_ipv4': '10.99.0.202',
      });
      assert.deepEqual(await findBadFrames(file), []);
    }
  },
);

/** A frame as a pcap record: no time, its whole length. */
const record = (frame: Uint8Array): Buffer => {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(frame.length, 8);
  header.writeUInt32LE(frame.length, 12);
  return Buffer.concat([header, frame]);
};

const bytes = (...rows: string[]): Uint8Array =>
  Buffer.from(rows.join('').replaceAll(/[^0-9a-f]/g, ''), 'hex');

wireTest('malformed frames, bad checksums and address conflicts are named', ['tshark'], async (context) => {
  const segment = await segmentFor(context);
  const arp = (mac: string): Uint8Array =>
    bytes(
      'ff ff ff ff ff ff',
      mac,
      '08 06', // Ethernet
      '00 01 08 00 06 04 00 01', // request
      mac,
      '0a 63 00 64',
      '00 00 00 00 00 00',
      '0a 63 00 64',
    );
  const solicitation = bytes(
    '33 33 ff 00 01 00',
    '02 00 00 00 00 01',
    '86 dd', // Ethernet
    '60 00 00 00 00 18 3a ff',
    'fe 80 00 00 00 00 00 00 00 00 00 00 00 00 00 01', // IPv6
    'ff 02 00 00 00 00 00 00 00 00 00 01 ff 00 01 00',
    '87 00',
    'de ad',
    '00 00 00 00',
    'fd 99 00 00 00 00 00 00 00 00 00 00 00 00 01 00', // wrong sum
  );
  const cutShort = arp('02 00 00 00 00 03').subarray(0, 30);
  const file = join(segment.directory, 'bad.pcap');
  const head = bytes('d4 c3 b2 a1 02 00 04 00 00 00 00 00 00 00 00 00 ff ff 00 00 01 00 00 00');
  const frames = [arp('02 00 00 00 00 01'), solicitation, arp('02 00 00 00 00 02'), cutShort];
  await writeFile(file, Buffer.concat([head, ...frames.map(record)]));
  const found = await findBadFrames(file);
  assert.deepEqual(
    found.map(({ frame, kind, source }) => [frame, kind, source]),
    [
      [2, 'checksum', '02:00:00:00:00:01'],
      [3, 'duplicate-address', '02:00:00:00:00:02'],
      [4, 'malformed', '02:00:00:00:00:03'],
    ],
  );
});

wireTest(
  'TCP over veth is no finding, though its checksums are left to the other end',
  ['tcpdump', 'tshark'],
  async (context) => {
    const segment = await segmentFor(context, { hosts });
    const capture = await startCapture(segment, 'bridge');
    const server = `require('node:net').createServer((s) => s.end('x')).listen(80, () => console.log('up'))`;
    const child = segment.hosts
      .get('c2')
      ?.spawn(process.execPath, ['-e', server], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child?.stdout?.once('data', resolve));
    const client = `require('node:net').connect(80, '10.99.0.202').resume()`;
    await segment.hosts.get('c1')?.exec(process.execPath, ['-e', client]);
    const file = await capture.stop();
    assert.ok((await analyse(file, 'tcp.flags.syn == 1')).length >= 2);
    assert.deepEqual(await findBadFrames(file), []);
  },
);

wireTest('a capture that cannot start says why', ['tcpdump'], async (context) => {
  const segment = await segmentFor(context, { hosts });
  await assert.rejects(startCapture(segment, { port: 'nosuch' }), /nosuch/);
  await assert.rejects(startCapture(segment, 'bridge', { filter: 'gibberish here' }), /tcpdump: /);
  const capture = await startCapture(segment, 'bridge', { file: join(segment.directory, 'a.pcap') });
  assert.equal(await capture.stop(), await capture.stop());
  assert.ok((await readFile(capture.file)).length >= 24);
});
