// Gentle rebalancing (off by default): at every interval the node that is i-th in the order of those that hold most
// gives one IP to the node that is i-th among those that hold least. All nodes see the same order, so that no two
// give to the same one.
import type { NodeName } from './claims.ts';
import { type CoreState, isDrained, myName } from './core-state.ts';
import { beginHandovers } from './handover.ts';
import type { Segment } from './segments.ts';
import { stateOf } from './service-ip.ts';
import type { Service } from './services.ts';
import { successorsFor } from './succession.ts';

/** After a node came or went, its IPs are still on their way. */
const SETTLED_MS = 60_000;
/** A smaller difference only changes places. */
const LEAST_DIFFERENCE = 2;

interface Load {
  readonly node: NodeName;
  readonly held: number;
}

export const scheduleRebalance = (state: CoreState): void => {
  const every = state.config?.rebalance ?? null;
  if (every === null) return state.timers.cancel('rebalance');
  if (!state.timers.has('rebalance')) {
    state.timers.set('rebalance', state.clock + every.intervalMs, { kind: 'rebalance' });
  }
};

const heldHere = (state: CoreState, segment: Segment): readonly Service[] =>
  [...state.services.all.values()].filter(
    ({ snapshot }) => stateOf(snapshot) === 'leader' && snapshot.context.interface === segment.name,
  );

/** Fewest first; of equals the one whose name sorts first. */
const byLoad = (a: Load, b: Load): number => a.held - b.held || (a.node < b.node ? -1 : 1);

const giveOne = (state: CoreState, segment: Segment): void => {
  if (state.clock < segment.changedAt + SETTLED_MS) return;
  const mine = heldHere(state, segment);
  if (mine.length === 0 || mine.some(({ handover }) => handover !== null)) return;
  const alive = [...segment.peers.all.values()].filter(({ state: at }) => at === 'alive' || at === 'late');
  const loads = [
    { node: myName(state), held: mine.length },
    ...alive.map(({ fact }) => ({ node: fact.node, held: segment.register.count(fact.node) })),
  ].sort(byLoad);
  const rank = loads.toReversed().findIndex(({ node }) => node === myName(state));
  const ready = new Set(alive.filter(({ fact }) => fact.flags.ready).map(({ fact }) => fact.node));
  const to = loads.filter(({ node }) => node === myName(state) || ready.has(node))[rank];
  if (to === undefined || mine.length - to.held < LEAST_DIFFERENCE) return;
  const given = mine.find((service) =>
    successorsFor(service, segment, new Map(), state.cluster.excluded).includes(to.node),
  );
  if (given !== undefined) beginHandovers(state, [given.ip], to.node);
};

/** The interval is over: gives one IP away on each segment where this node holds too many. */
export const rebalance = (state: CoreState): void => {
  scheduleRebalance(state);
  if (!state.isEligible || isDrained(state) || state.stopping !== null) return;
  for (const segment of state.segments.values()) giveOne(state, segment);
};
