// The journal of a real daemon: what is in it replays exactly, whatever became of the process; what is done to it
// afterwards is named; and it says what the wire saw, no more and no less.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { analyse, startCapture } from '../../src/cli/lab/capture.ts';
import {
  type Bed,
  bedFor,
  type Ended,
  holdfast,
  leadingBed,
  sleep,
  spokenAt,
  timeOf,
} from '../support/bed.ts';
import { seeded } from '../support/frames.ts';
import { type WireContext, wireTest, within } from '../support/lab.ts';

/** Each takes two or three seconds. */
const LIVES = process.env.HOLDFAST_LONG === '1' ? 10 : 5;
const IPV4 = '10.99.0.100';

const replay = (bed: Bed, ...paths: readonly string[]): Promise<Ended> =>
  holdfast(bed.client, ['replay', '--json', ...paths]);

const segmentsIn = (directory: string): string[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.ndjson'))
    .sort()
    .map((name) => join(directory, name));

interface Transition {
  readonly at: number;
  readonly ip: string;
  readonly from: string;
  readonly to: string;
}

/** The transitions that a journal tells of, by its own lines. */
const transitionsOf = (directory: string): Transition[] => {
  const found: Transition[] = [];
  for (const file of segmentsIn(directory)) {
    const times = new Map<number, number>();
    for (const line of readFileSync(file, 'utf8')
      .split('\n')
      .filter((text) => text !== '')) {
      const record = JSON.parse(line) as { n: number; at?: number; out?: Array<Record<string, string>> };
      if (record.at !== undefined) times.set(record.n, record.at);
      for (const effect of record.out ?? []) {
        const { type, ip = '', from = '', to = '' } = effect;
        if (type === 'record') found.push({ at: times.get(record.n) ?? 0, ip, from, to });
      }
    }
  }
  return found;
};

wireTest(
  'the journal of an eventful life replays identical, with the fields of the contract',
  ['tcpdump', 'arping'],
  async (context) => {
    const bed = await leadingBed(context);
    await bed.segment.cut('n1');
    await sleep(300);
    await bed.segment.restore('n1');
    await bed.lead();
    bed.node.signal('SIGTERM');
    await bed.node.exited();
    const { code, stdout } = await replay(bed, bed.node.journal);
    const said = JSON.parse(stdout) as { identical: boolean; inputs: number; transitions: number };
    assert.deepEqual([code, said.identical], [0, true]);
    assert.equal(said.transitions, transitionsOf(bed.node.journal).length);
    assert.ok(said.inputs > said.transitions / 2);
    const plain = await holdfast(bed.client, ['replay', bed.node.journal]);
    assert.match(plain.stdout, /^identical: 1 segments, \d+ inputs, \d+ transitions\n$/);
  },
);

wireTest(
  'after SIGKILL at random points, amid requests, reloads and link flaps, every life replays identical',
  [],
  async (context) => {
    const seed = Date.now() % 100_000;
    context.diagnostic(`seed ${seed}`);
    const random = seeded(seed);
    const bed = await bedFor(context, { extra: 'probe: off' });
    const good = readFileSync(bed.node.configFile, 'utf8');
    const load = bed.load(['--rate', '300', '--duration', '26000', ...bed.serviceIPs]);
    let torn = 0;
    for (let life = 0; life < LIVES; life += 1) {
      await bed.node.start();
      const killAt = performance.now() + 100 + (random() % 1_500);
      let step = 0;
      while (performance.now() < killAt) {
        step += 1;
        const extra =
          step % 2 === 0
            ? []
            : Array.from({ length: 1 + (random() % 50) }, (_, index) => `  - ip: "10.99.0.${110 + index}"`);
        writeFileSync(bed.node.configFile, good.replace('serviceIPs:', ['serviceIPs:', ...extra].join('\n')));
        bed.node.signal('SIGHUP');
        if (random() % 3 === 0) await (step % 2 === 0 ? bed.segment.cut('n1') : bed.segment.restore('n1'));
        await sleep(random() % 40);
      }
      bed.node.signal('SIGKILL');
      await bed.node.exited();
      await bed.segment.restore('n1');
      const { code, stdout } = await replay(bed, bed.node.journal);
      assert.equal(code, 0, `life ${life}: ${stdout}`);
      const last = segmentsIn(bed.node.journal).at(-1) as string;
      if (!readFileSync(last, 'utf8').endsWith('\n')) torn += 1;
    }
    await load;
    const { stdout } = await replay(bed, bed.node.journal);
    const { segments, inputs, transitions } = JSON.parse(stdout) as Record<string, number>;
    context.diagnostic(
      `${segments} segments, ${inputs} inputs, ${transitions} transitions, ${torn} torn tails`,
    );
    assert.ok((transitions as number) > 100);
  },
);

wireTest(
  'what a capture shows is in the journal, and the other way round: bursts are takings, silence is release',
  ['tcpdump', 'tshark'],
  async (context) => {
    const bed = await bedFor(context);
    const capture = await startCapture(bed.segment, { port: 'n1' }, { filter: 'arp or icmp6' });
    await bed.node.start();
    await bed.lead();
    const load = bed.load(['--rate', '500', '--duration', '6000', ...bed.serviceIPs]);
    await sleep(400);
    const good = readFileSync(bed.node.configFile, 'utf8');
    for (let round = 0; round < 2; round += 1) {
      writeFileSync(bed.node.configFile, good.replace(`  - ip: "${IPV4}"\n`, ''));
      bed.node.signal('SIGHUP');
      await sleep(600);
      writeFileSync(bed.node.configFile, good);
      bed.node.signal('SIGHUP');
      await bed.lead();
      await sleep(300);
    }
    await load;
    bed.node.signal('SIGTERM');
    await bed.node.exited();
    const pcap = await capture.stop();
    const transitions = transitionsOf(bed.node.journal);
    for (const ip of bed.serviceIPs) {
      const own = transitions.filter((transition) => transition.ip === ip);
      const led = own.filter(({ to }) => to === 'leader').map(({ at }) => at);
      const left = own.filter(({ from }) => from === 'leader').map(({ at }) => at);
      assert.equal(led.length, left.length);
      const spoken = await spokenAt(pcap, [ip], bed.node.host.mac);
      // Vice versa: each leadership began with a frame, and nothing was said outside of one.
      for (const [index, from] of led.entries()) {
        const until = left[index] as number;
        const first = spoken.find((at) => at >= from - 2) as number;
        within(first - from, 50, `${ip}: first frame after the transition`);
        assert.ok(spoken.some((at) => at >= from && at <= until));
      }
      const outside = spoken.filter(
        (at) => !led.some((from, index) => at >= from - 2 && at <= (left[index] as number) + 50),
      );
      assert.deepEqual(outside, [], `${ip} was spoken for outside of its leaderships`);
    }
    // Every burst (an unasked frame after a pause of more than a round) is a taking.
    const gratuitous = (
      await analyse(pcap, `arp.opcode == 1 && arp.src.proto_ipv4 == ${IPV4} && arp.isgratuitous == 1`, [
        'frame.time_epoch',
      ])
    ).map(timeOf);
    const takings = transitions.filter(({ ip, to }) => ip === IPV4 && to === 'leader').map(({ at }) => at);
    for (const at of gratuitous) {
      const since = Math.min(...takings.filter((taken) => taken <= at + 2).map((taken) => at - taken));
      const round = [0, 1_100, 2_200].find((delay) => Math.abs(since - delay) < 60);
      assert.ok(round !== undefined, `a gratuitous request ${since} ms after the last taking`);
    }
    context.diagnostic(`${takings.length} takings of ${IPV4}, ${gratuitous.length} gratuitous requests`);
    assert.equal(takings.length, 3);
  },
);

/** A copy of a real journal, small but with several segments when asked for. */
const journalOf = async (context: WireContext, lives: number): Promise<{ bed: Bed; directory: string }> => {
  const bed = await bedFor(context, { extra: 'probe: off' });
  for (let life = 0; life < lives; life += 1) {
    await bed.node.start();
    await bed.lead();
    bed.node.signal('SIGTERM');
    await bed.node.exited();
  }
  return { bed, directory: bed.node.journal };
};

wireTest(
  'a changed, missing or misplaced line is named with its file, and the exit code is 1',
  [],
  async (context) => {
    const { bed, directory } = await journalOf(context, 1);
    const [file] = segmentsIn(directory) as [string];
    const text = readFileSync(file, 'utf8');
    const lines = text.split('\n').slice(0, -1);
    const middle = 4;
    const flip = (line: string, at: number): string =>
      line.slice(0, at) + String.fromCharCode(line.charCodeAt(at) ^ 1) + line.slice(at + 1);
    const swapped = [...lines];
    [swapped[middle - 1], swapped[middle]] = [swapped[middle] as string, swapped[middle - 1] as string];
    const cases: readonly (readonly [string, readonly string[], number])[] = [
      ['a flipped bit', lines.map((line, index) => (index === middle - 1 ? flip(line, 12) : line)), middle],
      ['a flipped bit in the header', lines.map((line, index) => (index === 0 ? flip(line, 30) : line)), 1],
      [
        'a flipped bit in a hash',
        lines.map((line, index) => (index === middle - 1 ? flip(line, line.length - 5) : line)),
        middle,
      ],
      ['a removed line', lines.filter((_, index) => index !== middle - 1), middle],
      ['swapped lines', swapped, middle],
      [
        'a doubled line',
        [...lines.slice(0, middle), lines[middle - 1] as string, ...lines.slice(middle)],
        middle + 1,
      ],
      ['an empty line', [...lines.slice(0, middle), '', ...lines.slice(middle)], middle + 1],
      ['a removed checkpoint', lines.filter((_, index) => index !== 1), 2],
    ];
    for (const [what, changed, line] of cases) {
      writeFileSync(file, `${changed.join('\n')}\n`);
      const { code, stdout } = await replay(bed, directory);
      assert.equal(code, 1, what);
      const { findings } = JSON.parse(stdout) as { findings: { file: string; line: number }[] };
      assert.deepEqual([findings[0]?.file, findings[0]?.line], [file, line], `${what}: ${stdout}`);
      const plain = await holdfast(bed.client, ['replay', directory]);
      assert.ok(plain.stdout.startsWith(`${file}:${line}: `), `${what}: ${plain.stdout}`);
    }
    // A rule that changed: the effects differ although every hash is right.
    writeFileSync(file, text);
    assert.equal((await replay(bed, directory)).code, 0);
  },
);

wireTest('a torn last line is no damage at any length; an emptied or cut file is', [], async (context) => {
  const { bed, directory } = await journalOf(context, 1);
  const [file] = segmentsIn(directory) as [string];
  const size = readFileSync(file).length;
  const lastLine = readFileSync(file, 'utf8').trimEnd().split('\n').at(-1)?.length as number;
  for (const cut of [1, 2, Math.floor(lastLine / 2), lastLine, lastLine + 1]) {
    truncateSync(file, size - cut);
    const { code, stdout } = await replay(bed, directory);
    assert.equal(code, 0, `${cut} octets cut: ${stdout}`);
  }
  truncateSync(file, 10);
  assert.equal((await replay(bed, directory)).code, 1, 'cut within the header');
  truncateSync(file, 0);
  const empty = await replay(bed, directory);
  assert.equal(empty.code, 1);
  assert.match(empty.stdout, /empty/);
});

wireTest('a missing middle segment is named, the lives around it are still replayed', [], async (context) => {
  // Smallest journal, many IPs: the segments fill quickly. (More of them, and a checkpoint takes a quarter of it.)
  const serviceIPs = Array.from({ length: 40 }, (_, index) => `10.99.0.${100 + index}`);
  const bed = await bedFor(context, { serviceIPs, extra: 'probe: off' });
  const configured = readFileSync(bed.node.configFile, 'utf8');
  writeFileSync(
    bed.node.configFile,
    configured.replace(/journal: .*/, `journal: {directory: ${bed.node.journal}, maxSize: 1MiB}`),
  );
  await bed.node.start();
  await bed.lead();
  for (let round = 0; segmentsIn(bed.node.journal).length < 4 && round < 200; round += 1) {
    await (round % 2 === 0 ? bed.segment.cut('n1') : bed.segment.restore('n1'));
    await sleep(60);
  }
  bed.node.signal('SIGTERM');
  await bed.node.exited();
  const all = segmentsIn(bed.node.journal);
  assert.ok(all.length >= 4, `${all.length} segments`);
  const whole = await replay(bed, bed.node.journal);
  assert.equal(whole.code, 0, whole.stdout.slice(0, 500));
  const copy = mkdtempSync('/tmp/hf-journal-');
  context.after(() => rmSync(copy, { recursive: true }));
  cpSync(bed.node.journal, copy, { recursive: true });
  const copied = segmentsIn(copy);
  rmSync(copied[1] as string);
  const { code, stdout } = await replay(bed, copy);
  assert.equal(code, 1);
  const { findings, segments } = JSON.parse(stdout) as {
    findings: { file: string; problem: string }[];
    segments: number;
  };
  assert.equal(findings[0]?.file, copied[2]);
  assert.match(findings[0]?.problem ?? '', /missing/);
  assert.equal(segments, copied.length - 1);
  // The oldest one is deleted by the daemon itself when space runs out: that is no damage.
  cpSync(bed.node.journal, copy, { recursive: true });
  rmSync(copied[0] as string);
  assert.equal((await replay(bed, copy)).code, 0);
});

wireTest(
  'paths that are not there, or hold no journal, are refused with exit code 2 and one line',
  [],
  async (context) => {
    const bed = await bedFor(context);
    for (const path of ['/nonexistent', bed.segment.directory, '/etc/hostname']) {
      const { code, stderr, stdout } = await holdfast(bed.client, ['replay', path]);
      if (path === '/etc/hostname') assert.equal(code, 1, `${stdout}${stderr}`);
      else {
        assert.equal(code, 2, `${path}: ${stdout}${stderr}`);
        assert.match(stderr, /^holdfast: .*\n$/);
      }
    }
  },
);

wireTest('a service goes on when its journal directory is taken away', [], async (context) => {
  const bed = await leadingBed(context);
  rmSync(bed.node.journal, { recursive: true });
  writeFileSync(bed.node.journal, 'not a directory');
  await bed.segment.cut('n1');
  await sleep(200);
  await bed.segment.restore('n1');
  await bed.lead();
  const load = await bed.load(['--rate', '200', '--duration', '500', ...bed.serviceIPs]);
  assert.equal(load.lost, 0);
});
