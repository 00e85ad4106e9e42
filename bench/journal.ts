// `npm run bench:journal`: what the journal costs (issue 7: at most 5 % of a core at 1,000 inputs a second; a node that
// idles for a day writes less than 5 MB). The first: the daemon's loop and core in a process of their own, fed one input
// a millisecond, each its own turn, with the journal and with one that keeps nothing; the difference is the journal,
// its writer thread and the wait for it included. The second: daemons in the lab that have nothing to do.
// Usage: journal.ts [--seconds N] [--runs N] [--rate N] [--idle-seconds N] [--ips N]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { asapScheduler, Subject } from 'rxjs';
import { enclose, insideEnclosure } from '../src/cli/lab/enclosure.ts';
import { type LabNode, sleep } from '../src/cli/lab/lab-node.ts';
import { createStage } from '../src/cli/lab/stage.ts';
import { clockOrigin, createClock } from '../src/io/clock.ts';
import { requestControl } from '../src/io/control/control-socket.ts';
import { openJournal } from '../src/io/journal/journal.ts';
import { createCore } from '../src/machines/core.ts';
import { instanceOn } from '../src/machines/hello.ts';
import type { Input, PeerFact } from '../src/machines/inputs.ts';
import type { Fact } from '../src/streams/facts.ts';
import { createRuntime, type JournalPort } from '../src/streams/runtime.ts';
import { quantile } from './statistics.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    runs: { type: 'string', default: '3' },
    rate: { type: 'string', default: '1000' },
    'idle-seconds': { type: 'string', default: '60' },
    ips: { type: 'string', default: '1000' },
    /** Of a child: `on` or `off`. */
    child: { type: 'string' },
  },
});

const BIRTH = '0123456789abcdef';
const IPS = Array.from({ length: 100 }, (_, index) => `10.99.0.${100 + index}`);
const DAY_S = 86_400;
const MIB = 1_048_576;

const PEER: PeerFact = {
  interface: 'eth0',
  node: 'n2',
  instance: instanceOn('0000000000000002', 'eth0'),
  mac: '02:00:00:00:00:02',
  proven: true,
  intervalMs: 50,
  holdMs: 200,
  flags: { starting: false, ready: true, leaving: false },
  subnets: [{ ip: '10.99.0.9', length: 16 }],
  hears: [instanceOn(BIRTH, 'eth0')],
};

const BEGIN: readonly Input[] = [
  { type: 'node.started', instance: BIRTH, version: 'bench', drained: false },
  {
    type: 'config.loaded',
    config: {
      node: 'n1',
      interfaces: null,
      serviceIPs: IPS.map((ip) => ({ ip, nodes: null, interfaces: null })),
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
  { type: 'peer.heard', peer: PEER },
  { type: 'peer.whole', interface: 'eth0', node: 'n2', instance: PEER.instance },
];

/** Clients, claims that come and go, a peer that is late now and then. */
const inputAt = (n: number): Input => {
  const ip = IPS[n % IPS.length] as string;
  const on = { interface: 'eth0', node: 'n2' } as const;
  if (n % 50 === 0)
    return { type: 'peer.late', ...on, instance: PEER.instance, lastHeardAt: Date.now() - 100 };
  if (n % 50 === 1) return { type: 'peer.back', ...on, instance: PEER.instance };
  switch (n % 4) {
    case 0:
      return {
        type: 'claims.heard',
        ...on,
        claims: [{ ip, node: 'n2', epoch: n + 1, weak: false, successor: null }],
        released: [],
      };
    case 1:
      return { type: 'claims.heard', ...on, claims: [], released: [ip] };
    default:
      return { type: 'clients.settled', ip, known: 3, confirmed: 3, afterMs: 4.25 };
  }
};

interface Cost {
  /** Seconds of a core that this process used while it was fed. */
  readonly cpu: number;
  readonly seconds: number;
  readonly inputs: number;
  readonly bytes: number;
  readonly late: number;
}

const nothingKept = (): JournalPort => {
  let next = 1;
  return {
    appendInputs: (inputs) => {
      next += inputs.length;
    },
    appendEffects: () => {},
    nextNumber: () => next,
    settle: () => {},
  };
};

/** Feeds a loop for `seconds`, `rate` inputs a second, each a turn of its own. */
const feed = async (isRecorded: boolean, seconds: number, rate: number): Promise<Cost> => {
  const now = createClock(clockOrigin());
  const core = createCore();
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-journal-'));
  const journal = isRecorded
    ? openJournal(
        {
          directory,
          maxBytes: 256 * MIB,
          node: 'n1',
          instance: BIRTH,
          version: 'bench',
          now,
          onGap: ({ reason }) => console.error(reason),
        },
        core.checkpoint(),
      )
    : null;
  const facts$ = new Subject<Fact>();
  let inputs = 0;
  const runtime = createRuntime({
    core,
    journal: journal ?? nothingKept(),
    now,
    turns: asapScheduler,
    deliver: () => {},
    sources: { wire: facts$ },
    onStep: () => {
      inputs += 1;
    },
  });
  runtime.start();
  for (const input of BEGIN) facts$.next({ input });
  await sleep(1_000);
  const [before, started, first] = [process.cpuUsage(), performance.now(), inputs];
  let sent = 0;
  while (performance.now() - started < seconds * 1_000) {
    const due = ((performance.now() - started) / 1_000) * rate;
    if (sent >= due) {
      await sleep(1);
      continue;
    }
    sent += 1;
    facts$.next({ input: inputAt(sent) });
    await new Promise(setImmediate);
  }
  const { user, system } = process.cpuUsage(before);
  const took = (performance.now() - started) / 1_000;
  runtime.stop();
  const { bytes = 0, lateBatches: late = 0 } = journal?.counters ?? {};
  await new Promise<void>((resolve) => (journal === null ? resolve() : journal.close(resolve)));
  rmSync(directory, { recursive: true, force: true });
  return { cpu: (user + system) / 1e6, seconds: took, inputs: inputs - first, bytes, late };
};

const inChild = (mode: 'on' | 'off'): Cost => {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [import.meta.filename, '--child', mode, '--seconds', values.seconds, '--rate', values.rate],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Cost;
};

const percent = ({ cpu, seconds }: Cost): number => (100 * cpu) / seconds;

const benchCost = (): boolean => {
  const runs = Array.from({ length: Number(values.runs) }, () => ({
    on: inChild('on'),
    off: inChild('off'),
  }));
  console.log(
    '  inputs/s  with journal  without  the journal  bytes an input  late turns   (CPU in % of a core)',
  );
  for (const { on, off } of runs)
    console.log(
      [
        `  ${(on.inputs / on.seconds).toFixed(0).padEnd(10)}`,
        percent(on).toFixed(1).padEnd(14),
        percent(off).toFixed(1).padEnd(9),
        (percent(on) - percent(off)).toFixed(1).padEnd(13),
        (on.bytes / on.inputs).toFixed(0).padEnd(16),
        on.late,
      ].join(''),
    );
  const cost = quantile(
    runs.map(({ on, off }) => percent(on) - percent(off)).sort((a, b) => a - b),
    0.5,
  );
  console.log(
    `the journal at ${values.rate} inputs a second: ${cost.toFixed(1)} % of a core (median; wanted: at most 5)`,
  );
  return cost <= 5;
};

const written = async (node: LabNode): Promise<number> => {
  const { body } = await requestControl(node.socket, 'GET', '/metrics');
  return Number(/^holdfast_journal_bytes_total (\S+)$/m.exec(body)?.[1]);
};

const OWNERS_WITHIN_MS = 120_000;
const MAX_IPV4 = 100;

const benchIdle = async (): Promise<boolean> => {
  const serviceIPs = Array.from({ length: Number(values.ips) }, (_, index) =>
    index < MAX_IPV4 ? `10.99.0.${100 + index}` : `fd99::1:${index.toString(16)}`,
  );
  const stage = await createStage({ nodes: 3, serviceIPs });
  await stage.owners(stage.nodes, OWNERS_WITHIN_MS);
  await sleep(10_000);
  const before = await Promise.all(stage.nodes.map(written));
  const started = performance.now();
  await sleep(Number(values['idle-seconds']) * 1_000);
  const seconds = (performance.now() - started) / 1_000;
  const after = await Promise.all(stage.nodes.map(written));
  await stage.dispose();
  const aDay = after.map((bytes, index) => ((bytes - (before[index] ?? 0)) / seconds) * DAY_S);
  for (const [index, bytes] of aDay.entries())
    console.log(
      `n${index + 1}: ${((after[index] ?? 0) - (before[index] ?? 0)).toFixed(0)} bytes in ${seconds.toFixed(0)} s of idling, ${(bytes / 1e6).toFixed(2)} MB a day (${values.ips} IPs; wanted: less than 5)`,
    );
  return aDay.every((bytes) => bytes < 5e6);
};

if (values.child !== undefined) {
  const { seconds, rate, child } = values;
  console.log(JSON.stringify(await feed(child === 'on', Number(seconds), Number(rate))));
  process.exit(0);
}
const isCheap = insideEnclosure() || benchCost();
await enclose();
process.exit((await benchIdle()) && isCheap ? 0 : 1);
