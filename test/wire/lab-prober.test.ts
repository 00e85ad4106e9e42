// The prober's accounts agree with what the switch says it lost, and with the length of the hole.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createTally } from '../../src/cli/lab/probe-tally.ts';
import { startProbe } from '../../src/cli/lab/prober.ts';
import type { Host, HostSpec } from '../../src/cli/lab/segment.ts';
import { segmentFor, wireTest, within } from '../support/lab.ts';

const hosts: HostSpec[] = [
  { name: 'n1', role: 'node' },
  { name: 'n2', role: 'node' },
  { name: 'c1', role: 'client' },
];
const everyone = ['10.99.0.1', 'fd99::1', '10.99.0.2', 'fd99::2'];

wireTest('2 ms × 4 targets: nothing lost, less than a fifth of a core', [], async (context) => {
  const segment = await segmentFor(context, { hosts });
  const start = performance.now();
  const probe = startProbe(segment.hosts.get('c1') as Host, { targets: everyone, durationMs: 2_000 });
  await probe.ready;
  context.diagnostic(`ready after ${(performance.now() - start).toFixed(0)} ms`);
  const results = await probe.finished;
  assert.deepEqual(
    results.map(({ target, family }) => [target, family]),
    everyone.map((target) => [target, target.includes(':') ? 'ipv6' : 'ipv4']),
  );
  for (const result of results) {
    assert.equal(result.sent + result.skippedTicks, 1_000);
    assert.equal(result.lost, 0);
    assert.equal(result.received, result.sent);
    assert.equal(result.duplicates, 0);
    assert.equal(result.gapMs, 0);
    assert.equal(result.firstLostAt, null);
  }
  const [first] = results;
  context.diagnostic(
    `${first?.cpuPercent} % of a core, late by ${first?.lateMaxMs} ms at most, rtt ${first?.rttP50Us} µs`,
  );
  within(first?.cpuPercent ?? 100, 20, 'percent of a core');
});

/** Loses one target's requests for 100 ms, timed by a shell beside the switch; gives the frames lost. */
const hole = `
nft add rule bridge hole forward ip daddr 10.99.0.1 icmp type echo-request counter name lost drop
sleep 0.1
nft flush chain bridge hole forward
nft -j list counter bridge hole lost`;

wireTest(
  'a hole of 100 ms is seen as 100 ± 10 ms, and every lost frame is counted',
  ['nft'],
  async (context) => {
    const segment = await segmentFor(context, { hosts });
    await segment.switch.exec('nft', ['-f', '-'], {
      input:
        'table bridge hole {\ncounter lost { }\nchain forward { type filter hook forward priority 0; }\n}\n',
    });
    const probe = startProbe(segment.hosts.get('c1') as Host, { targets: ['10.99.0.1', 'fd99::1'] });
    await probe.ready;
    await delay(200);
    const before = Date.now();
    const listing = await segment.switch.exec('sh', ['-ec', hole]);
    const after = Date.now();
    await delay(200);
    const [holed, whole] = await probe.stop();
    assert.ok(holed && whole);
    const dropped = Number(/"packets": (\d+)/.exec(listing)?.[1]);
    context.diagnostic(
      `gap ${holed.gapMs} ms, ${holed.lost} lost, ${dropped} dropped, late ${holed.lateMaxMs} ms`,
    );
    assert.equal(holed.lost, dropped);
    assert.equal(holed.received, holed.sent - dropped);
    within(Math.abs(holed.gapMs - 100), 10, `a hole of 100 ms is seen as ${holed.gapMs}, off by`);
    assert.ok((holed.firstLostAt ?? 0) >= before && (holed.lastLostAt ?? 0) <= after);
    assert.equal(whole.lost, 0, 'the other target is not touched');
  },
);

wireTest('what cannot be sent, or is never answered, counts as sent and lost', [], async (context) => {
  const segment = await segmentFor(context, { hosts });
  const targets = ['192.0.2.1', '2001:db8::1', '10.99.0.50'];
  const probe = startProbe(segment.hosts.get('c1') as Host, { targets, durationMs: 100, periodMs: 10 });
  for (const result of await probe.finished) {
    assert.equal(result.sent + result.skippedTicks, 10);
    assert.equal(result.lost, result.sent);
    assert.ok(result.gapMs >= 90, `the hole is as long as the run: ${result.gapMs}`);
    assert.equal(result.rttP50Us, null);
  }
});

wireTest('a bad target is refused in one line', [], async (context) => {
  const segment = await segmentFor(context, { hosts });
  const probe = startProbe(segment.hosts.get('c1') as Host, { targets: ['010.1.1.1'] });
  await assert.rejects(probe.ready, /^Error: prober: '010\.1\.1\.1' is not an IP address$/);
  await assert.rejects(probe.stop());
});

test('the accounts: hole in the middle, at the start, at the end, late and double replies', () => {
  const play = (answers: ReadonlyArray<number | null>) => {
    const tally = createTally(2);
    for (const [i, delayMs] of answers.entries()) {
      const sequence = tally.sent(i * 2);
      if (delayMs !== null) tally.answered(sequence, i * 2 + delayMs);
    }
    return tally.finish();
  };
  assert.equal(play([0.1, 0.1, null, null, null, 0.1]).gapMs, 6);
  assert.equal(play([null, null, 0.1]).gapMs, 4);
  assert.equal(play([0.1, null, null]).gapMs, 4);
  assert.equal(play([null, null, null]).gapMs, 6);
  assert.deepEqual(play([0.1, 0.3, null, 0.1]), {
    ...{ sent: 4, received: 3, lost: 1, duplicates: 0, gapMs: 2 },
    ...{ rttP50Us: 100, rttMaxUs: 300 },
    ...{ firstSentAt: 0, lastSentAt: 6, firstLostAt: 4, lastLostAt: 4 },
  });

  const tally = createTally(2);
  const late = tally.sent(0);
  const double = tally.sent(2);
  tally.answered(double, 3);
  tally.answered(double, 4);
  tally.expire(1_000);
  assert.ok(tally.pending(), 'a second is not over yet');
  tally.expire(1_001);
  tally.answered(late, 1_002);
  tally.answered(99, 1_002);
  const { received, lost, duplicates } = tally.finish();
  assert.deepEqual({ received, lost, duplicates }, { received: 1, lost: 1, duplicates: 1 });
});
