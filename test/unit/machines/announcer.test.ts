import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ANNOUNCE_BURST_FRAMES,
  ANNOUNCE_FRAMES_PER_SECOND,
  type Announcer,
  createAnnouncer,
} from '../../../src/machines/announcer.ts';
import { START } from '../../support/core.ts';

const REFRESH_MS = 60_000;
const IP = '10.99.0.100';

interface Leaving {
  readonly at: number;
  readonly ip: string;
  readonly frames: number;
}

/**
 * Runs the announcer from deadline to deadline, from `from` until `end` (ms after START). Time moves on by a microsecond at
 * each wake-up, as it does on a thread.
 */
const run = (announcer: Announcer, end: number, from = 0): Leaving[] => {
  const left: Leaving[] = [];
  let at = START + from;
  for (;;) {
    const deadline = announcer.nextDeadline();
    if (deadline === null || deadline > START + end) return left;
    at = deadline > at ? deadline : at + 0.001;
    for (const ip of announcer.takeDue(at)) {
      left.push({ at: at - START, ip, frames: ip.includes(':') ? 1 : 2 });
    }
  }
};

const ipOf = (index: number): string =>
  index % 2 === 0 ? `10.99.${(index >> 8) & 255}.${index & 255}` : `fd99::${index.toString(16)}`;

const assertPaced = (left: readonly Leaving[]): void => {
  let sum = 0;
  const sums = left.map(({ frames }) => {
    sum += frames;
    return sum;
  });
  for (let from = 0; from < left.length; from += 7) {
    for (let to = from; to < left.length; to += 11) {
      const frames = (sums[to] as number) - (sums[from] as number) + (left[from] as Leaving).frames;
      const window = (left[to] as Leaving).at - (left[from] as Leaving).at;
      const bound = ANNOUNCE_BURST_FRAMES + (window * ANNOUNCE_FRAMES_PER_SECOND) / 1000;
      assert.ok(frames <= bound + 0.01, `${frames} frames in ${window} ms`);
    }
  }
};

test('one IP is announced at 0, 1.1 and 2.2 s, then between 30 and 60 s later, then every 60 s', () => {
  const announcer = createAnnouncer(() => REFRESH_MS);
  announcer.announce(IP, START);
  const times = run(announcer, 300_000).map(({ at }) => at);
  assert.deepEqual(times.slice(0, 3).map(Math.round), [0, 1_100, 2_200]);
  const first = (times[3] as number) - 2_200;
  assert.ok(first >= REFRESH_MS / 2 && first <= REFRESH_MS, `first refresh after ${first} ms`);
  const steps = times.slice(4).map((at, index) => Math.round(at - (times[index + 3] as number)));
  assert.deepEqual(
    steps,
    steps.map(() => REFRESH_MS),
  );
  assert.ok(steps.length >= 3);
});

test('the refreshes of IPs taken together are spread over half a period', () => {
  const announcer = createAnnouncer(() => REFRESH_MS);
  for (let index = 0; index < 1_000; index += 1) announcer.announce(ipOf(index), START);
  const refreshes = run(announcer, 70_000).filter(({ at }) => at > 10_000);
  const perSecond = new Map<number, number>();
  for (const { at } of refreshes)
    perSecond.set(Math.floor(at / 1000), (perSecond.get(Math.floor(at / 1000)) ?? 0) + 1);
  assert.equal(refreshes.length, 1_000);
  assert.ok(Math.max(...perSecond.values()) < 70, 'a storm of refreshes');
});

test('no window of time holds more frames than the stated bound, whatever is announced when', () => {
  const moments = fc.array(
    fc.record({
      at: fc.integer({ min: 0, max: 3_000 }),
      ips: fc.integer({ min: 1, max: 1_500 }),
      from: fc.nat({ max: 999 }),
    }),
    { minLength: 1, maxLength: 5 },
  );
  fc.assert(
    fc.property(moments, (list) => {
      const announcer = createAnnouncer(() => REFRESH_MS);
      const left: Leaving[] = [];
      let now = 0;
      for (const { at, ips, from } of [...list].sort((a, b) => a.at - b.at)) {
        left.push(...run(announcer, at - 0.001, now));
        for (let index = 0; index < ips; index += 1) announcer.announce(ipOf(from + index), START + at);
        now = at;
      }
      left.push(...run(announcer, 10_000, now));
      assertPaced(left);
    }),
    { numRuns: 15 },
  );
});

test('10,000 IPs are all announced within two seconds, and a new one does not wait for the second rounds', () => {
  const announcer = createAnnouncer(() => REFRESH_MS);
  for (let index = 0; index < 10_000; index += 1)
    announcer.announce(`10.99.${index >> 8}.${index & 255}`, START);
  const left = run(announcer, 2_000);
  assert.equal(new Set(left.map(({ ip }) => ip)).size, 10_000);
  announcer.announce('10.100.0.1', START + 2_000);
  const next = run(announcer, 2_200, 2_000).find(({ ip }) => ip === '10.100.0.1');
  assert.ok(next !== undefined && next.at <= 2_001, `it left at ${next?.at}`);
});

test('first rounds leave before the later rounds that were due earlier', () => {
  const announcer = createAnnouncer(() => REFRESH_MS);
  for (let index = 0; index < 5_000; index += 1)
    announcer.announce(`10.99.${index >> 8}.${index & 255}`, START);
  run(announcer, 1_100.5);
  for (let index = 0; index < 500; index += 1)
    announcer.announce(`10.100.${index >> 8}.${index & 255}`, START + 1_101);
  const left = run(announcer, 1_900, 1_101);
  assert.ok(
    left.slice(500).some(({ ip }) => ip.startsWith('10.99.')),
    'later rounds were waiting',
  );
  assert.ok(
    left.slice(0, 500).every(({ ip }) => ip.startsWith('10.100.')),
    'a later round went first',
  );
});

// The simulator's clock stands still between deadlines, so a deadline at which nothing happens is an endless loop.
test('something leaves at every deadline, also where floating point is as coarse as today', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2_000 }), fc.nat({ max: 999_999 }), (ips, micros) => {
      const announcer = createAnnouncer(() => REFRESH_MS);
      let now = START + micros / 1000;
      for (let index = 0; index < ips; index += 1) announcer.announce(ipOf(index), now);
      for (let step = 0; step < 3 * ips; step += 1) {
        const deadline = announcer.nextDeadline();
        assert.ok(deadline !== null);
        const before = announcer.nextDeadline();
        now = Math.max(now, deadline);
        const left = announcer.takeDue(now).length;
        const isMoving = left > 0 || announcer.nextDeadline() !== before;
        assert.ok(isMoving, `nothing left at the deadline ${deadline}, and it is still the deadline`);
      }
    }),
    { numRuns: 50 },
  );
});

test('an IP that was stopped never leaves again, queued or scheduled', () => {
  const announcer = createAnnouncer(() => REFRESH_MS);
  for (let index = 0; index < 2_000; index += 1) announcer.announce(ipOf(index), START);
  announcer.takeDue(START);
  const stopped = ipOf(1_998);
  announcer.stop(stopped);
  assert.equal(
    run(announcer, 200_000).some(({ ip }) => ip === stopped),
    false,
  );
});

test('after all are stopped nothing leaves and nothing is waited for', () => {
  const announcer = createAnnouncer(() => REFRESH_MS);
  for (let index = 0; index < 2_000; index += 1) announcer.announce(ipOf(index), START);
  announcer.takeDue(START);
  announcer.stopAll();
  assert.equal(announcer.nextDeadline(), null);
  assert.deepEqual(announcer.takeDue(START + 600_000), []);
});

test('announcing again starts the rounds over; a thread that slept for an hour says each IP once', () => {
  const announcer = createAnnouncer(() => REFRESH_MS);
  announcer.announce(IP, START);
  announcer.takeDue(START);
  announcer.announce(IP, START + 500);
  assert.deepEqual(
    run(announcer, 3_000, 500).map(({ at }) => Math.round(at)),
    [500, 1_600, 2_700],
  );
  assert.deepEqual(announcer.takeDue(START + 3_600_000), [IP]);
});
