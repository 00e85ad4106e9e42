// Who owned which IP when, from the chronicles of several nodes laid over each other in one time: intervals of
// leading, gaps in which nobody led, overlaps in which two did, and the moves between.

import type { Chronicle } from './chronicle.ts';
import type { NodeName } from './claims.ts';
import { estimateClocks, type LifeClock } from './clock-offsets.ts';
import type { Ip } from './frames.ts';
import type { Transition } from './side-by-side.ts';

/** A life with its clock; all times below are those of the reference, milliseconds. */
export interface Lane {
  readonly life: Chronicle;
  readonly clock: LifeClock;
  readonly from: number;
  /** When it ended, or the last that is known of it. */
  readonly to: number;
  /** How far off `to` may be beside the clock: a life that was lost ended some time after its last hello. */
  readonly toErrorMs: number;
  /** How it ended: `exit`: in order; `lost`: others heard it fall silent, or it was started again; `open`: not here. */
  readonly ending: 'exit' | 'lost' | 'open';
}

export interface Tenure {
  readonly ip: Ip;
  readonly lane: Lane;
  readonly node: NodeName;
  readonly from: number;
  /** When it stopped answering; null: as far as the record goes. */
  readonly to: number | null;
  /** How far off `to` may be beside the clock. */
  readonly toErrorMs: number;
  readonly began: Transition;
  /** Null: its life ended with it, or it is still going on. */
  readonly ended: Transition | null;
}

export interface Between {
  readonly ip: Ip;
  readonly from: number;
  /** Null: to the end of the record. */
  readonly to: number | null;
  readonly ms: number | null;
  /** How far off `ms` may be, by what is known of the clocks; null: nothing is. */
  readonly errorMs: number | null;
  readonly before: Tenure;
  readonly after: Tenure | null;
}

export interface Ownership {
  readonly lanes: readonly Lane[];
  readonly tenures: readonly Tenure[];
  readonly gaps: readonly Between[];
  readonly overlaps: readonly Between[];
}

/** The last moment at which anybody heard one of the life's births, if it fell silent for good. */
const lastHeardOf = (
  life: Chronicle,
  lives: readonly Chronicle[],
  clocks: readonly LifeClock[],
): number | null => {
  let last: number | null = null;
  for (const [index, other] of lives.entries()) {
    for (const { instance, lastHeardAt, backAt, at: noticedAt } of other.silences) {
      if (backAt !== null || !life.instances.has(instance)) continue;
      // Born again: another birth of the same life was heard since.
      const isBack = [...life.instances].some(
        (birth) => (other.heard.get(`birth ${birth}`) ?? 0) > noticedAt,
      );
      if (isBack) continue;
      const at = clocks[index]?.toCommon(lastHeardAt) ?? lastHeardAt;
      if (last === null || at > last) last = at;
    }
  }
  return last;
};

const laneOf = (lives: readonly Chronicle[], clocks: readonly LifeClock[], index: number): Lane => {
  const [life, clock] = [lives[index] as Chronicle, clocks[index] as LifeClock];
  const from = clock.toCommon(life.from);
  const written = clock.toCommon(life.to);
  if (life.exitAt !== null)
    return { life, clock, from, to: clock.toCommon(life.exitAt), toErrorMs: 0, ending: 'exit' };
  const isFollowed = lives.some(({ node, from: begin }) => node === life.node && begin > life.to);
  const heard = lastHeardOf(life, lives, clocks);
  const isLost = isFollowed || (heard !== null && heard >= written - 2 * life.intervalMs);
  if (!isLost) return { life, clock, from, to: written, toErrorMs: 0, ending: 'open' };
  // It lived until it wrote its last line, and until some moment between its last hello and the one that never came.
  const toErrorMs = life.intervalMs / 2;
  const to = Math.max(written, heard === null ? written : heard + toErrorMs);
  return { life, clock, from, to, toErrorMs, ending: 'lost' };
};

/**
 * A node that was born again had fallen silent before: with its hellos its answers had ended (wire-step.ts), which its
 * main thread learned later. Others noticed.
 */
const silentBefore = (lane: Lane, at: number, lanes: readonly Lane[]): number | null => {
  let last: number | null = null;
  for (const { life, clock } of lanes) {
    const silence = life.silences.findLast(
      (each) => lane.life.instances.has(each.instance) && clock.toCommon(each.lastHeardAt) < at,
    );
    if (silence === undefined || clock.toCommon(silence.backAt ?? Number.POSITIVE_INFINITY) < at) continue;
    const heard = clock.toCommon(silence.lastHeardAt);
    if (last === null || heard > last) last = heard;
  }
  return last;
};

/** When a tenure ended, and how far off that may be. */
const endOfTenure = (
  lane: Lane,
  from: number,
  ended: Transition,
  lanes: readonly Lane[],
): { readonly to: number; readonly toErrorMs: number } => {
  const at = lane.clock.toCommon(ended.at);
  const heard = ended.cause === 'wire-reborn' ? silentBefore(lane, at, lanes) : null;
  const half = lane.life.intervalMs / 2;
  if (heard === null || heard < from || heard + half > at) return { to: at, toErrorMs: 0 };
  return { to: heard + half, toErrorMs: half };
};

const tenuresOf = (lane: Lane, lanes: readonly Lane[]): readonly Tenure[] => {
  const { life, clock } = lane;
  const open = new Map<Ip, { readonly began: Transition; readonly from: number }>();
  const tenures: Tenure[] = [];
  for (const transition of life.transitions) {
    const { ip, to } = transition;
    const at = clock.toCommon(transition.at);
    const held = open.get(ip);
    if (to === 'leader' && held === undefined) open.set(ip, { began: transition, from: at });
    if (to === 'leader' || held === undefined) continue;
    open.delete(ip);
    const end = endOfTenure(lane, held.from, transition, lanes);
    tenures.push({ ip, lane, node: life.node, ...held, ...end, ended: transition });
  }
  for (const [ip, held] of open)
    tenures.push({
      ip,
      lane,
      node: life.node,
      ...held,
      to: lane.ending === 'open' ? null : lane.to,
      toErrorMs: lane.toErrorMs,
      ended: null,
    });
  return tenures;
};

const errorOf = (a: Tenure, b: Tenure | null): number | null => {
  if (b === null || a.lane === b.lane) return 0;
  const [x, y] = [a.lane.clock.errorMs, b.lane.clock.errorMs];
  return x === null || y === null ? null : x + y + a.toErrorMs;
};

const endOf = ({ to }: Tenure): number => to ?? Number.POSITIVE_INFINITY;

/** Of a tenure that goes on nothing is known beyond its own record. */
const knownEnd = ({ to, lane }: Tenure): number => to ?? lane.to;

/** Gaps and overlaps of one IP; `tenures` in the order in which they begin. `end`: of all records. */
const between = (tenures: readonly Tenure[], end: number): { gaps: Between[]; overlaps: Between[] } => {
  const gaps: Between[] = [];
  const overlaps: Between[] = [];
  /** Whoever leads the longest so far. */
  let last: Tenure | null = null;
  for (const next of tenures) {
    if (last !== null) {
      const [from, until] = [endOf(last), next.from];
      const errorMs = errorOf(last, next);
      const both = { ip: next.ip, errorMs, before: last, after: next };
      if (from < until) gaps.push({ ...both, from, to: until, ms: until - from });
      const bothUntil = Math.min(knownEnd(last), knownEnd(next));
      if (from >= until && bothUntil > until)
        overlaps.push({ ...both, from: until, to: bothUntil, ms: bothUntil - until });
    }
    if (last === null || endOf(next) >= endOf(last)) last = next;
  }
  if (last !== null && last.to !== null && last.to < end) {
    const { ip, to: from } = last;
    gaps.push({ ip, from, to: null, ms: end - from, errorMs: 0, before: last, after: null });
  }
  return { gaps, overlaps };
};

/** Lays the lives over each other. The first one's clock is the reference. */
export const ownershipOf = (lives: readonly Chronicle[]): Ownership => {
  const clocks = estimateClocks(lives);
  const lanes = lives.map((_, index) => laneOf(lives, clocks, index));
  const tenures = lanes
    .flatMap((lane) => tenuresOf(lane, lanes))
    .sort((a, b) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.from - b.from));
  const end = Math.max(...lanes.map(({ to }) => to));
  const gaps: Between[] = [];
  const overlaps: Between[] = [];
  for (let from = 0; from < tenures.length; ) {
    const ip = tenures[from]?.ip;
    let until = from;
    while (tenures[until]?.ip === ip) until += 1;
    const found = between(tenures.slice(from, until), end);
    gaps.push(...found.gaps);
    overlaps.push(...found.overlaps);
    from = until;
  }
  return { lanes, tenures, gaps, overlaps };
};

/** Is it longer than `leastMs`, whatever the clocks? Where nothing is known of them, it is as long as it looks. */
export const isLonger = ({ ms, errorMs }: Between, leastMs: number): boolean =>
  (ms ?? 0) - (errorMs ?? 0) > leastMs;
