// A new owner announces its IP at once and in two more rounds, since one frame may be lost on the way (design.md, The
// machine). Judged for owners that were well all the while and went on answering. Not judged after a patient drain: while
// the former owner keeps clients, the new one is quiet about the IP.
import type { Ip } from '../../../src/machines/frames.ts';
import type { CreateChecker } from './checker.ts';

const ROUNDS = 3;
/** Three rounds 1.1 s apart, and room for pacing. */
const WITHIN_MS = 3_000;
/** Frames closer than this are of one round; whatever has it announce anew begins the rounds again. */
const ROUND_MS = 50;
/** The first: 10 frames a millisecond for all IPs, twice; and both threads' lateness. */
const firstWithinMs = (ips: number): number => 100 + 0.6 * ips;
/** A patient drain that waited for somebody to take over lasts longer than its window. */
const KEPT_FOR_MS = 10_000;

export const announced: CreateChecker = ({ world, answerers, report }) => {
  /** `node ip` → times of its announcements since it began to answer. */
  const rounds = new Map<string, number[]>();
  let patientAt = Number.NEGATIVE_INFINITY;

  const judge = (node: string, ip: Ip, since: number): void => {
    if (answerers.of(ip).get(node) !== since) return;
    const fitSince = world.health.fitSince(node);
    if (fitSince === null || fitSince > since || world.contested.has(ip)) return;
    if (since - patientAt < world.profile.drain.windowMs + KEPT_FOR_MS) return;
    const said = rounds.get(`${node} ${ip}`) ?? [];
    const firstMs = (said[0] ?? Number.POSITIVE_INFINITY) - since;
    if (said.length >= ROUNDS && firstMs <= firstWithinMs(world.profile.ips.length)) return;
    const when = said.map((at) => `${(at - since).toFixed(0)} ms`).join(', ');
    report(ip, `${node} announced it ${said.length} times in ${WITHIN_MS} ms (${when}), not ${ROUNDS}`);
  };

  return {
    claim: 'a new owner announces its IP at once and in two more rounds',
    onTold: (_node, input) => {
      if (input.type === 'drain.requested' && input.patient === true) patientAt = world.queue.now();
    },
    onAnswer: (node, ip, isAnswering) => {
      rounds.delete(`${node} ${ip}`);
      if (!isAnswering) return;
      const since = world.queue.now();
      rounds.set(`${node} ${ip}`, []);
      world.queue.after(WITHIN_MS, () => judge(node, ip, since));
    },
    onSent: (node, frame) => {
      const isArp = frame.kind === 'arp' && frame.spa === frame.tpa;
      const isNa = frame.kind === 'na' && !frame.solicited;
      if (!isArp && !isNa) return;
      const said = rounds.get(`${node} ${frame.kind === 'arp' ? frame.spa : frame.target}`);
      const now = world.queue.now();
      if (said !== undefined && now - (said.at(-1) ?? Number.NEGATIVE_INFINITY) > ROUND_MS) said.push(now);
    },
  };
};
