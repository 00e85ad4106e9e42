// `partition`: the switch falls into two halves with a client each. Both are served; when they meet again one
// owner remains, and the clients of both sides find it.
import { sleep } from './lab-node.ts';
import { followedAfter, type NeighbourWatch, watchNeighbours } from './neighbour-watch.ts';
import type { ProbeResult } from './prober.ts';
import {
  type Say,
  type Scenario,
  type ScenarioLine,
  SHORT_DRAIN,
  startProbing,
  toLines,
} from './scenario.ts';
import type { Host } from './segment.ts';
import { LAB_SERVICE_IPS, type Stage } from './stage.ts';

/** design.md, "What must never happen" 2. */
const TAKEOVER_MS = 100;
/** design.md, 1: two nodes that hear each other answer for one IP at most this many intervals. */
const OVERLAP_INTERVALS = 2;
const FOLLOW_MS = 100;
/** The halves forget each other, and what is claimed over there is old. */
const SPLIT_MS = 1_500;
const AFTERMATH_MS = 1_000;
const CONVERGE_TIMEOUT_MS = 5_000;

/** One rule for both directions, so that the halves part in one moment. */
const splitRule = (left: readonly string[], right: readonly string[]): string => {
  const pairs = left.flatMap((a) => right.flatMap((b) => [`"${a}" . "${b}"`, `"${b}" . "${a}"`]));
  return `iifname . oifname { ${pairs.join(', ')} }`;
};

type Converged = Readonly<{ ms: number; owners: ReadonlyMap<string, Host> }>;

/** Asks all nodes without a pause until each IP has one leader, for good; how long that took from `since`. */
const converge = async (stage: Stage, since: number): Promise<Converged> => {
  let one: number | null = null;
  let owners = new Map<string, Host>();
  const until = since + CONVERGE_TIMEOUT_MS;
  // A while of one leader, so that a flutter is not taken for the end.
  while (performance.now() < (one === null ? until : Math.max(one, since) + AFTERMATH_MS)) {
    const asked = performance.now();
    const answers = await Promise.all(stage.nodes.map((node) => node.status()));
    const found = new Map<string, Host>();
    let leaders = 0;
    for (const [index, { serviceIPs }] of answers.entries()) {
      for (const { ip } of serviceIPs.filter(({ state }) => state === 'leader')) {
        found.set(ip, stage.nodes[index]?.host as Host);
        leaders += 1;
      }
    }
    const isOne = leaders === LAB_SERVICE_IPS.length && found.size === leaders;
    if (!isOne) one = null;
    else if (one === null) {
      one = asked;
      owners = found;
    }
    await sleep(one === null ? 1 : 20);
  }
  return { ms: one === null ? Number.POSITIVE_INFINITY : one - since, owners };
};

const merged = (a: readonly ProbeResult[], b: readonly ProbeResult[]): readonly ProbeResult[] =>
  a.map((result, index) => {
    const other = b[index] as ProbeResult;
    return {
      ...result,
      sent: result.sent + other.sent,
      lost: result.lost + other.lost,
      gapMs: Math.max(result.gapMs, other.gapMs),
      lateMaxMs: Math.max(result.lateMaxMs, other.lateMaxMs),
    };
  });

const probeBoth = async (stage: Stage): Promise<() => Promise<readonly ProbeResult[]>> => {
  const stops = await Promise.all(stage.clients.map((client) => startProbing(client)));
  return async () => {
    const [one, two] = await Promise.all(stops.map((stop) => stop()));
    return merged(one as readonly ProbeResult[], two as readonly ProbeResult[]);
  };
};

interface Follower {
  readonly watch: NeighbourWatch;
  /** Its cache before the healing: IP → MAC. */
  readonly before: ReadonlyMap<string, string | null>;
}

const watchFollower = async ({ segment }: Stage, client: Host): Promise<Follower> => {
  const before = new Map<string, string | null>();
  for (const ip of LAB_SERVICE_IPS) before.set(ip, (await segment.neighbour(client, ip))?.mac ?? null);
  return { watch: watchNeighbours(client), before };
};

/** When the last client's cache named the owner of `ip`, after the healing. */
const followed = (
  followers: readonly Follower[],
  ip: string,
  owner: Host | undefined,
  since: number,
): number =>
  Math.max(
    ...followers.map(({ watch, before }) =>
      followedAfter(watch.changes(), ip, { before: before.get(ip) ?? null, mac: owner?.mac ?? '', since }),
    ),
  );

const split = async (stage: Stage, say: Say) => {
  const owner = await stage.gathered();
  await stage.settled();
  const [client, client2] = stage.clients as [Host, Host];
  const left = [owner.host.name, client.name];
  const right = stage.nodes.filter((node) => node !== owner && node.isRunning()).map(({ host }) => host.name);
  const stop = await probeBoth(stage);
  say(`the switch parts ${left.join(' and ')} from ${[...right, client2.name].join(', ')}`);
  const drop = await stage.segment.dropFrames({ match: splitRule(left, [...right, client2.name]) });
  await sleep(SPLIT_MS);
  return { drop, served: await stop() };
};

export const partition: Scenario = {
  summary: 'the switch falls into two halves with a client each, and heals',
  leastNodes: 3,
  clients: 2,
  extra: SHORT_DRAIN,
  play: async (stage, say): Promise<readonly ScenarioLine[]> => {
    const { drop, served } = await split(stage, say);
    const followers = await Promise.all(stage.clients.map((client) => watchFollower(stage, client)));
    const stop = await probeBoth(stage);
    say('and joins them again');
    const [since, healedAt] = [performance.now(), Date.now()];
    const undone = drop.undo();
    const { ms, owners } = await converge(stage, since);
    await undone;
    const healed = await stop();
    for (const { watch } of followers) watch.stop();
    for (const [ip, { name }] of owners) say(`${ip} is owned by ${name} alone after ${Math.round(ms)} ms`);
    await stage.settled();
    const limit = stage.profile.deadAfterMs + TAKEOVER_MS;
    const overlap = OVERLAP_INTERVALS * stage.profile.intervalMs;
    const promise = `both halves served within ${limit} ms; one owner ${overlap} ms after the healing, all clients reach it within ${FOLLOW_MS} ms`;
    return toLines('partition', promise, served, ({ family, target, sent, lost, gapMs }) => {
      const after = healed.find((result) => result.family === family) as ProbeResult;
      const clientsMs = Math.round(followed(followers, target, owners.get(target), healedAt));
      const isKept = gapMs <= limit && ms <= overlap && clientsMs <= FOLLOW_MS && after.gapMs <= FOLLOW_MS;
      const numbers = {
        sent: sent + after.sent,
        lost: lost + after.lost,
        gapMs: Math.max(gapMs, after.gapMs),
      };
      return { ...numbers, ok: isKept, convergedMs: Math.round(ms), clientsMs };
    });
  },
};
