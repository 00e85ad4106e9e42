// The timeline of several nodes' journals: findings judged, JSON, and a table for people.

import { DRIFT } from '../../machines/clock-offsets.ts';
import { compare, usesOf } from '../../machines/incumbents.ts';
import type { Between, Ownership, Tenure } from '../../machines/ownership.ts';
import { isLonger } from '../../machines/ownership.ts';
import { table } from '../table.ts';
import { duration, momentsBetween } from './moments.ts';
import { shortRef } from './refs.ts';
import { wireJson, wireText } from './shadow-report.ts';

/** What counts as a finding: longer than this, whatever the clocks. */
export interface Limits {
  readonly gapMs: number;
  readonly overlapMs: number;
}

export interface Findings {
  readonly gaps: readonly Between[];
  readonly overlaps: readonly Between[];
}

/** A successor claims before its predecessor hears it: that long two may answer (design.md, what must never happen). */
export const overlapLimitMs = ({ lanes }: Ownership): number =>
  2 * Math.max(...lanes.map(({ life }) => life.intervalMs));

export const findingsOf = ({ gaps, overlaps }: Ownership, limits: Limits): Findings => ({
  gaps: gaps.filter((gap) => isLonger(gap, limits.gapMs)),
  overlaps: overlaps.filter((overlap) => isLonger(overlap, limits.overlapMs)),
});

const iso = (at: number): string => new Date(at).toISOString();
const isoOrNull = (at: number | null): string | null => (at === null ? null : iso(at));
const micro = (ms: number | null): number | null => (ms === null ? null : Math.round(ms * 1000) / 1000);

const tenureJson = ({ ip, node, from, to, began, ended }: Tenure) => ({
  ip,
  node,
  from: iso(from),
  to: isoOrNull(to),
  epoch: began.epoch,
  cause: began.cause,
  reason: began.reason,
  ref: began.ref,
  ended: ended === null ? null : { cause: ended.cause, reason: ended.reason, ref: ended.ref },
});

const betweenJson = (findings: readonly Between[]) => (between: Between) => ({
  ip: between.ip,
  from: iso(between.from),
  to: isoOrNull(between.to),
  ms: micro(between.ms),
  errorMs: micro(between.errorMs),
  before: between.before.node,
  after: between.after?.node ?? null,
  finding: findings.includes(between),
});

const wireOf = (ownership: Ownership) => {
  const uses = usesOf(ownership);
  return [uses, compare(ownership, uses)] as const;
};

/** Everything, for scripts. */
export const timelineJson = (ownership: Ownership, findings: Findings, problems: readonly string[]) => ({
  clocks: ownership.lanes.map(({ life, clock, from, to, ending }) => ({
    node: life.node,
    instance: life.instance,
    version: life.version,
    from: iso(from),
    to: iso(to),
    ending,
    offsetMs: micro(clock.offsetMs),
    errorMs: micro(clock.errorMs),
    shadow: life.isShadow,
  })),
  owners: ownership.tenures.map(tenureJson),
  gaps: ownership.gaps.map(betweenJson(findings.gaps)),
  overlaps: ownership.overlaps.map(betweenJson(findings.overlaps)),
  wire: wireJson(...wireOf(ownership)),
  problems,
});

const ENDINGS = { exit: 'ended in order', lost: 'ended without a word', open: '' } as const;

type Moment = (at: number) => string;

const clockRows = ({ lanes }: Ownership, moment: Moment): readonly string[][] => {
  const [reference] = lanes;
  return lanes.map((lane) => {
    const { life, clock, from, to, ending } = lane;
    const said =
      lane === reference
        ? 'the times below'
        : clock.errorMs === null
          ? 'unknown, taken as it is'
          : `${clock.offsetMs >= 0 ? '+' : '−'}${Math.abs(clock.offsetMs).toFixed(1)} ms ± ${clock.errorMs.toFixed(1)} ms`;
    return [life.node, life.instance.slice(0, 8), moment(from), moment(to), said, ENDINGS[ending]];
  });
};

const withError = ({ ms, errorMs }: Between): string => {
  const uncertain = errorMs === null ? ' ± ?' : errorMs < 0.05 ? '' : ` ± ${errorMs.toFixed(1)} ms`;
  return `${duration(ms ?? 0)}${uncertain}`;
};

const endText = (before: Tenure): string => {
  if (before.ended !== null) return `${before.node}: ${before.ended.reason}`;
  return `${before.node} ${before.to === null ? 'goes on' : ENDINGS[before.lane.ending]}`;
};

interface Row {
  readonly at: number;
  readonly cells: readonly string[];
}

const tenureRow = (tenure: Tenure, moment: Moment): Row => {
  const { node, from, to, began } = tenure;
  const until = to === null ? '…' : moment(to);
  const length = to === null ? '' : duration(to - from);
  const why = `${began.cause}: ${began.reason}  [${shortRef(began.ref)}]`;
  return { at: from, cells: [moment(from), until, length, node, why] };
};

const betweenRow = (between: Between, kind: 'gap' | 'overlap', isFinding: boolean, moment: Moment): Row => {
  const { from, to, before, after } = between;
  const who = kind === 'gap' ? 'nobody' : `${before.node}+${after?.node ?? ''}`;
  const word = isFinding ? kind.toUpperCase() : kind;
  const cells = [moment(from), to === null ? '…' : moment(to), withError(between), who];
  return { at: from, cells: [...cells, `${word}: ${endText(before)}`] };
};

const HEAD = ['FROM', 'TO', 'FOR', 'OWNER', 'WHY'];

/** Tables for a terminal: the clocks, then each IP. */
export const timelineText = (ownership: Ownership, findings: Findings): string => {
  const from = Math.min(...ownership.lanes.map((lane) => lane.from));
  const to = Math.max(...ownership.lanes.map((lane) => lane.to));
  const moment = momentsBetween(from, to);
  const parts = [
    [
      `Clocks, from ${iso(from).slice(0, 10)} on, UTC; ${Math.round(DRIFT * 1e6)} ppm of drift are allowed for:`,
      table([['NODE', 'LIFE', 'FROM', 'TO', 'CLOCK', 'END'], ...clockRows(ownership, moment)]),
    ].join('\n'),
  ];
  for (const ip of new Set(ownership.tenures.map((tenure) => tenure.ip))) {
    const of = <T extends { readonly ip: string }>(list: readonly T[]): readonly T[] =>
      list.filter((each) => each.ip === ip);
    const rows = [
      ...of(ownership.tenures).map((tenure) => tenureRow(tenure, moment)),
      ...of(ownership.gaps).map((gap) => betweenRow(gap, 'gap', findings.gaps.includes(gap), moment)),
      ...of(ownership.overlaps).map((lap) =>
        betweenRow(lap, 'overlap', findings.overlaps.includes(lap), moment),
      ),
    ].sort((a, b) => a.at - b.at);
    parts.push([ip, table([HEAD, ...rows.map(({ cells }) => cells)])].join('\n'));
  }
  parts.push(...wireText(ownership, ...wireOf(ownership), moment));
  const { gaps, overlaps } = findings;
  parts.push(
    `${gaps.length} gaps and ${overlaps.length} overlaps beyond what the clocks may be off and is allowed`,
  );
  return parts.join('\n\n');
};
