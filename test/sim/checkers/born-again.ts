// A birth listens first: an instance that was never heard of before answers for nothing until its hold time + one
// interval is over (design.md, Start, Born again). In a running process, nothing is
// answered from that moment on, whatever the main thread had ordered before.
import type { CreateChecker } from './checker.ts';

/** A clock that runs 100 ppm fast. */
const SLACK_MS = 0.1;

export const bornAgain: CreateChecker = ({ world, intervalMs, holdMs, report }) => {
  const births = new Map<string, { instance: string; at: number }>();

  return {
    claim: 'a new birth answers for nothing in its first hold time + one interval',
    onBirth: (node, instance) => {
      births.set(node, { instance, at: world.queue.now() });
    },
    onAnswer: (node, ip, isAnswering) => {
      const birth = births.get(node);
      if (!isAnswering || birth === undefined) return;
      const age = world.queue.now() - birth.at;
      if (age >= holdMs + intervalMs - SLACK_MS) return;
      report(ip, `${node} answers ${age.toFixed(1)} ms after it was born as ${birth.instance}`);
    },
  };
};
