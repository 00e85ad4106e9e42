// A mirrored collection as one level: whatever changed, the newest whole state, at most once in a while. For whoever
// joins several collections (Services with their slices and Nodes) and needs them all to say anything.
import { asyncScheduler, auditTime, filter, map, type Observable, type SchedulerLike, scan } from 'rxjs';
import type { Reflection } from '../machines/reflection.ts';

/** Changes come in flocks (a rollout, a relist); a level loses nothing by waiting this long. */
const GATHER_MS = 20;

interface Gathered<T> {
  /** Null until the first list is whole: half a collection would be taken for the truth. */
  readonly items: Map<string, T> | null;
}

const gather = <T>({ items }: Gathered<T>, reflection: Reflection<T>): Gathered<T> => {
  if (reflection.type === 'replaced') return { items: new Map(reflection.items) };
  if (reflection.type !== 'changed' || items === null) return { items };
  // One map, changed in place: copies of 10,000 entries for each change would cost more than all else.
  if (reflection.value === null) items.delete(reflection.key);
  else items.set(reflection.key, reflection.value);
  return { items };
};

/**
 * The whole collection after changes, from the first complete list on. The map is a copy: it stays what it was.
 * `gatherMs` is how long changes are gathered.
 */
export const snapshots = <T>(
  source: Observable<Reflection<T>>,
  scheduler: SchedulerLike = asyncScheduler,
  gatherMs = GATHER_MS,
): Observable<ReadonlyMap<string, T>> =>
  source.pipe(
    filter(({ type }) => type === 'replaced' || type === 'changed'),
    scan<Reflection<T>, Gathered<T>>(gather, { items: null }),
    auditTime(gatherMs, scheduler),
    map(({ items }) => items),
    filter((items) => items !== null),
    map((items) => new Map(items)),
  );
