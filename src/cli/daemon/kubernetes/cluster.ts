// `cluster: kubernetes`, put together: mirrors of the API to the core's inputs, the core's moves to ServiceIP objects
// and Events, this node's Lease, and the allocator on whichever daemon holds its Lease. The wire needs none of it:
// with the API server away all goes on from what is known.
import type { Logger } from 'pino';
import type { Observable } from 'rxjs';
import type { ClusterClient } from '../../../io/kubernetes/cluster-client.ts';
import { seekLeaderLease } from '../../../io/kubernetes/leader-lease.ts';
import { keepNodeLease, type LeaseSeen } from '../../../io/kubernetes/node-lease.ts';
import { createWriter } from '../../../io/kubernetes/writer.ts';
import type { ClusterLevels } from '../../../io/metrics/metrics.ts';
import { type AllocatorFacts, coveredNodeAddresses } from '../../../machines/cluster/allocator.ts';
import {
  type ClassRule,
  isOurs,
  type Labels,
  type ServiceFact,
  serviceKey,
} from '../../../machines/cluster/cluster-facts.ts';
import type { ServiceIpConfig } from '../../../machines/config.ts';
import type { Core } from '../../../machines/core.ts';
import type { Effect } from '../../../machines/effects.ts';
import type { Ip } from '../../../machines/frames.ts';
import type { Input } from '../../../machines/inputs.ts';
import { effectsOf } from '../../../streams/runtime.ts';
import { createAllocation } from './allocation.ts';
import { ALLOCATOR_LEASE, mirrorCluster } from './mirrors.ts';
import { createMoveEvents } from './move-events.ts';
import { createObjectWriter } from './object-writer.ts';
import { createProjection } from './projection.ts';

/** The allocator serves a whole cluster, and is one: twice what each daemon may write. */
const ALLOCATOR_LIMITS = { perSecond: 200, burst: 400, inFlight: 16 };
/** Events are for people and must not keep objects waiting: the kubelet's rate, and one for each of 10,000 IPs. */
const EVENT_LIMITS = { perSecond: 50, burst: 100, inFlight: 2, queue: 10_000 };
/** A cluster that cannot be read by then is gone on with from what the journal remembers. */
const REMEMBER_AFTER_MS = 2_000;
const DEFAULT_NAMESPACE = 'holdfast-system';

export interface ClusterParts {
  readonly client: ClusterClient;
  readonly rule: ClassRule;
  readonly namespace: string | null;
  readonly node: string;
  readonly instance: string;
  /** False (shadow mode): reads and decides, and writes nothing at all, not even a Lease: others must not count on it. */
  readonly announce: boolean;
  readonly core: Core;
  readonly effects$: Observable<readonly Effect[]>;
  readonly tell: (input: Input) => void;
  readonly now: () => number;
  readonly log: Logger;
  readonly onServiceIps: (ips: readonly Ip[]) => void;
  /** Calls back with how many clients of an IP were known when this node took it, once they have been asked. */
  readonly onSettled: (listener: (ip: Ip, known: number) => void) => void;
  /** What the last life of this node knew. */
  readonly lastKnown: () => readonly ServiceIpConfig[];
}

export interface ClusterWiring {
  findings(): readonly string[];
  /** For metrics. */
  levels(): ClusterLevels;
  /** The cluster was read once: before that nothing is known of it but what the journal remembers. */
  isWhole(): boolean;
  /** Gives up the Leases, if the API server can be told in time. */
  close(): Promise<void>;
}

/** Only these may concern an allocator (allocator.ts). */
const concerns = ({ isLoadBalancer, ingressIps, intent }: ServiceFact): boolean =>
  isLoadBalancer || ingressIps.length > 0 || intent !== null;

export const startCluster = (parts: ClusterParts): ClusterWiring => {
  const { client, rule, node, instance, announce, core, effects$, tell, now, log } = parts;
  const namespace = parts.namespace ?? client.namespace ?? DEFAULT_NAMESPACE;
  const wallNow = (): number => Date.now();
  const writer = createWriter(client);
  const allocatorWriter = createWriter(client, ALLOCATOR_LIMITS);
  const eventWriter = createWriter(client, EVENT_LIMITS);
  const services = new Map<string, ServiceFact>();
  const servicesByIp = new Map<Ip, Set<string>>();
  const namespaces = new Map<string, Labels>();
  const nodeAddresses = new Map<string, readonly Ip[]>();

  const projection = createProjection({
    rule,
    node,
    tell,
    onServiceIps: parts.onServiceIps,
    onLooked: () => allocation.look(),
    isHolder: (ip) => core.service(ip)?.state === 'leader',
  });
  const { serviceIps } = projection;
  const objects = createObjectWriter({ client, writer, announce, core, node, tell, log });

  const servicesOf = (ip: Ip): readonly ServiceFact[] =>
    [...(servicesByIp.get(ip) ?? [])].flatMap((key) => {
      const fact = services.get(key);
      return fact !== undefined && isOurs(fact, rule) ? [fact] : [];
    });

  const addressesOfNodes = (): ReadonlyMap<Ip, string> =>
    new Map([...nodeAddresses].flatMap(([name, ips]) => ips.map((ip) => [ip, name] as const)));

  const allocatorFacts = (): AllocatorFacts | null =>
    projection.isReady() && leadership?.isLeader() === true
      ? {
          rule,
          book: serviceIps.book(),
          services: [...services.values()],
          namespaces,
          nodeAddresses: addressesOfNodes(),
          serviceIps: objects.facts(),
        }
      : null;
  const allocation = createAllocation({
    client,
    writer: allocatorWriter,
    events: eventWriter,
    node,
    log,
    facts: allocatorFacts,
    wallNow,
  });

  const hearService = (key: string, fact: ServiceFact | null): void => {
    for (const ip of services.get(key)?.ingressIps ?? []) servicesByIp.get(ip)?.delete(key);
    if (fact === null || !concerns(fact)) services.delete(key);
    else services.set(key, fact);
    for (const ip of fact?.ingressIps ?? []) {
      const keys = servicesByIp.get(ip) ?? new Set();
      servicesByIp.set(ip, keys.add(key));
    }
    serviceIps.service(fact === null ? key : serviceKey(fact), fact);
  };

  /** The wire speaks for who is heard; of all others every change of their Lease is news. */
  const hearLease = (_key: string, lease: LeaseSeen | null): void => {
    if (lease?.node === '') return leadership?.observe(lease);
    if (lease === null || lease.holder === '' || lease.node === node || core.hears(lease.node)) return;
    tell({ type: 'lease.renewed', node: lease.node });
  };

  const mirrors = mirrorCluster(
    client,
    namespace,
    {
      service: hearService,
      node: (key, fact) => {
        if (fact === null) nodeAddresses.delete(key);
        else nodeAddresses.set(key, fact.addresses);
        serviceIps.node(key, fact);
      },
      namespace: (key, fact) => {
        if (fact === null) namespaces.delete(key);
        else namespaces.set(key, fact.labels);
      },
      slice: (key, fact) => serviceIps.slice(key, fact),
      pool: (key, fact) => serviceIps.pool(key, fact),
      advertisement: (key, fact) => serviceIps.advertisement(key, fact),
      serviceIp: objects.serviceIp,
      lease: hearLease,
      changed: () => {
        if (mirrors.isWhole()) projection.look();
      },
    },
    { now, log },
  );

  const seekLeadership = () =>
    seekLeaderLease({
      client,
      namespace,
      name: ALLOCATOR_LEASE,
      holder: `${node}/${instance}`,
      wallNow,
      onChange: (isLeader) => {
        log.info(
          { code: 'allocator' },
          isLeader ? 'this node allocates addresses' : 'another node allocates',
        );
        allocation.look();
      },
    });
  const keepLease = () =>
    keepNodeLease({
      client,
      namespace,
      node,
      holder: instance,
      wallNow,
      onRenewed: () => {},
      onFailing: ({ text }) => log.warn({ code: 'lease' }, `the Lease of this node is not renewed: ${text}`),
      onTakenOver: (other) => log.info({ code: 'lease' }, `the Lease of this node was ${other}'s before`),
    });
  const leadership = announce ? seekLeadership() : null;
  const lease = announce ? keepLease() : null;

  if (announce) {
    const moveEvents = createMoveEvents({ writer: eventWriter, core, node, servicesOf, wallNow });
    effectsOf(effects$, 'record').subscribe((effects) => {
      objects.changed(effects);
      moveEvents(effects);
    });
    // A claim that turns strong is no transition.
    effectsOf(effects$, 'answer.start').subscribe(objects.changed);
  }
  parts.onSettled(objects.settled);
  effectsOf(effects$, 'reserve').subscribe((effects) => effects.forEach(objects.reserve));

  const remembering = setTimeout(() => {
    if (mirrors.isWhole()) return;
    const known = parts.lastKnown();
    log.warn(
      { code: 'kubernetes-source', serviceIPs: known.length },
      'the cluster cannot be read; this node goes on with the service IPs of its journal',
    );
    projection.remember(known);
  }, REMEMBER_AFTER_MS);

  return {
    findings: () => [
      ...mirrors.findings(),
      ...(projection.isReady() && !nodeAddresses.has(node)
        ? [
            `no Node of the cluster is called ${node}: labels, readiness and drains by annotation do not reach it`,
          ]
        : []),
      ...serviceIps.book().refused.map(({ message }) => message),
      ...coveredNodeAddresses(serviceIps.book(), addressesOfNodes()),
      ...(leadership?.isLeader() === true ? allocation.findings() : []),
    ],
    levels: () => ({
      brokenSources: mirrors.findings().length,
      allocation: leadership?.isLeader()
        ? { pools: allocation.usage(), troubled: allocation.findings().length }
        : null,
    }),
    isWhole: () => mirrors.isWhole(),
    close: async () => {
      clearTimeout(remembering);
      projection.close();
      allocation.close();
      objects.close();
      mirrors.close();
      await Promise.all([lease?.release(), leadership?.release()]);
      writer.close();
      allocatorWriter.close();
      eventWriter.close();
      client.close();
    },
  };
};
