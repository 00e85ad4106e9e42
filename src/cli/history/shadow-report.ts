// What `timeline` says of others who use the service IPs: as JSON, and as tables for people. Empty where nobody did.
import type { Comparison, Use } from '../../machines/incumbents.ts';
import type { Ownership } from '../../machines/ownership.ts';
import { table } from '../table.ts';
import { duration } from './moments.ts';
import { shortRef } from './refs.ts';

const iso = (at: number): string => new Date(at).toISOString();
const nameOf = ({ node, mac }: Use): string => (node === null ? mac : `${node} (${mac})`);

export const wireJson = (uses: readonly Use[], comparisons: readonly Comparison[]) => ({
  uses: uses.map(({ ip, mac, node, from, lastAt, seen, ref }) => ({
    ip,
    mac,
    node,
    from: iso(from),
    lastAt: iso(lastAt),
    seen,
    ref,
  })),
  comparison: comparisons.map(({ ip, wire, shadow }) => ({
    ip,
    wire:
      wire === null
        ? null
        : { at: iso(wire.after.from), before: wire.before.mac, after: wire.after.mac, darkMs: wire.darkMs },
    shadow:
      shadow === null
        ? null
        : {
            at: iso(shadow.after.from),
            before: shadow.before.node,
            after: shadow.after.node,
            gapMs: shadow.gapMs,
            cause: shadow.after.began.cause,
          },
  })),
});

type Moment = (at: number) => string;

const useRows = (uses: readonly Use[], moment: Moment): readonly string[][] =>
  uses.map((use) => [
    use.ip,
    nameOf(use),
    moment(use.from),
    moment(use.lastAt),
    `${use.seen}`,
    `[${shortRef(use.ref)}]`,
  ]);

const comparisonRows = (comparisons: readonly Comparison[], moment: Moment): readonly string[][] =>
  comparisons.map(({ ip, wire, shadow }) => [
    ip,
    ...(wire === null
      ? ['stayed', '', '']
      : [
          `${wire.before.node ?? wire.before.mac} -> ${wire.after.node ?? wire.after.mac}`,
          moment(wire.after.from),
          wire.darkMs === null ? '?' : duration(wire.darkMs),
        ]),
    ...(shadow === null
      ? ['would have stayed', '', '']
      : [`${shadow.before.node} -> ${shadow.after.node}`, moment(shadow.after.from), duration(shadow.gapMs)]),
  ]);

/** Tables, each a text; none where the wire showed nobody else. */
export const wireText = (
  { lanes }: Ownership,
  uses: readonly Use[],
  comparisons: readonly Comparison[],
  moment: Moment,
): readonly string[] => {
  const shadows = [...new Set(lanes.filter(({ life }) => life.isShadow).map(({ life }) => life.node))].sort();
  const parts: string[] = [];
  if (shadows.length > 0)
    parts.push(
      `In shadow mode: ${shadows.join(', ')}. What is said of them above is what they would have done.`,
    );
  if (uses.length > 0) {
    const head = ['IP', 'STATION', 'FIRST', 'LAST', 'SEEN', 'FIRST SEEN IN'];
    parts.push(`On the wire, others used service IPs:\n${table([head, ...useRows(uses, moment)])}`);
  }
  if (comparisons.length > 0) {
    const head = ['IP', 'ON THE WIRE', 'AT', 'DARK', 'HOLDFAST', 'AT', 'GAP'];
    parts.push(
      `Moves, and what Holdfast would have done:\n${table([head, ...comparisonRows(comparisons, moment)])}`,
    );
  }
  return parts;
};
