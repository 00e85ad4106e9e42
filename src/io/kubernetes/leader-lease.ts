// One daemon of all does what only one needs to do (the allocator): whoever holds this Lease. It is judged like all
// Leases by this node's own clock: one whose resourceVersion has not changed for its duration is over. What its holder
// does must not rely on being the only one (reservations.ts): a node that was paused may believe so for a moment.
import type { ClusterClient } from './cluster-client.ts';
import type { Outcome } from './outcome.ts';
import { LEASES } from './resource.ts';
import { askOf, microTime, readObject, type StoredObject } from './writer.ts';

const RENEW_MS = 2_000;
/** Without a renewal for so long, another one takes over. */
const LEADER_LEASE_MS = 8_000;
const ASK_MS = 2_000;

export interface LeaderLeaseOptions {
  readonly client: ClusterClient;
  readonly namespace: string;
  readonly name: string;
  /** Who this is; told apart by it from all others, and from earlier lives. */
  readonly holder: string;
  readonly wallNow: () => number;
  /** Called when it becomes, or ceases to be, the holder. */
  readonly onChange: (isLeader: boolean) => void;
}

export interface LeaderLease {
  isLeader(): boolean;
  /**
   * A watch showed the Lease: while it is somebody else's and alive, nothing is asked. (Each daemon that asked for
   * itself every two seconds made 100 requests a second in a cluster of 200.)
   */
  observe(lease: { readonly holder: string; readonly resourceVersion: string }): void;
  /** Gives it up, so that another one need not wait. */
  release(): Promise<void>;
}

export const seekLeaderLease = (options: LeaderLeaseOptions): LeaderLease => {
  const { client, namespace, name, holder, wallNow, onChange } = options;
  let seen: { readonly version: string; readonly since: number; readonly holder: string } | null = null;
  let stored: StoredObject | null = null;
  let leaderUntil = 0;
  let wasLeader = false;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;

  const isLeader = (): boolean => !isClosed && performance.now() < leaderUntil;

  const judge = (): void => {
    if (isLeader() === wasLeader) return;
    wasLeader = !wasLeader;
    onChange(wasLeader);
  };

  const objectFor = (owner: string, over: StoredObject | null): Record<string, unknown> => ({
    metadata: over?.metadata ?? { name, namespace },
    spec: {
      ...(owner === '' ? {} : { holderIdentity: owner }),
      leaseDurationSeconds: LEADER_LEASE_MS / 1000,
      renewTime: microTime(wallNow()),
    },
  });

  const write = async (owner: string, over: StoredObject | null): Promise<Outcome<StoredObject>> => {
    const object = objectFor(owner, over) as { metadata: { name: string } };
    const verb = over === null ? 'create' : 'replace';
    const outcome = await client.ask({ ...askOf({ verb, resource: LEASES, object }), timeoutMs: ASK_MS });
    return outcome.ok ? { ok: true, value: outcome.value.body as StoredObject } : outcome;
  };

  const take = async (over: StoredObject | null): Promise<void> => {
    // From before the request: a late answer must not make the time longer.
    const from = performance.now();
    const outcome = await write(holder, over);
    if (!outcome.ok) {
      stored = null;
      return;
    }
    stored = outcome.value;
    leaderUntil = from + LEADER_LEASE_MS;
  };

  const observe: LeaderLease['observe'] = ({ holder: owner, resourceVersion: version }) => {
    if (seen?.version !== version) seen = { version, since: performance.now(), holder: owner };
  };

  const isOthers = (): boolean =>
    seen !== null &&
    seen.holder !== '' &&
    seen.holder !== holder &&
    performance.now() < seen.since + LEADER_LEASE_MS;

  /** Is it somebody else's, and alive as far as this node has watched? */
  const isTaken = ({ spec, metadata }: StoredObject): boolean => {
    const { holderIdentity = '' } = (spec ?? {}) as { holderIdentity?: string };
    observe({ holder: holderIdentity, resourceVersion: metadata.resourceVersion });
    return isOthers();
  };

  const turn = async (): Promise<void> => {
    if (stored !== null && isLeader()) {
      await take(stored);
      if (stored !== null) return;
    }
    if (isOthers()) return;
    const found = await readObject(client, LEASES, name, namespace);
    if (found.ok) {
      if (!isTaken(found.value)) await take(found.value);
    } else if (found.failure.kind === 'missing') await take(null);
  };

  const run = async (): Promise<void> => {
    await turn();
    judge();
    if (!isClosed) timer = setTimeout(() => void run(), RENEW_MS);
  };
  void run();

  return {
    isLeader,
    observe,
    release: async () => {
      const held = isLeader() ? stored : null;
      isClosed = true;
      clearTimeout(timer);
      if (held !== null) await write('', held);
    },
  };
};
