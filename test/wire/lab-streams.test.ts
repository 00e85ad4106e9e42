// The accounts of long connections and datagram streams agree with what was done to them.
import assert from 'node:assert/strict';
import type { Host, Segment } from '../../src/cli/lab/segment.ts';
import { LAB_SERVICE_IPS } from '../../src/cli/lab/stage.ts';
import { type ConnectionPlan, type StreamResult, startStreams } from '../../src/cli/lab/streams.ts';
import { startEcho } from '../../src/cli/lab/tcp.ts';
import { sleep } from '../support/bed.ts';
import { segmentFor, type WireContext, wireTest, within } from '../support/lab.ts';

const LONG_MS = 60_000;
const LIVES: readonly ConnectionPlan[] = [
  { lastsMs: 300 },
  { lastsMs: 500, idle: true },
  { lastsMs: LONG_MS, pausesMs: 50 },
  { lastsMs: LONG_MS, idle: true },
];

interface Ground {
  readonly segment: Segment;
  readonly hosts: readonly [Host, Host];
  readonly client: Host;
}

const addresses = (host: Host, verb: 'add' | 'del'): Promise<string> =>
  host.exec('ip', ['-batch', '-'], {
    input: LAB_SERVICE_IPS.map((ip) => `addr ${verb} ${ip} dev lo`).join('\n'),
  });

const pointTo = async ({ segment, client }: Ground, { mac }: Host): Promise<void> => {
  for (const ip of LAB_SERVICE_IPS) await segment.setNeighbour(client, ip, mac, 'permanent');
};

/** Two hosts with echo servers, of which the first has the service IPs; the client's cache says so. */
const groundFor = async (context: WireContext): Promise<Ground> => {
  const segment = await segmentFor(context, {
    hosts: [
      { name: 'n1', role: 'node' },
      { name: 'n2', role: 'node' },
      { name: 'client', role: 'client' },
    ],
  });
  const [n1, n2, client] = ['n1', 'n2', 'client'].map((name) => segment.hosts.get(name)) as [
    Host,
    Host,
    Host,
  ];
  for (const host of [n1, n2]) await startEcho(host, LAB_SERVICE_IPS);
  await addresses(n1, 'add');
  const ground: Ground = { segment, hosts: [n1, n2], client };
  await pointTo(ground, n1);
  return ground;
};

const outcomes = ({ connections }: StreamResult): readonly string[] =>
  connections.map(({ outcome, code }) => (code === null ? outcome : `${outcome} ${code}`));

wireTest('nothing happens: lives are completed or open, no datagram is lost', [], async (context) => {
  const { client } = await groundFor(context);
  const streams = await startStreams(client, {
    targets: LAB_SERVICE_IPS,
    connections: LIVES,
    udpPeriodMs: 5,
  });
  await sleep(1_000);
  const results = await streams.stop();
  assert.deepEqual(
    results.map(({ target }) => target),
    LAB_SERVICE_IPS,
  );
  for (const result of results) {
    assert.deepEqual(outcomes(result), ['completed', 'completed', 'open', 'open']);
    const { completed, open, reset, failed, datagrams, longestSilenceMs, connections } = result;
    assert.deepEqual({ completed, open, reset, failed }, { completed: 2, open: 2, reset: 0, failed: 0 });
    assert((connections[1]?.livedMs ?? 0) >= 490, 'as long as planned');
    assert((datagrams?.sent ?? 0) > 100);
    assert.deepEqual([datagrams?.lost, datagrams?.gapMs, datagrams?.firstLostAt], [0, 0, null]);
    within(longestSilenceMs, 200, 'a line and its echo');
  }
});

wireTest('a move resets who talks at once, and who is idle when it speaks', [], async (context) => {
  const ground = await groundFor(context);
  const [n1, n2] = ground.hosts;
  const streams = await startStreams(ground.client, {
    targets: LAB_SERVICE_IPS,
    connections: [...LIVES, { lastsMs: 2_000, idle: true }],
    udpPeriodMs: 5,
  });
  await sleep(800);
  const began = Date.now();
  await addresses(n1, 'del');
  await sleep(200);
  await addresses(n2, 'add');
  await pointTo(ground, n2);
  const done = Date.now();
  await sleep(1_500);
  const spoke = Date.now();
  for (const result of await streams.stop()) {
    const lost = ['reset ECONNRESET', 'reset ECONNRESET', 'reset ECONNRESET'];
    assert.deepEqual(outcomes(result), ['completed', 'completed', ...lost]);
    const [, , talking, idle, planned] = result.connections;
    assert((talking?.endedAt ?? 0) >= began);
    // The kernel repeats the line that was lost after 200, 400, 800 ms.
    within((talking?.endedAt ?? 0) - done, 1_000, 'the line is repeated and meets the new host after');
    assert((talking?.longestSilenceMs ?? 0) >= 150, 'the silence before the reset counts');
    assert((idle?.endedAt ?? 0) >= spoke, 'noticed at the stop');
    assert((planned?.livedMs ?? 0) >= 1_990, 'noticed at the end of its time');
    const { datagrams } = result;
    assert((datagrams?.lost ?? 0) > 10, 'the hole of 200 ms');
    assert((datagrams?.gapMs ?? 0) >= 195);
    within(datagrams?.gapMs ?? 0, done - began + 100, 'the hole');
    assert((datagrams?.firstLostAt ?? 0) >= began - 10 && (datagrams?.lastLostAt ?? 0) <= done + 10);
  }
});

wireTest('without a server a connection fails, and one whose host falls silent too', [], async (context) => {
  const ground = await groundFor(context);
  const [n1] = ground.hosts;
  const nobody = await startStreams(ground.client, {
    targets: ['10.99.0.201'],
    connections: [{ lastsMs: 100 }],
  });
  await nobody.over;
  assert.deepEqual((await nobody.stop()).map(outcomes), [['failed ECONNREFUSED']]);
  const streams = await startStreams(ground.client, {
    targets: LAB_SERVICE_IPS,
    connections: [{ lastsMs: LONG_MS }, { lastsMs: 1_000, idle: true }],
  });
  await addresses(n1, 'del');
  await streams.over;
  for (const result of await streams.stop()) {
    assert.deepEqual(outcomes(result), ['failed SILENT', 'failed SILENT']);
    assert.equal(result.datagrams, null);
    assert(result.longestSilenceMs >= 10_000);
  }
});
