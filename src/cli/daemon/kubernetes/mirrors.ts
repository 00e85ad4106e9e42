// Every resource that Holdfast reads, mirrored: one reflector each, objects read into facts, told as "this key is now
// this, or gone". What cannot be read is said in a line, and what was known of it stays.
import type { Logger } from 'pino';
import type { ClusterClient } from '../../../io/kubernetes/cluster-client.ts';
import type { Parse } from '../../../io/kubernetes/mirror.ts';
import { type LeaseSeen, parseLease } from '../../../io/kubernetes/node-lease.ts';
import { readAdvertisement } from '../../../io/kubernetes/objects/advertisement.ts';
import { readEndpointSlice } from '../../../io/kubernetes/objects/endpoint-slice.ts';
import { readNamespace, readNode } from '../../../io/kubernetes/objects/node.ts';
import { readAddressPool, readIpAddressPool } from '../../../io/kubernetes/objects/pool.ts';
import type { Reading } from '../../../io/kubernetes/objects/reading.ts';
import { readService } from '../../../io/kubernetes/objects/service.ts';
import { readServiceIpObject } from '../../../io/kubernetes/objects/service-ip.ts';
import { type Reflector, startReflector } from '../../../io/kubernetes/reflector.ts';
import * as R from '../../../io/kubernetes/resource.ts';
import type {
  AdvertisementFact,
  EndpointSliceFact,
  NamespaceFact,
  NodeFact,
  PoolFact,
  ServiceFact,
  ServiceIpFact,
} from '../../../machines/cluster/cluster-facts.ts';
import type { Reflection, SourceHealth } from '../../../machines/reflection.ts';

/** `isNews`: seen live, not by a list. Null: it is gone. */
type Told<T> = (key: string, value: T | null, isNews: boolean) => void;

/** Whoever holds it allocates. */
export const ALLOCATOR_LEASE = 'allocator.holdfast.dev';
/** Of each resource; a controller gone wrong may spoil thousands, and the log has all of them. */
const MALFORMED_SAID = 5;

export interface MirrorListeners {
  readonly service: Told<ServiceFact>;
  readonly node: Told<NodeFact>;
  readonly namespace: Told<NamespaceFact>;
  readonly slice: Told<EndpointSliceFact | null>;
  readonly pool: Told<PoolFact>;
  readonly advertisement: Told<AdvertisementFact>;
  readonly serviceIp: Told<ServiceIpFact>;
  readonly lease: Told<LeaseSeen | null>;
  /** Something was told: look at the whole again. */
  readonly changed: () => void;
}

export interface Mirrors {
  /** Every resource has been listed once, or is known not to be there. */
  isWhole(): boolean;
  /** What grows old, and why; empty when all is well. */
  findings(): readonly string[];
  close(): void;
}

/** A reading with its notes, each said once for an object's version. */
const parseWith =
  <T>(read: (raw: unknown) => Reading<T>, log: Logger): Parse<T> =>
  (raw) => {
    const reading = read(raw);
    if ('wrong' in reading) return { ok: false, reason: reading.wrong };
    for (const line of reading.notes) log.warn({ code: 'kubernetes-object' }, line);
    return { ok: true, value: reading.value };
  };

/** Whole lists as differences: what is not in a new list is gone. */
const byKey = <T>(tell: Told<T>) => {
  const known = new Map<string, T>();
  const set = (key: string, value: T | null, isNews: boolean): void => {
    if (value === null) {
      if (known.delete(key)) tell(key, null, isNews);
    } else if (known.get(key) !== value) {
      known.set(key, value);
      tell(key, value, isNews);
    }
  };
  return (reflection: Reflection<T>): void => {
    if (reflection.type === 'changed') return set(reflection.key, reflection.value, true);
    if (reflection.type !== 'replaced') return;
    for (const key of [...known.keys()]) if (!reflection.items.has(key)) set(key, null, false);
    for (const [key, value] of reflection.items) set(key, value, false);
  };
};

export const mirrorCluster = (
  client: ClusterClient,
  leaseNamespace: string,
  listeners: MirrorListeners,
  { now, log }: { readonly now: () => number; readonly log: Logger },
): Mirrors => {
  const reflectors = new Map<string, Reflector>();
  const listed = new Set<string>();

  const sayHealth = (plural: string, { state, reason }: SourceHealth): void => {
    if (state === 'absent') listed.add(plural);
    if (state === 'broken') log.warn({ code: 'kubernetes-source' }, `${reason}; what is known stays`);
    else log.debug({ code: 'kubernetes-source', plural }, `${plural}: ${state}`);
  };

  const mirror = <T>(resource: R.Resource, parse: Parse<T>, tell: Told<T>, namespace?: string): void => {
    const { plural } = resource;
    const take = byKey(tell);
    const listener = (reflection: Reflection<T>): void => {
      if (reflection.type === 'health') sayHealth(plural, reflection.health);
      if (reflection.type === 'malformed')
        log.warn({ code: 'kubernetes-object' }, `${reflection.reason}; it is passed over`);
      take(reflection);
      if (reflection.type === 'replaced') listed.add(plural);
      // Renewals, 20 a second of 200 daemons, concern no address: nothing is to be planned anew for them.
      if (resource !== R.LEASES || reflection.type !== 'changed') listeners.changed();
    };
    const place = namespace === undefined ? {} : { namespace };
    reflectors.set(
      plural,
      startReflector({ client, resource, parse, listener, now, random: Math.random, ...place }),
    );
  };

  mirror(R.SERVICES, parseWith(readService, log), listeners.service);
  mirror(R.NODES, parseWith(readNode, log), listeners.node);
  mirror(R.NAMESPACES, parseWith(readNamespace, log), listeners.namespace);
  mirror(R.ENDPOINT_SLICES, parseWith(readEndpointSlice, log), listeners.slice);
  mirror(R.ADDRESS_POOLS, parseWith(readAddressPool, log), listeners.pool);
  mirror(R.IP_ADDRESS_POOLS, parseWith(readIpAddressPool, log), listeners.pool);
  mirror(R.L2_ADVERTISEMENTS, parseWith(readAdvertisement, log), listeners.advertisement);
  mirror(R.SERVICE_IPS, parseWith(readServiceIpObject, log), listeners.serviceIp);
  mirror(R.LEASES, (raw) => parseLease(raw, ALLOCATOR_LEASE), listeners.lease, leaseNamespace);

  return {
    isWhole: () => [...reflectors.keys()].every((plural) => listed.has(plural)),
    findings: () =>
      [...reflectors.values()].flatMap((reflector) => [
        ...(reflector.health.state === 'broken' ? [`kubernetes: ${reflector.health.reason}`] : []),
        ...reflector.malformed(MALFORMED_SAID).map((reason) => `${reason}; it is passed over`),
      ]),
    close: () => {
      for (const reflector of reflectors.values()) reflector.close();
    },
  };
};
