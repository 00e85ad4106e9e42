// Nothing moves that the node's own journal does not explain (design.md, What must never happen, 3): whoever begins to
// answer for an IP has recorded why it became its leader, and whoever stops has recorded why, or its process ended or was
// born again. The wire thread may shut an entry before the main thread gets to say so.
import type { Ip } from '../../../src/machines/frames.ts';
import type { CreateChecker } from './checker.ts';

/** The main thread draws its conclusions by then, unless it hangs. */
const SAID_WITHIN_MS = 1_000;

export const explained: CreateChecker = ({ world, report }) => {
  /** `node ip`: by its last word on it, it is the leader. */
  const leads = new Set<string>();
  /** `node ip` → when it said last that it is leader no longer. */
  const gaveUp = new Map<string, number>();
  const births = new Map<string, number>();

  /**
   * An order that was on its way when the wire thread shut the entry opens it again until the main thread's next word, some
   * milliseconds later (seed 305061): what lasts has to be said.
   */
  const judgeAnswer = (node: string, ip: Ip, at: number): void => {
    const now = world.queue.now();
    const { isPaused, isStalled, isAnswering } = world.node(node);
    if (!isAnswering(ip) || leads.has(`${node} ${ip}`) || (births.get(node) ?? 0) >= at) return;
    const fitSince = world.health.fitSince(node);
    const isBusy = isPaused() || isStalled() || fitSince === null || now - fitSince < SAID_WITHIN_MS;
    if (isBusy) return world.queue.at(now + SAID_WITHIN_MS, () => judgeAnswer(node, ip, at));
    report(ip, `${node} has answered for ${(now - at).toFixed(0)} ms, and has not recorded that it leads`);
  };

  const judgeSilence = (node: string, ip: Ip, at: number): void => {
    const now = world.queue.now();
    const { isRunning, isPaused, isStalled, isAnswering } = world.node(node);
    if (!isRunning() || isAnswering(ip) || (births.get(node) ?? 0) >= at) return;
    const fitSince = world.health.fitSince(node);
    const isBusy = isPaused() || isStalled() || fitSince === null || now - fitSince < SAID_WITHIN_MS;
    if (isBusy) return world.queue.at(now + SAID_WITHIN_MS, () => judgeSilence(node, ip, at));
    if ((gaveUp.get(`${node} ${ip}`) ?? Number.NEGATIVE_INFINITY) >= at - SAID_WITHIN_MS) return;
    report(ip, `${node} stopped answering ${(now - at).toFixed(0)} ms ago, and its journal does not say why`);
  };

  return {
    claim: 'whoever begins or ceases to answer for an IP has recorded why',
    onBirth: (node) => {
      births.set(node, world.queue.now());
      for (const key of leads) if (key.startsWith(`${node} `)) leads.delete(key);
    },
    onEffects: (node, effects) => {
      for (const effect of effects) {
        if (effect.type !== 'record' || effect.reason === '') continue;
        const key = `${node} ${effect.ip}`;
        if (effect.to === 'leader') leads.add(key);
        else leads.delete(key);
        if (effect.from === 'leader') gaveUp.set(key, world.queue.now());
      }
    },
    onAnswer: (node, ip, isAnswering) => {
      const at = world.queue.now();
      const judge = isAnswering ? judgeAnswer : judgeSilence;
      if (!isAnswering || !leads.has(`${node} ${ip}`))
        world.queue.at(at + SAID_WITHIN_MS, () => judge(node, ip, at));
    },
  };
};
