// Who still sends to a node that gave an IP up is asked by it to follow, and carried until nobody has sent for the quiet
// time, or the window is over (design.md, Planned; docs/operating.md). Judged for nodes that were well all the while, and
// while somebody else answers; patient drains ask later.
import type { Ip } from '../../../src/machines/frames.ts';
import type { CreateChecker } from './checker.ts';

/** Seen at the next look (50 ms), asked at the pace of questions; twice. */
const ASKED_MS = 500;
/** When clients are looked for, and what is on its way to the core, which hears of them four times in a quiet time. */
const LATENESS_MS = 200;
const NEWS_SHARE = 0.6;
/** Of one client: enough to find one that was not just on its way. */
const MAX_PACKETS = 64;

export const staleClients: CreateChecker = ({ world, answerers, report }) => {
  const { windowMs, quietMs } = world.profile.drain;
  /** `node ip` → since when it drains. */
  const draining = new Map<string, number>();
  /** `node ip client` → since when it sends there unasked, and when it did lately. */
  const sending = new Map<string, { since: number; packets: number[] }>();
  /** `node client` → when it was sent a frame of its own last: at most so many questions a drain. */
  const asked = new Map<string, number>();
  let patientAt = Number.NEGATIVE_INFINITY;

  const isJudged = (node: string, since: number): boolean => {
    const fitSince = world.health.fitSince(node);
    return fitSince !== null && fitSince <= since && world.queue.now() - patientAt > 2 * windowMs + 10_000;
  };
  /** Since when somebody answers for it whom the node can hear, so that it knows whom to name; Infinity: nobody does. */
  const followedSince = (node: string, ip: Ip): number => {
    const others = answerers.awake(ip).filter((other) => other !== node);
    const times = others.map((other) =>
      Math.max(
        answerers.of(ip).get(other) ?? Number.POSITIVE_INFINITY,
        world.health.connectedSince(node, other) ?? Number.POSITIVE_INFINITY,
      ),
    );
    return Math.min(Number.POSITIVE_INFINITY, ...times);
  };

  const forget = (node: string, ip: Ip): void => {
    draining.delete(`${node} ${ip}`);
    for (const key of sending.keys()) if (key.startsWith(`${node} ${ip} `)) sending.delete(key);
  };

  const judgeEnd = (node: string, ip: Ip): void => {
    const since = draining.get(`${node} ${ip}`);
    const now = world.queue.now();
    if (since === undefined || now - since >= windowMs - LATENESS_MS || !isJudged(node, since)) return;
    for (const [key, { packets }] of sending) {
      if (!key.startsWith(`${node} ${ip} `)) continue;
      const last = packets.findLast((at) => now - at >= LATENESS_MS && now - at <= quietMs * NEWS_SHARE);
      if (last === undefined) continue;
      const client = key.split(' ')[2];
      report(ip, `${node} ended its drain ${(now - last).toFixed(0)} ms after ${client} had sent there`);
    }
  };

  return {
    claim: 'who still sends to a node that gave an IP up is asked to follow, and carried',
    onTold: (_node, input) => {
      if (input.type === 'drain.requested' && input.patient === true) patientAt = world.queue.now();
    },
    onBirth: (node) => {
      for (const key of draining.keys()) {
        const [name, ip] = key.split(' ') as [string, Ip];
        if (name === node) forget(node, ip);
      }
    },
    onEffects: (node, effects) => {
      for (const effect of effects) {
        if (effect.type !== 'record') continue;
        // Not its window, which a reload may have shortened.
        const isQuiet = effect.cause === 'drained' && effect.reason.includes('quiet time');
        if (effect.from === 'draining' && isQuiet) judgeEnd(node, effect.ip);
        forget(node, effect.ip);
        if (effect.to === 'draining') draining.set(`${node} ${effect.ip}`, world.queue.now());
      }
    },
    onReached: (client, ip, node) => {
      const since = draining.get(`${node} ${ip}`);
      const now = world.queue.now();
      if (since === undefined || now - since < LATENESS_MS) return;
      const key = `${node} ${ip} ${client}`;
      const known = sending.get(key) ?? { since: now, packets: [] };
      sending.set(key, known);
      known.packets.push(now);
      if (known.packets.length > MAX_PACKETS) known.packets.shift();
      const from = Math.max(known.since, followedSince(node, ip), world.lossyUntil());
      const wasAsked = (asked.get(`${node} ${client}`) ?? Number.NEGATIVE_INFINITY) >= since;
      if (wasAsked || now - from < ASKED_MS || !isJudged(node, since)) return;
      known.since = Number.POSITIVE_INFINITY;
      report(ip, `${client} still sends to ${node}, which did not ask it to follow`);
    },
    onSent: (node, frame) => {
      if (frame.kind === 'hello' || draining.size === 0) return;
      const client = world.clients.find(({ mac }) => mac === frame.ethernetDestination);
      if (client !== undefined) asked.set(`${node} ${client.name}`, world.queue.now());
    },
  };
};
