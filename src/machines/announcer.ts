// When each announcement leaves: at once, in rounds 1.1 s apart, then at every refresh, all paced by one token
// bucket. Pure: time comes in, due addresses come out. Each is checked against the answer table at send time,
// so the queued rounds of an ex-leader never leave.
import { rendezvousRank } from './claims.ts';
import { familyOf, type Ip } from './frames.ts';
import { createTimers } from './timers.ts';
import { createTokenBucket } from './token-bucket.ts';

/**
 * The bound on announcements: frames a second over all interfaces, and how many may leave back to back. An
 * ARP announcement is two frames, so 10,000 service IPs are announced within two seconds, at 7 Mbit/s.
 */
export const ANNOUNCE_FRAMES_PER_SECOND = 10_000;
export const ANNOUNCE_BURST_FRAMES = 200;
/** RFC 4861 §7.2.6 allows three unsolicited advertisements; RFC 5227 §2.3 asks for at least two. */
const ANNOUNCE_ROUNDS = 3;
/** More than the 1 s `locktime` in which old Linux kernels ignore a second update (facts.md). */
const ROUND_SPACING_MS = 1_100;

export interface Announcer {
  /** Starts over with the first round for `ip`. `hasClients`: known ones wait for it, so it goes first. */
  announce(ip: Ip, at: number, hasClients?: boolean): void;
  /** One announcement more, as soon as the pace allows; the rounds go on as they were. */
  repeat(ip: Ip): void;
  stop(ip: Ip): void;
  stopAll(): void;
  /** What may leave now, in order; `stillWanted` is asked once per due address. */
  takeDue(at: number): Ip[];
  nextDeadline(): number | null;
}

const framesOf = (ip: Ip): number => (familyOf(ip) === 'ipv4' ? 2 : 1);

/** First rounds of IPs with clients, other first rounds, later rounds, refreshes. */
const FIRST_WITH_CLIENTS = 0;
const FIRST = 1;
const LATER = 2;
const REFRESH = 3;

export const createAnnouncer = (refreshMs: () => number): Announcer => {
  const timers = createTimers<{ readonly ip: Ip; readonly round: number }>();
  const queues = [new Set<Ip>(), new Set<Ip>(), new Set<Ip>(), new Set<Ip>()] as const;
  const bucket = createTokenBucket(ANNOUNCE_FRAMES_PER_SECOND, ANNOUNCE_BURST_FRAMES);

  const schedule = (ip: Ip, round: number, at: number): void => {
    if (round < ANNOUNCE_ROUNDS) return timers.set(ip, at + ROUND_SPACING_MS, { ip, round });
    // Spread over the second half of the period, so that IPs taken together are not refreshed together.
    const isFirstRefresh = round === ANNOUNCE_ROUNDS;
    const share = isFirstRefresh ? 0.5 + rendezvousRank(ip, '') / 2 ** 33 : 1;
    timers.set(ip, at + refreshMs() * share, { ip, round });
  };

  const stop = (ip: Ip): void => {
    timers.cancel(ip);
    for (const queue of queues) queue.delete(ip);
  };

  const takeFrom = (queue: Set<Ip>, due: Ip[], at: number): boolean => {
    for (const ip of queue) {
      if (!bucket.take(framesOf(ip), at)) return false;
      queue.delete(ip);
      due.push(ip);
    }
    return true;
  };

  return {
    announce: (ip, at, hasClients = false) => {
      stop(ip);
      queues[hasClients ? FIRST_WITH_CLIENTS : FIRST].add(ip);
      schedule(ip, 1, at);
    },
    repeat: (ip) => {
      queues[FIRST_WITH_CLIENTS].add(ip);
    },
    stop,
    stopAll: () => {
      for (const queue of queues) queue.clear();
      for (const { id } of timers.checkpoint().timers) timers.cancel(id);
    },
    takeDue: (at) => {
      for (let timer = timers.takeDue(at); timer !== null; timer = timers.takeDue(at)) {
        const { ip, round } = timer.payload;
        // Still waiting from the round before: the queue is behind, and one announcement says it all.
        if (!queues.some((queue) => queue.has(ip))) queues[round < ANNOUNCE_ROUNDS ? LATER : REFRESH].add(ip);
        schedule(ip, round + 1, timer.deadline);
      }
      const due: Ip[] = [];
      for (const queue of queues) if (!takeFrom(queue, due, at)) break;
      return due;
    },
    nextDeadline: () => {
      const waiting = queues.find((queue) => queue.size > 0);
      const timer = timers.next();
      if (waiting === undefined) return timer;
      const [ip] = waiting as ReadonlySet<Ip>;
      const ready = bucket.readyAt(framesOf(ip as Ip));
      return timer === null ? ready : Math.min(ready, timer);
    },
  };
};
