// Hellos leave every interval, and at least 2 ms apart (design.md, Hellos): a node to which nothing is done is never
// silent for long where it listens, and no news makes it send them in a row.
import { INTERFACES } from '../profile.ts';
import type { CreateChecker } from './checker.ts';

const LEAST_APART_MS = 2;
/** Clocks that run 100 ppm fast, and microseconds. */
const SLACK_MS = 0.01;
/** The wire thread's wake-up at its latest. */
const LATENESS_MS = 10;
/** Opening sockets, and a first link message. */
const OPENED_MS = 200;
/** For those that say nothing at all; gaps are seen when they end. */
const LOOK_EVERY_MS = 400;

export const heartbeat: CreateChecker = ({ world, intervalMs, report }) => {
  const saidAt = new Map<string, number>();
  const interfaceName = INTERFACES[world.index] as string;

  const isListening = (name: string): boolean =>
    world.node(name).core()?.checkpoint().listening.includes(interfaceName) === true;

  /** How long it has been silent though nothing was done to it, beyond what it may be; null: it may. */
  const silence = (name: string, now: number): number | null => {
    const last = saidAt.get(name) ?? 0;
    if (now - last <= intervalMs + LATENESS_MS) return null;
    const fitSince = world.health.fitSince(name);
    if (fitSince === null) return null;
    const silentMs = now - Math.max(last, fitSince + OPENED_MS);
    return silentMs > intervalMs + LATENESS_MS ? silentMs : null;
  };
  const tell = (name: string, silentMs: number): void =>
    report(null, `${name} has said no hello on ${interfaceName} for ${silentMs.toFixed(1)} ms`);

  const look = (): void => {
    world.queue.after(LOOK_EVERY_MS, look);
    const now = world.queue.now();
    for (const name of world.nodes.keys()) {
      const silentMs = silence(name, now);
      if (silentMs === null || !isListening(name)) continue;
      saidAt.set(name, now);
      tell(name, silentMs);
    }
  };
  world.queue.after(LOOK_EVERY_MS, look);

  return {
    claim: 'hellos leave every interval, and at least 2 ms apart',
    onBirth: (node) => {
      saidAt.delete(node);
    },
    onEffects: (node, effects) => {
      // Where it did not listen it had nothing to say.
      for (const effect of effects) {
        if (effect.type === 'listen') saidAt.set(node, world.queue.now() + OPENED_MS);
      }
    },
    onSent: (node, frame) => {
      if (frame.kind !== 'hello') return;
      const now = world.queue.now();
      const last = saidAt.get(node) ?? Number.NEGATIVE_INFINITY;
      const silentMs = silence(node, now);
      saidAt.set(node, now);
      if (silentMs !== null && last > 0) tell(node, silentMs);
      if (now - last < LEAST_APART_MS - SLACK_MS && now >= last)
        report(null, `${node} said two hellos ${(now - last).toFixed(3)} ms apart`);
    },
  };
};
