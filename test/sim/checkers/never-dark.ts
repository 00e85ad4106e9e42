// An IP with an eligible live node is never unanswered longer than the hold time + 100 ms after its owner dies
// (design.md, What must never happen, 2). Judged in each half of a partition by itself. Not counted:
// - an IP that nobody ever answered for (its first claim is probed), or that a foreign host claims;
// - time before the last change of any node's fitness: a second fault within the bound starts it anew;
// - 2 intervals for each node that runs but is not fit (up to 4): it may look alive and rank first;
// - a fit node that became fit only when the IP was dark already: it starts, hears whole tables, and may probe;
// - a fit node that hears others of which none can hear it back: it cannot tell that the fault is theirs, and
//   were it its own, taking would steal (design.md, One-way);
// - the time of probing, and of waiting for the turn to probe, where the IP was never heard of: an isolated node may
//   have answered where nobody here could hear that it did;
// - in Kubernetes, the time for which Leases speak for peers that are not heard (spoken-for.ts), where they speak to
//   every fit node; where they speak to some, the ranks of these;
// - while links lose frames by chance: another hold time, since a lost hello delays whole tables and deaths.
import type { Ip } from '../../../src/machines/frames.ts';
import { onGrain } from '../event-queue.ts';
import type { SimNode } from '../sim-node.ts';
import type { CreateChecker } from './checker.ts';
import { createSpokenFor } from './spoken-for.ts';

const GRACE_MS = 100;
/** Whole tables are waited for at most 3 s, a quick probe takes 1 s (design.md, Take). */
const TABLES_MS = 3_000;
const PROBE_MS = 1_000;
const MAX_RANKS = 4;

export const neverDark: CreateChecker = ({ world, answerers, intervalMs, holdMs, report }) => {
  /** `ip half` → dark since. */
  const dark = new Map<string, number>();
  const { health } = world;
  const spokenFor = createSpokenFor(world);
  world.observe(spokenFor);

  const isServed = (ip: Ip, half: number): boolean =>
    answerers.awake(ip).some((name) => {
      const port = world.port(name);
      return port.half === half && port.up && !port.isMute && !port.isDeaf;
    });

  /** A node that the operator told to stop or drain hands over, and is not eligible any more. */
  const isLeaving = (name: string): boolean => world.isLeaving(name);

  const runningIn = (half: number): SimNode[] =>
    [...world.nodes.values()].filter(
      (node) => node.isRunning() && !node.isPaused() && world.port(node.name).half === half,
    );

  /** It hears none of these, or is heard by one of those it hears. */
  const isHeardAmong = (name: string, nodes: readonly SimNode[]): boolean => {
    const heard = nodes
      .filter((other) => other.name !== name)
      .map((other) => world.port(other.name))
      .filter((port) => world.segment.reaches(port, world.port(name)));
    return heard.length === 0 || heard.some((port) => world.segment.reaches(world.port(name), port));
  };

  /** A node whose main thread hangs is silent some time, but not at once: it must do with it and without. */
  const isAnswered = (name: string, half: number): boolean => {
    const running = runningIn(half);
    const lively = running.filter((node) => !node.isStalled());
    return isHeardAmong(name, running) && isHeardAmong(name, lively);
  };

  const fitIn = (half: number): string[] =>
    [...world.nodes.keys()].filter(
      (name) =>
        world.port(name).half === half &&
        health.fitSince(name) !== null &&
        !isLeaving(name) &&
        isAnswered(name, half),
    );
  const unfitCount = (half: number): number =>
    [...world.nodes.values()].filter(
      (node) =>
        node.isRunning() && world.port(node.name).half === half && health.fitSince(node.name) === null,
    ).length;

  /** Since when each node is heard by one of those it hears, or hears none. */
  const answeredSince = new Map<string, number>();
  const noteAnswered = (): void => {
    for (const name of world.nodes.keys()) {
      if (!isAnswered(name, world.port(name).half)) answeredSince.delete(name);
      else if (!answeredSince.has(name)) answeredSince.set(name, world.queue.now());
    }
  };

  /** When the IP must be answered in this half at the latest. */
  const limit = (since: number, half: number): number => {
    const starts = fitIn(half).map((name) => health.fitSince(name) ?? Number.POSITIVE_INFINITY);
    const fitSince = Math.min(...starts);
    // Who is still listening then changes the order when it is ready, and every rank waits anew (seed 91134).
    const listening = Math.max(...starts) >= since - holdMs - intervalMs ? holdMs + intervalMs : 0;
    const late = fitSince >= since ? holdMs + intervalMs + TABLES_MS + PROBE_MS : listening;
    const leases = fitIn(half).map(spokenFor.until);
    const waiting = leases.filter((until) => until > since).length;
    // What is asked of the API server while some are not heard is asked again then.
    const noticed = Math.min(...fitIn(half).map(spokenFor.noticedAt));
    const answered = Math.min(...fitIn(half).map((name) => answeredSince.get(name) ?? since));
    const ranks = Math.min(MAX_RANKS, unfitCount(half) + waiting) * 2 * intervalMs;
    const loss = world.lossyUntil() >= since - holdMs ? holdMs : 0;
    return (
      Math.max(since, fitSince, health.changedAt(), Math.min(...leases), noticed, answered) +
      holdMs +
      GRACE_MS +
      late +
      ranks +
      loss
    );
  };

  const stateOn = (name: string, ip: Ip): string | undefined =>
    world.nodes
      .get(name)
      ?.core()
      ?.view()
      .serviceIPs.find((service) => service.ip === ip)?.state;

  const isKnownFree = (name: string, ip: Ip): boolean =>
    world.nodes
      .get(name)
      ?.core()
      ?.checkpoint()
      .services.some((service) => service.ip === ip && service.isKnownFree) ?? false;

  const look = (ip: Ip, half: number): void => {
    const key = `${ip} ${half}`;
    const since = dark.get(key);
    if (since === undefined) return;
    if (isServed(ip, half) || fitIn(half).length === 0 || world.contested.has(ip)) {
      dark.delete(key);
      return;
    }
    const now = world.queue.now();
    const until = onGrain(limit(since, half));
    if (now < until) return world.queue.at(until, () => look(ip, half));
    // The first claim in this half is being probed: whoever answered before did so where nobody here could hear.
    const isProbing = runningIn(half).some(({ name }) =>
      ['candidate', 'leader'].includes(stateOn(name, ip) ?? ''),
    );
    // Or waits for that: each rank leaves the one before it the time of a probing (succession.ts).
    const isFirst = fitIn(half).every((name) => !isKnownFree(name, ip));
    const patience = isFirst ? (MAX_RANKS + 1) * PROBE_MS : PROBE_MS;
    if ((isProbing || isFirst) && now < until + patience + TABLES_MS) {
      return world.queue.at(onGrain(now + 10), () => look(ip, half));
    }
    dark.delete(key);
    report(ip, `nobody answers for ${(now - since).toFixed(1)} ms, though ${fitIn(half).join(', ')} could`);
  };

  const consider = (ip: Ip): void => {
    if (!answerers.wasEverAnswered(ip)) return;
    for (const half of [0, 1]) {
      const key = `${ip} ${half}`;
      if (isServed(ip, half)) dark.delete(key);
      else if (!dark.has(key) && fitIn(half).length > 0) {
        dark.set(key, world.queue.now());
        look(ip, half);
      }
    }
  };

  return {
    claim: 'an IP with an eligible live node is never unanswered longer than the hold time + 100 ms',
    onAnswer: (_node, ip) => consider(ip),
    onDisturbed: () => {
      noteAnswered();
      world.profile.ips.forEach(consider);
    },
  };
};
