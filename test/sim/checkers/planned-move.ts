// A planned move loses nothing (design.md, What must never happen, 2): from the operator's word on, every packet
// that a client sends to an IP on the move arrives; and while a client still believes in the node that gave the IP
// up, that node goes on taking its packets. Judged only while nothing else was done to the world and no link
// loses frames by chance, for clients that sent to the giver, which was well. A node that
// stops while nobody can take over is not judged: its IPs go with it. One that drains keeps them then.
import type { Ip } from '../../../src/machines/frames.ts';
import type { CreateChecker } from './checker.ts';
import { ABLE_AFTER_MS, ableFor, knows } from './successors.ts';

/** The whole move, from the word to the last client's update. */
const WINDOW_MS = 5_000;
/** A packet that has not arrived by then is lost. */
const ARRIVAL_MS = 50;
const LOOK_EVERY_MS = 20;

interface Move {
  readonly since: number;
  readonly from: string;
  /** Clients that had reached the IP by its giver, and sent to it still. */
  readonly clients: ReadonlySet<string>;
}

export const plannedMove: CreateChecker = ({ world, answerers, report }) => {
  let disturbedAt = Number.NEGATIVE_INFINITY;
  const moving = new Map<Ip, Move>();
  const lastReached = new Map<string, number>();
  const now = (): number => world.queue.now();

  const isJudged = ({ since }: Move): boolean =>
    now() - since <= WINDOW_MS &&
    world.health.changedAt() <= since &&
    disturbedAt <= since &&
    world.lossyUntil() < since;

  const isWell = (name: string): boolean =>
    now() - (world.health.fitSince(name) ?? Number.POSITIVE_INFINITY) >= ABLE_AFTER_MS;

  /** May it hold the IP, as far as the giver knows? What its Service asks for may be otherwise by now. */
  const isNamed = (giver: string, ip: Ip, name: string): boolean => {
    const services = world.node(giver).core()?.checkpoint().services ?? [];
    const named = services.find((service) => service.ip === ip)?.config?.nodes ?? null;
    return named === null || named.includes(name);
  };

  const hasSuccessor = (giver: string, ip: Ip): boolean =>
    ableFor(world, giver, now()).some((name) => isNamed(giver, ip, name) && knows(world, name, ip));

  const clientsOf = (ip: Ip, owner: string): ReadonlySet<string> => {
    const { mac } = world.node(owner);
    const settled = world.clients.filter(({ name, kind, cache }) => {
      // One that no announcement moves is carried while it sends at least once in a quiet time (`drain.quiet`).
      const isMoved = kind === 'linux' || kind === 'never-ages';
      if (!isMoved && world.profile.drain.quietMs < WINDOW_MS) return false;
      const port = world.port(name);
      // With every node: whoever takes over must reach it.
      const isInTouch =
        port.link.loss === 0 &&
        [...world.nodes.keys()].every(
          (node) =>
            !world.node(node).isRunning() ||
            (world.segment.reaches(port, world.port(node)) && world.segment.reaches(world.port(node), port)),
        );
      return isInTouch && lastReached.has(`${name} ${ip}`) && cache.get(ip)?.mac === mac;
    });
    return new Set(settled.map(({ name }) => name));
  };

  /** The giver must serve whom it has not sent away yet. */
  const lookAtGiver = (ip: Ip, move: Move): void => {
    if (!isJudged(move) || moving.get(ip) !== move) return;
    const giver = world.node(move.from);
    const client = world.clients.find(
      ({ name, cache }) => move.clients.has(name) && cache.get(ip)?.mac === giver.mac,
    );
    if (client !== undefined && !giver.accepts(ip)) {
      report(ip, `${client.name} still sends to ${move.from}, which takes its packets no longer`);
    }
    world.queue.after(LOOK_EVERY_MS, () => lookAtGiver(ip, move));
  };

  return {
    claim: 'a planned move loses no packet',
    onDisturbed: () => {
      disturbedAt = now();
    },
    onTold: (node, input) => {
      // With it the last one that could take over may be on its way out (all are stopped together).
      for (const [ip, { from }] of moving)
        if (from !== node && world.isStopping(from) && !hasSuccessor(from, ip)) moving.delete(ip);
      if (input.type === 'drain.requested' || input.type === 'stop.requested') return;
      for (const [ip, { from }] of moving) if (from === node) moving.delete(ip);
    },
    onPlanned: (node, ip) => {
      for (const each of ip === null ? world.profile.ips : [ip]) {
        if (world.isStopping(node) && !hasSuccessor(node, each)) continue;
        if (answerers.awake(each).join() !== node || !isWell(node)) continue;
        const move = { since: now(), from: node, clients: clientsOf(each, node) };
        moving.set(each, move);
        lookAtGiver(each, move);
      }
    },
    onReached: (client, ip, _node, sentAt) => {
      lastReached.set(`${client} ${ip}`, sentAt);
    },
    onUse: (client, ip) => {
      const move = moving.get(ip);
      if (move === undefined) return;
      if (!isJudged(move)) return void moving.delete(ip);
      const sentAt = now();
      const key = `${client} ${ip}`;
      if (!move.clients.has(client) || (world.segment.ports.get(client)?.link.loss ?? 0) > 0) return;
      world.queue.after(ARRIVAL_MS, () => {
        if (!isJudged(move) || (lastReached.get(key) ?? 0) >= sentAt) return;
        report(
          ip,
          `${client} lost a packet ${(sentAt - move.since).toFixed(1)} ms after ${move.from} was to move it`,
        );
      });
    },
  };
};
