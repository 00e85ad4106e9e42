// In the healed phase every IP has exactly one answerer, which its core calls leader and whose kernel takes the
// packets; every client's cache, used or not, points to it; and at the end every client reaches every IP.
// Not judged by its cache: a client that ignores announcements, and one that was for a time in a half of the
// switch without a running node, or out of a node's reach: nobody appears from there, so nobody is told again, and
// it recovers as its entry ages.
import type { Ip } from '../../../src/machines/frames.ts';
import type { Client } from '../client.ts';
import type { CreateChecker } from './checker.ts';

/** Hold time, whole tables (3 s), probes (1 s), and room. */
const SETTLE_MS = 6_000;
const LOOK_EVERY_MS = 250;
/** Hold time, one interval and whole tables: all have started and told each other. */
const START_MS = 1_000;
/** An owner's announcements: three rounds 1.1 s apart, and 100 ms for all to get there. */
const ANNOUNCED_MS = 2_300;
/** An entry in use is believed for up to 45 s, then asked about (facts.md). */
const AGED_MS = 53_000;
/** Clients use every IP this often in the healed phase, so that stale entries show and age. */
const SWEEP_EVERY_MS = 1_000;

export const healed: CreateChecker = ({ world, answerers, report }) => {
  const reachedAt = new Map<string, number>();
  let healedAt = Number.POSITIVE_INFINITY;
  let mayMiss = false;
  let sweptAt = Number.POSITIVE_INFINITY;

  /** Clients that were in a half without a node. */
  const wasAlone = new Set<string>();

  const isTold = ({ name, kind }: Client): boolean =>
    !wasAlone.has(name) && (kind === 'linux' || kind === 'never-ages' || kind === 'tiny-cache');

  const judgeCaches = (ip: Ip, owner: string): void => {
    const since = answerers.of(ip).get(owner) ?? Number.POSITIVE_INFINITY;
    if (mayMiss || world.queue.now() - Math.max(since, healedAt + START_MS) < ANNOUNCED_MS) return;
    const { mac } = world.node(owner);
    for (const client of world.clients) {
      const entry = client.cache.get(ip);
      if (entry === undefined || entry.mac === null || entry.mac === mac || !isTold(client)) continue;
      if (entry.state === 'failed' || entry.state === 'incomplete') continue;
      report(ip, `the cache of ${client.name} still says ${entry.mac} (${entry.state}); ${owner} has ${mac}`);
    }
  };

  const isRight = (name: string, ip: Ip): boolean => {
    const node = world.node(name);
    const core = node.core();
    return node.accepts(ip) && core?.wants({ type: 'announce', ip, interface: '' }) === true;
  };

  const look = (): void => {
    for (const ip of world.profile.ips) {
      if (world.contested.has(ip)) continue;
      const awake = answerers.awake(ip);
      if (awake.length === 1 && isRight(awake[0] as string, ip)) {
        judgeCaches(ip, awake[0] as string);
        continue;
      }
      report(ip, `after healing it is answered by ${awake.length === 0 ? 'nobody' : awake.join(' and ')}`);
    }
  };
  const lookOn = (): void => {
    look();
    world.queue.after(LOOK_EVERY_MS, lookOn);
  };

  const sweep = (): void => {
    sweptAt = world.queue.now();
    for (const client of world.clients) for (const ip of world.profile.ips) world.use(client, ip);
  };

  return {
    claim: 'when everything is healed every IP has one answerer, and every client reaches it',
    onReached: (client, ip, node) => {
      // A node that only drains still carries packets, but nobody should depend on it for long.
      if (world.node(node).isAnswering(ip)) reachedAt.set(`${client} ${ip}`, world.queue.now());
    },
    onDisturbed: () => {
      if (world.lossyUntil() > Number.NEGATIVE_INFINITY) mayMiss = true;
      for (const client of world.clients) {
        const half = world.port(client.name).half;
        const isServed = [...world.nodes.values()].some(
          (node) => node.isRunning() && world.port(node.name).half === half,
        );
        const port = world.port(client.name);
        const isCutOff = [...world.nodes.values()].some(({ name }) => {
          const from = world.port(name);
          const isPlain = from.up && !from.isMute && from.half === half;
          return isPlain && !world.segment.reaches(from, port);
        });
        if (!isServed || isCutOff) wasAlone.add(client.name);
      }
    },
    onTold: (_node, input) => {
      // Whom a patient drain keeps follows when it is over.
      if (input.type === 'drain.requested' && input.patient === true) mayMiss = true;
    },
    onHealed: () => {
      healedAt = world.queue.now();
      world.queue.after(SETTLE_MS, lookOn);
      const again = (): void => {
        sweep();
        world.queue.after(SWEEP_EVERY_MS, again);
      };
      again();
    },
    atEnd: () => {
      // The last sweep may be on its way still: the one before it is what counts.
      for (const client of world.clients) {
        for (const ip of world.profile.ips) {
          if (world.contested.has(ip)) continue;
          const at = reachedAt.get(`${client.name} ${ip}`) ?? Number.NEGATIVE_INFINITY;
          if (at >= sweptAt - SWEEP_EVERY_MS) continue;
          // One that was out of every node's reach is told again by nobody: its entry has to age (seed 502258).
          if (wasAlone.has(client.name) && world.queue.now() - healedAt < AGED_MS) continue;
          const entry = client.cache.get(ip);
          report(
            ip,
            `${client.name} (${client.kind}) does not reach it; its cache says ${entry?.mac} ${entry?.state}`,
          );
        }
      }
    },
  };
};
