// With hellos blocked between all nodes and the API server there, objects settle who owns an IP (design.md,
// Kubernetes): one owner within the bound, who stays, and no node begins twice. Judged once nothing else was done to
// the world for the bound: longer where a node is away, since its Lease has to run out first.
import type { Ip } from '../../../src/machines/frames.ts';
import type { CreateChecker } from './checker.ts';

/** Silence, a first claim's probe (1 s), two rounds of writing and reading of it, one refused reservation (1 s). */
const SETTLE_MS = 4_000;
/** A Lease and its reading. */
const LEASE_MS = 33_000;
const LOOK_EVERY_MS = 100;

export const objectsDecide: CreateChecker = ({ world, answerers, report }) => {
  const owners = new Map<Ip, string>();
  /** `node ip` → how often it began in this quiet time. */
  const begun = new Map<string, number>();
  let quietSince = 0;
  const { api, health, queue, segment } = world;
  if (api === null) return { claim: 'without an API server there are no objects' };

  const names = [...world.nodes.keys()];
  const isQuiet = (): boolean =>
    segment.isHushed() && names.every((name) => api.isPrompt(name)) && world.lossyUntil() < quietSince;
  const areAllThere = (): boolean =>
    names.every((name) => health.fitSince(name) !== null && !world.isLeaving(name));

  const restart = (): void => {
    quietSince = queue.now();
    owners.clear();
    begun.clear();
  };

  const judge = (ip: Ip): void => {
    if (world.contested.has(ip)) return;
    const awake = answerers.awake(ip);
    const [owner] = awake;
    const before = owners.get(ip);
    if (awake.length !== 1 || owner === undefined) {
      owners.delete(ip);
      const who = awake.length === 0 ? 'nobody' : awake.join(' and ');
      report(ip, `hellos are blocked for ${Math.round(queue.now() - quietSince)} ms: ${who} answers`);
    } else if (before !== undefined && before !== owner) report(ip, `it moved on from ${before} to ${owner}`);
    else owners.set(ip, owner);
  };

  const look = (): void => {
    queue.after(LOOK_EVERY_MS, look);
    if (!isQuiet() || health.changedAt() > quietSince) return restart();
    const isSomebodyFit = names.some((name) => health.fitSince(name) !== null && !world.isLeaving(name));
    if (!isSomebodyFit || queue.now() - quietSince < (areAllThere() ? SETTLE_MS : LEASE_MS)) return;
    world.profile.ips.forEach(judge);
  };
  queue.after(LOOK_EVERY_MS, look);

  return {
    claim: 'with hellos blocked and the API there, objects settle who owns each IP, once',
    onDisturbed: restart,
    onAnswer: (node, ip, isAnswering) => {
      if (!isAnswering || !isQuiet() || world.contested.has(ip)) return;
      const key = `${node} ${ip}`;
      const times = (begun.get(key) ?? 0) + 1;
      begun.set(key, times);
      if (times === 2) report(ip, `${node} begins to answer again, though nothing else was done`);
    },
  };
};
