// The accounts of one probed target: which probes were answered, how many were lost, the longest hole. Pure: every
// time is given, in milliseconds of one monotonic clock. Bounded: only probes younger than a second are remembered.

/** A reply later than this counts as lost. */
export const LOST_AFTER_MS = 1_000;

/** Round-trip times are counted in steps of 1 µs up to here; longer ones only in `rttMaxUs`. */
const RTT_STEPS = 20_000;

export type TallyResult = Readonly<{
  sent: number;
  received: number;
  lost: number;
  /** Replies to a probe that had been answered already. */
  duplicates: number;
  /** Longest hole: between the sendings of two successively answered probes, minus the period; 0 if none lost. */
  gapMs: number;
  rttP50Us: number | null;
  rttMaxUs: number | null;
  /** On the caller's clock; null: none was sent, or lost. */
  firstSentAt: number | null;
  lastSentAt: number | null;
  firstLostAt: number | null;
  lastLostAt: number | null;
}>;

export type Tally = Readonly<{
  /** A probe went out (or should have: one that could not be sent is never answered). Gives its number, from 0. */
  sent(at: number): number;
  answered(sequence: number, at: number): void;
  /** Gives up what was sent more than `LOST_AFTER_MS` before `at`, the time of a look at the socket. */
  expire(at: number): void;
  /** Probes still waited for. */
  pending(): boolean;
  /** Gives up all that is pending, and the sums. */
  finish(): TallyResult;
}>;

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

/** The accounts of one target probed every `periodMs`. */
export const createTally = (periodMs: number): Tally => {
  // A second of probes and a quarter to spare; if more are ever pending, the oldest is given up.
  const size = Math.ceil((LOST_AFTER_MS * 1.25) / periodMs) + 64;
  const sentAt = new Float64Array(size);
  const isAnswered = new Uint8Array(size);
  const rtts = new Uint32Array(RTT_STEPS + 1);
  let oldest = 0;
  let next = 0;
  let received = 0;
  let lost = 0;
  let duplicates = 0;
  let gapMs = 0;
  let rttMax = -1;
  let firstSentAt = 0;
  let lastSentAt = 0;
  let lastAnsweredSentAt: number | null = null;
  let isInHole = false;
  let firstLostAt: number | null = null;
  let lastLostAt: number | null = null;

  const settle = (isLost: boolean): void => {
    const at = sentAt[oldest % size] as number;
    oldest += 1;
    if (isLost) {
      lost += 1;
      isInHole = true;
      firstLostAt ??= at;
      lastLostAt = at;
      return;
    }
    // A hole at the very beginning has no answered probe before it: it begins with the first one sent.
    if (isInHole)
      gapMs = Math.max(
        gapMs,
        lastAnsweredSentAt === null ? at - firstSentAt : at - lastAnsweredSentAt - periodMs,
      );
    isInHole = false;
    lastAnsweredSentAt = at;
  };

  const settleAnswered = (): void => {
    while (oldest < next && isAnswered[oldest % size] === 1) settle(false);
  };

  const giveUp = (until: number): void => {
    while (oldest < next && (isAnswered[oldest % size] === 1 || (sentAt[oldest % size] as number) < until))
      settle(isAnswered[oldest % size] === 0);
  };

  const openHole = (): number => {
    if (!isInHole) return 0;
    return lastAnsweredSentAt === null
      ? lastSentAt - firstSentAt + periodMs
      : lastSentAt - lastAnsweredSentAt;
  };

  const median = (): number | null => {
    let seen = 0;
    for (let step = 0; step <= RTT_STEPS; step += 1) {
      seen += rtts[step] as number;
      if (received > 0 && seen * 2 >= received) return step === RTT_STEPS ? Math.round(rttMax) : step;
    }
    return null;
  };

  return {
    sent: (at) => {
      if (next - oldest === size) settle(isAnswered[oldest % size] === 0);
      if (next === 0) firstSentAt = at;
      lastSentAt = at;
      sentAt[next % size] = at;
      isAnswered[next % size] = 0;
      next += 1;
      return next - 1;
    },
    answered: (sequence, at) => {
      if (sequence >= next || sequence < next - size) return;
      if (isAnswered[sequence % size] === 1) {
        duplicates += 1;
        return;
      }
      if (sequence < oldest) return; // Too late: counted as lost already.
      isAnswered[sequence % size] = 1;
      received += 1;
      const rttUs = (at - (sentAt[sequence % size] as number)) * 1_000;
      rttMax = Math.max(rttMax, rttUs);
      const step = Math.min(RTT_STEPS, Math.max(0, Math.round(rttUs)));
      rtts[step] = (rtts[step] as number) + 1;
      if (sequence === oldest) settleAnswered();
    },
    expire: (at) => giveUp(at - LOST_AFTER_MS),
    pending: () => oldest < next,
    finish: () => {
      giveUp(Number.POSITIVE_INFINITY);
      return {
        sent: next,
        received,
        lost,
        duplicates,
        gapMs: round(Math.max(gapMs, openHole()), 2),
        rttP50Us: median(),
        rttMaxUs: rttMax < 0 ? null : Math.round(rttMax),
        firstSentAt: next === 0 ? null : firstSentAt,
        lastSentAt: next === 0 ? null : lastSentAt,
        firstLostAt,
        lastLostAt,
      };
    },
  };
};
