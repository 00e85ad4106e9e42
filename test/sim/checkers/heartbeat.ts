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
const LOOK_EVERY_MS = 50;

export const heartbeat: CreateChecker = ({ world, intervalMs, report }) => {
  const saidAt = new Map<string, number>();
  const interfaceName = INTERFACES[world.index] as string;

  const isListening = (name: string): boolean =>
    world.node(name).core()?.checkpoint().listening.includes(interfaceName) === true;

  const look = (): void => {
    world.queue.after(LOOK_EVERY_MS, look);
    const now = world.queue.now();
    for (const name of world.nodes.keys()) {
      const fitSince = world.health.fitSince(name);
      if (fitSince === null) continue;
      const silentMs = now - Math.max(saidAt.get(name) ?? 0, fitSince + OPENED_MS);
      if (silentMs <= intervalMs + LATENESS_MS || !isListening(name)) continue;
      saidAt.set(name, now);
      report(null, `${name} has said no hello on ${interfaceName} for ${silentMs.toFixed(1)} ms`);
    }
  };
  world.queue.after(LOOK_EVERY_MS, look);

  return {
    claim: 'hellos leave every interval, and at least 2 ms apart',
    onBirth: (node) => {
      saidAt.delete(node);
    },
    onSent: (node, frame) => {
      if (frame.kind !== 'hello') return;
      const now = world.queue.now();
      const apartMs = now - (saidAt.get(node) ?? Number.NEGATIVE_INFINITY);
      saidAt.set(node, now);
      if (apartMs < LEAST_APART_MS - SLACK_MS)
        report(null, `${node} said two hellos ${apartMs.toFixed(3)} ms apart`);
    },
  };
};
