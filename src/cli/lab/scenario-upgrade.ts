// `upgrade`: the nodes start with an older program and are replaced by this one, one after the other, same journal and
// same state. Meanwhile both versions share the segment: an IP is moved from old to new and back, a new node's cable is
// cut and old ones take over, an old node's and new ones do. Nobody notices but for the cuts.
import { holdings } from './holdings.ts';
import { type LabNode, sleep, waitFor } from './lab-node.ts';
import type { ProbeResult } from './prober.ts';
import { AFTERMATH_MS, judgeMoves, type Moved, restart } from './restart.ts';
import {
  type Say,
  type Scenario,
  type ScenarioLine,
  SHORT_DRAIN,
  startProbing,
  toLines,
} from './scenario.ts';
import { isOf, loadOf, ofFamily, SPREAD_IPS, type Spell, spread, sum, underLoad } from './spread-load.ts';
import type { Stage } from './stage.ts';

/** design.md, "What must never happen" 2: the hold time and this. */
const TAKEOVER_MS = 100;
const MOVE_TIMEOUT_MS = 10_000;

const promise = (limit: number): string =>
  'while nodes of both versions share the segment: no ping and no new TCP connection is lost by a restart or a move, ' +
  `no gap above ${limit} ms by a cut; an IP moves with its owner's restart, once, when asked to, and else not`;

const replace = async (stage: Stage, node: LabNode, say: Say): Promise<Moved> => {
  say(`${node.host.name} gets the new program`);
  return await restart(stage, node, say, node.upgrade);
};

/** Moves `ips` to one node, by a request to whoever owns each. */
const moveAll = async (stage: Stage, ips: readonly string[], to: LabNode): Promise<Moved> => {
  const before = await holdings(stage);
  const owners = await stage.owners();
  for (const ip of ips) await owners.get(ip)?.requestMove(ip, to.host.name);
  await waitFor(`${ips.join(', ')} to move to ${to.host.name}`, MOVE_TIMEOUT_MS, async () => {
    const now = await stage.owners();
    return ips.every((ip) => now.get(ip) === to) ? true : null;
  });
  await stage.settled();
  await sleep(AFTERMATH_MS);
  return judgeMoves(before, await holdings(stage), `a move to ${to.host.name}`, (ip) =>
    ips.includes(ip) ? 1 : 0,
  );
};

const thereAndBack = async (stage: Stage, older: LabNode, newer: LabNode, say: Say): Promise<Moved[]> => {
  const ips = [...(await stage.owners())].flatMap(([ip, owner]) => (owner === older ? [ip] : []));
  say(`${ips.join(' and ')} move from ${older.host.name} (old) to ${newer.host.name} (new) and back`);
  return [await moveAll(stage, ips, newer), await moveAll(stage, ips, older)];
};

interface Cut extends Moved {
  /** Of the IPs of the node that was cut off. */
  readonly pings: readonly ProbeResult[];
}

/** Cuts `node` off until the others serve its IPs, and lets it return. */
const cutOff = async (stage: Stage, node: LabNode, limit: number, say: Say): Promise<Cut> => {
  const { name } = node.host;
  const before = await holdings(stage);
  const isOwn = (ip: string): boolean => before.get(ip)?.node === name;
  const stop = await startProbing(stage.client, SPREAD_IPS);
  await stage.segment.cut(node.host);
  await sleep(limit + AFTERMATH_MS);
  const pings = await stop();
  const owners = await stage.owners(stage.nodes.filter((other) => other !== node));
  for (const { target, gapMs, lateMaxMs } of pings.filter((one) => isOwn(one.target)))
    say(
      `${target} is owned by ${owners.get(target)?.host.name} now, after ${gapMs} ms (prober late by ${lateMaxMs} ms)`,
    );
  await stage.segment.restore(node.host);
  await stage.settled();
  await sleep(AFTERMATH_MS);
  const moved = judgeMoves(before, await holdings(stage), `the cut of ${name}`, (ip) => (isOwn(ip) ? 1 : 0));
  const losses = pings
    .filter(({ target, lost }) => lost > 0 && !isOwn(target))
    .map(({ target, lost }) => `${target}, not of ${name}, lost ${lost} pings when ${name} was cut off`);
  return {
    ...moved,
    faults: [...moved.faults, ...losses],
    pings: pings.filter(({ target }) => isOwn(target)),
  };
};

interface Course {
  readonly spells: readonly Spell[];
  readonly cuts: readonly Cut[];
  readonly moved: readonly Moved[];
}

/** The whole of it; every node runs the new program in the end. */
const course = async (stage: Stage, limit: number, say: Say): Promise<Course> => {
  const spells: Spell[] = [];
  const cuts: Cut[] = [];
  const moved: Moved[] = [];
  const planned = async (act: () => Promise<readonly Moved[]>): Promise<void> => {
    await spread(stage);
    const { spell, done } = await underLoad(stage, act);
    spells.push(spell);
    moved.push(...done);
  };
  const last = stage.nodes.at(-1) as LabNode;
  for (const [index, node] of stage.nodes.entries()) {
    if (node === last) {
      await spread(stage);
      say(`${node.host.name}, the last old one, is cut off`);
      cuts.push(await cutOff(stage, node, limit, say));
    }
    await planned(async () => {
      const restarted = await replace(stage, node, say);
      return [restarted, ...(index === 0 ? await thereAndBack(stage, last, node, say) : [])];
    });
    if (index > 0) continue;
    await spread(stage);
    say(`${node.host.name}, the only new one, is cut off`);
    cuts.push(await cutOff(stage, node, limit, say));
  }
  return { spells, cuts, moved };
};

export const upgrade: Scenario = {
  summary: 'nodes of an older program (--from PATH) are replaced by this one, one after the other',
  recorded: 'cutGapMs',
  leastNodes: 3,
  clients: 1,
  serviceIPs: SPREAD_IPS,
  extra: SHORT_DRAIN,
  play: async (stage, say): Promise<readonly ScenarioLine[]> => {
    const limit = stage.profile.deadAfterMs + TAKEOVER_MS;
    const { spells, cuts, moved } = await course(stage, limit, say);
    const faults = [...moved, ...cuts].flatMap((one) => one.faults);
    for (const fault of faults) say(fault);
    const pings = spells.flatMap((spell) => spell.pings);
    const families = (['ipv4', 'ipv6'] as const).map((family) => ofFamily(pings, family));
    return toLines('upgrade', promise(limit), families, ({ family, lost, lateMaxMs }) => {
      const ips = SPREAD_IPS.filter((ip) => isOf(family, ip));
      const moves = sum([...moved, ...cuts].flatMap((one) => ips.map((ip) => one.moves.get(ip) ?? 0)));
      const numbers = loadOf(spells, family);
      const inCuts = ofFamily(
        cuts.flatMap((one) => one.pings),
        family,
      );
      const isKept = lost === 0 && numbers.tcpFailed === 0 && inCuts.gapMs <= limit && faults.length === 0;
      return {
        ok: isKept,
        moves,
        cutGapMs: inCuts.gapMs,
        proberLateMs: Math.max(lateMaxMs, inCuts.lateMaxMs),
        ...numbers,
        ...(faults.length === 0 ? {} : { note: faults.join('; ') }),
      };
    });
  },
};
