// A disk that is full, and one that is frozen, under the journal of a node that serves: every request is answered,
// what could not be recorded is counted and said, and recording goes on when the disk is back.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../src/cli/lab/tools.ts';
import { type Bed, bedFor, holdfast, sleep, waitFor } from '../support/bed.ts';
import { wireTest, within } from '../support/lab.ts';

/** Runs `body` with something mounted at the journal's place, thawed and gone before the bed is cleared away. */
const withMounted = async (bed: Bed, args: readonly string[], body: () => Promise<void>): Promise<void> => {
  mkdirSync(bed.node.journal, { recursive: true });
  await run('mount', [...args, bed.node.journal]);
  try {
    await body();
  } finally {
    await run('fsfreeze', ['-u', bed.node.journal]).catch(() => '');
    bed.node.signal('SIGKILL');
    await bed.node.exited();
    await run('umount', ['--lazy', bed.node.journal]);
  }
};

/** An ext4 of its own, the kind that fsfreeze can stop. */
const withDisk = async (bed: Bed, body: () => Promise<void>): Promise<void> => {
  const image = join(bed.node.directory, 'disk');
  await run('truncate', ['-s', '64M', image]);
  await run('mkfs.ext4', ['-q', image]);
  await withMounted(bed, ['-o', 'loop', image], body);
};

let addresses = 0;
/** Something to record that disturbs nobody: an address more on another interface. */
const makeInputs = async (bed: Bed, count: number): Promise<void> => {
  for (let index = 0; index < count; index += 1) {
    addresses += 1;
    const address = `198.51.${Math.floor(addresses / 250)}.${1 + (addresses % 250)}/24`;
    await bed.node.host.exec('ip', ['addr', 'add', address, 'dev', 'aside']);
  }
};

const started = async (bed: Bed): Promise<void> => {
  await bed.node.host.exec('sh', [
    '-ec',
    'ip link add aside type veth peer name other; ip link set aside up',
  ]);
  await bed.node.start();
  await bed.lead();
};

const findingOf = async (bed: Bed): Promise<string | undefined> =>
  (await bed.node.status()).findings.find((text) => text.includes('journal'));

const saidAgain = (bed: Bed): number | null => {
  const line = bed.log().findLast(({ msg }) => msg.includes('is written again'));
  return line === undefined ? null : Number(/(\d+) inputs are missing/.exec(line.msg)?.[1]);
};

const replays = async (bed: Bed): Promise<Record<string, unknown>> => {
  const { code, stdout } = await holdfast(bed.client, ['replay', '--json', bed.node.journal]);
  assert.equal(code, 0, stdout);
  return JSON.parse(stdout) as Record<string, unknown>;
};

wireTest(
  'a full disk: every request is answered, the gap is counted and said, and it ends with the space',
  ['mount'],
  async (context) => {
    const bed = await bedFor(context);
    await withMounted(bed, ['-t', 'tmpfs', '-o', 'size=2m', 'holdfast-test'], async () => {
      await started(bed);
      const filler = join(bed.node.journal, 'filler');
      const load = bed.load(['--rate', '500', '--duration', '6000', ...bed.serviceIPs]);
      await sleep(300);
      try {
        writeFileSync(filler, Buffer.alloc(4 * 1024 * 1024));
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
      }
      // What fits into the last page of the segment is still written; some 300 octets an input.
      await makeInputs(bed, 40);
      const found = await waitFor('status to say it', 2_000, async () => (await findingOf(bed)) ?? null);
      assert.match(found, /the journal cannot be written: ENOSPC/);
      assert.ok(
        bed
          .log()
          .some(({ msg, level }) => level >= 50 && /cannot be written \(ENOSPC\); service goes on/.test(msg)),
      );
      await makeInputs(bed, 10);
      rmSync(filler);
      await sleep(1_100);
      await makeInputs(bed, 1);
      const missing = await waitFor('the log to say that it is over', 3_000, () => saidAgain(bed));
      assert.ok(missing >= 10, `${missing} are said to be missing`);
      assert.equal(await findingOf(bed), undefined);
      const { answered, sent, lost } = await load;
      const { segments, inputs } = await replays(bed);
      context.diagnostic(
        `${answered} of ${sent} answered, ${missing} inputs missing; replay: ${segments} segments, ${inputs} inputs`,
      );
      within(sent - answered + lost, 0, 'requests left unanswered');
    });
  },
);

wireTest(
  'a frozen disk: every request is answered, it is said, and nothing is lost that memory could hold',
  ['fsfreeze', 'mkfs.ext4', 'losetup'],
  async (context) => {
    const bed = await bedFor(context);
    await withDisk(bed, async () => {
      await started(bed);
      await sleep(500);
      const load = bed.load(['--rate', '500', '--duration', '7000', ...bed.serviceIPs]);
      await sleep(300);
      await run('fsfreeze', ['-f', bed.node.journal]);
      const frozenAt = Date.now();
      await makeInputs(bed, 30);
      const found = await waitFor('status to say it', 4_000, async () => (await findingOf(bed)) ?? null);
      context.diagnostic(`said ${Date.now() - frozenAt} ms after the freeze: ${found}`);
      await sleep(1_000);
      await run('fsfreeze', ['-u', bed.node.journal]);
      await makeInputs(bed, 1);
      await waitFor('status to be silent about it', 4_000, async () =>
        (await findingOf(bed)) === undefined ? true : null,
      );
      const { answered, sent, lost, p99Us, maxUs } = await load;
      const { inputs } = await replays(bed);
      context.diagnostic(
        `${answered} of ${sent} answered, p99 ${p99Us} µs, worst ${maxUs} µs; replay: ${inputs} inputs`,
      );
      within(sent - answered + lost, 0, 'requests left unanswered');
      bed.node.signal('SIGTERM');
      assert.equal(await bed.node.exited(), 0);
    });
  },
);

wireTest(
  'a disk that stays frozen: the daemon still ends within a few seconds, exit code 0',
  ['fsfreeze', 'mkfs.ext4', 'losetup'],
  async (context) => {
    const bed = await bedFor(context);
    await withDisk(bed, async () => {
      await started(bed);
      await run('fsfreeze', ['-f', bed.node.journal]);
      await makeInputs(bed, 3);
      const stopAt = Date.now();
      bed.node.signal('SIGTERM');
      const left = waitFor('the addresses to be gone', 3_000, async () =>
        /10\.99\.0\.100/.test(await bed.node.host.exec('ip', ['addr', 'show', 'dev', 'lo']))
          ? null
          : Date.now(),
      );
      context.diagnostic(`released ${(await left) - stopAt} ms after SIGTERM`);
      // The kernel keeps a process whose thread waits for a frozen disk until the thaw; the service does not wait.
      const ended = await Promise.race([bed.node.exited(), sleep(4_000).then(() => 'waits' as const)]);
      context.diagnostic(
        `${Date.now() - stopAt} ms after SIGTERM: ${ended === 'waits' ? 'the process waits for the disk' : `exit code ${ended}`}`,
      );
      await run('fsfreeze', ['-u', bed.node.journal]);
      assert.equal(await bed.node.exited(), 0);
    });
  },
);
