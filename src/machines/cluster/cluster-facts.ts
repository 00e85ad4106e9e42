// What a Kubernetes cluster says, reduced to what decisions here use: levels, one per object, in canonical form
// and plain JSON. src/io/kubernetes/objects makes them from API objects; nothing behind this line knows the API.
import type { NodeName } from '../claims.ts';
import type { Ip } from '../frames.ts';

export type Family = 'IPv4' | 'IPv6';
export type DrainStyle = 'prompt' | 'patient';

/** `namespace/name`. */
export type ServiceKey = string;

/** A label selector's terms; all of them must hold. No term selects everything. */
export type SelectorTerm =
  | { readonly key: string; readonly operator: 'In' | 'NotIn'; readonly values: readonly string[] }
  | { readonly key: string; readonly operator: 'Exists' | 'DoesNotExist' };
export type LabelSelector = readonly SelectorTerm[];
export type Labels = Readonly<Record<string, string>>;

/** What an allocator means to give a Service, as its annotation says it (reservations.ts). */
export interface Intent {
  readonly ips: readonly Ip[];
  /** The Service's resourceVersion before the annotation was written: no other intent has the same. */
  readonly token: string;
}

export interface ServiceFact {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** ISO 8601; the older of two Services that want the same wins. */
  readonly created: string;
  readonly isDeleting: boolean;
  readonly isLoadBalancer: boolean;
  /** Null: the Service names no class. */
  readonly loadBalancerClass: string | null;
  readonly labels: Labels;
  /** In the order that the Service prefers. */
  readonly families: readonly Family[];
  readonly familyPolicy: 'SingleStack' | 'PreferDualStack' | 'RequireDualStack';
  readonly externalTrafficPolicy: 'Cluster' | 'Local';
  /** `TCP/80`, sorted. */
  readonly ports: readonly string[];
  /** The pod selector as sorted text; empty when there is none. */
  readonly selectorKey: string;
  readonly requestedIps: readonly Ip[];
  readonly requestedPool: string | null;
  /** Why what it asks for cannot be read; null when it can. It then gets nothing new. */
  readonly requestFault: string | null;
  /** Null: shares no address. */
  readonly sharingKey: string | null;
  readonly ingressIps: readonly Ip[];
  /** Null: no allocator of Holdfast has spoken. */
  readonly intent: Intent | null;
  /** The node that its addresses are to move to. */
  readonly moveTo: NodeName | null;
}

export interface NodeFact {
  readonly name: NodeName;
  readonly labels: Labels;
  readonly isReady: boolean;
  readonly isNetworkUnavailable: boolean;
  /** Bears the taint node.kubernetes.io/out-of-service. */
  readonly isOutOfService: boolean;
  /** Cordoned. Moves nothing; here so that people can be told. */
  readonly isUnschedulable: boolean;
  readonly addresses: readonly Ip[];
  /** What the drain annotation asks for; `configured`: in the style that is configured. */
  readonly drain: DrainStyle | 'configured' | null;
}

export interface NamespaceFact {
  readonly name: string;
  readonly labels: Labels;
}

export interface EndpointFact {
  readonly node: NodeName;
  readonly isReady: boolean;
  readonly isServing: boolean;
  readonly isTerminating: boolean;
}

export interface EndpointSliceFact {
  /** `namespace/name` of the slice. */
  readonly key: string;
  readonly service: ServiceKey;
  readonly endpoints: readonly EndpointFact[];
}

/** Both ends belong to it; both of one family. */
export interface AddressRange {
  readonly first: Ip;
  readonly last: Ip;
  /** As the user wrote it. */
  readonly text: string;
}

export interface DrainOverride {
  readonly windowMs: number | null;
  readonly quietMs: number | null;
  readonly style: DrainStyle | null;
}

export type PoolKind = 'AddressPool' | 'IPAddressPool';

export interface PoolFact {
  readonly kind: PoolKind;
  readonly name: string;
  /** ISO 8601; of two that overlap the older is kept. */
  readonly created: string;
  readonly labels: Labels;
  readonly ranges: readonly AddressRange[];
  readonly autoAssign: boolean;
  readonly avoidBuggyIPs: boolean;
  /** Lower is asked first; 0, which is unset, last. */
  readonly priority: number;
  readonly namespaces: readonly string[];
  readonly namespaceSelectors: readonly LabelSelector[];
  readonly serviceSelectors: readonly LabelSelector[];
  /** Nodes that match one of them may hold its addresses; none: any node. */
  readonly nodeSelectors: readonly LabelSelector[];
  /** Nodes that match the first are preferred most. */
  readonly preferredNodes: readonly LabelSelector[];
  readonly interfaces: readonly string[] | null;
  readonly drain: DrainOverride | null;
}

/** MetalLB's L2Advertisement: which of MetalLB's pools are announced, and from where. */
export interface AdvertisementFact {
  readonly name: string;
  readonly pools: readonly string[];
  readonly poolSelectors: readonly LabelSelector[];
  readonly nodeSelectors: readonly LabelSelector[];
  readonly interfaces: readonly string[] | null;
}

/** One Service that a ServiceIP is reserved for. */
export interface Reservation {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly token: string;
}

/** A ServiceIP object: who an address is reserved for, and who held it at its last move. */
export interface ServiceIpFact {
  readonly ip: Ip;
  readonly resourceVersion: string;
  readonly services: readonly Reservation[];
  /** Null: nobody has written it. */
  readonly held: HeldFact | null;
}

/** The claim that a ServiceIP's status mirrors. */
export interface HeldFact {
  /** Null: nobody holds it. */
  readonly holder: NodeName | null;
  readonly epoch: number;
  readonly weak: boolean;
  /** `candidate`: reserved before it is taken. */
  readonly state: string | null;
}

export const serviceKey = ({ namespace, name }: { namespace: string; name: string }): ServiceKey =>
  `${namespace}/${name}`;

export const familyOf = (ip: Ip): Family => (ip.includes(':') ? 'IPv6' : 'IPv4');

/** Which Services are this load balancer's. */
export interface ClassRule {
  readonly loadBalancerClass: string;
  /** Services that name no class are ours too. */
  readonly defaultClass: boolean;
}

/** True when Holdfast is to serve this Service; one that is being deleted is served until it is gone. */
export const isOurs = (service: ServiceFact, rule: ClassRule): boolean =>
  service.isLoadBalancer &&
  (service.loadBalancerClass === null
    ? rule.defaultClass
    : service.loadBalancerClass === rule.loadBalancerClass);
