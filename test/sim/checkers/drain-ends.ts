// A drain ends: a node is `draining` for no longer than its window and, after a patient one, a quiet time for those who
// were on their way (docs/operating.md). Not counted: time before anything was done to the node last (seed 182: its main
// thread hung for 20 s, one hang after the other).
import type { CreateChecker } from './checker.ts';

/** Threads run late. */
const LATENESS_MS = 1_000;
const LOOK_EVERY_MS = 500;

export const drainEnds: CreateChecker = ({ world, report }) => {
  const { windowMs, quietMs } = world.profile.drain;
  const since = new Map<string, number>();

  const look = (): void => {
    world.queue.after(LOOK_EVERY_MS, look);
    for (const [key, began] of since) {
      const [name, ip] = key.split(' ') as [string, string];
      const fitSince = world.health.fitSince(name);
      if (fitSince === null) continue;
      const lastsMs = world.queue.now() - Math.max(began, fitSince);
      if (lastsMs <= windowMs + 2 * quietMs + LATENESS_MS) continue;
      since.delete(key);
      report(ip, `${name} has been draining it for ${Math.round(lastsMs)} ms, the window is ${windowMs} ms`);
    }
  };
  world.queue.after(LOOK_EVERY_MS, look);

  return {
    claim: 'a drain ends with its window',
    onEffects: (node, effects) => {
      for (const effect of effects) {
        if (effect.type !== 'record') continue;
        const key = `${node} ${effect.ip}`;
        if (effect.to === 'draining') since.set(key, world.queue.now());
        else since.delete(key);
      }
    },
    onBirth: (node) => {
      for (const key of since.keys()) if (key.startsWith(`${node} `)) since.delete(key);
    },
  };
};
