// A timeline as bands: who owned an IP from when to when, or what a node owned; where nobody did and where two did.
// Cut to the part of time that is in sight, and what is too narrow to be seen put together. Pure; timeline-view.ts
// draws it.
import type { Ownership, Tenure } from '../machines/ownership.ts';

export interface Span {
  /** Milliseconds, in the reference's time. */
  readonly from: number;
  readonly to: number;
}

export interface Band extends Span {
  /** `away`: the node was not running, or its record is not here. */
  readonly kind: 'owner' | 'gap' | 'overlap' | 'away';
  /** The owner, or what is owned; of a gap and an overlap how long it is. */
  readonly name: string;
  /** Whose colour it has; null: none. */
  readonly node: string | null;
  /** For people: what this is, and why it began and ended. */
  readonly about: string;
}

export interface LaneBands {
  readonly name: string;
  /** Null: a lane of a node, or of all. */
  readonly ip: string | null;
  /** In the order of their beginnings. */
  readonly bands: readonly Band[];
}

/** `2.4 ms`, `340 ms`, `12.0 s`. */
const length = (ms: number): string => {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
};

/** From the first to the last moment of all lives. */
export const wholeSpan = ({ lanes }: Ownership): Span => ({
  from: Math.min(...lanes.map(({ from }) => from)),
  to: Math.max(...lanes.map(({ to }) => to)),
});

const byFrom = (a: Span, b: Span): number => a.from - b.from;

interface Between {
  readonly ip: string;
  readonly band: Band;
}

/** Every time in which nobody answered for an IP, or two did. */
const betweens = (ownership: Ownership, end: number): readonly Between[] =>
  (
    [
      ['gap', ownership.gaps],
      ['overlap', ownership.overlaps],
    ] as const
  ).flatMap(([kind, list]) =>
    list.map(({ ip, from, to, ms, errorMs, before, after }): Between => {
      const error = errorMs === null || errorMs === 0 ? '' : ` ± ${length(errorMs)}`;
      const long = length(ms ?? end - from);
      const who = after === null ? `after ${before.node}` : `from ${before.node} to ${after.node}`;
      const about = `${ip}: ${kind} of ${long}${error}, ${who}`;
      return { ip, band: { kind, name: long, node: null, from, to: to ?? end, about } };
    }),
  );

/** One lane for each IP, in the order of the tenures. */
export const lanesOf = (ownership: Ownership): readonly LaneBands[] => {
  const { to: end } = wholeSpan(ownership);
  const lanes = new Map<string, Band[]>();
  const put = (ip: string, band: Band): void => {
    const bands = lanes.get(ip) ?? [];
    bands.push(band);
    lanes.set(ip, bands);
  };
  for (const { ip, node, from, to, began, ended } of ownership.tenures) {
    const why = `took it: ${began.reason}${ended === null ? '' : `; ended: ${ended.reason}`}`;
    const about = `${ip}: ${node} (epoch ${began.epoch}) ${why}`;
    put(ip, { kind: 'owner', name: node, node, from, to: to ?? end, about });
  }
  for (const { ip, band } of betweens(ownership, end)) put(ip, band);
  return [...lanes].map(([ip, bands]) => ({ name: ip, ip, bands: bands.sort(byFrom) }));
};

/** So many addresses, or changes, of a band are named. */
const MAX_NAMED = 4;
const named = (texts: Iterable<string>, count: number): string => {
  const shown = [...texts].slice(0, MAX_NAMED).join(', ');
  return count > MAX_NAMED ? `${shown} and ${count - MAX_NAMED} more` : shown;
};

interface Change {
  readonly at: number;
  readonly isTaken: boolean;
  readonly tenure: Tenure;
}

const changeText = ({ isTaken, tenure: { ip, began, ended } }: Change): string =>
  isTaken ? `took ${ip}: ${began.reason}` : `gave up ${ip}: ${ended?.reason ?? 'its life ended'}`;

/** What a node held, a band for each time in which that stayed the same. */
const heldBands = (node: string, tenures: readonly Tenure[], end: number): readonly Band[] => {
  const changes = tenures
    .flatMap((tenure): Change[] => [
      { at: tenure.from, isTaken: true, tenure },
      { at: tenure.to ?? end, isTaken: false, tenure },
    ])
    .sort((a, b) => a.at - b.at);
  const bands: Band[] = [];
  const held = new Set<string>();
  for (let index = 0; index < changes.length; ) {
    const { at } = changes[index] as Change;
    const now: Change[] = [];
    for (; changes[index]?.at === at; index += 1) {
      const change = changes[index] as Change;
      now.push(change);
      if (change.isTaken) held.add(change.tenure.ip);
      else held.delete(change.tenure.ip);
    }
    const next = changes[index];
    if (held.size === 0 || next === undefined) continue;
    const [only] = held;
    const why = now.slice(0, 2).map(changeText).join('; ');
    bands.push({
      kind: 'owner',
      name: held.size === 1 ? String(only) : `${held.size} IPs`,
      node,
      from: at,
      to: next.at,
      about: `${node} holds ${named(held, held.size)}. It ${why}${now.length > 2 ? `; ${now.length - 2} more` : ''}`,
    });
  }
  return bands;
};

const ENDINGS = { exit: 'it had exited', lost: 'it was lost', open: 'its record ends' } as const;

/** When a node was not there, as far as its lives tell. */
const awayBands = ({ lanes }: Ownership, node: string, whole: Span): readonly Band[] => {
  const lives = lanes.filter(({ life }) => life.node === node).sort(byFrom);
  let { from } = whole;
  let why = 'its record begins later';
  const bands: Band[] = [];
  const put = (to: number): void => {
    const about = `${node} is not in the record: ${why}`;
    if (to > from) bands.push({ kind: 'away', name: why, node: null, from, to, about });
  };
  for (const { from: born, to, ending } of lives) {
    put(born);
    from = to;
    why = ENDINGS[ending];
  }
  put(whole.to);
  return bands;
};

/** One lane for each node, below one with every gap and overlap. */
export const nodeLanesOf = (ownership: Ownership): readonly LaneBands[] => {
  const whole = wholeSpan(ownership);
  const nodes = [...new Set(ownership.lanes.map(({ life }) => life.node))].sort();
  const all = betweens(ownership, whole.to).map(({ band }) => band);
  return [
    { name: 'gaps, overlaps', ip: null, bands: all.sort(byFrom) },
    ...nodes.map((node) => {
      const own = ownership.tenures.filter((tenure) => tenure.node === node);
      const bands = [...heldBands(node, own, whole.to), ...awayBands(ownership, node, whole)];
      return { name: node, ip: null, bands: bands.sort(byFrom) };
    }),
  ];
};

/** No closer than a millisecond, and not beyond the whole. */
const LEAST_MS = 1;

/** The part of time in sight after zooming by `factor` (below 1: closer) around `at`. */
export const zoomed = (sight: Span, whole: Span, factor: number, at: number): Span => {
  const width = Math.min(Math.max((sight.to - sight.from) * factor, LEAST_MS), whole.to - whole.from);
  const share = (at - sight.from) / (sight.to - sight.from);
  const from = Math.min(Math.max(at - width * share, whole.from), whole.to - width);
  return { from, to: from + width };
};

/** `sight`, moved as little as it takes to show `at`. */
export const showing = (sight: Span, whole: Span, at: number): Span => {
  if (at >= sight.from && at <= sight.to) return sight;
  const width = sight.to - sight.from;
  const from = Math.min(Math.max(at - width / 2, whole.from), whole.to - width);
  return { from, to: from + width };
};

interface Place {
  readonly left: number;
  readonly width: number;
}

/** Where a band lies, in percent of what is in sight; null: it is not in sight. */
export const placed = (band: Span, sight: Span): Place | null => {
  if (band.to < sight.from || band.from > sight.to) return null;
  const percent = (at: number): number => ((at - sight.from) / (sight.to - sight.from)) * 100;
  const left = Math.max(percent(band.from), 0);
  return { left, width: Math.min(percent(band.to), 100) - left };
};

export interface DrawnBand extends Place {
  readonly band: Band;
  /** How many bands this stands for: too narrow, each, to be seen. */
  readonly count: number;
}

/** Narrower than this, in percent, a band is a hair on any screen. */
const HAIR = 0.15;

/** What of a lane is drawn: hairs of one kind that lie side by side are one band that says how many they are. */
export const drawnBands = (bands: readonly Band[], sight: Span): readonly DrawnBand[] => {
  const drawn: DrawnBand[] = [];
  for (const band of bands) {
    const place = placed(band, sight);
    if (place === null) continue;
    const last = drawn.at(-1);
    const isHair = place.width < HAIR;
    if (
      !isHair ||
      last === undefined ||
      last.band.kind !== band.kind ||
      (last.count === 1 && last.width >= HAIR) ||
      place.left - last.left - last.width > HAIR
    ) {
      drawn.push({ band, ...place, count: 1 });
      continue;
    }
    const count = last.count + 1;
    const width = Math.max(place.left + place.width - last.left, last.width);
    const about = `${count} ${band.kind === 'owner' ? 'moves' : `${band.kind}s`} side by side: closer shows each`;
    drawn[drawn.length - 1] = {
      band: { ...last.band, name: '', node: null, to: Math.max(last.band.to, band.to), about },
      left: last.left,
      width,
      count,
    };
  }
  return drawn;
};
