// From the clients' side: how long each client could not reach each IP. Measured for all; judged for those that hear
// everything, once nothing was done to the world for long enough: then an IP that some healthy node could serve answers
// them, whatever the nodes believe. How long that may take at most is never-dark's to say, to the millisecond; here it is
// what a client sees, and room for a start, whole tables and a probe.
import type { Ip } from '../../../src/machines/frames.ts';
import type { CreateChecker } from './checker.ts';

/** A packet that has not arrived by then is lost. */
const ARRIVAL_MS = 50;
/** Since the last thing done: hold time, whole tables (3 s), probes and their ranks, announcements 1.1 s apart. */
const QUIET_MS = 8_000;
const LOOK_EVERY_MS = 400;

export interface Silence {
  readonly client: string;
  readonly ip: Ip;
  readonly since: number;
  readonly ms: number;
}

export const reach: CreateChecker = ({ world, report, answerers, onSilence }) => {
  /** `client ip` → when the first packet was sent since which none arrived. */
  const waitingSince = new Map<string, number>();
  /** Clients that may have missed an announcement, and so recover only as their entry ages. */
  const mayMiss = new Set<string>();
  const { health, queue } = world;

  const isInTouch = (client: string): boolean => {
    const port = world.port(client);
    return [...world.nodes.keys()].every((name) => {
      const other = world.port(name);
      if (!other.up || other.isMute || other.isDeaf) return true;
      return world.segment.reaches(port, other) && world.segment.reaches(other, port);
    });
  };

  /** Fit all the while, and not on its way out. */
  const isSomebodyAble = (): boolean =>
    [...world.nodes.keys()].some((name) => {
      const fitSince = health.fitSince(name);
      return fitSince !== null && queue.now() - fitSince >= QUIET_MS && !world.isLeaving(name);
    });

  const judge = (client: string, ip: Ip, since: number): void => {
    const now = queue.now();
    const quietSince = Math.max(since, health.changedAt());
    if (mayMiss.has(client) || world.contested.has(ip) || now - quietSince < QUIET_MS) return;
    if (world.segment.isHushed() || world.lossyUntil() > quietSince - QUIET_MS) return;
    if (!isSomebodyAble() || !answerers.wasEverAnswered(ip)) return;
    waitingSince.delete(`${client} ${ip}`);
    onSilence({ client, ip, since, ms: now - since });
    const who = answerers.awake(ip).join(' and ') || 'nobody';
    report(ip, `${client} has not reached it for ${(now - since).toFixed(0)} ms; ${who} answers`);
  };

  const look = (): void => {
    queue.after(LOOK_EVERY_MS, look);
    for (const [key, since] of waitingSince) {
      if (queue.now() - since < QUIET_MS) continue;
      const [client, ip] = key.split(' ') as [string, Ip];
      judge(client, ip, since);
    }
  };
  queue.after(LOOK_EVERY_MS, look);

  return {
    claim: 'a client that hears everything reaches every IP again soon after the last disturbance',
    onDisturbed: () => {
      for (const { name, kind } of world.clients)
        if (kind !== 'linux' || world.port(name).link.loss > 0 || !isInTouch(name)) mayMiss.add(name);
      if (world.lossyUntil() > Number.NEGATIVE_INFINITY)
        for (const { name } of world.clients) mayMiss.add(name);
    },
    onReached: (client, ip) => {
      const key = `${client} ${ip}`;
      const since = waitingSince.get(key);
      if (since === undefined) return;
      waitingSince.delete(key);
      const ms = queue.now() - since;
      if (ms > ARRIVAL_MS) onSilence({ client, ip, since, ms });
    },
    onUse: (client, ip) => {
      const key = `${client} ${ip}`;
      // Before the first answer there was nothing to reach.
      if (!waitingSince.has(key) && answerers.wasEverAnswered(ip)) waitingSince.set(key, queue.now());
    },
    atEnd: () => {
      for (const [key, since] of waitingSince) {
        const [client, ip] = key.split(' ') as [string, Ip];
        const ms = queue.now() - since;
        if (ms > ARRIVAL_MS && !world.contested.has(ip)) onSilence({ client, ip, since, ms });
      }
    },
  };
};
