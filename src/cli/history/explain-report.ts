// What `explain` says, put together: the chain of causes, the order among those that could take the IP when it was
// taken last, and each node's own verdict at the time that is asked about.

import { type Explanation, explain, type Sentence } from '../../machines/explain.ts';
import type { Taking } from '../../machines/explain-candidates.ts';
import type { Ip } from '../../machines/frames.ts';
import type { Lane, Ownership, Tenure } from '../../machines/ownership.ts';
import { coreAt } from './core-at.ts';
import type { LifeFiles } from './journals.ts';
import { momentsBetween } from './moments.ts';
import { shortRef } from './refs.ts';

/** One node at the time that is asked about. */
export interface NodeVerdict {
  readonly node: string;
  /** A clause without subject and full stop. */
  readonly verdict: string;
  /** Null: it did not run, or does not know the IP. */
  readonly taking: Taking | null;
}

export interface Report extends Explanation {
  /** The order in which nodes could take it, as whoever took it last saw it then. */
  readonly order: { readonly at: number; readonly node: string; readonly taking: Taking } | null;
  readonly nodes: readonly NodeVerdict[];
  readonly lanes: readonly Lane[];
}

type LifeOf = (lane: Lane) => LifeFiles | undefined;

const orderAt = (tenure: Tenure | undefined, lifeOf: LifeOf): Report['order'] => {
  const life = tenure === undefined ? undefined : lifeOf(tenure.lane);
  if (tenure === undefined || life === undefined || tenure.began.cause === 'planned') return null;
  const { ip, lane, began } = tenure;
  const decided = lane.life.transitions.findLast(
    (transition) => transition.ip === ip && transition.to === 'candidate' && transition.at <= began.at,
  );
  const at = decided?.at ?? began.at;
  const taking = coreAt(life, at)?.taking(ip) ?? null;
  return taking === null ? null : { at: lane.clock.toCommon(at), node: tenure.node, taking };
};

const verdictAt = (lane: Lane, ip: Ip, at: number, lifeOf: LifeOf): NodeVerdict => {
  const { node } = lane.life;
  const without = (verdict: string): NodeVerdict => ({ node, verdict, taking: null });
  if (lane.ending === 'exit' && lane.to < at) return without('did not run: it had been stopped in order');
  if (lane.ending === 'lost' && lane.to < at) return without('did not run, or nothing of it got out');
  const life = lifeOf(lane);
  const core = life === undefined ? null : coreAt(life, lane.clock.fromCommon(at));
  if (core === null) return without('cannot be told: its record is damaged');
  const taking = core.taking(ip);
  if (taking === null) return without('did not know the IP: its configuration does not name it');
  return { node, verdict: taking.verdict, taking };
};

/** Everything about `ip` at `at` (common time). */
export const reportOn = (ownership: Ownership, lives: readonly LifeFiles[], ip: Ip, at: number): Report => {
  const lifeOf: LifeOf = ({ life }) =>
    lives.find(({ node, instance }) => node === life.node && instance === life.instance);
  const explanation = explain(ownership, ip, at);
  const { lanes } = ownership;
  const names = [...new Set(lanes.map(({ life }) => life.node))].sort();
  const nodes = names.map((node): NodeVerdict => {
    const lane = lanes
      .filter(({ life, from }) => life.node === node && from <= at)
      .toSorted((a, b) => a.from - b.from)
      .at(-1);
    if (lane !== undefined) return verdictAt(lane, ip, at, lifeOf);
    return { node, verdict: 'had not begun, by the record', taking: null };
  });
  const last = ownership.tenures.findLast((tenure) => tenure.ip === ip && tenure.from <= at);
  return { ...explanation, order: orderAt(last, lifeOf), nodes, lanes };
};

const listed = (items: readonly string[]): string =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;

const orderText = ({ candidates }: Taking): string => {
  const able = candidates.filter(({ place }) => place !== null).map(({ node }) => node);
  const excluded = candidates.flatMap(({ node, excluded: why }) => (why === null ? [] : [`${node}: ${why}`]));
  const first = able.length === 0 ? 'nobody' : able.join(', then ');
  return excluded.length === 0 ? first : `${first}; not ${excluded.join('; not ')}`;
};

const headline = (report: Report, moment: (at: number) => string): string => {
  const { ip, at, owners, lanes } = report;
  const names = [...new Set(lanes.map(({ life }) => life.node))].sort();
  const whose = `by the record${names.length > 1 ? 's' : ''} of ${listed(names)}`;
  const [owner, second] = owners;
  if (second !== undefined) {
    const who = owners.map(
      ({ node, began, from }) => `${node} (epoch ${began.epoch}, since ${moment(from)})`,
    );
    return `At ${moment(at)} ${ip} was owned by ${listed(who)} at once, ${whose}.`;
  }
  if (owner !== undefined)
    return `At ${moment(at)} ${ip} was owned by ${owner.node} (epoch ${owner.began.epoch}) since ${moment(owner.from)}, ${whose}.`;
  // Whose own record is here and does not say so is no holder, whatever others still believed.
  const believed = report.nodes.filter(({ taking }) => taking !== null && taking.holder !== null);
  const holder = believed.find(({ taking }) => !names.includes(taking?.holder ?? ''))?.taking?.holder ?? null;
  if (holder !== null)
    return `At ${moment(at)} ${ip} was owned by ${holder}, whose record is not here, ${whose}.`;
  const misled = believed.filter(({ taking }) => taking?.state === 'unowned');
  if (misled.length > 0) {
    const who = `${listed(misled.map(({ node }) => node))} still took ${misled[0]?.taking?.holder} for its owner`;
    return `At ${moment(at)} nobody owned ${ip}, ${whose}; ${who}.`;
  }
  return `At ${moment(at)} nobody owned ${ip}, ${whose}.`;
};

const sentence = ({ at, node, text, ref }: Sentence, moment: (at: number) => string): string =>
  `${moment(at)} ${node} ${text}.${ref === null ? '' : ` [${shortRef(ref)}]`}`;

const clocksText = ([reference, ...others]: readonly Lane[]): string | null => {
  const said = others.map(({ life, clock }) => {
    if (clock.errorMs === null)
      return `${life.node}'s is taken as it is, for nothing says how far it was off`;
    const sign = clock.offsetMs >= 0 ? '+' : '−';
    return `${life.node} ${sign}${Math.abs(clock.offsetMs).toFixed(1)} ± ${clock.errorMs.toFixed(1)} ms`;
  });
  if (reference === undefined || said.length === 0) return null;
  return `Times are UTC by the clock of ${reference.life.node}; the others': ${said.join(', ')}.`;
};

/** For people. */
export const reportText = (report: Report): string => {
  const { chain, earlier, order, nodes, unknown, lanes } = report;
  const moment = momentsBetween(Math.min(report.at, ...chain.map(({ at }) => at)), report.at);
  const parts = [headline(report, moment)];
  const lines = chain.map((each) => sentence(each, moment));
  if (earlier > 0) lines.unshift(`(${earlier} earlier owners are not told of)`);
  if (lines.length > 0) parts.push(lines.join('\n'));
  if (order !== null)
    parts.push(
      `Who could take it at ${moment(order.at)}, as ${order.node} saw it: ${orderText(order.taking)}.`,
    );
  const verdicts = nodes.map(({ node, verdict, taking }) => {
    const turn = taking?.turnAt ?? null;
    const isVacant = taking !== null && taking.holder === null && taking.candidates.length > 0;
    const ranking = isVacant ? ` (its order: ${orderText(taking)})` : '';
    return `  ${node} ${verdict}${turn === null ? '' : `, from ${moment(turn)} on`}${ranking}.`;
  });
  parts.push([`Each node at ${moment(report.at)}:`, ...verdicts].join('\n'));
  if (unknown.length > 0)
    parts.push(['Not in these records:', ...unknown.map((text) => `  ${text}.`)].join('\n'));
  const clocks = clocksText(lanes);
  if (clocks !== null) parts.push(clocks);
  return parts.join('\n\n');
};

const iso = (at: number): string => new Date(at).toISOString();

/** For scripts. */
export const reportJson = (report: Report) => ({
  ip: report.ip,
  at: iso(report.at),
  owners: report.owners.map(({ node, from, began }) => ({
    node,
    epoch: began.epoch,
    since: iso(from),
    cause: began.cause,
  })),
  chain: report.chain.map(({ at, node, text, ref }) => ({ at: iso(at), node, text, ref })),
  earlier: report.earlier,
  order:
    report.order === null
      ? null
      : {
          at: iso(report.order.at),
          node: report.order.node,
          candidates: report.order.taking.candidates,
        },
  nodes: report.nodes.map(({ node, verdict, taking }) => ({
    node,
    verdict,
    state: taking?.state ?? null,
    holder: taking?.holder ?? null,
    candidates: taking?.candidates ?? [],
  })),
  unknown: report.unknown,
  clocks: report.lanes.map(({ life, clock }) => ({
    node: life.node,
    instance: life.instance,
    offsetMs: clock.offsetMs,
    errorMs: clock.errorMs,
  })),
});
