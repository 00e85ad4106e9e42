// What to write next so that each Service has what it is to have, and no address is given twice. Level-based: run
// again after any crash, by any allocator with any older view, it goes on from what is there.
//
// A Service gets an address in three writes, each a compare-and-swap on one object's resourceVersion:
//   intend   the Service's annotation: these addresses, with a token that no other intent has
//   reserve  the address's ServiceIP object (its name is the address): this Service, this token
//   publish  the Service's status
// and a reservation is taken back only by who read it, *then* read the Service from the API server itself, and
// found that it neither intends nor bears the address (`isGivenUp`).
//
// Why nothing slips through: whoever publishes does so at a resourceVersion at which the Service intends the
// address, having seen a reservation with that intent's token. If the reservation was taken back meanwhile, the
// Service was read later, without that intent: so its resourceVersion moved on and the publishing fails. If the
// intent is newer than that reading, its token was written into the reservation after it, and the taking back
// fails. Without the first write there would be no such order between the two objects.
import type { Ip } from '../frames.ts';
import { type AllocatorFacts, allocate, type Decision } from './allocator.ts';
import { isOurs, type Reservation, type ServiceFact, type ServiceIpFact } from './cluster-facts.ts';
import type { PoolUsage } from './free-addresses.ts';
import { serviceIpName } from './service-ip-name.ts';
import { canShare } from './sharing.ts';

/** A Service at one resourceVersion: the write must fail if it has another by now. */
export interface ServiceRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

export type Step =
  /** Set the intent annotation to these addresses, with `service.resourceVersion` as its token. */
  | { readonly type: 'intend'; readonly service: ServiceRef; readonly ips: readonly Ip[] }
  /** Remove the intent annotation: the Service is not ours any more. */
  | { readonly type: 'forget'; readonly service: ServiceRef }
  /** Create the ServiceIP (`resourceVersion` null), or replace the Services in its spec. */
  | {
      readonly type: 'reserve';
      readonly ip: Ip;
      readonly name: string;
      readonly resourceVersion: string | null;
      readonly services: readonly Reservation[];
    }
  /** Set the status: exactly these addresses. */
  | {
      readonly type: 'publish';
      readonly service: ServiceRef;
      readonly ips: readonly Ip[];
      readonly pools: readonly (string | null)[];
    }
  /**
   * Read each of `leaving` from the API server; if `isGivenUp` holds for all, replace the Services in the spec by
   * `staying`, or delete the object when there are none.
   */
  | {
      readonly type: 'release';
      readonly ip: Ip;
      readonly name: string;
      readonly resourceVersion: string;
      readonly leaving: readonly Reservation[];
      readonly staying: readonly Reservation[];
    };

export interface Plan {
  /** In any order; a Service has at most one write of its own among them. */
  readonly steps: readonly Step[];
  readonly decisions: ReadonlyMap<string, Decision>;
  readonly usage: readonly PoolUsage[];
}

const claims = (service: ServiceFact, ip: Ip): boolean =>
  service.ingressIps.includes(ip) || (service.intent?.ips.includes(ip) ?? false);

/** May a reservation be taken back? `live`: the Service as the API server has it now; null when it has none. */
export const isGivenUp = (live: ServiceFact | null, reservation: Reservation, ip: Ip): boolean =>
  live === null || live.uid !== reservation.uid || !claims(live, ip);

const refTo = ({ namespace, name, uid, resourceVersion }: ServiceFact): ServiceRef => ({
  namespace,
  name,
  uid,
  resourceVersion,
});

const same = (a: readonly Ip[], b: readonly Ip[]): boolean => a.join() === b.join();

/** The Service's own next write, or null when it has to wait for reservations, or has what it is to have. */
const ownStep = ({ service, ips, pools }: Decision, lacksReservation: boolean): Step | null => {
  const { intent } = service;
  if (intent === null && ips.length === 0 && service.ingressIps.length === 0) return null;
  if (intent === null || !same(intent.ips, ips)) return { type: 'intend', service: refTo(service), ips };
  if (lacksReservation || same(service.ingressIps, ips)) return null;
  return { type: 'publish', service: refTo(service), ips, pools };
};

/** What to do with a Service that is not ours (any more). */
const partingStep = (service: ServiceFact): Step | null => {
  const { intent, ingressIps } = service;
  if (intent === null) return null;
  // Another load balancer may have written a LoadBalancer's status; of any other type it is left over from us.
  const rest = service.isLoadBalancer ? ingressIps : ingressIps.filter((ip) => !intent.ips.includes(ip));
  if (same(rest, ingressIps)) return { type: 'forget', service: refTo(service) };
  return { type: 'publish', service: refTo(service), ips: rest, pools: rest.map(() => null) };
};

interface Shelf {
  readonly objects: ReadonlyMap<Ip, ServiceIpFact>;
  readonly byUid: ReadonlyMap<string, ServiceFact>;
}

/** The intended addresses that are not reserved for this very intent. */
const unreserved = ({ objects }: Shelf, { service, ips }: Decision): readonly Ip[] => {
  const { intent, uid } = service;
  if (intent === null || !same(intent.ips, ips)) return [];
  const isMine = (each: Reservation): boolean => each.uid === uid && each.token === intent.token;
  return ips.filter((ip) => !(objects.get(ip)?.services ?? []).some(isMine));
};

/** Those who want an address join those who have it, if all of them may share it; else they wait. */
const reserveStep = ({ objects, byUid }: Shelf, ip: Ip, wants: readonly ServiceFact[]): Step | null => {
  const object = objects.get(ip);
  const present = object?.services ?? [];
  const joined: ServiceFact[] = [];
  for (const service of wants) {
    const others = [...present.map(({ uid }) => byUid.get(uid) ?? null), ...joined];
    const mayJoin = others.every(
      (other) => other !== null && (other.uid === service.uid || canShare(service, other)),
    );
    if (mayJoin) joined.push(service);
  }
  if (joined.length === 0) return null;
  const replaced = new Set(joined.map(({ uid }) => uid));
  const entries = joined.map(({ namespace, name, uid, intent }) => ({
    namespace,
    name,
    uid,
    token: intent?.token ?? '',
  }));
  const services = [...present.filter(({ uid }) => !replaced.has(uid)), ...entries];
  const resourceVersion = object?.resourceVersion ?? null;
  return { type: 'reserve', ip, name: serviceIpName(ip), resourceVersion, services };
};

/** Takes back what nobody claims, as far as is known here. */
const releaseStep = ({ byUid }: Shelf, { ip, resourceVersion, services }: ServiceIpFact): Step | null => {
  const leaving = services.filter((each) => isGivenUp(byUid.get(each.uid) ?? null, each, ip));
  if (leaving.length === 0 && services.length > 0) return null;
  const staying = services.filter((each) => !leaving.includes(each));
  return { type: 'release', ip, name: serviceIpName(ip), resourceVersion, leaving, staying };
};

/** The next writes. None when everything is as it should be: a steady state writes nothing. */
export const planReservations = (facts: AllocatorFacts): Plan => {
  const services = [...facts.services];
  const serviceIps = [...facts.serviceIps];
  const { decisions, usage } = allocate({ ...facts, services, serviceIps });
  const shelf: Shelf = {
    objects: new Map(serviceIps.map((each) => [each.ip, each])),
    byUid: new Map(services.map((service) => [service.uid, service])),
  };
  const own: (Step | null)[] = [];
  const wants = new Map<Ip, ServiceFact[]>();
  for (const decision of decisions.values()) {
    const lacking = unreserved(shelf, decision);
    for (const ip of lacking) wants.set(ip, [...(wants.get(ip) ?? []), decision.service]);
    own.push(ownStep(decision, lacking.length > 0));
  }
  for (const service of services) if (!isOurs(service, facts.rule)) own.push(partingStep(service));
  const reserved = [...wants]
    .map(([ip, each]) => reserveStep(shelf, ip, each))
    .filter((step) => step !== null);
  // One write an object: what is reserved now can be taken back later.
  const busy = new Set(reserved.map((step) => (step.type === 'reserve' ? step.ip : null)));
  const released = serviceIps.filter(({ ip }) => !busy.has(ip)).map((object) => releaseStep(shelf, object));
  const steps = [...own, ...reserved, ...released].filter((step) => step !== null);
  return { steps, decisions, usage };
};
