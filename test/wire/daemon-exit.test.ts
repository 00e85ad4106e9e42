// Every way out: the wire falls silent, what the host served is gone, the exit code tells what happened.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { startCapture } from '../../src/cli/lab/capture.ts';
import { startProbe } from '../../src/cli/lab/prober.ts';
import {
  type Bed,
  bedFor,
  holdfast,
  leadingBed,
  preloaded,
  sleep,
  spokenAt,
  waitFor,
} from '../support/bed.ts';
import { wireTest, within } from '../support/lab.ts';

interface Exit {
  readonly code: number | null;
  readonly tookMs: number;
  /** From the deed to the last frame that spoke for a service IP; 0 when none left after it. */
  readonly spokeForMs: number;
}

/** Does `deed` to the leading daemon while a client asks 500 times a second, until the daemon has ended. */
const exitOf = async (bed: Bed, deed: () => void): Promise<Exit> => {
  const capture = await startCapture(bed.segment, { port: 'n1' }, { filter: 'arp or icmp6' });
  const load = bed.load(['--rate', '500', '--duration', '2500', ...bed.serviceIPs]);
  await sleep(700);
  const at = Date.now();
  deed();
  const code = await Promise.race([bed.node.exited(), sleep(8_000).then(() => 'hangs' as const)]);
  assert.notEqual(code, 'hangs', 'the daemon did not end within 8 s');
  const tookMs = Date.now() - at;
  await load;
  const last = (await spokenAt(await capture.stop(), bed.serviceIPs, bed.node.host.mac)).at(-1) ?? at;
  return { code: code as number | null, tookMs, spokeForMs: Math.max(0, Math.round(last - at)) };
};

const addressesOnLo = async (bed: Bed): Promise<string[]> =>
  [...(await bed.node.host.exec('ip', ['-o', 'addr', 'show', 'dev', 'lo'])).matchAll(/inet6? (\S+)\//g)].map(
    (match) => match[1] as string,
  );

const sysctl = async (bed: Bed, key: string): Promise<string> =>
  (await bed.node.host.exec('cat', [`/proc/sys/net/ipv4/conf/eth0/${key}`])).trim();

const assertReleased = async (bed: Bed): Promise<void> => {
  assert.deepEqual(await addressesOnLo(bed), ['127.0.0.1', '::1']);
  assert.deepEqual([await sysctl(bed, 'arp_ignore'), await sysctl(bed, 'arp_announce')], ['0', '0']);
};

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  wireTest(
    `${signal} to the only node: silent within 200 ms, exit code 0 within 1 s, nothing left on the host`,
    ['tcpdump', 'tshark'],
    async (context) => {
      const bed = await leadingBed(context);
      const { code, tookMs, spokeForMs } = await exitOf(bed, () => bed.node.signal(signal));
      context.diagnostic(`exit after ${tookMs} ms, last frame after ${spokeForMs} ms`);
      assert.equal(code, 0);
      within(tookMs, 1_000, 'the exit took');
      within(spokeForMs, 200, 'it spoke for');
      await assertReleased(bed);
      assert.equal(existsSync(bed.node.socket), false, 'the control socket is gone');
    },
  );
}

wireTest('a second SIGTERM ends the daemon at once', ['tcpdump', 'tshark'], async (context) => {
  const bed = await leadingBed(context);
  const { code, tookMs, spokeForMs } = await exitOf(bed, () => {
    bed.node.signal('SIGTERM');
    bed.node.signal('SIGINT');
  });
  context.diagnostic(`exit code ${code} after ${tookMs} ms, last frame after ${spokeForMs} ms`);
  assert.notEqual(code, null);
  within(tookMs, 500, 'the exit took');
  within(spokeForMs, 200, 'it spoke for');
  await assertReleased(bed);
});

for (const [what, fault] of [
  ['an uncaught exception', 'throw'],
  ['an unhandled rejection', 'reject'],
] as const) {
  wireTest(
    `${what} in the main thread: silent within 200 ms, a code of its own, a log line, nothing left on the host`,
    ['tcpdump', 'tshark'],
    async (context) => {
      const bed = await leadingBed(context, {
        wrapper: preloaded('./fault-preload.ts', { HOLDFAST_FAULT: fault }),
      });
      const { code, tookMs, spokeForMs } = await exitOf(bed, () => bed.node.signal('SIGUSR2'));
      context.diagnostic(`exit code ${code} after ${tookMs} ms, last frame after ${spokeForMs} ms`);
      assert.equal(code, 70);
      within(spokeForMs, 200, 'it spoke for');
      assert.ok(bed.log().some(({ msg }) => msg.includes('a planted')));
      await assertReleased(bed);
      assert.equal((await holdfast(bed.node.host, ['replay', bed.node.journal])).code, 0);
    },
  );
}

wireTest(
  'a wire thread that is ended from outside takes the daemon with it: silent, exit code 1, nothing left',
  ['tcpdump', 'tshark'],
  async (context) => {
    const bed = await leadingBed(context, {
      wrapper: preloaded('./fault-preload.ts', { HOLDFAST_FAULT: 'terminate' }),
    });
    const { code, tookMs, spokeForMs } = await exitOf(bed, () => bed.node.signal('SIGUSR2'));
    context.diagnostic(`exit code ${code} after ${tookMs} ms, last frame after ${spokeForMs} ms`);
    assert.equal(code, 1);
    within(tookMs, 1_500, 'the exit took');
    within(spokeForMs, 200, 'it spoke for');
    await assertReleased(bed);
  },
);

wireTest(
  'an exception in the wire thread takes the daemon with it, and the log says what it was',
  ['tcpdump', 'tshark'],
  async (context) => {
    const flag = join('/tmp', `hf-throw-${process.pid}`);
    const bed = await leadingBed(context, {
      wrapper: preloaded('./fault-preload.ts', { HOLDFAST_FAULT: `wire-throw:${flag}` }),
    });
    context.after(() => spawn('rm', ['-f', flag]));
    const { code, tookMs, spokeForMs } = await exitOf(bed, () => writeFileSync(flag, ''));
    context.diagnostic(`exit code ${code} after ${tookMs} ms, last frame after ${spokeForMs} ms`);
    assert.equal(code, 1);
    within(tookMs, 1_500, 'the exit took');
    within(spokeForMs, 200, 'it spoke for');
    assert.ok(bed.log().some(({ msg }) => msg.includes('planted fault in the wire thread')));
    await assertReleased(bed);
  },
);

/** Starts the daemon by hand, so that the test owns its stdout. */
const startWith = (
  bed: Bed,
  shell: string,
): { readonly child: ReturnType<Bed['client']['spawn']>; readonly code: Promise<number | null> } => {
  const main = new URL('../../src/cli/main.ts', import.meta.url).pathname;
  const command = shell.replace('DAEMON', `${process.execPath} ${main} run --config ${bed.node.configFile}`);
  const child = bed.node.host.spawn('bash', ['-c', command], { stdio: ['ignore', 'inherit', 'inherit'] });
  return { child, code: new Promise((resolve) => child.once('close', resolve)) };
};

const assertServing = async (bed: Bed): Promise<void> => {
  await waitFor('the daemon to lead', 10_000, async () => {
    const led = (await bed.node.status().catch(() => null))?.serviceIPs.every(
      ({ state }) => state === 'leader',
    );
    return led === true ? true : null;
  });
  const results = await startProbe(bed.client, { targets: bed.serviceIPs, durationMs: 500 }).finished;
  for (const { target, lost } of results) assert.deepEqual([target, lost], [target, 0]);
};

const pidOf = (bed: Bed): number =>
  Number(/process (\d+)/.exec(readFileSync(join(bed.node.directory, 'pid'), 'utf8'))?.[1]);

/** Reloads of bad files: more log lines than a pipe holds. */
const flood = async (bed: Bed, pid: number): Promise<void> => {
  const good = readFileSync(bed.node.configFile, 'utf8');
  for (let index = 0; index < 20; index += 1) {
    const bad = Array.from({ length: 100 }, (_, key) => `bad-${index}-${key}: 1`);
    writeFileSync(bed.node.configFile, `${good}\n${bad.join('\n')}\n`);
    process.kill(pid, 'SIGHUP');
    await sleep(20);
  }
  writeFileSync(bed.node.configFile, good);
  process.kill(pid, 'SIGHUP');
};

/** How much of what `pid` writes to stdout waits in the pipe. */
const unread = async (bed: Bed, pid: number): Promise<number> => {
  const code = `const k=require('koffi').load('libc.so.6').func('int ioctl(int,unsigned long,_Out_ int*)');const n=[0];k(require('fs').openSync('/proc/${pid}/fd/1',0x800),0x541b,n);console.log(n[0])`;
  return Number(await bed.node.host.exec(process.execPath, ['-e', code]));
};
/** linux pipe(7): the capacity of a pipe; a write of several pages may leave some of it empty. */
const FULL_BYTES = 65_536 - 3 * 4_096;

for (const [what, shell] of [
  // The reader ends at once: EPIPE.
  ['whose reader is gone', 'DAEMON > >(true) & echo process $! >PID; wait $!'],
  // The reader stays and never reads: the pipe fills.
  ['that nobody reads any more', 'DAEMON > >(exec sleep 60) & echo process $! >PID; wait $!'],
] as const) {
  wireTest(`a stdout ${what} stops neither the service nor the exit`, [], async (context) => {
    const bed = await bedFor(context);
    const { code } = startWith(bed, shell.replace('PID', join(bed.node.directory, 'pid')));
    await assertServing(bed);
    const pid = pidOf(bed);
    await flood(bed, pid);
    if (what.startsWith('that nobody')) assert.ok((await unread(bed, pid)) > FULL_BYTES, 'the pipe is full');
    await assertServing(bed);
    const at = Date.now();
    process.kill(pid, 'SIGTERM');
    const ended = await Promise.race([code, sleep(8_000).then(() => 'hangs' as const)]);
    context.diagnostic(`exit code ${ended} after ${Date.now() - at} ms`);
    if (ended === 'hangs') process.kill(pid, 'SIGKILL');
    assert.equal(ended, 0);
    within(Date.now() - at, 2_500, 'the exit took');
    await assertReleased(bed);
  });
}

wireTest(
  'an uncaught exception while nobody reads stdout: silent within 200 ms all the same',
  ['tcpdump', 'tshark'],
  async (context) => {
    const bed = await bedFor(context);
    const pidFile = join(bed.node.directory, 'pid');
    const shell = `${preloaded('./fault-preload.ts', { HOLDFAST_FAULT: 'throw' }).join(' ')} DAEMON > >(exec sleep 60) & echo process $! >${pidFile}; wait $!`;
    const { code } = startWith(bed, shell);
    await assertServing(bed);
    const pid = pidOf(bed);
    await flood(bed, pid);
    const capture = await startCapture(bed.segment, { port: 'n1' }, { filter: 'arp or icmp6' });
    const load = bed.load(['--rate', '500', '--duration', '2000', ...bed.serviceIPs]);
    await sleep(700);
    const at = Date.now();
    process.kill(pid, 'SIGUSR2');
    assert.equal(await Promise.race([code, sleep(5_000).then(() => 'hangs')]), 70);
    await load;
    const last = (await spokenAt(await capture.stop(), bed.serviceIPs, bed.node.host.mac)).at(-1) as number;
    context.diagnostic(`last frame ${Math.round(last - at)} ms after the fault`);
    within(last - at, 200, 'it spoke for');
    await assertReleased(bed);
  },
);

wireTest(
  'a control socket is 0600; a taken one refuses with exit code 2 and names node and process',
  [],
  async (context) => {
    const bed = await leadingBed(context);
    assert.equal(statSync(bed.node.socket).mode & 0o7777, 0o600);
    const second = await holdfast(bed.node.host, ['run', '--config', bed.node.configFile]);
    assert.equal(second.code, 2);
    assert.match(second.stderr, new RegExp(`taken by holdfast n1 \\(process ${bed.node.pid()}\\)`));
    assert.equal(second.stderr.trim().split('\n').length, 1);
    await assertServing(bed);
  },
);

wireTest(
  'a socket that a killed daemon left is replaced; one of a mute stranger is not',
  [],
  async (context) => {
    const bed = await leadingBed(context);
    bed.node.signal('SIGKILL');
    await bed.node.exited();
    assert.ok(existsSync(bed.node.socket));
    await bed.node.start();
    await bed.lead();
    bed.node.signal('SIGTERM');
    assert.equal(await bed.node.exited(), 0);
    const stranger = createServer((socket) => socket.on('error', () => {}));
    await new Promise<void>((resolve) => stranger.listen(bed.node.socket, resolve));
    const refused = await holdfast(bed.node.host, ['run', '--config', bed.node.configFile]);
    stranger.close();
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /taken by a process that does not say who it is/);
  },
);

wireTest(
  'taken http and metrics ports: the daemon serves without them and says which',
  [],
  async (context) => {
    const bed = await bedFor(context);
    const holder = `const {createServer}=require('node:net');createServer().listen(9475,'127.0.0.1',()=>createServer().listen(9476,()=>console.log('up')))`;
    const child = bed.node.host.spawn(process.execPath, ['-e', holder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    await bed.node.start();
    await bed.lead();
    await assertServing(bed);
    const said = bed.log().map(({ msg }) => msg);
    assert.ok(
      said.some((msg) => /http: cannot listen on 127\.0\.0\.1:9475/.test(msg)),
      said.join('\n'),
    );
    const metrics = said.find((msg) => msg.startsWith('metrics: cannot listen'));
    assert.ok(metrics !== undefined);
    assert.ok(!metrics.includes('null'), metrics);
  },
);

wireTest(
  'the daemon that cannot use its interface says so and ends, it does not hang',
  ['unshare'],
  async (context) => {
    const bed = await bedFor(context);
    // Capabilities of a user namespace that does not own the network namespace: all there, and none of use here.
    const wrapper = ['timeout', '-s', 'KILL', '6', 'unshare', '--user', '--map-root-user'];
    const { code, stdout, stderr } = await holdfast(bed.node.host, ['run', '--config', bed.node.configFile], {
      wrapper,
    });
    assert.equal(code, 3, stdout + stderr);
    assert.match(stderr, /CAP_NET_RAW .*EPERM/);
  },
);
