// What listeners are told, as levels: rows by key, each with the number of its last change. Whoever has seen
// everything up to a number is told what is newer, once and as it is now, however long he was away; so a slow
// reader costs no memory, and there is no queue that could overflow. Beside it the last moves, one by one.

/** Rows that went are remembered so long; who was away for longer begins anew. */
const MAX_GONE = 1_024;
/** The last moves, kept for whoever comes later. */
const MAX_MOVES = 256;

export interface Row {
  readonly key: string;
  /** JSON; null: there is no such row any more. */
  readonly text: string | null;
  readonly sequence: number;
}

export interface Move {
  readonly text: string;
  readonly sequence: number;
}

export interface LevelTable {
  /** The number of the last change. */
  readonly sequence: number;
  /** True when it was another text before. */
  set(key: string, text: string): boolean;
  remove(key: string): void;
  keys(): Iterable<string>;
  /** Adds a move, JSON text. */
  move(text: string): void;
  /** Does it still know everything that happened after `sequence`? */
  knows(sequence: number): boolean;
  /** Rows that changed after `sequence`, oldest change first, at most `limit`. */
  since(sequence: number, limit: number): readonly Row[];
  movesSince(sequence: number): readonly Move[];
}

export const createLevelTable = (): LevelTable => {
  // Changed rows are put in anew, so that the Map's own order is the order of changes.
  const rows = new Map<string, Row>();
  const moves: Move[] = [];
  let sequence = 0;
  let gone = 0;
  /** The last change that was forgotten. */
  let forgotten = 0;
  const put = (key: string, text: string | null): void => {
    sequence += 1;
    rows.delete(key);
    rows.set(key, { key, text, sequence });
  };
  const forgetOldest = (): void => {
    for (const [key, row] of rows) {
      if (row.text !== null) continue;
      rows.delete(key);
      forgotten = row.sequence;
      gone -= 1;
      return;
    }
  };
  return {
    get sequence() {
      return sequence;
    },
    set: (key, text) => {
      const before = rows.get(key);
      if (before?.text === text) return false;
      if (before?.text === null) gone -= 1;
      put(key, text);
      return true;
    },
    remove: (key) => {
      const before = rows.get(key);
      if (before === undefined || before.text === null) return;
      put(key, null);
      gone += 1;
      if (gone > MAX_GONE) forgetOldest();
    },
    *keys() {
      for (const { key, text } of rows.values()) if (text !== null) yield key;
    },
    move: (text) => {
      sequence += 1;
      moves.push({ text, sequence });
      if (moves.length > MAX_MOVES) moves.shift();
    },
    knows: (since) => since >= forgotten && since <= sequence,
    since: (since, limit) => {
      const found: Row[] = [];
      if (since >= sequence) return found;
      for (const row of rows.values()) {
        if (row.sequence > since) found.push(row);
        if (found.length >= limit) break;
      }
      return found;
    },
    movesSince: (since) => moves.filter((move) => move.sequence > since),
  };
};
