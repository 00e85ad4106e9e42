// Who could take over from a node in a planned move, for certain: runs untouched, in touch with it, for its start,
// the others' tables and a probe, and is not on its way out itself. Not a checker.
import type { Ip } from '../../../src/machines/frames.ts';
import type { World } from '../world.ts';

/** Start, whole tables (3 s), a probe (1 s), and room. */
export const ABLE_AFTER_MS = 5_000;

export const isAble = (world: World, name: string, from: string, at: number): boolean => {
  const since = Math.max(
    world.health.fitSince(name) ?? Number.POSITIVE_INFINITY,
    world.health.connectedSince(name, from) ?? Number.POSITIVE_INFINITY,
  );
  return name !== from && at - since >= ABLE_AFTER_MS && !world.isLeaving(name);
};

/** It has been told of the IP: a daemon without the API server may not know a Service (seed 300702). */
export const knows = (world: World, name: string, ip: Ip): boolean =>
  world
    .node(name)
    .core()
    ?.checkpoint()
    .services.some((service) => service.ip === ip && service.config !== null) ?? false;

export const ableFor = (world: World, from: string, at: number): string[] =>
  [...world.nodes.keys()].filter((name) => isAble(world, name, from, at));
