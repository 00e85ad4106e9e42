// Least rights: what bin/holdfast takes away before Node starts is gone in every thread, and nothing else changes.
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Bed, bedFor, type Ended, leadingBed, sleep } from '../support/bed.ts';
import { wireTest } from '../support/lab.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const LAUNCHER = join(ROOT, 'bin/holdfast');
/** The lab starts `node main.ts run …`: this puts the launcher in the place of the first two words. */
const throughLauncher = (launcher = LAUNCHER): string[] => ['sh', '-c', 'shift 2; exec "$0" "$@"', launcher];

const BITS = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_IPC_LOCK: 14, CAP_SYS_NICE: 23 } as const;
const maskOf = (...names: readonly (keyof typeof BITS)[]): string =>
  names
    .reduce((mask, name) => mask | (1n << BigInt(BITS[name])), 0n)
    .toString(16)
    .padStart(16, '0');
const WITHOUT_ADMIN = maskOf('CAP_NET_RAW', 'CAP_IPC_LOCK', 'CAP_SYS_NICE');
const WITH_ADMIN = maskOf('CAP_NET_RAW', 'CAP_IPC_LOCK', 'CAP_SYS_NICE', 'CAP_NET_ADMIN');

const FIELDS = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs'] as const;

/** What the kernel says of every thread of the daemon, one string each. */
const rightsOf = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/task`).map((thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
    return FIELDS.map((field) => new RegExp(`^${field}:\\s*(\\S+)`, 'm').exec(status)?.[1]).join(' ');
  });

const NONE = '0'.repeat(16);
const only = (mask: string): string => [NONE, mask, mask, mask, NONE, '1'].join(' ');

const launch = (bed: Bed, args: readonly string[], wrapper: readonly string[] = []): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const [command, ...rest] = [...wrapper, LAUNCHER, ...args] as [string, ...string[]];
    const child = bed.node.host.spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.on('data', (bytes: Buffer) => {
        said[name] += bytes.toString();
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...said }));
  });

const answersAll = async (bed: Bed): Promise<void> => {
  const { lost, answered } = await bed.load(['--rate', '500', '--duration', '400', ...bed.serviceIPs]);
  assert.equal(lost, 0);
  assert.ok(answered >= 190);
};

for (const [serve, mask] of [
  ['host', WITH_ADMIN],
  ['none', WITHOUT_ADMIN],
] as const) {
  wireTest(
    `serve: ${serve}: every thread has the least capabilities and no way to more; the service and SIGTERM are as ever`,
    ['setpriv'],
    async (context) => {
      const bed = await leadingBed(context, { extra: `serve: ${serve}`, wrapper: throughLauncher() });
      await answersAll(bed);
      const threads = rightsOf(bed.node.pid());
      context.diagnostic(`${threads.length} threads: ${[...new Set(threads)].join(' | ')}`);
      assert.ok(threads.length >= 7, 'main, wire, writer, and the pool of Node');
      assert.deepEqual([...new Set(threads)], [only(mask)]);
      // What the capabilities that stay are for still works.
      assert.deepEqual(
        bed.log().filter(({ code }) => code === 'real-time' || code === 'memory-lock'),
        [],
      );
      bed.node.signal('SIGHUP');
      await sleep(200);
      bed.node.signal('SIGTERM');
      assert.equal(await bed.node.exited(), 0);
      assert.doesNotMatch(await bed.node.host.exec('ip', ['addr', 'show', 'dev', 'lo']), /10\.99\.0\.100/);
    },
  );
}

/** All that was mounted is read-only, but the folder of the configuration; /proc is not, where kernel settings are. */
const READ_ONLY = `
shift 2
d=$(dirname "$3")
mount --make-rprivate /
mount --bind "$d" "$d"
for m in / /tmp /run /var; do mount -o remount,bind,ro $m 2>/dev/null || true; done
for f in / "$(dirname "$0")" /tmp /run /var; do if touch "$f/x" 2>/dev/null; then echo "$f can be written"; exit 99; fi; done
exec "$0" "$@"`;

wireTest(
  'it runs with everything read-only but the folder of its state',
  ['setpriv', 'mount'],
  async (context) => {
    const bed = await leadingBed(context, {
      wrapper: ['unshare', '-m', 'sh', '-ec', READ_ONLY, LAUNCHER],
    });
    await answersAll(bed);
    assert.deepEqual([...new Set(rightsOf(bed.node.pid()))], [only(WITH_ADMIN)]);
    assert.deepEqual(
      (await bed.node.status()).findings.filter((text) => !text.includes('not signed')),
      [],
    );
    assert.ok(readdirSync(bed.node.journal).length > 0);
    bed.node.signal('SIGTERM');
    assert.equal(await bed.node.exited(), 0);
  },
);

wireTest(
  'root is held to file modes: what is not its own is refused in one line, exit code 2',
  [],
  async (context) => {
    const bed = await bedFor(context);
    mkdirSync(bed.node.journal);
    chownSync(bed.node.journal, 65_534, 65_534);
    chmodSync(bed.node.journal, 0o700);
    const { code, stdout, stderr } = await launch(bed, ['run', '--config', bed.node.configFile]);
    assert.deepEqual([code, stdout], [2, ''], stderr);
    assert.match(
      stderr,
      /^holdfast: .*journal\.directory: .* cannot be written \(EACCES\); name one that can\n$/,
    );
    const seen = await launch(bed, ['doctor', '--config', bed.node.configFile]);
    assert.equal(seen.code, 1);
    assert.match(seen.stdout, /^fail {2}journal .*EACCES/m);
  },
);

wireTest(
  "a checkout in somebody's home, mode 0700: reading is kept, and said; writing is not",
  [],
  async (context) => {
    const bed = await bedFor(context);
    const home = mkdtempSync(join(tmpdir(), 'holdfast-home-'));
    context.after(() => rmSync(home, { recursive: true, force: true }));
    mkdirSync(join(home, 'tree'));
    chownSync(home, 65_534, 65_534);
    chmodSync(home, 0o700);
    const script = `mount --bind ${ROOT} ${home}/tree; exec ${home}/tree/bin/holdfast run`;
    const { code, stderr } = await launch(bed, [], ['unshare', '-m', 'sh', '-ec', script]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /CAP_DAC_READ_SEARCH is kept\nholdfast: --config FILE is missing\n$/);
  },
);

wireTest('exit codes are those of the program', [], async (context) => {
  const bed = await bedFor(context);
  for (const [args, code] of [
    [['run', '--help'], 0],
    [['run'], 2],
    [['run', '--config', '/nowhere'], 2],
    [['doctor', '--config', '/nowhere'], 2],
    [['status', '--socket', '/nowhere'], 4],
  ] as const)
    assert.equal((await launch(bed, args)).code, code, args.join(' '));
});

/** A PATH with what the launcher needs and no setpriv. */
const pathWithoutSetpriv = (folder: string): string => {
  for (const tool of ['sh', 'stat', 'tr', 'readlink', 'dirname', 'id', 'grep', 'cksum']) {
    const found = ['/usr/bin', '/bin'].map((where) => join(where, tool));
    symlinkSync(found.find((file) => readFileSync(file).length > 0) as string, join(folder, tool));
  }
  return folder;
};

wireTest('without setpriv it says so and goes on', [], async (context) => {
  const bed = await bedFor(context);
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-path-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const bare = ['/usr/bin/env', `PATH=${pathWithoutSetpriv(folder)}`];
  const ended = await launch(bed, ['run', '--help'], bare);
  assert.equal(ended.code, 0);
  assert.match(ended.stderr, /^holdfast: setpriv is not installed .*going on with all capabilities\n$/);
  assert.equal((await launch(bed, ['run', '--help'])).stderr, '');
});
