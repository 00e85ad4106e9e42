// What a mirrored collection says: the whole of it after every list, single changes in between, and how well it is
// known. Level-based: who misses a change is put right by the next `replaced`, and nothing is ever told as gone
// because its source is away.

/** `since` is in the clock of whoever mirrors, milliseconds. */
export interface SourceHealth {
  /** `starting`: never read yet. `absent`: the server has no such resource. `broken`: what is known grows old. */
  readonly state: 'starting' | 'synced' | 'broken' | 'absent';
  /** One line for people; null unless broken or absent. */
  readonly reason: string | null;
  readonly since: number;
}

export type Reflection<T> =
  | { readonly type: 'replaced'; readonly items: ReadonlyMap<string, T> }
  /** `value` null: it was deleted. */
  | { readonly type: 'changed'; readonly key: string; readonly value: T | null }
  /** An object that could not be used; what was last known of it stays. Told once for each version of it. */
  | { readonly type: 'malformed'; readonly key: string; readonly reason: string }
  | { readonly type: 'health'; readonly health: SourceHealth };
