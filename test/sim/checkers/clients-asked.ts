// A new owner asks the clients that it knows, each by a directed request, until they have shown that they learned
// (design.md, The machine): some do not believe announcements. Known for certain: those that asked it for the IP itself
// lately, while it answered. Not judged after a patient drain, whose clients are left alone.
import type { Ip, Mac } from '../../../src/machines/frames.ts';
import type { WireFrame } from '../sim-frames.ts';
import type { CreateChecker } from './checker.ts';

/** Questions begin some milliseconds after the announcement, all of them paced. */
const WITHIN_MS = 1_000;
const LATELY_MS = 20_000;
const KEPT_FOR_MS = 10_000;

/** Who asks for which IP, in a request of ARP or NDP. */
const askedFor = (frame: WireFrame): Ip | null => {
  if (frame.kind === 'arp') return frame.operation === 'request' ? frame.tpa : null;
  return frame.kind === 'ns' ? frame.target : null;
};

export const clientsAsked: CreateChecker = ({ world, answerers, report }) => {
  /** `node ip` → MACs that asked it there while it answered, and when. */
  const known = new Map<string, Map<Mac, number>>();
  /** `node ip` → MACs that it asked, or that it heard, since it began to answer. */
  const settled = new Map<string, Set<Mac>>();
  const macs = new Set<Mac>(world.clients.map(({ mac }) => mac));
  let patientAt = Number.NEGATIVE_INFINITY;

  const judge = (node: string, ip: Ip, since: number, asked: readonly Mac[]): void => {
    if (answerers.of(ip).get(node) !== since || world.contested.has(ip)) return;
    const fitSince = world.health.fitSince(node);
    if (fitSince === null || fitSince > since || world.health.changedAt() > since) return;
    if (since - patientAt < world.profile.drain.windowMs + KEPT_FOR_MS || world.lossyUntil() > since) return;
    const left = asked.find((mac) => settled.get(`${node} ${ip}`)?.has(mac) !== true);
    if (left !== undefined) report(ip, `${node} took it and did not ask ${left}, which had asked it before`);
  };

  return {
    claim: 'a new owner asks the clients that it knows',
    onTold: (_node, input) => {
      if (input.type === 'drain.requested' && input.patient === true) patientAt = world.queue.now();
    },
    onBirth: (node) => {
      for (const key of known.keys()) if (key.startsWith(`${node} `)) known.delete(key);
    },
    onAnswer: (node, ip, isAnswering) => {
      const key = `${node} ${ip}`;
      settled.delete(key);
      const now = world.queue.now();
      // Whom it could not hear when it asked last it has forgotten.
      const from = Math.max(now - LATELY_MS, world.health.fitSince(node) ?? Number.POSITIVE_INFINITY);
      const asked = [...(known.get(key) ?? [])].filter(([, at]) => at > from).map(([mac]) => mac);
      if (!isAnswering || asked.length === 0) return;
      settled.set(key, new Set());
      world.queue.after(WITHIN_MS, () => judge(node, ip, now, asked));
    },
    onHeard: (node, frame) => {
      if (frame.kind === 'hello') return;
      const { ethernetSource: mac } = frame;
      if (!macs.has(mac)) return;
      for (const [key, heard] of settled) if (key.startsWith(`${node} `)) heard.add(mac);
      const ip = askedFor(frame);
      if (ip === null || !world.node(node).isAnswering(ip)) return;
      const clients = known.get(`${node} ${ip}`) ?? new Map<Mac, number>();
      known.set(`${node} ${ip}`, clients);
      clients.set(mac, world.queue.now());
    },
    onSent: (node, frame) => {
      if (frame.kind !== 'arp' && frame.kind !== 'ns') return;
      if (!macs.has(frame.ethernetDestination)) return;
      for (const [key, asked] of settled)
        if (key.startsWith(`${node} `)) asked.add(frame.ethernetDestination);
    },
  };
};
