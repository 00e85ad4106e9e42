// `npm run bench:page`: whether the page disturbs the node that serves it, and how soon it shows what happens. Two
// daemons in the lab hold 10,000 IPs and, from some phase on, give each other some hundred a second; listeners of the
// page's stream and connections that never finish their request come beside them. Printed for each phase: how late
// hellos were (the wire thread's own word, in buckets), and what the daemon spent. Then a real Chromium visits.
// Usage: page.ts [--ips N] [--streams N] [--slow N] [--moves N] [--seconds N]
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { enclose } from '../src/cli/lab/enclosure.ts';
import { type LabNode, sleep, waitFor } from '../src/cli/lab/lab-node.ts';
import type { HostSpec } from '../src/cli/lab/segment.ts';
import { createStage } from '../src/cli/lab/stage.ts';
import { table } from '../src/cli/table.ts';
import { requestControl } from '../src/io/control/control-socket.ts';
import { chromiumPath } from '../test/support/browser.ts';
import { type Visit, visitPage } from './page-visit.ts';
import { cpuSeconds, residentMiB } from './process-usage.ts';

const { values } = parseArgs({
  options: {
    ips: { type: 'string', default: '10000' },
    streams: { type: 'string', default: '1000' },
    slow: { type: 'string', default: '200' },
    moves: { type: 'string', default: '350' },
    seconds: { type: 'string', default: '15' },
  },
});
const PORT = 9475;
const OWNERS_WITHIN_MS = 180_000;
const METRICS_WITHIN_MS = 60_000;
const CROWDED_WITHIN_MS = 60_000;
/** The rate at which both nodes are asked to move IPs: each move is about three transitions on either. */
const movesPerSecond = Number(values.moves);
const serviceIPs = Array.from(
  { length: Number(values.ips) },
  (_, index) => `10.99.${16 + Math.floor(index / 250)}.${1 + (index % 250)}`,
);
const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** The lab's machines on a prefix with room for so many. */
const wide = (spec: HostSpec): HostSpec => {
  const number = Number(/\d+$/.exec(spec.name)?.[0] ?? 1);
  return { ...spec, ipv4: `10.99.0.${spec.role === 'node' ? number : 200 + number}/16` };
};

interface Counts {
  readonly buckets: readonly { readonly le: number; readonly count: number }[];
  readonly transitions: number;
  readonly journalLate: number;
}

const countsOf = async (node: LabNode): Promise<Counts> => {
  const { body } = await waitFor('the metrics', METRICS_WITHIN_MS, async () => {
    // A main thread that is busy beyond the socket's queue answers later.
    return await requestControl(node.socket, 'GET', '/metrics', null, 30_000).catch(() => null);
  });
  const buckets = [...body.matchAll(/^holdfast_hello_lateness_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm)];
  const sum = (pattern: RegExp): number =>
    [...body.matchAll(pattern)].reduce((total, [, count]) => total + Number(count), 0);
  return {
    buckets: buckets.map(([, le = '', count]) => ({
      le: le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le) * 1_000,
      count: Number(count),
    })),
    transitions: sum(/^holdfast_transitions_total\{[^}]*\} (\d+)$/gm),
    journalLate: sum(/^holdfast_journal_late_batches_total (\d+)$/gm),
  };
};

/** The bound of the bucket below which so great a part of what came between two looks lies, milliseconds. */
const partOf = (before: Counts, after: Counts, part: number): string => {
  const grown = after.buckets.map(({ le, count }, index) => ({
    le,
    count: count - (before.buckets[index]?.count ?? 0),
  }));
  const all = grown.at(-1)?.count ?? 0;
  const found = grown.find(({ count }) => count >= all * part && count > 0);
  return found === undefined ? '-' : `≤ ${found.le}`;
};

/** Puts into the queues what each node leads now: a move that was refused left them wrong. */
const refill = async (nodes: readonly LabNode[], queues: readonly [string[], string[]]): Promise<void> => {
  for (const [index, node] of nodes.entries()) {
    const { serviceIPs: all } = await node.status();
    const led = all.filter(({ state }) => state === 'leader').map(({ ip }) => ip);
    queues[index]?.splice(0, Number.POSITIVE_INFINITY, ...led);
  }
};

/** Asks each node in turn for planned moves to the other, evenly, until it is ended. */
const startMoves = (nodes: readonly [LabNode, LabNode], queues: readonly [string[], string[]]) => {
  const EVERY_MS = 20;
  let owed = 0;
  let isEnded = false;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    owed = Math.min(owed + ((now - last) * movesPerSecond) / 1_000, movesPerSecond);
    last = now;
    for (; owed >= 1; owed -= 1)
      for (const from of [0, 1] as const) {
        const to = from === 0 ? 1 : 0;
        const ip = queues[from].shift();
        if (ip === undefined) continue;
        // It comes round again after all the others, long after its drain.
        void nodes[from]
          .requestMove(ip, nodes[to].host.name)
          .then(() => queues[to].push(ip))
          .catch(() => queues[from].push(ip));
      }
  }, EVERY_MS);
  return async (): Promise<void> => {
    if (isEnded) return;
    isEnded = true;
    clearInterval(timer);
    await sleep(2_000);
  };
};

interface Crowd {
  readonly last: () => Readonly<Record<string, number>>;
  readonly end: () => void;
}

/** Resolves when all streams are open, or nothing more comes of it. */
const startCrowd = async (node: LabNode, streams: number, slow: number): Promise<Crowd> => {
  const program = join(import.meta.dirname, 'page-crowd.ts');
  const child = node.host.spawn(process.execPath, [program, String(streams), String(slow), String(PORT)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let last: Readonly<Record<string, number>> = {};
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const line = text.trim().split('\n').at(-1);
    if (line !== undefined && line !== '') last = JSON.parse(line) as typeof last;
  });
  const until = performance.now() + CROWDED_WITHIN_MS;
  while ((last.listening ?? 0) < streams && performance.now() < until) await sleep(200);
  // Each has been told every row by then.
  await sleep(10_000);
  return { last: () => last, end: () => void child.kill('SIGKILL') };
};

const HEAD = [
  ...['phase', 'transitions/s', 'late: p50 ms', 'p99', 'p99.9', 'worst', 'CPU %', 'RSS MiB'],
  ...['streams open', 'heard MB/s', 'slow open', 'closed', 'late journal batches'],
];

const phase = async (name: string, node: LabNode, crowd: Crowd | null): Promise<string[]> => {
  say(name);
  const [before, cpu, heard] = [await countsOf(node), cpuSeconds(node.pid()), crowd?.last() ?? {}];
  const started = performance.now();
  await sleep(Number(values.seconds) * 1_000);
  const after = await countsOf(node);
  const seconds = (performance.now() - started) / 1_000;
  const now = crowd?.last() ?? {};
  return [
    name,
    ((after.transitions - before.transitions) / seconds).toFixed(0),
    ...[0.5, 0.99, 0.999, 1].map((part) => partOf(before, after, part)),
    (((cpuSeconds(node.pid()) - cpu) / seconds) * 100).toFixed(0),
    residentMiB(node.pid()).toFixed(0),
    String(now.listening ?? 0),
    (((now.bytes ?? 0) - (heard.bytes ?? 0)) / seconds / 1e6).toFixed(1),
    String(now.slow ?? 0),
    String((now.reset ?? 0) - (heard.reset ?? 0)),
    String(after.journalLate - before.journalLate),
  ];
};

/** A port of this namespace's loopback behind which the node's page is. */
const relay = async (node: LabNode): Promise<number> => {
  const path = join(node.directory, 'page.sock');
  const child = node.host.spawn(
    process.execPath,
    [join(import.meta.dirname, 'page-relay.ts'), path, String(PORT)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return await new Promise((resolve) => {
    const server = createServer((incoming) => {
      const outgoing = connect(path);
      incoming.pipe(outgoing).pipe(incoming);
      for (const [end, other] of [
        [incoming, outgoing],
        [outgoing, incoming],
      ] as const) {
        end.on('error', () => other.destroy());
        end.on('close', () => other.destroy());
      }
    }).listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
};

/** Two daemons that read 10,000 IPs at once take longer to start than the lab waits: they are told by a reload. */
const startStage = async () => {
  const [first = ''] = serviceIPs;
  const stage = await createStage({
    nodes: 2,
    clients: 1,
    serviceIPs: [first],
    host: wide,
    extra: 'serve: none\nprobe: off\ndrain: {window: 1s, quiet: 100ms}',
  });
  await stage.owners();
  await stage.settled();
  for (const { configFile, signal } of stage.nodes) {
    const lines = serviceIPs.map((ip) => `  - ip: "${ip}"\n`).join('');
    writeFileSync(configFile, readFileSync(configFile, 'utf8').replace(`  - ip: "${first}"\n`, lines));
    signal('SIGHUP');
  }
  return stage;
};

/** Who leads what, once every IP has one leader; asked seldom, since that is work too. */
const holdings = async (nodes: readonly LabNode[]): Promise<[string[], string[]]> => {
  const until = performance.now() + OWNERS_WITHIN_MS;
  for (;;) {
    await sleep(2_000);
    const held = await Promise.all(
      nodes.map(async (node) => {
        const status = await node.status().catch(() => null);
        return (status?.serviceIPs ?? []).filter(({ state }) => state === 'leader').map(({ ip }) => ip);
      }),
    );
    const [a = [], b = []] = held;
    if (a.length + b.length === serviceIPs.length) return [a, b];
    if (performance.now() > until) throw new Error(`${a.length + b.length} of ${serviceIPs.length} led`);
  }
};

const visitRows = (visit: Visit): string[][] => [
  ['measure', 'promised', 'measured'],
  ['page weight, compressed', '≤ 300 kB', `${(visit.bytes / 1_000).toFixed(0)} kB`],
  ['first paint', '≤ 1,000 ms', `${visit.paintMs.toFixed(0)} ms`],
  [`all ${values.ips} rows there`, '', `${visit.rowsMs.toFixed(0)} ms after the request`],
  ['filter answers', '≤ 100 ms', `${visit.filterMs.map((ms) => ms.toFixed(0)).join(', ')} ms`],
  [
    'transition to the page showing it',
    '≤ 200 ms',
    `median ${visit.seenMs.toSorted((a, b) => a - b)[visit.seenMs.length >> 1]?.toFixed(0)}, worst ${Math.max(...visit.seenMs).toFixed(0)} ms (${visit.seenMs.length} moves)`,
  ],
];

await enclose();
const stage = await startStage();
const [n1, n2] = stage.nodes as [LabNode, LabNode];
const queues = await holdings(stage.nodes);
await sleep(5_000);
const rows: string[][] = [];
rows.push(await phase('nothing happens', n1, null));

const chromium = chromiumPath();
const port = await relay(n1);
const from = queues[0].length > queues[1].length ? 0 : 1;
const to = from === 0 ? 1 : 0;
const visit =
  chromium === null
    ? null
    : await visitPage(
        chromium,
        `http://127.0.0.1:${port}/`,
        serviceIPs.length,
        queues[from].slice(-20),
        async (ip) => {
          await stage.nodes[from]?.requestMove(ip, stage.nodes[to]?.host.name ?? '');
          queues[from].splice(queues[from].indexOf(ip), 1);
          queues[to].push(ip);
        },
      );

const crowd = await startCrowd(n1, Number(values.streams), Number(values.slow));
rows.push(await phase('nothing happens, crowd', n1, crowd));
const endMoves = startMoves([n1, n2], queues);
await sleep(3_000);
rows.push(await phase('moves, crowd', n1, crowd));
crowd.end();
await refill(stage.nodes, queues);
await sleep(3_000);
rows.push(await phase('moves', n1, null));
await refill(stage.nodes, queues);
const visitor = await startCrowd(n1, 1, 0);
rows.push(await phase('moves, one page', n1, visitor));
visitor.end();
await endMoves();
await stage.dispose();
console.log(
  `\n${values.ips} IPs on two nodes; ${movesPerSecond} planned moves a second each way where there are moves\n`,
);
console.log(table([HEAD, ...rows]));
console.log(visit === null ? '\nno Chromium here: nothing visited' : `\n${table(visitRows(visit))}`);
process.exit(0);
