// A healthy IP never moves without a cause: a node that returns or is new takes nothing, and an owner to which
// nothing was done keeps what it has (design.md, Planned; What must never happen, 3). Not judged: moves that
// the operator asked for, IPs that a foreign host claims, and runs in which links lose frames by chance (there
// a healthy owner may honestly be taken for dead).
import type { Ip } from '../../../src/machines/frames.ts';
import type { CreateChecker } from './checker.ts';
import { createSpokenFor } from './spoken-for.ts';

const PLANNED_MS = 10_000;
/** Start, whole tables, and what may be probed. */
const SETTLED_MS = 5_000;

export const sticky: CreateChecker = ({ world, answerers, intervalMs, holdMs, report }) => {
  const spokenFor = createSpokenFor(world);
  world.observe(spokenFor);
  const { health } = world;
  /** What was done before this is over and forgotten: death, restart of clocks, and 8 intervals of a move. */
  const memoryMs = 2 * holdMs + 8 * intervalMs;

  /** `node ip` → when the operator asked it to give that IP; it does so once somebody can take it. */
  const askedAt = new Map<string, number>();
  const isAsked = (name: string, ip: Ip): boolean =>
    (askedAt.get(`${name} ${ip}`) ?? Number.NEGATIVE_INFINITY) >= (answerers.of(ip).get(name) ?? 0);

  /** When the node was on its way out last. */
  const leavingAt = new Map<string, number>();

  const isUntouched = (name: string): boolean => {
    const since = health.fitSince(name);
    return since !== null && world.queue.now() - since >= memoryMs;
  };
  const wereConnected = (a: string, b: string): boolean => {
    const since = health.connectedSince(a, b);
    return since !== null && world.queue.now() - since >= memoryMs;
  };
  const isExcused = (ip: Ip, name: string): boolean => {
    const now = world.queue.now();
    return (
      // The claim of somebody who died right when the switch was joined still stands with those who heard him.
      now - world.joinedAt() < 2 * holdMs ||
      world.contested.has(ip) ||
      // Held-back hellos of a living birth are taken for fresh ones: its claims stand, also by One-way.
      now - world.lateHelloAt() < memoryMs ||
      // A word of the API that is taken back at once has set the move going (seed 302211).
      now - (leavingAt.get(name) ?? Number.NEGATIVE_INFINITY) < memoryMs ||
      world.isLeaving(name) ||
      isAsked(name, ip) ||
      now - world.lossyUntil() < memoryMs ||
      now - world.toldAt(name) < PLANNED_MS
    );
  };

  const runningBeside = (name: string): string[] =>
    [...world.nodes.values()]
      .filter((node) => node.name !== name && node.isRunning())
      .map((node) => node.name);

  /** A claim taken while hearing too few gives way to a strong one whose maker is heard again (design.md, Weak). */
  const isWeak = (name: string, ip: Ip): boolean =>
    world.nodes
      .get(name)
      ?.core()
      ?.checkpoint()
      .services.some((service) => service.ip === ip && service.context.weak) ?? false;

  /** Everybody who is left agrees on the order, and each leaves those before it their time. */
  const isSettled = (): boolean =>
    [...world.nodes.values()].every(({ name, isRunning }) => {
      const from = health.fitSince(name);
      return !isRunning() || (from !== null && world.queue.now() - from >= SETTLED_MS);
    });

  return {
    claim: 'a healthy IP never moves without a cause',
    onDisturbed: () => {
      for (const name of world.nodes.keys())
        if (world.isLeaving(name)) leavingAt.set(name, world.queue.now());
    },
    onPlanned: (node, ip) => {
      if (ip !== null) askedAt.set(`${node} ${ip}`, world.queue.now());
    },
    onAnswer: (node, ip, isAnswering) => {
      const others = answerers.awake(ip).filter((name) => name !== node);
      if (!isAnswering) {
        if (others.length > 0 || !isUntouched(node) || isExcused(ip, node)) return;
        if (isWeak(node, ip)) return;
        // In Kubernetes, who is not heard may have the better claim by its object, told late or after an outage.
        if (world.api !== null && (world.segment.isHushed() || spokenFor.until(node) > world.queue.now()))
          return;
        // Just connected again: it may have given way to a claim whose maker gave way at the same moment.
        if (runningBeside(node).some((other) => !wereConnected(node, other))) return;
        return report(ip, `${node} stopped answering though nothing was done to it`);
      }
      for (const owner of others) {
        if (!isUntouched(owner) || !isUntouched(node) || !wereConnected(owner, node)) continue;
        // Two that took at the same moment, neither having heard the other: the better claim wins.
        const since = answerers.of(ip).get(owner) ?? Number.NEGATIVE_INFINITY;
        if (world.queue.now() - since < intervalMs && !isSettled()) continue;
        if (!isExcused(ip, owner)) report(ip, `${node} took it from ${owner}, which was healthy`);
      }
    },
  };
};
