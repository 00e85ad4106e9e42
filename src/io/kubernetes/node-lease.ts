// This node's Lease: renewed every 10 s, valid for 30 s, so that nodes which do not hear this one on the wire know
// whether its daemon lives (design.md, "Kubernetes"). Past the write queue: 10,000 ServiceIPs to write must not make
// a living node look dead.
import { setTimeout as sleep } from 'node:timers/promises';
import { LEASE_MS } from '../../machines/unheard.ts';
import type { ClusterClient } from './cluster-client.ts';
import type { Parsed } from './mirror.ts';
import { type Failure, failed, type Outcome } from './outcome.ts';
import { LEASES } from './resource.ts';
import { askOf, microTime, readObject, type StoredObject, type Write } from './writer.ts';

const RENEW_MS = 10_000;
/** After a failure: three attempts more before the Lease ends. */
const RETRY_MS = 5_000;
/** A renewal that takes longer is tried again rather than waited for. */
const ASK_MS = 5_000;
const PREFIX = 'holdfast-';

/** What others read of a Lease; `holder` empty: the daemon has stopped on purpose. */
export interface LeaseSeen {
  /** Empty: the Lease of all daemons together. */
  readonly node: string;
  readonly holder: string;
  /** As written by the holder's clock: for people, never to be compared with this node's. */
  readonly renewTime: string;
  readonly resourceVersion: string;
}

const leaseName = (node: string): string => `${PREFIX}${node}`;

/** A daemon's Lease, the Lease named `common` (`node` is empty then), or undefined for one of somebody else. */
export const parseLease = (object: unknown, common?: string): Parsed<LeaseSeen> => {
  const { metadata, spec } = object as {
    metadata: { name: string; resourceVersion: string };
    spec?: { holderIdentity?: unknown; renewTime?: unknown };
  };
  const isCommon = metadata.name === common;
  if (!isCommon && !metadata.name.startsWith(PREFIX)) return { ok: true, value: undefined };
  const { holderIdentity = '', renewTime = '' } = spec ?? {};
  if (typeof holderIdentity !== 'string' || typeof renewTime !== 'string')
    return { ok: false, reason: 'spec.holderIdentity and spec.renewTime must be text' };
  const { name, resourceVersion } = metadata;
  return {
    ok: true,
    value: {
      node: isCommon ? '' : name.slice(PREFIX.length),
      holder: holderIdentity,
      renewTime,
      resourceVersion,
    },
  };
};

export interface NodeLeaseOptions {
  readonly client: ClusterClient;
  readonly namespace: string;
  readonly node: string;
  /** Tells this life of the daemon from others: its instance. */
  readonly holder: string;
  /** Wall clock, milliseconds since 1970; written into the Lease for people. */
  readonly wallNow: () => number;
  /** After every renewal. */
  readonly onRenewed: (lease: LeaseSeen) => void;
  /** Once for an outage. */
  readonly onFailing: (failure: Failure) => void;
  /** The Lease bore another holder, whom this renewal replaced: an earlier life, or a second node of this name. */
  readonly onTakenOver: (holder: string) => void;
  readonly renewMs?: number;
  readonly retryMs?: number;
}

export interface NodeLease {
  /** Ends the renewing and gives the Lease up, if the server can be told within `ASK_MS`. */
  release(): Promise<void>;
  /** Ends the renewing; the Lease runs out. */
  close(): void;
}

class Renewing implements NodeLease {
  private readonly options: NodeLeaseOptions;
  private readonly closed = new AbortController();
  private stored: StoredObject | null = null;
  private isFailing = false;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(options: NodeLeaseOptions) {
    this.options = options;
  }

  async run(): Promise<void> {
    const { renewMs = RENEW_MS, retryMs = RETRY_MS } = this.options;
    const { signal } = this.closed;
    while (!signal.aborted) {
      const turn = this.renew();
      this.turn = turn;
      await this.pause((await turn) ? renewMs : retryMs);
    }
  }

  close(): void {
    this.closed.abort();
  }

  async release(): Promise<void> {
    this.close();
    await this.turn;
    if (this.stored === null) return;
    await this.options.client.ask({ ...askOf(this.next(this.stored, '')), timeoutMs: ASK_MS });
  }

  private async pause(ms: number): Promise<void> {
    const back = new AbortController();
    const stop = this.options.client.reachability.onBack(() => back.abort());
    const signal = this.isFailing ? AbortSignal.any([back.signal, this.closed.signal]) : this.closed.signal;
    await sleep(ms, undefined, { signal }).catch(() => {});
    stop();
  }

  private async renew(): Promise<boolean> {
    const outcome = await this.attempt();
    if (outcome.ok) this.stored = outcome.value;
    if (this.closed.signal.aborted) return true;
    if (outcome.ok) {
      this.isFailing = false;
      const seen = parseLease(outcome.value);
      if (seen.ok && seen.value !== undefined) this.options.onRenewed(seen.value);
      return true;
    }
    if (!this.isFailing) this.options.onFailing(outcome.failure);
    this.isFailing = true;
    return false;
  }

  /** Writes over what this life wrote last; where somebody else wrote since, reads and writes over that, once. */
  private async attempt(): Promise<Outcome<StoredObject>> {
    const first = this.stored === null ? null : await this.put(this.stored);
    if (first !== null && (first.ok || !['conflict', 'missing'].includes(first.failure.kind))) return first;
    const { client, node, namespace, holder } = this.options;
    const found = await readObject(client, LEASES, leaseName(node), namespace);
    if (found.ok) {
      const seen = parseLease(found.value);
      const other = seen.ok ? seen.value?.holder : undefined;
      const outcome = await this.put(found.value);
      if (outcome.ok && other !== undefined && other !== '' && other !== holder)
        this.options.onTakenOver(other);
      return outcome;
    }
    if (found.failure.kind !== 'missing') return found;
    const spec = this.spec(holder, 0);
    const object = { metadata: { name: leaseName(node), namespace }, spec };
    return await this.send({ verb: 'create', resource: LEASES, object });
  }

  private put(over: StoredObject): Promise<Outcome<StoredObject>> {
    return this.send(this.next(over, this.options.holder));
  }

  private next(over: StoredObject, holder: string): Write {
    const old = (over.spec ?? {}) as {
      holderIdentity?: string;
      leaseTransitions?: number;
      acquireTime?: string;
    };
    const isSame = old.holderIdentity === holder;
    const transitions = (old.leaseTransitions ?? 0) + (isSame ? 0 : 1);
    const spec = this.spec(holder, transitions);
    const object = {
      metadata: over.metadata,
      spec: isSame && old.acquireTime !== undefined ? { ...spec, acquireTime: old.acquireTime } : spec,
    };
    return { verb: 'replace', resource: LEASES, object };
  }

  private spec(holder: string, leaseTransitions: number): Record<string, unknown> {
    const time = microTime(this.options.wallNow());
    return {
      // Nobody is said by leaving it out: newer servers refuse an empty name.
      ...(holder === '' ? {} : { holderIdentity: holder }),
      leaseDurationSeconds: LEASE_MS / 1000,
      acquireTime: time,
      renewTime: time,
      leaseTransitions,
    };
  }

  private async send(write: Write): Promise<Outcome<StoredObject>> {
    const outcome = await this.options.client.ask({ ...askOf(write), timeoutMs: ASK_MS });
    if (!outcome.ok) return outcome;
    const body = outcome.value.body as StoredObject;
    if (typeof body.metadata?.resourceVersion !== 'string') return failed('failed', 'the answer is no Lease');
    return { ok: true, value: body };
  }
}

/** Renews at once, then every 10 s. */
export const keepNodeLease = (options: NodeLeaseOptions): NodeLease => {
  const renewing = new Renewing(options);
  void renewing.run();
  return renewing;
};
