// What the operator asked for happens (design.md, Planned; contract.md): what was to move has moved 8 intervals +
// the hold time later if a healthy node could take it; it is spread evenly; and nodes that stop end in time.
// Judged only while nothing else was done to the world meanwhile and no link loses frames by chance. A successor
// counts once it has run untouched for its start, the others' tables and a probe.
import type { Ip } from '../../../src/machines/frames.ts';
import type { Input } from '../../../src/machines/inputs.ts';
import type { CreateChecker } from './checker.ts';
import { ABLE_AFTER_MS, ableFor, knows } from './successors.ts';

/** Each of the two nodes' threads may be late. */
const LATENESS_MS = 60;
/** All nodes stopped together end within 15 s (contract.md). */
const STOP_MS = 15_000;

export const drained: CreateChecker = ({ world, answerers, intervalMs, holdMs, report }) => {
  const { health } = world;
  const patienceMs = 8 * intervalMs + holdMs + LATENESS_MS;

  const heldBy = (name: string): Ip[] =>
    world.profile.ips.filter((ip) => world.node(name).isAnswering(ip) && !world.contested.has(ip));
  /** Nothing but this word, and words of the same moment, happened since. */
  const isUndisturbed = (at: number): boolean => health.changedAt() <= at && world.lossyUntil() < at;

  const judgeSpread = (name: string, at: number, before: ReadonlyMap<string, number>): void => {
    const able = ableFor(world, name, at);
    const total = able.reduce((sum, other) => sum + heldBy(other).length, 0);
    const share = Math.ceil(total / Math.max(able.length, 1)) + 1;
    for (const other of able) {
      const [had, has] = [before.get(other) ?? 0, heldBy(other).length];
      if (has > had && has > share) {
        report(null, `${other} got ${has - had} IPs of ${name} and has ${has}: more than ${share}`);
      }
    }
  };

  const judgeDrain = (name: string, input: Extract<Input, { type: 'drain.requested' }>): void => {
    const at = world.queue.now();
    const asked = heldBy(name).filter((ip) => input.ips === null || input.ips.includes(ip));
    // Who was never told of a Service, or not again after an outage, cannot take it (seed 302777).
    const knew = new Map(
      asked.map((ip) => [ip, [...world.nodes.keys()].filter((to) => knows(world, to, ip))]),
    );
    const before = new Map([...world.nodes.keys()].map((other) => [other, heldBy(other).length]));
    const isOwnerWell = at - (health.fitSince(name) ?? Number.POSITIVE_INFINITY) >= ABLE_AFTER_MS;
    if (!isOwnerWell) return;
    const judge = (): void => {
      if (!isUndisturbed(at)) return;
      // That one may take again has to reach the owner first (seed 102750: a millisecond before the word).
      const known = ableFor(world, name, at).filter((to) => at - world.toldAt(to) > intervalMs);
      const able = input.to === null ? known : known.filter((to) => to === input.to);
      if (able.length === 0) return;
      for (const ip of asked) {
        if (!able.some((to) => knew.get(ip)?.includes(to))) continue;
        const now = answerers.awake(ip);
        if (now.includes(name)) report(ip, `${name} still has it, though ${able.join(', ')} could take it`);
        // A node that hears nothing may have taken it weakly beside (deaf-port.txt).
        else if (input.to !== null && !now.includes(input.to))
          report(ip, `${name} was to hand it to ${input.to}; ${now.join(', ') || 'nobody'} has it`);
      }
      if (input.ips !== null) return;
      for (const ip of heldBy(name)) if (!asked.includes(ip)) report(ip, `${name} is drained and took it`);
      if (input.to === null && asked.length > 0) judgeSpread(name, at, before);
    };
    world.queue.after(0, () => {
      // One that was told to drain a moment ago too may be named, refuses, and costs the patience once; so does one
      // whose main thread hangs, while its hellos go on (seed 300132).
      const refusing = [...world.nodes.values()].filter(
        ({ name: other, isStalled }) =>
          other !== name &&
          (isStalled() || (world.isLeaving(other) && at - world.toldAt(other) <= intervalMs)),
      );
      world.queue.after(patienceMs + refusing.length * 8 * intervalMs, judge);
    });
  };

  const judgeStop = (name: string): void => {
    // Who could take the IPs of other segments is not known here.
    if (world.index > 0) return;
    const at = world.queue.now();
    const life = world.node(name).lives.length;
    world.queue.after(STOP_MS, () => {
      const node = world.node(name);
      if (!node.isRunning() || node.lives.length !== life || !isUndisturbed(at)) return;
      // A node that hung all the while does not hear the word either.
      if ((health.fitSince(name) ?? Number.POSITIVE_INFINITY) > at) return;
      const others = [...world.nodes.keys()].filter((other) => other !== name);
      if (!others.every((other) => !world.node(other).isRunning() || world.isLeaving(other))) return;
      report(null, `${name} still runs ${STOP_MS / 1_000} s after it was told to stop`);
    });
  };

  return {
    claim: 'an IP that is to move has moved within 8 intervals + the hold time, evenly',
    onTold: (name, input) => {
      if (input.type === 'drain.requested') judgeDrain(name, input);
      if (input.type === 'stop.requested') judgeStop(name);
    },
  };
};
