// Who has, or is about to have, each address: every Service that bears it in its status, every reservation and
// every intent, of whatever load balancer. An address with a claimant is free for nobody else but those who may
// share it. Of claimants that cannot share, the order below says who stays, and every allocator computes the same.
import type { Ip } from '../frames.ts';
import type { ServiceFact, ServiceIpFact } from './cluster-facts.ts';
import { serviceKey } from './cluster-facts.ts';
import { canShare, sharingObstacle } from './sharing.ts';

/** 0: reserved, and in the status. 1: in the status. 2: reserved. 3: intended. Lower stays. */
type Standing = 0 | 1 | 2 | 3;

interface Claimant {
  readonly uid: string;
  /** Null: reserved for a Service that is not known here: deleted, or not seen yet. */
  readonly service: ServiceFact | null;
  readonly name: string;
  standing: Standing;
}

export interface Occupancy {
  isTaken(ip: Ip): boolean;
  /** True when the Service may stay on this address, which it claims. */
  stays(ip: Ip, uid: string): boolean;
  /** Why the Service cannot have the address, beside those who claim it; null when it can. */
  obstacle(ip: Ip, service: ServiceFact): string | null;
  /** Addresses whose claimants have this sharing key, in the order in which they came. */
  sharedUnder(key: string): Iterable<Ip>;
  /** A Service is to have the address: from now on it counts as intended. */
  occupy(ip: Ip, service: ServiceFact): void;
  addresses(): Iterable<Ip>;
}

const text = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Oldest first; the same for every allocator. */
export const byAge = (a: ServiceFact, b: ServiceFact): number =>
  text(a.created, b.created) || text(serviceKey(a), serviceKey(b)) || text(a.uid, b.uid);

const byStanding = (a: Claimant, b: Claimant): number =>
  a.standing - b.standing ||
  (a.service !== null && b.service !== null ? byAge(a.service, b.service) : text(a.uid, b.uid));

const canStand = (a: Claimant, b: Claimant): boolean =>
  a.service !== null && b.service !== null && canShare(a.service, b.service);

/** Those of the claimants that may stay together. */
const staying = (claimants: readonly Claimant[]): ReadonlySet<string> => {
  const kept: Claimant[] = [];
  for (const each of [...claimants].sort(byStanding)) {
    if (kept.every((other) => canStand(each, other))) kept.push(each);
  }
  return new Set(kept.map(({ uid }) => uid));
};

/** The same for the same facts, if `services` come in one order. */
export const countOccupancy = (
  services: readonly ServiceFact[],
  serviceIps: Iterable<ServiceIpFact>,
): Occupancy => {
  const byIp = new Map<Ip, Map<string, Claimant>>();
  const byKey = new Map<string, Set<Ip>>();
  const byUid = new Map(services.map((service) => [service.uid, service]));

  const claim = (ip: Ip, claimant: Claimant): void => {
    const claimants = byIp.get(ip) ?? new Map<string, Claimant>();
    byIp.set(ip, claimants);
    const before = claimants.get(claimant.uid);
    if (before === undefined) claimants.set(claimant.uid, claimant);
    else if (claimant.standing < before.standing) before.standing = claimant.standing;
    const key = claimant.service?.sharingKey ?? null;
    if (key === null) return;
    const ips = byKey.get(key) ?? new Set();
    byKey.set(key, ips.add(ip));
  };
  const claimOf = (service: ServiceFact, standing: Standing): Claimant => ({
    uid: service.uid,
    service,
    name: serviceKey(service),
    standing,
  });

  for (const service of services) {
    for (const ip of service.ingressIps) claim(ip, claimOf(service, 1));
    for (const ip of service.intent?.ips ?? []) claim(ip, claimOf(service, 3));
  }
  for (const { ip, services: reserved } of [...serviceIps].sort((a, b) => text(a.ip, b.ip))) {
    for (const each of reserved) {
      const service = byUid.get(each.uid) ?? null;
      const standing = service?.ingressIps.includes(ip) ? 0 : 2;
      claim(ip, { uid: each.uid, service, name: serviceKey(each), standing });
    }
  }

  const others = (ip: Ip, uid: string): Claimant[] =>
    [...(byIp.get(ip)?.values() ?? [])].filter((each) => each.uid !== uid);

  return {
    isTaken: (ip) => byIp.has(ip),
    stays: (ip, uid) => {
      const claimants = byIp.get(ip);
      if (claimants === undefined || !claimants.has(uid)) return false;
      return claimants.size === 1 || staying([...claimants.values()]).has(uid);
    },
    obstacle: (ip, service) => {
      for (const other of others(ip, service.uid)) {
        const why =
          other.service === null ? 'it is reserved for it' : sharingObstacle(service, other.service);
        if (why !== null) return `${ip} is used by ${other.name}: ${why}`;
      }
      return null;
    },
    sharedUnder: (key) => byKey.get(key) ?? [],
    occupy: (ip, service) => claim(ip, claimOf(service, 3)),
    addresses: () => byIp.keys(),
  };
};
