// How late, and how many, are Holdfast's answers beside those of the kernel for addresses of its own? Both in one
// run, in turns, on the same machine: two switches that are alike, on one a node with the daemon, on the other a
// host whose kernel holds the same addresses. Prints a table of medians with spread; what counts is the ratio.
// Usage: answer.ts [--rounds 5] [--duration 1000] [--only IPv4] [--json]      exit 1 when a promise is not kept

import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { enclose } from '../src/cli/lab/enclosure.ts';
import { createLabNode, waitFor } from '../src/cli/lab/lab-node.ts';
import { createSegment, type Host, type Segment } from '../src/cli/lab/segment.ts';
import { table } from '../src/cli/table.ts';
import type { AnswerLoad } from './answer-load.ts';

/** Issue 3, "Must show". */
const WORST_P50_RATIO = 2;
const LEAST_THROUGHPUT_RATIO = 0.7;

const LOAD = fileURLToPath(new URL('./answer-load.ts', import.meta.url));
const PAIRS = 5_000;
const LEAD_TIMEOUT_MS = 60_000;

interface Shape {
  readonly name: string;
  /** What is promised of it. At a rate both threads sleep between requests, and waking ours is most of its latency
   *  (the kernel answers in the very thread that asks): shown, not promised. */
  readonly promise: Quantity | null;
  readonly args: readonly string[];
}

const SHAPES: readonly Shape[] = [
  { name: 'one request at a time', promise: 'p50Us', args: ['--outstanding', '1', '--spin'] },
  { name: '2,000 requests a second', promise: null, args: ['--rate', '2000', '--spin'] },
  { name: '64 requests at a time', promise: 'answersPerSecond', args: ['--outstanding', '64', '--spin'] },
];

type Side = 'holdfast' | 'kernel';
type Rounds = Readonly<Record<Side, AnswerLoad[]>>;

interface Stage {
  readonly clients: Readonly<Record<Side, Host>>;
  dispose(): Promise<void>;
}

const ipv4Of = (index: number): string => `10.99.${16 + Math.floor(index / 250)}.${1 + (index % 250)}`;
const ipv6Of = (index: number): string => `fd99::${(0x1000 + index).toString(16)}`;

const SETS: readonly { readonly name: string; readonly ips: readonly string[] }[] = [
  { name: '1 IPv4', ips: [ipv4Of(0)] },
  { name: '1 IPv6', ips: [ipv6Of(0)] },
  {
    name: '10,000',
    ips: Array.from({ length: PAIRS }, (_, index) => [ipv4Of(index), ipv6Of(index)]).flat(),
  },
];

const segmentOf = (owner: string): Promise<Segment> =>
  createSegment({
    hosts: [
      { name: owner, role: 'node', ipv4: '10.99.0.1/16' },
      { name: 'client', role: 'client', ipv4: '10.99.0.201/16' },
    ],
  });

/** The kernel's own addresses, on the interface itself: what `ip addr add` gives everybody. */
const addToKernel = (host: Host, ips: readonly string[]): Promise<string> =>
  host.exec('ip', ['-batch', '-'], {
    input: ips
      .map((ip) => (ip.includes(':') ? `addr add ${ip}/64 dev eth0 nodad` : `addr add ${ip}/16 dev eth0`))
      .join('\n'),
  });

const createStage = async (ips: readonly string[]): Promise<Stage> => {
  const ours = await segmentOf('n1');
  const theirs = await segmentOf('kernel');
  const dispose = async (): Promise<void> => {
    await ours.dispose();
    await theirs.dispose();
  };
  try {
    await addToKernel(theirs.hosts.get('kernel') as Host, ips);
    const node = createLabNode(ours, ours.hosts.get('n1') as Host, {
      serviceIPs: ips,
      wrapper: pinned(LAST_CPU),
    });
    await node.start();
    await waitFor('every service IP to be led', LEAD_TIMEOUT_MS, async () => {
      const { serviceIPs } = await node.status();
      return serviceIPs.length === ips.length && serviceIPs.every(({ state }) => state === 'leader')
        ? true
        : null;
    });
    // The rounds of announcements are over; what follows is answering alone.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    return {
      clients: { holdfast: ours.hosts.get('client') as Host, kernel: theirs.hosts.get('client') as Host },
      dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
};

/**
 * Daemon and measurer each on a processor of its own, as on two machines. Else the scheduler now and then puts the
 * thread that lingers for the next request onto the processor of the one that is to make it.
 */
const LAST_CPU = availableParallelism() - 1;
const pinned = (cpu: number): readonly string[] => ['taskset', '-c', String(Math.max(0, cpu))];

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    duration: { type: 'string', default: '1000' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean' },
  },
});

const measure = async (stage: Stage, shape: Shape, ips: readonly string[]): Promise<Rounds> => {
  const rounds: Rounds = { holdfast: [], kernel: [] };
  const ask = async (side: Side): Promise<void> => {
    const args = [LOAD, '--duration', values.duration, ...shape.args, ...ips];
    const [command, ...rest] = [...pinned(0), process.execPath, ...args] as [string, ...string[]];
    const said = await stage.clients[side].exec(command, rest, { timeoutMs: 120_000 });
    rounds[side].push(JSON.parse(said) as AnswerLoad);
  };
  for (let round = 0; round < Number(values.rounds); round += 1) {
    // In turns, and each first as often as the other: whatever else this machine does falls on both.
    const order: readonly Side[] = round % 2 === 0 ? ['holdfast', 'kernel'] : ['kernel', 'holdfast'];
    for (const side of order) await ask(side);
  }
  return rounds;
};

interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

const spreadOf = (numbers: readonly number[]): Spread => {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return { median: at(Math.floor(sorted.length / 2)), least: at(0), most: at(sorted.length - 1) };
};

const show = ({ median, least, most }: Spread, digits = 0): string =>
  `${median.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;

type Quantity = 'p50Us' | 'p99Us' | 'answersPerSecond';

interface Row {
  readonly ips: string;
  readonly shape: string;
  readonly quantity: Quantity;
  readonly holdfast: Spread;
  readonly kernel: Spread;
  /** Of the rounds, one by one: what slows a round down slows both sides. */
  readonly ratio: Spread;
}

const rowOf = (ips: string, shape: string, rounds: Rounds, quantity: Quantity): Row => {
  const of = (side: Side): number[] => rounds[side].map((load) => load[quantity] ?? Number.NaN);
  const [ours, theirs] = [of('holdfast'), of('kernel')];
  return {
    ips,
    shape,
    quantity,
    holdfast: spreadOf(ours),
    kernel: spreadOf(theirs),
    ratio: spreadOf(ours.map((value, index) => value / (theirs[index] as number))),
  };
};

const WORDS: Readonly<Record<Quantity, string>> = {
  p50Us: 'p50 µs',
  p99Us: 'p99 µs',
  answersPerSecond: 'answers/s',
};

await enclose();
const rows: Row[] = [];
const broken: string[] = [];
for (const { name, ips } of SETS.filter((set) => set.name.includes(values.only))) {
  const stage = await createStage(ips);
  try {
    for (const shape of SHAPES) {
      const rounds = await measure(stage, shape, ips);
      const isThroughput = shape.promise === 'answersPerSecond';
      const quantities: readonly Quantity[] = isThroughput ? ['answersPerSecond'] : ['p50Us', 'p99Us'];
      rows.push(...quantities.map((quantity) => rowOf(name, shape.name, rounds, quantity)));
      const lost = rounds.holdfast.reduce((sum, load) => sum + load.lost, 0);
      if (lost > 0) broken.push(`${name}, ${shape.name}: ${lost} requests were not answered`);
    }
  } finally {
    await stage.dispose();
  }
}
for (const { ips, shape, quantity, ratio } of rows) {
  if (SHAPES.find(({ name }) => name === shape)?.promise !== quantity) continue;
  const about = `${ips}, ${shape}: ${WORDS[quantity]} is ${ratio.median.toFixed(2)} × the kernel's`;
  if (quantity === 'p50Us' && ratio.median > WORST_P50_RATIO)
    broken.push(`${about}, not ≤ ${WORST_P50_RATIO}`);
  if (quantity === 'answersPerSecond' && ratio.median < LEAST_THROUGHPUT_RATIO)
    broken.push(`${about}, not ≥ ${LEAST_THROUGHPUT_RATIO}`);
}
if (values.json) process.stdout.write(`${JSON.stringify({ ok: broken.length === 0, rows, broken })}\n`);
else {
  const header = ['SERVICE IPS', 'LOAD', 'QUANTITY', 'HOLDFAST', 'KERNEL', 'RATIO'];
  const cells = rows.map(({ ips, shape, quantity, holdfast, kernel, ratio }) => [
    ...[ips, shape, WORDS[quantity], show(holdfast), show(kernel), show(ratio, 2)],
  ]);
  process.stdout.write(
    `median (least–most) of ${values.rounds} rounds in turns\n\n${table([header, ...cells])}\n`,
  );
  for (const line of broken) process.stdout.write(`NOT KEPT: ${line}\n`);
}
process.exitCode = broken.length === 0 ? 0 : 1;
