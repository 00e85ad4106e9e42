// Which addresses each Service is to have: (pools, Services, reservations) → one decision a Service. Pure and
// deterministic: the same facts give the same decisions, in whatever order they come, before and after a restart.
// What a Service has it keeps: an edit of a pool takes no address away from a Service that is in use.
import type { NodeName } from '../claims.ts';
import type { Ip } from '../frames.ts';
import {
  type ClassRule,
  type Family,
  familyOf,
  isOurs,
  type ServiceFact,
  type ServiceIpFact,
  type ServiceKey,
  serviceKey,
} from './cluster-facts.ts';
import {
  createFreeAddresses,
  type FreeAddresses,
  hasFamily,
  type PoolUsage,
  poolUsage,
} from './free-addresses.ts';
import { byAge, countOccupancy, type Occupancy } from './occupancy.ts';
import type { Pool, PoolBook } from './pool-book.ts';
import { admits, type NamespaceLabels, orderPools, poolNamed } from './pool-choice.ts';

export interface AllocatorFacts {
  readonly rule: ClassRule;
  readonly book: PoolBook;
  /** Every Service that is of type LoadBalancer, has addresses in its status, or an intent; of any class. */
  readonly services: Iterable<ServiceFact>;
  readonly namespaces: NamespaceLabels;
  readonly nodeAddresses: ReadonlyMap<Ip, NodeName>;
  readonly serviceIps: Iterable<ServiceIpFact>;
}

/** Stable words: they are the `reason` of Events, which people search for. */
export type TroubleReason =
  | 'AddressInUse'
  | 'AddressLost'
  | 'AddressOfNode'
  | 'AddressOutsidePools'
  | 'BadRequest'
  | 'FamilyNotWanted'
  | 'FamilyMissing'
  | 'NoPool'
  | 'PoolExhausted'
  | 'PoolNotForService'
  | 'UnknownPool';

export interface Trouble {
  readonly reason: TroubleReason;
  readonly message: string;
}

export interface Decision {
  readonly service: ServiceFact;
  /** `refuse`: it is to have none. */
  readonly kind: 'assign' | 'keep' | 'refuse';
  /** In the order of the Service's families. */
  readonly ips: readonly Ip[];
  /** The pool of each of `ips`; null: outside every pool. */
  readonly pools: readonly (string | null)[];
  /** What the user asked for and does not have, or should know. */
  readonly troubles: readonly Trouble[];
}

export interface Allocation {
  /** Of the Services that are ours, oldest first. */
  readonly decisions: ReadonlyMap<ServiceKey, Decision>;
  readonly usage: readonly PoolUsage[];
}

interface Pass {
  readonly facts: AllocatorFacts;
  readonly occupancy: Occupancy;
  readonly free: FreeAddresses;
  readonly pools: readonly Pool[];
}

const trouble = (reason: TroubleReason, message: string): Trouble => ({ reason, message });

/** Why the Service cannot have the address that it asks for, or has; null when it can. */
const objection = ({ facts, occupancy }: Pass, ip: Ip, service: ServiceFact): Trouble | null => {
  const pool = facts.book.poolOf(ip);
  if (pool === null) return trouble('AddressOutsidePools', `${ip} is in no address pool`);
  if (!admits(pool, service, facts.namespaces))
    return trouble('PoolNotForService', `${ip} belongs to ${pool.key}, which is not for this Service`);
  if (service.requestedPool !== null && poolNamed(facts.book, service.requestedPool) === null)
    return trouble('UnknownPool', `there is no address pool ${service.requestedPool}`);
  if (service.requestedPool !== null && pool.fact.name !== service.requestedPool)
    return trouble('PoolNotForService', `${ip} belongs to ${pool.key}, not to ${service.requestedPool}`);
  const node = facts.nodeAddresses.get(ip);
  if (node !== undefined) return trouble('AddressOfNode', `${ip} is an address of the node ${node}`);
  const obstacle = occupancy.obstacle(ip, service);
  return obstacle === null ? null : trouble('AddressInUse', obstacle);
};

interface Held {
  readonly ip: Ip;
  /** In the status: clients may use it. */
  readonly isPublished: boolean;
}

/** What the Service has of this family and may stay on. */
const heldOf = ({ occupancy }: Pass, service: ServiceFact, family: Family): Held | null => {
  const mine = (ip: Ip): boolean => familyOf(ip) === family && occupancy.stays(ip, service.uid);
  const published = service.ingressIps.find(mine);
  if (published !== undefined) return { ip: published, isPublished: true };
  const intended = service.intent?.ips.find(mine);
  return intended === undefined ? null : { ip: intended, isPublished: false };
};

const candidates = ({ facts, pools }: Pass, service: ServiceFact): readonly Pool[] => {
  const { requestedPool } = service;
  if (requestedPool === null)
    return pools.filter((pool) => pool.fact.autoAssign && admits(pool, service, facts.namespaces));
  const pool = poolNamed(facts.book, requestedPool);
  return pool !== null && admits(pool, service, facts.namespaces) ? [pool] : [];
};

/** An address of the pool: one that it may share before one that is free. */
const pick = (pass: Pass, pool: Pool, family: Family, service: ServiceFact): Ip | null => {
  const { facts, occupancy, free } = pass;
  if (service.sharingKey !== null) {
    const shared = [...occupancy.sharedUnder(service.sharingKey)].find(
      (ip) =>
        familyOf(ip) === family &&
        facts.book.poolOf(ip) === pool &&
        !facts.nodeAddresses.has(ip) &&
        occupancy.obstacle(ip, service) === null,
    );
    if (shared !== undefined) return shared;
  }
  return free.next(pool, family);
};

/** One address for each of `families`, all of one pool if possible; what is missing was not to be had. */
const choose = (pass: Pass, service: ServiceFact, families: readonly Family[]): ReadonlyMap<Family, Ip> => {
  const found = new Map<Family, Ip>();
  if (families.length === 0) return found;
  for (const pool of candidates(pass, service)) {
    const picked = families.map((family) => [family, pick(pass, pool, family, service)] as const);
    if (picked.every(([, ip]) => ip !== null)) return new Map(picked as [Family, Ip][]);
    for (const [family, ip] of picked) if (ip !== null && !found.has(family)) found.set(family, ip);
  }
  return found;
};

/** Why there was nothing of this family, in words that name the pools. */
const shortage = (pass: Pass, service: ServiceFact, family: Family): Trouble => {
  const { requestedPool } = service;
  if (requestedPool !== null && poolNamed(pass.facts.book, requestedPool) === null)
    return trouble('UnknownPool', `there is no address pool ${requestedPool}`);
  const asked = candidates(pass, service);
  if (requestedPool !== null && asked.length === 0)
    return trouble('PoolNotForService', `the pool ${requestedPool} is not for this Service`);
  const fitting = asked.filter((pool) => hasFamily(pool, family)).map(({ key }) => key);
  return fitting.length === 0
    ? trouble('NoPool', `no pool with ${family} addresses is for this Service`)
    : trouble('PoolExhausted', `no ${family} address is free in ${fitting.join(', ')}`);
};

interface Wanted {
  readonly ips: Map<Family, Ip>;
  readonly troubles: Trouble[];
}

/** Settles what needs no choosing: addresses asked for, and addresses that the Service has. */
const settle = (pass: Pass, service: ServiceFact): Wanted => {
  const wanted: Wanted = { ips: new Map(), troubles: [] };
  for (const family of service.families) {
    const held = heldOf(pass, service, family);
    const requested = service.requestedIps.find((ip) => familyOf(ip) === family);
    const complaint = requested === undefined ? null : objection(pass, requested, service);
    if (requested !== undefined && complaint === null) {
      wanted.ips.set(family, requested);
      continue;
    }
    if (complaint !== null) wanted.troubles.push(complaint);
    if (held === null) continue;
    if (held.isPublished || objection(pass, held.ip, service) === null) wanted.ips.set(family, held.ip);
  }
  for (const ip of service.requestedIps) {
    if (!service.families.includes(familyOf(ip)))
      wanted.troubles.push(
        trouble(
          'FamilyNotWanted',
          `${ip} is asked for, but the Service is ${service.families.join(' and ')} only`,
        ),
      );
  }
  return wanted;
};

/** An address that the Service is on its way to. Without this each pass would choose another one, for ever. */
const onTheWay = (pass: Pass, service: ServiceFact, family: Family): Ip | undefined =>
  service.intent?.ips.find(
    (ip) =>
      familyOf(ip) === family &&
      pass.occupancy.stays(ip, service.uid) &&
      objection(pass, ip, service) === null,
  );

/** Another pool was asked for: move there, if it has something; what it has not, stays as it is. */
const followPool = (pass: Pass, service: ServiceFact, wanted: Wanted): void => {
  if (service.requestedPool === null) return;
  const open: Family[] = [];
  for (const family of service.families) {
    const ip = wanted.ips.get(family);
    if (ip === undefined || pass.facts.book.poolOf(ip)?.fact.name === service.requestedPool) continue;
    const next = onTheWay(pass, service, family);
    if (next === undefined) open.push(family);
    else wanted.ips.set(family, next);
  }
  for (const [family, ip] of choose(pass, service, open)) wanted.ips.set(family, ip);
};

/** What is wrong with an address that clients use, and that therefore stays. */
const reportKept = (pass: Pass, service: ServiceFact, ips: readonly Ip[]): Trouble[] =>
  ips
    .filter((ip) => service.ingressIps.includes(ip) && !isRequested(service, familyOf(ip)))
    .flatMap((ip) => {
      const fault = objection(pass, ip, service);
      return fault === null ? [] : [{ ...fault, message: `${fault.message}; the Service keeps it` }];
    });

const isRequested = (service: ServiceFact, family: Family): boolean =>
  service.requestedIps.some((ip) => familyOf(ip) === family);

const reportLost = ({ occupancy }: Pass, service: ServiceFact): Trouble[] =>
  service.ingressIps
    .filter((ip) => !occupancy.stays(ip, service.uid))
    .map((ip) => trouble('AddressLost', `${occupancy.obstacle(ip, service) ?? ip}; that one has it`));

const same = (a: readonly Ip[], b: readonly Ip[]): boolean => a.join() === b.join();

const decide = (pass: Pass, service: ServiceFact): Decision => {
  const { facts, occupancy } = pass;
  const wanted = settle(pass, service);
  followPool(pass, service, wanted);
  const open = service.families.filter((family) => !wanted.ips.has(family) && !isRequested(service, family));
  const { requestFault } = service;
  if (!service.isDeleting && requestFault === null) {
    for (const [family, ip] of choose(pass, service, open)) wanted.ips.set(family, ip);
  }
  const missing = service.families.filter((family) => !wanted.ips.has(family));
  const shortages =
    requestFault === null
      ? missing.filter((family) => open.includes(family)).map((family) => shortage(pass, service, family))
      : [trouble('BadRequest', requestFault)];
  const kept = reportKept(pass, service, [...wanted.ips.values()]);
  const troubles = [...wanted.troubles, ...kept, ...shortages, ...reportLost(pass, service)];
  const isEnough =
    missing.length === 0 || (service.familyPolicy === 'PreferDualStack' && wanted.ips.size > 0);
  // Half of a dual-stack Service is not what was asked for; but nobody takes away the half that clients use.
  const isInUse = [...wanted.ips.values()].some((ip) => service.ingressIps.includes(ip));
  const ips = isEnough || isInUse ? service.families.flatMap((family) => wanted.ips.get(family) ?? []) : [];
  for (const ip of ips) occupancy.occupy(ip, service);
  if (!isEnough && wanted.ips.size > 0)
    troubles.push(trouble('FamilyMissing', `the Service requires ${service.families.join(' and ')}`));
  const before = service.ingressIps.length > 0 ? service.ingressIps : (service.intent?.ips ?? []);
  const kind = ips.length === 0 ? 'refuse' : same(ips, before) ? 'keep' : 'assign';
  const pools = ips.map((ip) => facts.book.poolOf(ip)?.key ?? null);
  return { service, kind, ips, pools, troubles: service.isDeleting ? [] : troubles };
};

/** Those who ask for an address come before those who take any; then the oldest. */
const inOrder = (a: ServiceFact, b: ServiceFact): number =>
  Number(b.requestedIps.length > 0) - Number(a.requestedIps.length > 0) || byAge(a, b);

export const allocate = (facts: AllocatorFacts): Allocation => {
  const services = [...facts.services].sort(byAge);
  const occupancy = countOccupancy(services, facts.serviceIps);
  const free = createFreeAddresses(occupancy, facts.nodeAddresses);
  const pass: Pass = { facts, occupancy, free, pools: orderPools(facts.book) };
  const ours = services.filter((service) => isOurs(service, facts.rule)).sort(inOrder);
  const decisions = new Map(ours.map((service) => [serviceKey(service), decide(pass, service)]));
  return { decisions, usage: poolUsage(facts.book.pools, occupancy) };
};

/** Pools that cover an address of a node, which is never given: one line each. */
export const coveredNodeAddresses = (
  book: PoolBook,
  nodeAddresses: ReadonlyMap<Ip, NodeName>,
): readonly string[] =>
  [...nodeAddresses].flatMap(([ip, node]) => {
    const pool = book.poolOf(ip);
    return pool === null
      ? []
      : [`${pool.key} covers ${ip}, an address of the node ${node}; it is not given away`];
  });
