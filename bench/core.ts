// `npm run bench:core`: how fast a recorded journal replays, and whether memory stays flat however long it is. Writes
// a journal of a node among five with many IPs (peers late and back, claims that come and go, takeovers, clients,
// clocks), in segments as the daemon cuts them, then replays it with the command that people use. Then how much faster
// than time a simulated cluster of five nodes runs, all checkers watching.
// Usage: core.ts [--inputs N] [--ips N] [--keep DIR]
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { table } from '../src/cli/table.ts';
import { fileLines } from '../src/io/journal/file-lines.ts';
import { NO_HASH, seal } from '../src/io/journal/journal-lines.ts';
import { findSegments } from '../src/io/journal/journal-reader.ts';
import { scanSegment } from '../src/io/journal/segment-scan.ts';
import { createCore } from '../src/machines/core.ts';
import { instanceOn } from '../src/machines/hello.ts';
import type { Input, PeerFact } from '../src/machines/inputs.ts';
import { JOURNAL_FORMAT } from '../src/machines/journal-formats.ts';
import { runSimulation, type SimulationResult } from '../test/sim/run.ts';

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    ips: { type: 'string', default: '100' },
    keep: { type: 'string' },
  },
});

const START = Date.UTC(2026, 10, 20, 12);
const BIRTH = '0123456789abcdef';
const PEERS = ['n2', 'n3', 'n4', 'n5'] as const;
/** The daemon's: an eighth of journal.maxSize. */
const SEGMENT_BYTES = 32 * 1024 * 1024;
const WRITE_BYTES = 1024 * 1024;
const PROGRAM = join(import.meta.dirname, '../src/cli/main.ts');

/** Small, seeded, good enough to vary a story. */
const createRandom = (seed: number): ((below: number) => number) => {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};

const ipAt = (index: number): string => `10.99.${index >> 8}.${index & 255}`;

const peer = (node: string, ready = true): PeerFact => ({
  interface: 'eth0',
  node,
  instance: instanceOn(`${node.slice(1).padStart(16, '5')}`, 'eth0'),
  mac: `02:00:00:00:00:0${node.slice(1)}`,
  proven: true,
  intervalMs: 50,
  holdMs: 200,
  flags: { starting: false, ready, leaving: false },
  subnets: [{ ip: '10.99.0.9', length: 16 }],
  hears: [instanceOn(BIRTH, 'eth0')],
});

const begin = (ips: number): readonly Input[] => [
  { type: 'node.started', instance: BIRTH, version: 'bench', drained: false },
  {
    type: 'config.loaded',
    config: {
      node: 'n1',
      interfaces: null,
      serviceIPs: Array.from({ length: ips }, (_, index) => ({
        ip: ipAt(index),
        nodes: null,
        interfaces: null,
      })),
      serve: 'host',
      probe: 'off',
      heartbeat: { intervalMs: 50, deadAfterMs: 200 },
      drain: { windowMs: 5_000, quietMs: 500, style: 'prompt' },
      rebalance: null,
    },
  },
  {
    type: 'interface.changed',
    interface: {
      name: 'eth0',
      index: 2,
      mac: '02:00:00:00:00:01',
      up: true,
      prefixes: [{ ip: '10.99.0.1', length: 16 }],
    },
  },
  ...PEERS.flatMap((node): Input[] => [
    { type: 'peer.heard', peer: peer(node) },
    { type: 'peer.whole', interface: 'eth0', node, instance: peer(node).instance },
  ]),
];

/**
 * How many of 1,000 inputs are news of peers, after which every IP that this node does not hold is looked at again.
 * `day`: somebody is late every 700 ms and changes its mind every few seconds, a bad day already. `storm`: somebody
 * is late with every tenth input.
 */
const PEER_NEWS = { day: 10, storm: 200 } as const;
type Mix = keyof typeof PEER_NEWS;

/** An endless story; `epochs` keeps what claims must be above. */
const createStory = (ips: number, mix: Mix): ((at: number, asked: readonly string[]) => Input) => {
  const random = createRandom(1);
  const epochs = new Map<string, number>();
  const late = new Set<string>();
  const claimed = new Map<string, string>();
  return (at, asked) => {
    if (asked.length > 0) return { type: 'addresses.confirmed', ips: asked };
    const node = PEERS[random(PEERS.length)] as string;
    const ip = ipAt(random(ips));
    const { instance } = peer(node);
    if (random(1_000) < PEER_NEWS[mix]) {
      if (random(2) === 0) return { type: 'peer.heard', peer: peer(node, random(8) > 0) };
      if (late.delete(node)) return { type: 'peer.back', interface: 'eth0', node, instance };
      late.add(node);
      return { type: 'peer.late', interface: 'eth0', node, instance, lastHeardAt: at - 100 };
    }
    switch (random(8)) {
      case 0:
      case 1: {
        const holder = claimed.get(ip);
        if (holder !== undefined) {
          claimed.delete(ip);
          return { type: 'claims.heard', interface: 'eth0', node: holder, claims: [], released: [ip] };
        }
        const epoch = (epochs.get(ip) ?? 1) + 2;
        epochs.set(ip, epoch);
        claimed.set(ip, node);
        const claims = [{ ip, node, epoch, weak: false, successor: null }];
        return { type: 'claims.heard', interface: 'eth0', node, claims, released: [] };
      }
      case 2:
      case 3:
        return { type: 'clients.settled', ip, known: 3, confirmed: 3, afterMs: 4.25 };
      case 4:
        return { type: 'clients.carried', ip, stale: random(3) };
      default:
        return { type: 'clock' };
    }
  };
};

/** Writes lines sealed, in large pieces. */
const createSegment = (file: string): { line(json: string): void; bytes(): number; close(): string } => {
  const descriptor = openSync(file, 'w');
  let [hash, text, bytes] = [NO_HASH, '', 0];
  const flush = (): void => {
    writeSync(descriptor, text);
    text = '';
  };
  return {
    line: (json) => {
      const sealed = seal(hash, json);
      hash = sealed.hash;
      text += `${sealed.line}\n`;
      bytes += sealed.line.length + 1;
      if (text.length > WRITE_BYTES) flush();
    },
    bytes: () => bytes,
    close: () => {
      flush();
      closeSync(descriptor);
      return hash;
    },
  };
};

/** A journal of `inputs` inputs in `directory`. */
const writeJournal = (directory: string, inputs: number, ips: number, mix: Mix): void => {
  mkdirSync(directory, { recursive: true });
  const core = createCore();
  const story = createStory(ips, mix);
  const opening = [...begin(ips)];
  let [number, previous, at] = [0, NO_HASH, START];
  let segment: ReturnType<typeof createSegment> | null = null;
  let asked: string[] = [];
  for (let n = 1; n <= inputs; n += 1) {
    if (segment === null || segment.bytes() > SEGMENT_BYTES) {
      previous = segment?.close() ?? NO_HASH;
      number += 1;
      const header = { holdfast: 'journal', format: JOURNAL_FORMAT, version: 'bench', node: 'n1' };
      const name = `n1-20261120T120000.000Z-${BIRTH.slice(0, 8)}-${String(number).padStart(8, '0')}.ndjson`;
      segment = createSegment(join(directory, name));
      segment.line(JSON.stringify({ ...header, instance: BIRTH, segment: number, gap: null, previous }));
      segment.line(JSON.stringify({ checkpoint: core.checkpoint(), next: n }));
    }
    at += 7;
    const input = opening.shift() ?? story(at, asked);
    const effects = core.step(at, input);
    asked = effects.flatMap((effect) => (effect.type === 'address.add' ? [effect.ip] : []));
    segment.line(JSON.stringify({ n, at, in: input }));
    if (effects.length > 0) segment.line(JSON.stringify({ n, out: effects }));
  }
  segment?.close();
};

/** What reading costs by itself: lines, hashes, JSON. */
const readAll = (directory: string): number => {
  const before = performance.now();
  for (const file of findSegments([directory])) {
    const scan = scanSegment(file, fileLines(file), []);
    for (const _ of scan?.entries() ?? []);
  }
  return performance.now() - before;
};

interface Run {
  readonly ms: number;
  readonly peakMiB: number;
  readonly transitions: number;
}

/** The command in a process of its own, which says how much memory it had at most. */
const replay = (directory: string): Run => {
  const watch = `process.on('exit',()=>process.stderr.write(String(process.resourceUsage().maxRSS)))`;
  const before = performance.now();
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(watch)}`, PROGRAM, 'replay', '--json', directory],
    { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  const ms = performance.now() - before;
  if (status !== 0) throw new Error(`the replay was not identical: ${stdout.slice(0, 1_000)}${stderr}`);
  const { transitions } = JSON.parse(stdout) as { transitions: number };
  return { ms, peakMiB: Number(/(\d+)\s*$/.exec(stderr)?.[1]) / 1024, transitions };
};

const sizeOf = (directory: string): number =>
  findSegments([directory]).reduce((sum, file) => sum + statSync(file).size, 0);

/** A quiet hour, to see the hellos' cost; then runs with the faults that their seeds draw, most of them every few seconds. */
const QUIET_MS = 3_600_000;
const FAULTY_SEEDS = 20;

const simulated = (): string[][] => {
  const shape = { nodes: 5, ips: Number(values.ips) };
  const quiet = runSimulation({ ...shape, seed: 1, faults: [], durationMs: QUIET_MS });
  const faulty = Array.from({ length: FAULTY_SEEDS }, (_, index) =>
    runSimulation({ ...shape, seed: index + 1 }),
  );
  const row = (name: string, runs: readonly SimulationResult[]): string[] => {
    const [simulatedMs, wallMs] = [
      sumOf(runs.map((run) => run.simulatedMs)),
      sumOf(runs.map((run) => run.wallMs)),
    ];
    const events = sumOf(runs.map((run) => run.events));
    const speeds = runs.map((run) => run.simulatedMs / run.wallMs).sort((a, b) => a - b);
    return [
      name,
      `${(simulatedMs / 1_000).toFixed(0)} s`,
      `${(wallMs / 1_000).toFixed(1)} s`,
      Math.round(events / (wallMs / 1_000)).toLocaleString('en'),
      (simulatedMs / wallMs).toFixed(0),
      `${speeds[0]?.toFixed(0)}–${speeds.at(-1)?.toFixed(0)}`,
    ];
  };
  return [
    ['SIMULATION', 'SIMULATED', 'TOOK', 'EVENTS/S', '× REAL TIME', 'RANGE'],
    row('no faults', [quiet]),
    row(`seeds 1..${FAULTY_SEEDS}`, faulty),
  ];
};

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, each) => sum + each, 0);

const root = values.keep ?? mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
try {
  const total = Number(values.inputs);
  const rows = [
    ['MIX', 'INPUTS', 'MiB', 'TRANSITIONS', 'REPLAYED', 'INPUTS/S', 'READING ALONE', 'PEAK MEMORY'],
  ];
  const runs: readonly (readonly [Mix, number])[] = [
    ['day', total / 10],
    ['day', total],
    ['storm', total / 10],
  ];
  for (const [mix, part] of runs) {
    const inputs = Math.round(part);
    const directory = join(root, `${mix}-${inputs}`);
    writeJournal(directory, inputs, Number(values.ips), mix);
    const { ms, peakMiB, transitions } = replay(directory);
    rows.push([
      mix,
      String(inputs),
      (sizeOf(directory) / 2 ** 20).toFixed(0),
      String(transitions),
      `${(ms / 1000).toFixed(1)} s`,
      Math.round(inputs / (ms / 1000)).toLocaleString('en'),
      `${(readAll(directory) / 1000).toFixed(1)} s`,
      `${peakMiB.toFixed(0)} MiB`,
    ]);
  }
  process.stdout.write(`${table(rows)}\n${table(simulated())}\n`);
} finally {
  if (values.keep === undefined) rmSync(root, { recursive: true, force: true });
}
