// "Did you mean": the known word nearest to what somebody wrote.

/** Longer words are not typing errors of ours, and the table below is quadratic in their length. */
const MAX_WORD = 40;

/** Letters only: `dead_after`, `dead-after` and `DeadAfter` are all `deadAfter` to the person who typed them. */
const plain = (word: string): string => word.toLowerCase().replace(/[-_ .]/g, '');

/** Insertions, deletions, replacements and swaps of neighbours that turn `from` into `to`. */
const editDistance = (from: string, to: string): number => {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, index) => index)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= from.length; i += 1) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= to.length; j += 1) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const edits = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + same);
      row.push(swapped ? Math.min(edits, at(i - 2, j - 2) + 1) : edits);
    }
  }
  return at(from.length, to.length);
};

/** The known word that `word` probably meant, or null: at most a third of its letters may differ. */
export const nearest = (word: string, known: readonly string[]): string | null => {
  if (word.length > MAX_WORD) return null;
  const from = plain(word);
  let best: string | null = null;
  let least = Math.max(1, Math.floor(from.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(from, plain(candidate));
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
};
