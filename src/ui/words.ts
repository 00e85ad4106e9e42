// Times and reasons as people read them.

/** `now`, `12 s`, `7 min`, `3.1 h`, `12 days`: how long ago. */
export const ago = (ms: number): string => {
  if (ms < 1_000) return 'now';
  if (ms < 120_000) return `${Math.floor(ms / 1_000)} s`;
  if (ms < 7_200_000) return `${Math.floor(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${(ms / 3_600_000).toFixed(1)} h` : `${Math.floor(ms / 86_400_000)} days`;
};

/** `12:00:03.204` (UTC, as everywhere in Holdfast). */
export const timeOfDay = (at: number | string): string => new Date(at).toISOString().slice(11, 23);

/** `2026-11-20 12:00:03.204`. */
export const moment = (at: number | string): string =>
  new Date(at).toISOString().replace('T', ' ').replace('Z', '');

/**
 * Why an IP is as it is. A node that never had it has no reason of its own but that nobody had claimed it when it began
 * to listen; who has it since then says more.
 */
export const reasonOf = ({
  cause,
  reason,
  state,
  holder,
}: {
  readonly cause: string;
  readonly reason: string;
  readonly state: string;
  readonly holder: string | null;
}): string =>
  cause === 'unclaimed' && state === 'unowned' && holder !== null ? `${holder} claims it` : reason;
