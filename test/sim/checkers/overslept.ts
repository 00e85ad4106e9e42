// What a node says first after it stood still is stale: if it did not run for the hold time while others did, it is born
// anew before it sends anything (design.md, Born again). Judged where another node was well, and in touch with it, from a
// while before the pause until its end: then somebody may have taken over.
import type { CreateChecker } from './checker.ts';

/** Fewer may be those of one moment. */
const LEAST_HELLOS = 6;
/** In touch for so long that each has proven the other. */
const TOUCH_MS = 1_000;

export const overslept: CreateChecker = ({ world, intervalMs, holdMs, report }) => {
  /** Since when it is paused, and who was in touch with it then. */
  const paused = new Map<string, { readonly since: number; readonly peers: readonly string[] }>();
  /** Hellos of others that came for it while it was paused: by them it sees that they ran. */
  const missed = new Map<string, number>();
  /** Resumed, and not born anew yet: for how long it did not run. */
  const stale = new Map<string, number>();

  const inTouch = (name: string): string[] =>
    [...world.nodes.keys()].filter((other) => {
      const since = other === name ? null : lastConnected.get(`${name} ${other}`);
      return since !== null && since !== undefined && world.queue.now() - since >= TOUCH_MS;
    });
  /** As it was before the last thing that was done: a pause ends the connection. */
  const lastConnected = new Map<string, number | null>();
  const noteConnections = (): void => {
    for (const a of world.nodes.keys())
      for (const b of world.nodes.keys())
        if (a !== b) lastConnected.set(`${a} ${b}`, world.health.connectedSince(a, b));
  };

  const resume = (name: string, since: number, peers: readonly string[]): void => {
    const byMs = world.queue.now() - since;
    const isPlain = world.health.fitSince(name) === world.queue.now() || world.health.fitSince(name) !== null;
    const wereAwake = peers.some((peer) => (world.health.fitSince(peer) ?? Number.POSITIVE_INFINITY) < since);
    if (byMs >= holdMs + 2 * intervalMs && isPlain && wereAwake) stale.set(name, byMs);
  };

  return {
    claim: 'a node that stood still while others ran is born anew before it says anything',
    onDisturbed: () => {
      for (const { name, isPaused, isRunning } of world.nodes.values()) {
        const pause = paused.get(name);
        if (isPaused() && pause === undefined)
          paused.set(name, { since: world.queue.now(), peers: inTouch(name) });
        if (isPaused() || pause === undefined) continue;
        paused.delete(name);
        const hellos = missed.get(name) ?? 0;
        missed.delete(name);
        if (isRunning() && hellos >= LEAST_HELLOS) resume(name, pause.since, pause.peers);
      }
      noteConnections();
    },
    onBirth: (node) => {
      stale.delete(node);
      paused.delete(node);
    },
    onQueued: (node, frame) => {
      if (frame.kind !== 'hello' || frame.ethernetSource !== world.node(frame.node).mac) return;
      missed.set(node, (missed.get(node) ?? 0) + 1);
    },
    onSent: (node, frame) => {
      const byMs = stale.get(node);
      if (byMs === undefined) return;
      stale.delete(node);
      report(
        null,
        `${node} did not run for ${byMs.toFixed(0)} ms and sends a ${frame.kind} of its old birth`,
      );
    },
  };
};
