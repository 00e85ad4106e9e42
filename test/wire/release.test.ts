// The release as somebody gets it: the tarball is built, unpacked into an empty folder, and its daemon serves from there,
// with nothing of this checkout. On a machine with Debian's base only: scripts/try-release.sh (HOLDFAST_LONG=1).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { leadingBed } from '../support/bed.ts';
import { type WireContext, wireTest } from '../support/lab.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const BUILD_TOOLS = ['npm', 'strip', 'objdump', 'tar', 'gzip', 'sha256sum'];

/** Runs to the end, at most five minutes (debootstrap may have to fetch); throws with what it said. */
const run = (command: string, args: readonly string[], cwd = ROOT): string => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 300_000 });
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
};

const scratch = (context: WireContext): string => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-release-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
};

/** `name@version` of every package below `tree`. */
const packagesIn = (tree: string): string[] =>
  globSync('**/node_modules/{*,@*/*}/package.json', { cwd: tree }).map((path) => {
    const { name, version } = JSON.parse(readFileSync(join(tree, path), 'utf8')) as Record<string, string>;
    return `${name}@${version}`;
  });

interface Bill {
  readonly components: readonly {
    readonly name: string;
    readonly version: string;
    readonly licenses: readonly object[];
    readonly components?: readonly { readonly name: string }[];
  }[];
}

/** Builds the tarball and unpacks it into an empty folder, which it gives; both are what their checksums say. */
const unpacked = (directory: string): string => {
  run(join(ROOT, 'scripts/release.sh'), ['--output', join(directory, 'made'), '--tarball']);
  run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], join(directory, 'made'));
  const [tarball = ''] = globSync('made/*.tar.gz', { cwd: directory });
  run('tar', ['xzf', tarball], directory);
  const tree = join(directory, basename(tarball, '.tar.gz'));
  run('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], tree);
  const summed = readFileSync(join(tree, 'SHA256SUMS'), 'utf8').trim().split('\n').length;
  assert.equal(
    summed + 1,
    Number(run('sh', ['-c', 'find . -type f | wc -l'], tree)),
    'each file but SHA256SUMS',
  );
  return tree;
};

/** Each package is in the bill of materials with a licence and its text, and Node with what is in it. */
const assertBilled = (tree: string): void => {
  const { components } = JSON.parse(readFileSync(join(tree, 'sbom.cdx.json'), 'utf8')) as Bill;
  const named = new Set(components.map(({ name, version }) => `${name}@${version}`));
  assert.deepEqual(
    packagesIn(tree).filter((name) => !named.has(name)),
    [],
  );
  const names = components.map(({ name }) => name);
  // What no lock file would say: the platform, a library beside it, what the page bundles, headers compiled in.
  for (const wanted of ['node', 'libatomic1', 'preact', 'nan', 'koffi', 'raw-socket'])
    assert.ok(names.includes(wanted), `the bill of materials lacks ${wanted}`);
  const inNode = components.find(({ name }) => name === 'node')?.components?.map(({ name }) => name);
  assert.ok(inNode?.includes('openssl') && inNode.includes('v8'), String(inNode));
  const texts = readFileSync(join(tree, 'THIRD-PARTY-LICENSES.txt'), 'utf8');
  for (const { name, version, licenses } of components) {
    assert.ok(licenses.length > 0, `${name} has no licence`);
    assert.ok(texts.includes(`${name} ${version} (`), `${name} has no text`);
  }
  for (const unwanted of ['node_modules/typescript', 'node_modules/@types', 'test'])
    assert.ok(!existsSync(join(tree, unwanted)), `${unwanted} is in it`);
};

/** The process runs the release's own Node, addons and library, and nothing of this checkout. */
const assertRunsFrom = (tree: string, pid: number): void => {
  assert.equal(readlinkSync(`/proc/${pid}/exe`), join(tree, 'runtime/node'));
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8').matchAll(/ (\/\S+)$/gm);
  const mapped = [...maps].map(([, path = '']) => path);
  assert.deepEqual(
    mapped.filter((path) => path.startsWith(ROOT)),
    [],
  );
  for (const file of ['raw.node', 'koffi.node', 'libatomic.so.1'])
    assert.ok(
      mapped.some((path) => path.startsWith(tree) && path.endsWith(file)),
      `${file} is not the release's`,
    );
};

const BARE = ['env', '-i', 'PATH=/usr/bin:/bin'];

wireTest(
  'the tarball names all that is in it, and its daemon serves from the folder where it is unpacked',
  BUILD_TOOLS,
  async (context) => {
    const tree = unpacked(scratch(context));
    assertBilled(tree);
    // The lab starts `node main.ts run …`: the release's command takes the place of the first two words.
    const command = ['sh', '-c', 'shift 2; exec "$0" "$@"', join(tree, 'bin/holdfast')];
    const bed = await leadingBed(context, { wrapper: [...BARE, ...command] });
    assertRunsFrom(tree, bed.node.pid());
    const { lost, answered } = await bed.load(['--rate', '500', '--duration', '400', ...bed.serviceIPs]);
    assert.equal(lost, 0);
    assert.ok(answered >= 190);
    bed.node.signal('SIGTERM');
    assert.equal(await bed.node.exited(), 0);
    const [env = '', ...rest] = BARE;
    const replayed = run(env, [...rest, join(tree, 'bin/holdfast'), 'replay', bed.node.journal]);
    assert.match(replayed, /^identical/);
  },
);

const ON_DEBIAN =
  "on Debian's base it is installed, answers, is upgraded and leaves no file; the same under systemd";
if (process.env.HOLDFAST_LONG === '1') {
  const tools = [...BUILD_TOOLS, 'debootstrap', 'arping', 'ping', 'unshare'];
  wireTest(ON_DEBIAN, tools, async (context) => {
    const directory = scratch(context);
    run(join(ROOT, 'scripts/release.sh'), ['--output', directory, '--tarball']);
    const said = run(join(ROOT, 'scripts/try-release.sh'), ['--release', directory]);
    for (const line of said.split('\n')) if (line.startsWith('try-release:')) context.diagnostic(line);
  });
} else {
  test(ON_DEBIAN, {
    skip: 'takes a minute or two, and debootstrap: HOLDFAST_LONG=1 npm run test:wire -- release',
  });
}
