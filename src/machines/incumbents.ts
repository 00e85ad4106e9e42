// What the wire saw of others who use service IPs, beside what nodes in shadow mode would have done: who announced which
// IP when, each change of that, and the shadow's own move that belongs to it. Announcements come at moves, not all the
// time: when somebody stopped to serve they do not tell; that is known where it was this journal's node that died.
import type { NodeName } from './claims.ts';
import type { Ip, Mac } from './frames.ts';
import type { Between, Ownership, Tenure } from './ownership.ts';

/** A station was seen to use an IP, until another one was, or to the end of the record. Times of the reference. */
export interface Use {
  readonly ip: Ip;
  readonly mac: Mac;
  /** Null: no journal knows the MAC. */
  readonly node: NodeName | null;
  readonly from: number;
  readonly lastAt: number;
  /** Reports, one a second at most from each journal. */
  readonly seen: number;
  readonly ref: string;
}

/** A change of the user of an IP, or a move that only the shadow would have made. */
export interface Comparison {
  readonly ip: Ip;
  /** Null: nothing changed on the wire. */
  readonly wire: { readonly before: Use; readonly after: Use; readonly darkMs: number | null } | null;
  /** Null: the shadow would not have moved it. */
  readonly shadow: { readonly before: Tenure; readonly after: Tenure; readonly gapMs: number } | null;
}

/** A move of the shadow and one on the wire within this belong together: more than the slowest of others takes. */
const TOGETHER_MS = 60_000;

const nodesByMac = ({ lanes }: Ownership): ReadonlyMap<Mac, NodeName> =>
  new Map(lanes.flatMap(({ life }) => [...life.macs]));

/** Who used each IP, in order; frames of one station that several journals tell of are one. */
export const usesOf = (ownership: Ownership): readonly Use[] => {
  const nodes = nodesByMac(ownership);
  const seen = ownership.lanes
    .flatMap(({ life, clock }) => life.sightings.map((each) => ({ ...each, at: clock.toCommon(each.at) })))
    .sort((a, b) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.at - b.at));
  const uses: Use[] = [];
  for (const { ip, mac, at, ref } of seen) {
    const last = uses.at(-1);
    if (last?.ip === ip && last.mac === mac)
      uses[uses.length - 1] = { ...last, lastAt: at, seen: last.seen + 1 };
    else uses.push({ ip, mac, node: nodes.get(mac) ?? null, from: at, lastAt: at, seen: 1, ref });
  }
  return uses;
};

interface Move {
  readonly before: Tenure;
  readonly after: Tenure;
  readonly gapMs: number;
}

/** Each time another node in shadow mode would have taken over. */
const movesOf = ({ tenures, gaps }: Ownership): readonly Move[] =>
  tenures.flatMap((after, index) => {
    const before = tenures[index - 1];
    if (before?.ip !== after.ip || before.node === after.node) return [];
    if (!before.lane.life.isShadow || !after.lane.life.isShadow) return [];
    const gap = gaps.find((each: Between) => each.after === after);
    return [{ before, after, gapMs: gap?.ms ?? 0 }];
  });

/** From the death of the node that used it, as far as the shadow's own move tells, to the other's first frame. */
const darkMs = (before: Use, after: Use, move: Move | undefined): number | null => {
  if (move === undefined || before.node === null || move.before.node !== before.node) return null;
  return Math.max(0, after.from - (move.after.from - move.gapMs));
};

/** Every change on the wire with the shadow's move that is nearest to it, then the shadow's other moves. */
export const compare = (ownership: Ownership, uses: readonly Use[]): readonly Comparison[] => {
  if (!ownership.lanes.some(({ life }) => life.isShadow)) return [];
  const moves = new Set(movesOf(ownership));
  const compared = uses.flatMap((after, index): Comparison[] => {
    const before = uses[index - 1];
    if (before?.ip !== after.ip) return [];
    const distance = (move: Move): number => Math.abs(move.after.from - after.from);
    const [nearest] = [...moves]
      .filter((move) => move.after.ip === after.ip && distance(move) <= TOGETHER_MS)
      .sort((a, b) => distance(a) - distance(b));
    if (nearest !== undefined) moves.delete(nearest);
    const wire = { before, after, darkMs: darkMs(before, after, nearest) };
    return [{ ip: after.ip, wire, shadow: nearest ?? null }];
  });
  return [...compared, ...[...moves].map((shadow) => ({ ip: shadow.after.ip, wire: null, shadow }))];
};
