// A timeline as bands: who owned an IP from when to when, where nobody did and where two did, cut to the part of time
// that is in sight. Pure; timeline-view.ts draws it.
import type { Ownership } from '../machines/ownership.ts';

export interface Span {
  /** Milliseconds, in the reference's time. */
  readonly from: number;
  readonly to: number;
}

export interface Band extends Span {
  readonly kind: 'owner' | 'gap' | 'overlap';
  /** The owner; of a gap and an overlap how long it is. */
  readonly name: string;
  /** For people: from when to when, and why. */
  readonly about: string;
}

export interface LaneBands {
  readonly ip: string;
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

/** One lane for each IP, in the order of the tenures. */
export const lanesOf = (ownership: Ownership): readonly LaneBands[] => {
  const { to: end } = wholeSpan(ownership);
  const { tenures, gaps, overlaps } = ownership;
  const lanes = new Map<string, Band[]>();
  const put = (ip: string, band: Band): void => {
    const bands = lanes.get(ip) ?? [];
    bands.push(band);
    lanes.set(ip, bands);
  };
  for (const { ip, node, from, to, began, ended } of tenures) {
    const why = `took it: ${began.reason}${ended === null ? '' : `; ended: ${ended.reason}`}`;
    put(ip, {
      kind: 'owner',
      name: node,
      from,
      to: to ?? end,
      about: `${node} (epoch ${began.epoch}) ${why}`,
    });
  }
  for (const [kind, betweens] of [
    ['gap', gaps],
    ['overlap', overlaps],
  ] as const)
    for (const { ip, from, to, ms, errorMs } of betweens) {
      const long =
        length(ms ?? end - from) + (errorMs === null || errorMs === 0 ? '' : ` ± ${length(errorMs)}`);
      put(ip, { kind, name: long, from, to: to ?? end, about: `${kind} of ${long}` });
    }
  return [...lanes].map(([ip, bands]) => ({ ip, bands }));
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

/** Where a band lies, in percent of what is in sight; null: it is not in sight. */
export const placed = (band: Span, sight: Span): { readonly left: number; readonly width: number } | null => {
  if (band.to < sight.from || band.from > sight.to) return null;
  const percent = (at: number): number => ((at - sight.from) / (sight.to - sight.from)) * 100;
  const left = Math.max(percent(band.from), 0);
  return { left, width: Math.min(percent(band.to), 100) - left };
};
