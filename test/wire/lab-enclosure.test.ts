// What runs in the enclosure vanishes with the outer process, however that ends; signals and exit codes pass.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { missingTools } from '../../src/cli/lab/tools.ts';
import { obstacle, wireTest, within } from '../support/lab.ts';

const from = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
const ENCLOSE = `const { enclose, insideEnclosure } = await import(${from('../../src/cli/lab/enclosure.ts')}); await enclose();`;

const nodeArguments = (body: string): string[] => ['--input-type=module', '-e', `${ENCLOSE}\n${body}`];

type Outcome = Readonly<{ code: number | null; signal: NodeJS.Signals | null; out: string; err: string }>;

const started: ChildProcess[] = [];
test.after(() => {
  for (const child of started) child.kill('SIGKILL');
});

/** Starts a program that encloses itself; `lines` resolves with its first output, `ended` at its end. */
const start = (body: string, environment: NodeJS.ProcessEnv = {}, uid?: number) => {
  const child = spawn(process.execPath, nodeArguments(body), {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
    ...(uid === undefined ? {} : { uid, gid: uid, cwd: '/' }),
  });
  started.push(child);
  let out = '';
  let err = '';
  const said = new Promise<string>((resolve) => {
    child.stdout.on('data', (bytes: Buffer) => {
      out += bytes.toString();
      if (out.includes('\n')) resolve(out);
    });
    child.once('close', () => resolve(out));
  });
  child.stderr.on('data', (bytes: Buffer) => {
    err += bytes.toString();
  });
  const ended = new Promise<Outcome>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, out, err }));
  });
  return { child, said, ended };
};

wireTest(
  'inside: process 1, a private /run, lo up; stdin, stdout, stderr and exit code pass',
  ['unshare'],
  async () => {
    const body = `
    import { readFileSync, readdirSync } from 'node:fs';
    import { networkInterfaces } from 'node:os';
    let text = ''; for await (const chunk of process.stdin) text += chunk;
    console.error('to stderr');
    console.log(JSON.stringify({ inside: insideEnclosure(), pid: process.pid, run: readdirSync('/run'), text,
      lo: Object.keys(networkInterfaces()) }));
    process.exitCode = 42;`;
    const { child, ended } = start(body);
    child.stdin.end('to stdin');
    const { code, out, err } = await ended;
    assert.equal(code, 42, err);
    assert.equal(err, 'to stderr\n');
    const expected = { inside: true, pid: 1, run: ['holdfast-enclosure'], text: 'to stdin', lo: ['lo'] };
    assert.deepEqual(JSON.parse(out), expected);
  },
);

wireTest('the enclosure costs little', ['unshare'], async (context) => {
  const time = async (args: string[]): Promise<number> => {
    const begin = performance.now();
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    await new Promise((resolve) => child.once('close', resolve));
    return performance.now() - begin;
  };
  const best = async (args: string[]): Promise<number> =>
    Math.min(await time(args), await time(args), await time(args));
  const bare = await best(['--input-type=module', '-e', ENCLOSE.replace('await enclose();', '')]);
  const enclosed = await best(nodeArguments(''));
  context.diagnostic(`enclosed ${enclosed.toFixed(0)} ms, bare ${bare.toFixed(0)} ms`);
  within(enclosed - bare, 500, 'the enclosure costs');
});

wireTest('SIGTERM and SIGINT reach a program that listens, exactly once', ['unshare'], async () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const body = `
      let count = 0;
      process.on('${signal}', () => { count += 1; setTimeout(() => { console.log(count); process.exit(7); }, 50); });
      console.log('up'); setInterval(() => {}, 1000);`;
    const late = start(body);
    await late.said;
    late.child.kill(signal);
    const { code, out } = await late.ended;
    assert.deepEqual({ code, out }, { code: 7, out: 'up\n1\n' });
  }
});

wireTest(
  'a signal during the start is not lost: the outer process dies of it or the program gets it',
  ['unshare'],
  async () => {
    const body = `process.on('SIGTERM', () => process.exit(7)); setInterval(() => {}, 1000);`;
    for (const afterMs of [10, 50, 70, 90, 110, 130]) {
      const { child, ended } = start(body);
      await delay(afterMs);
      child.kill('SIGTERM');
      const { code, signal } = await ended;
      assert.ok(code === 7 || signal === 'SIGTERM', `after ${afterMs} ms: ${code} ${signal}`);
    }
  },
);

wireTest('a signal nobody listens to ends the program, with 128 + its number', ['unshare'], async () => {
  const { child, said, ended } = start(`console.log('up'); setInterval(() => {}, 1000);`);
  await said;
  child.kill('SIGTERM');
  assert.equal((await ended).code, 143);
});

const processesWith = (mark: string): number[] =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(mark);
      } catch {
        return false;
      }
    })
    .map(Number);

const isZombie = (pid: string): boolean =>
  /^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));

/** Of living processes: a dead one waits for this machine's init to reap it, which is not the lab's doing. */
const namespacesInUse = (): Set<string> => {
  const links = readdirSync('/proc').flatMap((pid) =>
    ['net', 'mnt', 'pid'].map((kind) => {
      try {
        return isZombie(pid) ? '' : readlinkSync(`/proc/${pid}/ns/${kind}`);
      } catch {
        return '';
      }
    }),
  );
  return new Set(links);
};

const mountsAndNames = (): string[] => {
  const named = ((): string[] => {
    try {
      return readdirSync('/run/netns');
    } catch {
      return [];
    }
  })();
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => /holdfast|hf-enclosed/.test(line));
  return [...named.filter((name) => name.startsWith('hf-enclosed')), ...mounts];
};

const LAB = `
  import { readlinkSync } from 'node:fs';
  const { createSegment } = await import(${from('../../src/cli/lab/segment.ts')});
  const { startProbe } = await import(${from('../../src/cli/lab/prober.ts')});
  const hosts = [{ name: 'n1', role: 'node' }, { name: 'c1', role: 'client' }];
  const segment = await createSegment({ name: 'hf-enclosed', hosts });
  const c1 = segment.hosts.get('c1');
  await c1.exec('sh', ['-c', 'setsid nohup sleep 1000 >/dev/null 2>&1 &']);
  const sleeper = c1.spawn('sleep', ['1000'], { stdio: 'ignore' });
  const probe = startProbe(c1, { targets: ['10.99.0.1', 'fd99::1'] });
  await probe.ready;
  const links = ['self', sleeper.pid].flatMap((pid) =>
    ['net', 'mnt', 'pid'].map((kind) => readlinkSync('/proc/' + pid + '/ns/' + kind)));
  console.log(JSON.stringify(links));`;

/** Starts a lab as `uid`, ends its outer process with SIGKILL, and looks for what is left. */
const killed = async (uid?: number): Promise<number> => {
  const mark = randomUUID();
  const lab = start(LAB, { LAB_MARK: mark }, uid);
  const said = await lab.said;
  assert.match(said, /^\[/, said || (await lab.ended).err);
  const own = namespacesInUse();
  const inside = (JSON.parse(said) as string[]).filter((link) => own.has(link));
  assert.ok(inside.length >= 5, 'its namespaces are seen from here while it lives');
  assert.ok(processesWith(mark).length >= 6);
  const begin = performance.now();
  lab.child.kill('SIGKILL');
  const host = new Set(['net', 'mnt', 'pid'].map((kind) => readlinkSync(`/proc/self/ns/${kind}`)));
  const left = (): string[] => {
    const used = namespacesInUse();
    const namespaces = inside.filter((link) => used.has(link) && !host.has(link));
    return [...namespaces, ...processesWith(mark).map((pid) => `process ${pid}`)];
  };
  while (left().length > 0 && performance.now() - begin < 2_000) await delay(5);
  const goneAfterMs = performance.now() - begin;
  assert.deepEqual(left(), []);
  assert.deepEqual(mountsAndNames(), []);
  return goneAfterMs;
};

wireTest(
  'SIGKILL of the outer process leaves no process, namespace, mount or file',
  ['unshare'],
  async (context) => {
    context.diagnostic(`all gone after ${(await killed()).toFixed(0)} ms`);
  },
);

const NOBODY = 65_534;
const unprivileged =
  obstacle() ?? (missingTools(['unshare']).length > 0 ? 'needs unshare (util-linux)' : null);

test('the same without root: a user namespace, a whole lab in it, nothing left after SIGKILL', {
  skip: unprivileged ?? false,
}, async (context) => {
  const { ended } = start(`console.log(process.geteuid());`, {}, NOBODY);
  const { code, out, err } = await ended;
  if (code === 3) return context.skip(`this kernel does not let a user make namespaces: ${err.trim()}`);
  assert.equal(out, '0\n', err);
  context.diagnostic(`all gone after ${(await killed(NOBODY)).toFixed(0)} ms`);
});

wireTest('without the tools it needs, one line says what to install', [], async () => {
  const body = `process.exit(0)`;
  const enclosed = `try { await enclose() } catch (e) { console.error(e.message); process.exit(e.exitCode) }`;
  const code = `${ENCLOSE.replace('await enclose();', '')}
    import fs from 'node:fs'; import { syncBuiltinESMExports } from 'node:module';
    process.env.PATH = '/nowhere'; fs.existsSync = () => false; syncBuiltinESMExports(); ${enclosed}; ${body}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let err = '';
  child.stderr.on('data', (bytes: Buffer) => {
    err += bytes.toString();
  });
  const exit = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(exit, 2, err);
  assert.match(err, /^the lab needs unshare \(apt-get install util-linux\).*\n$/);
});
