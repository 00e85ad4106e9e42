// `holdfast top` in a pseudo terminal, against real daemons: what a person sees, what keys do, and that the terminal
// is as it was, however it ends.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { LAB_SERVICE_IPS } from '../../src/cli/lab/stage.ts';
import { type Bed, holdfast, leadingBed, waitFor } from '../support/bed.ts';
import { type WireContext, wireTest } from '../support/lab.ts';
import { type InTerminal, inTerminal } from '../support/terminal.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
type Options = Parameters<typeof inTerminal>[1];

const openTop = (
  context: WireContext,
  bed: Bed,
  args: readonly string[] = [],
  options: Options = {},
): InTerminal => {
  const top = inTerminal([process.execPath, MAIN, 'top', '--socket', bed.node.socket, ...args], options);
  context.after(() => top.child.kill('SIGKILL'));
  return top;
};

const IPS = [...LAB_SERVICE_IPS, '10.99.0.101', '10.99.0.102'];

wireTest(
  'top shows what the node knows at 80 × 24; keys filter, sort and scroll',
  ['python3'],
  async (context) => {
    const bed = await leadingBed(context, { serviceIPs: IPS });
    const top = openTop(context, bed);
    await top.shows(/fd99::100 +leader +n1/);
    assert.match(top.screen.lines[0] ?? '', /^holdfast top {2}n1 ready .* UTC {2}live$/);
    assert.match(top.screen.text, /Nodes \(1\): n1 here/);
    assert.match(top.screen.text, /! hellos are not signed/);
    assert.match(top.screen.text, /4 of 4 shown; 4 held here/);
    assert.ok(top.screen.painted > 0, 'there are colours');
    assert.equal(top.screen.isCursorShown, false);

    top.type('/101');
    await top.shows(/1 of 4 shown; 4 held here {2}filter: 101_/);
    assert.doesNotMatch(top.screen.text, /10\.99\.0\.100/);
    top.type('\x7f\x7f\x7f\r');
    await top.shows(/4 of 4 shown; 4 held here\n/);

    const ips = (): string[] => top.screen.lines.flatMap((line) => /^(\S+) +leader/.exec(line)?.[1] ?? []);
    assert.deepEqual(ips(), ['10.99.0.100', '10.99.0.101', '10.99.0.102', 'fd99::100']);
    top.type('r');
    await top.shows(/SERVICE IP ▼/);
    assert.deepEqual(ips(), ['fd99::100', '10.99.0.102', '10.99.0.101', '10.99.0.100']);
    top.type('s');
    await top.shows(/STATE ▲/);
    top.type('1');
    await top.shows(/SERVICE IP ▲/);

    top.resize(60, 9);
    await top.shows(/1 more below/);
    assert.equal(ips().length, 3);
    top.type('\x1b[B');
    await waitFor('the last row', 30_000, () => (ips().at(-1) === 'fd99::100' ? true : null));
    top.type('\x1b[H');
    await waitFor('the first row', 30_000, () => (ips()[0] === '10.99.0.100' ? true : null));
    top.resize(30, 5);
    await top.shows(/^(\d+ more below {2})?q quit/m);

    top.type('q');
    assert.deepEqual(await top.ended, { code: 0, restored: true });
    assert.deepEqual(
      [top.screen.isAlternate, top.screen.isCursorShown, top.screen.unknown],
      [false, true, []],
    );
  },
);

wireTest('top follows the daemon, says when it is away, and finds it again', ['python3'], async (context) => {
  const bed = await leadingBed(context);
  const top = openTop(context, bed, [], { env: { NO_COLOR: '1' } });
  await top.shows(/10\.99\.0\.100 +leader/);
  await bed.segment.cut(bed.node.host);
  await top.shows(/10\.99\.0\.100 +unowned +nobody/);
  await bed.segment.restore(bed.node.host);
  await top.shows(/10\.99\.0\.100 +leader/);
  bed.node.signal('SIGKILL');
  await bed.node.exited();
  await top.shows(/The daemon is away since .*this is what it said last/);
  assert.match(top.screen.lines[0] ?? '', / away$/);
  assert.match(top.screen.text, /10\.99\.0\.100 +leader/);
  await bed.node.start();
  await top.shows(/ live\n[\s\S]*10\.99\.0\.100 +leader/);
  assert.doesNotMatch(top.screen.text, /away since/);
  assert.equal(top.screen.painted, 0, 'no colour with NO_COLOR');
  top.type('\x03');
  assert.deepEqual(await top.ended, { code: 0, restored: true });
});

wireTest('the terminal is as it was after every way out', ['python3'], async (context) => {
  const bed = await leadingBed(context);
  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const) {
    const top = openTop(context, bed);
    await top.shows(/10\.99\.0\.100 +leader/);
    process.kill(top.pid(), signal);
    assert.deepEqual(await top.ended, { code, restored: true }, signal);
    assert.deepEqual([top.screen.isAlternate, top.screen.isCursorShown], [false, true], signal);
  }

  const stopped = openTop(context, bed);
  await stopped.shows(/10\.99\.0\.100 +leader/);
  stopped.type('\x1a');
  await waitFor('the screen to be given back', 30_000, () => (stopped.screen.isAlternate ? null : true));
  process.kill(stopped.pid(), 'SIGCONT');
  await waitFor('the screen to be taken again', 30_000, () => (stopped.screen.isAlternate ? true : null));
  await stopped.shows(/10\.99\.0\.100 +leader/);
  stopped.type('q');
  assert.deepEqual(await stopped.ended, { code: 0, restored: true });

  const hungUp = openTop(context, bed);
  await hungUp.shows(/10\.99\.0\.100 +leader/);
  hungUp.hangUp();
  const { code } = await hungUp.ended;
  assert.notEqual(code, 0);
});

wireTest(
  'without a terminal top prints one plain table; exit codes as everywhere',
  ['python3'],
  async (context) => {
    const bed = await leadingBed(context);
    const run = (...args: string[]) => holdfast(bed.node.host, ['top', '--socket', bed.node.socket, ...args]);
    const { code, stdout, stderr } = await run();
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^n1 ready, holdfast /);
    assert.match(stdout, /SERVICE IP +STATE +HOLDER +SINCE +WHY\n10\.99\.0\.100 +leader +n1/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these must be there
    assert.doesNotMatch(stdout, /\x1b/);
    const filtered = await run('--filter', 'fd99', '--sort', 'since', '--reverse');
    assert.match(filtered.stdout, /1 of 2 shown/);
    assert.doesNotMatch(filtered.stdout, /10\.99/);
    const wrong = await run('--sort', 'colour');
    assert.deepEqual([wrong.code, wrong.stderr.split('\n').length], [2, 2]);
    assert.match(wrong.stderr, /--sort colour: ip, state, holder, since or why would be right/);

    const once = openTop(context, bed, ['--once']);
    assert.deepEqual(await once.ended, { code: 0, restored: true });
    assert.match(once.screen.text, /SERVICE IP +STATE/);

    bed.node.signal('SIGTERM');
    await bed.node.exited();
    const gone = openTop(context, bed);
    assert.equal((await gone.ended).code, 4);
    assert.equal(gone.screen.isAlternate, false);
  },
);
