// Whose Lease is fresh. Judged by this node's own clock at the moment at which a change of the Lease was seen, never
// by the time written in it: clocks differ. Changes that are heard of late (after an outage) count from when they
// are heard, which errs on the side of taking a node for alive.

export interface LeaseEntry {
  /** The Lease's resourceVersion: grows with every renewal. */
  readonly version: string;
  /** Empty: given up on purpose. */
  readonly holder: string;
  /** Logical milliseconds. */
  readonly changedAt: number;
}

/** By node. JSON, so that it can lie in a checkpoint. */
export type LeaseTable = Readonly<Record<string, LeaseEntry>>;

/** How long a Lease counts after its last change was seen: leaseDurationSeconds of every daemon. */
export const LEASE_MS = 30_000;

/** What a watch or a list said of `node`'s Lease at `at`; the same version again is no change. */
export const leaseSeen = (
  table: LeaseTable,
  node: string,
  { holder, version }: { readonly holder: string; readonly version: string },
  at: number,
): LeaseTable => {
  if (table[node]?.version === version) return table;
  return { ...table, [node]: { version, holder, changedAt: at } };
};

/** The Lease was deleted. */
export const leaseGone = (table: LeaseTable, node: string): LeaseTable => {
  const { [node]: _, ...rest } = table;
  return rest;
};

/** When `node`'s Lease ends unless it changes; null if it has none that counts. */
export const leaseEndsAt = (table: LeaseTable, node: string): number | null => {
  const entry = table[node];
  return entry === undefined || entry.holder === '' ? null : entry.changedAt + LEASE_MS;
};

export const isLeaseFresh = (table: LeaseTable, node: string, at: number): boolean => {
  const end = leaseEndsAt(table, node);
  return end !== null && at < end;
};
