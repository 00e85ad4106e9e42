// The lab as an ordinary user: a real failure in a user namespace, and one line that says what to do where the kernel
// forbids those. Its limits are set in a user namespace made for that, so that nothing of this machine changes.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { STAGE_TOOLS } from '../support/cluster.ts';
import { wireTest } from '../support/lab.ts';

const PROGRAM = join(import.meta.dirname, '../../bin/holdfast');
const NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'] as const;

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Nobody has no home; a checkout below somebody's closed folder cannot be tried. */
const unreadable = (): boolean => {
  const [command, ...args] = [...NOBODY, 'test', '-x', PROGRAM] as [string, ...string[]];
  return spawnSync(command, args, { cwd: '/' }).status !== 0;
};

/** Whether this kernel lets nobody make a user namespace at all. */
const forbidden = (): string | null => {
  const [command, ...args] = [...NOBODY, 'unshare', '--user', '--map-root-user', 'true'] as [
    string,
    ...string[],
  ];
  const { status, stderr } = spawnSync(command, args, { cwd: '/', encoding: 'utf8' });
  return status === 0 ? null : stderr.trim();
};

const run = (command: readonly string[], begin: (pid: number) => string = () => ''): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const [file = '', ...args] = command;
    const child = spawn(file, args, { cwd: '/', stdio: ['pipe', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.on('data', (bytes: Buffer) => {
      out += bytes.toString();
      if (!out.startsWith('ready\n')) return;
      out = out.slice('ready\n'.length);
      child.stdin.end(begin(child.pid as number));
    });
    child.stderr.on('data', (bytes: Buffer) => {
      err += bytes.toString();
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });

/** Runs a command as root or nobody of a new user namespace in which `sysctl` (of user.*) is 0. */
const withoutAny = (sysctl: string, command: readonly string[]): Promise<Outcome> => {
  // Root of the namespace has its rights only from an exec after the mapping.
  const inner = 'limit=$1; shift; echo 0 >"/proc/sys/user/$limit" && exec "$@"';
  const outer = 'echo ready; read -r _; exec sh -c "$@"';
  return run(['unshare', '--user', 'sh', '-c', outer, 'sh', inner, 'sh', sysctl, ...command], (pid) => {
    for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${pid}/${map}`, '0 0 65536\n');
    return 'mapped\n';
  });
};

const LAB = [PROGRAM, 'lab', '--scenario', 'cut', '--json'];

wireTest('without root: the owner is cut off, and the promise is kept', STAGE_TOOLS, async (context) => {
  if (unreadable()) return context.skip(`nobody may not run ${PROGRAM}`);
  const reason = forbidden();
  if (reason !== null) return context.skip(`this kernel does not let a user make namespaces: ${reason}`);
  const { code, out, err } = await run([...NOBODY, ...LAB]);
  context.diagnostic(out.trim());
  assert.equal(code, 0, out + err);
  assert.match(out, /"scenario":"cut","family":"ipv4".*"ok":true.*\n.*"family":"ipv6".*"ok":true/);
});

wireTest('where users may make no namespaces, one line says which sysctl', STAGE_TOOLS, async (context) => {
  if (unreadable()) return context.skip(`nobody may not run ${PROGRAM}`);
  const { code, out, err } = await withoutAny('max_user_namespaces', [...NOBODY, ...LAB]);
  assert.deepEqual({ code, out }, { code: 3, out: '' }, err);
  assert.match(
    err,
    /^holdfast: the lab .*: run it as root, or as root once: sysctl user\.max_user_namespaces=10000\n$/,
  );
});

wireTest('a limit that root has as well is named, to root and to others', STAGE_TOOLS, async (context) => {
  if (unreadable()) return context.skip(`nobody may not run ${PROGRAM}`);
  for (const who of [[], NOBODY]) {
    const { code, err } = await withoutAny('max_net_namespaces', [...who, ...LAB]);
    assert.equal(code, 3, err);
    assert.match(err, /^holdfast: the lab .*: as root once: sysctl user\.max_net_namespaces=10000\n$/);
  }
});
