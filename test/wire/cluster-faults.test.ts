// What must not move anything: a node asleep for ten seconds, a name taken twice, foreign keys, a wrong clock.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { analyse, startCapture } from '../../src/cli/lab/capture.ts';
import { createLabNode, type LabNode, sleep } from '../../src/cli/lab/lab-node.ts';
import { SHORT_DRAIN, startProbing } from '../../src/cli/lab/scenario.ts';
import type { Host } from '../../src/cli/lab/segment.ts';
import { LAB_SERVICE_IPS, type Stage } from '../../src/cli/lab/stage.ts';
import {
  assertReplaysIdentically,
  holdings,
  keyFile,
  othersThan,
  STAGE_TOOLS,
  stageFor,
} from '../support/cluster.ts';
import { wireTest } from '../support/lab.ts';

const [IPV4, IPV6] = LAB_SERVICE_IPS;
const PAUSE_MS = 10_000;

/** A client that forgets and asks again all the time, so that there is something to answer. */
const keepAsking = (stage: Stage, client: Host): (() => Promise<void>) => {
  let isOver = false;
  const asking = (async () => {
    while (!isOver) {
      for (const ip of LAB_SERVICE_IPS) await stage.segment.setNeighbour(client, ip, '', 'none');
      await client.exec('ping', ['-c', '1', '-W', '1', IPV4]).catch(() => {});
      await client.exec('ping', ['-6', '-c', '1', '-W', '1', IPV6]).catch(() => {});
      await sleep(20);
    }
  })();
  return async () => {
    isOver = true;
    await asking;
  };
};

wireTest(
  'an owner asleep for 10 s answers for nothing that moved, once it wakes',
  [...STAGE_TOOLS, 'tcpdump', 'tshark', 'ping'],
  async (context) => {
    const stage = await stageFor(context);
    const owner = await stage.gathered();
    await stage.settled();
    const capture = await startCapture(stage.segment, { port: owner.host.name }, { filter: 'arp or icmp6' });
    const stopAsking = keepAsking(stage, stage.clients[1] as Host);
    const stop = await startProbing(stage.client);
    owner.signal('SIGSTOP');
    const pausedAt = Date.now() / 1_000;
    await sleep(PAUSE_MS);
    const before = await stage.owners(othersThan(stage, owner));
    owner.signal('SIGCONT');
    await sleep(2_000);
    await stopAsking();
    const pings = await stop();
    await stage.settled();
    assert.deepEqual(await stage.owners(), before);
    const fields = ['frame.time_epoch', 'eth.src', '_ws.col.Info'];
    const file = await capture.stop();
    const claims = `arp.src.proto_ipv4 == ${IPV4} || icmpv6.nd.na.target_address == ${IPV6}`;
    const frames = await analyse(file, `eth.src == ${owner.host.mac} && (${claims})`, fields);
    const late = frames.filter((row) => Number(row['frame.time_epoch']) > pausedAt + 0.001);
    assert(frames.length > 0, 'it answered before');
    assert.deepEqual(late, []);
    // Its kernel still carried those that knew the way; nobody was sent back to it.
    for (const { lost } of pings) assert.equal(lost, 0);
    await assertReplaysIdentically(stage);
  },
);

wireTest(
  'nodes that stand still together, as on one machine that is stopped, wake up as what they were',
  STAGE_TOOLS,
  async (context) => {
    const stage = await stageFor(context);
    await stage.gathered();
    await stage.settled();
    const before = await holdings(stage);
    for (const node of stage.nodes) node.signal('SIGSTOP');
    // Five hold times, and less than the watchdog.
    await sleep(1_000);
    for (const node of stage.nodes) node.signal('SIGCONT');
    await sleep(1_500);
    assert.deepEqual(await holdings(stage), before);
    await assertReplaysIdentically(stage);
  },
);

wireTest('a name taken twice: the newcomer refuses and says who has it', STAGE_TOOLS, async (context) => {
  const stage = await stageFor(context);
  await stage.settled();
  const before = await holdings(stage);
  const host = await stage.segment.addHost({ name: 'twin', role: 'node' });
  const twin = createLabNode(stage.segment, host, { serviceIPs: LAB_SERVICE_IPS, nodeName: 'n1' });
  await twin.start().catch(() => {});
  assert.equal(await twin.exited(), 2);
  const log = readFileSync(twin.logFile, 'utf8');
  assert.match(log, /holdfast: node: .*n1/);
  assert.match(log, new RegExp(stage.nodes[0]?.host.mac ?? '-'), 'it says who has the name');
  assert.deepEqual(await holdings(stage), before);
  await assertReplaysIdentically(stage);
});

/** Hellos that a node dropped, by reason, from its metrics. */
const dropped = async (node: LabNode): Promise<string> => {
  const text = await node.host.exec('curl', ['-s', 'http://127.0.0.1:9476/metrics']);
  return text
    .split('\n')
    .filter((line) => line.startsWith('holdfast_frames_dropped_total'))
    .join('\n');
};

wireTest(
  'nodes with a foreign key and with none are counted, and change nothing',
  [...STAGE_TOOLS, 'curl'],
  async (context) => {
    const right = keyFile(context, 'right', 'a'.repeat(32));
    const wrong = keyFile(context, 'wrong', 'b'.repeat(32));
    const stage = await stageFor(context, { extra: `${SHORT_DRAIN}\nheartbeat: {keyFile: ${right}}` });
    await stage.gathered();
    await stage.settled();
    const before = await holdings(stage);
    const stop = await startProbing(stage.client);
    for (const [name, extra] of [
      ['foreign', `heartbeat: {keyFile: ${wrong}}`],
      ['keyless', ''],
    ] as const) {
      const host = await stage.segment.addHost({ name, role: 'node' });
      const node = createLabNode(stage.segment, host, { serviceIPs: LAB_SERVICE_IPS, extra });
      await node.start();
      await sleep(2_000);
      const { peers, findings, serviceIPs } = await node.status();
      assert.deepEqual(
        peers.filter(({ state }) => state === 'alive'),
        [],
      );
      assert.deepEqual(
        serviceIPs.filter(({ state }) => state === 'leader'),
        [],
        'the address is in use: it was probed',
      );
      assert.equal(
        findings.some((text) => text.includes('not signed')),
        extra === '',
      );
    }
    assert.deepEqual(await holdings(stage), before);
    for (const { lost } of await stop()) assert.equal(lost, 0);
    for (const node of stage.nodes) {
      const { peers } = await node.status();
      assert.equal(peers.length, 2, 'strangers are no peers');
      assert.match(await dropped(node), /reason="[^"]*(sign|key|auth)[^"]*"[^\n]*\} [1-9]/);
    }
    await assertReplaysIdentically(stage);
  },
);

const fakeTime = (): string | undefined =>
  globSync('/usr/lib/*/faketime/libfaketimeMT.so.1').find((file) => existsSync(file));

wireTest('a clock stepped back an hour moves nothing', [...STAGE_TOOLS, 'faketime'], async (context) => {
  const library = fakeTime();
  if (library === undefined) return context.skip('needs libfaketimeMT.so.1 (apt-get install faketime)');
  const file = join(tmpdir(), `holdfast-test-${process.pid}-faketime`);
  context.after(() => rmSync(file, { force: true }));
  writeFileSync(file, '+0\n');
  const variables = [
    `LD_PRELOAD=${library}`,
    `FAKETIME_TIMESTAMP_FILE=${file}`,
    'FAKETIME_DONT_FAKE_MONOTONIC=1',
  ];
  const stage = await stageFor(context, { wrapper: ['env', ...variables, 'FAKETIME_NO_CACHE=1'] });
  await stage.gathered();
  await stage.settled();
  const before = await holdings(stage);
  const stop = await startProbing(stage.client);
  writeFileSync(file, '-3600\n');
  await sleep(1_500);
  const [first] = stage.nodes as [LabNode];
  first.signal('SIGHUP');
  await sleep(500);
  assert.deepEqual(await holdings(stage), before);
  for (const { lost } of await stop()) assert.equal(lost, 0);
  const lines = readFileSync(first.logFile, 'utf8').trim().split('\n');
  const said = lines
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { time: string; msg: string });
  const hup = said.find(({ msg }) => msg.startsWith('SIGHUP'));
  assert(Date.parse(hup?.time ?? '') < Date.now() - 3_500_000, `the daemon saw the step: ${hup?.time}`);
  await assertReplaysIdentically(stage);
});
