// A drain ends: a node is `draining` for no longer than its window and, after a patient one, a quiet time for those who
// were on their way (docs/operating.md). Not counted while its process does not run, or its main thread hangs.
import type { CreateChecker } from './checker.ts';

/** A main thread that hung, twice in a row, draws its conclusions late (faults.ts). */
const LATENESS_MS = 12_000;
const LOOK_EVERY_MS = 500;

export const drainEnds: CreateChecker = ({ world, report }) => {
  const { windowMs, quietMs } = world.profile.drain;
  const since = new Map<string, number>();

  const look = (): void => {
    world.queue.after(LOOK_EVERY_MS, look);
    for (const [key, began] of since) {
      const [name, ip] = key.split(' ') as [string, string];
      const lastsMs = world.queue.now() - began;
      if (lastsMs <= windowMs + 2 * quietMs + LATENESS_MS || world.node(name).isPaused()) continue;
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
    onDisturbed: () => {
      for (const { name } of world.nodes.values()) {
        if (world.node(name).isRunning() && !world.node(name).isPaused()) continue;
        for (const key of since.keys()) if (key.startsWith(`${name} `)) since.delete(key);
      }
    },
  };
};
