// Facts of a cluster with everything at its usual value, for tests that care about one or two of them.

import type {
  AddressRange,
  ClassRule,
  EndpointFact,
  EndpointSliceFact,
  NodeFact,
  PoolFact,
  ServiceFact,
} from '../../src/machines/cluster/cluster-facts.ts';
import type { Ip } from '../../src/machines/frames.ts';

export const RULE: ClassRule = { loadBalancerClass: 'holdfast.dev/l2', defaultClass: true };

/** `10.0.0.1` or `10.0.0.1-10.0.0.9`. */
export const range = (text: string): AddressRange => {
  const [first = '', last = first] = text.split('-');
  return { first, last, text };
};

export const pool = (name: string, ranges: readonly string[], over: Partial<PoolFact> = {}): PoolFact => ({
  kind: 'AddressPool',
  name,
  created: '2026-11-20T12:00:00Z',
  labels: {},
  ranges: ranges.map(range),
  autoAssign: true,
  avoidBuggyIPs: false,
  priority: 0,
  namespaces: [],
  namespaceSelectors: [],
  serviceSelectors: [],
  nodeSelectors: [],
  preferredNodes: [],
  interfaces: null,
  drain: null,
  ...over,
});

export const service = (name: string, over: Partial<ServiceFact> = {}): ServiceFact => ({
  namespace: 'shop',
  name,
  uid: `uid-${name}`,
  resourceVersion: '1',
  created: '2026-11-20T12:00:00Z',
  isDeleting: false,
  isLoadBalancer: true,
  loadBalancerClass: null,
  labels: {},
  families: ['IPv4'],
  familyPolicy: 'SingleStack',
  externalTrafficPolicy: 'Cluster',
  ports: ['TCP/80'],
  selectorKey: `app=${name}`,
  requestedIps: [],
  requestedPool: null,
  requestFault: null,
  sharingKey: null,
  ingressIps: [],
  intent: null,
  moveTo: null,
  ...over,
});

/** With these addresses in its status. */
export const serving = (name: string, ips: readonly Ip[], over: Partial<ServiceFact> = {}): ServiceFact =>
  service(name, { ingressIps: ips, ...over });

export const node = (name: string, over: Partial<NodeFact> = {}): NodeFact => ({
  name,
  labels: { 'kubernetes.io/hostname': name },
  isReady: true,
  isNetworkUnavailable: false,
  isOutOfService: false,
  isUnschedulable: false,
  addresses: [],
  drain: null,
  ...over,
});

export const ready = (name: string): EndpointFact => ({
  node: name,
  isReady: true,
  isServing: true,
  isTerminating: false,
});
/** Its pod ends, and finishes what it has. */
export const ending = (name: string): EndpointFact => ({
  node: name,
  isReady: false,
  isServing: true,
  isTerminating: true,
});
export const broken = (name: string): EndpointFact => ({
  node: name,
  isReady: false,
  isServing: false,
  isTerminating: false,
});

export const slice = (
  of: string,
  endpoints: readonly EndpointFact[],
  key = `shop/${of}-1`,
): EndpointSliceFact => ({ key, service: `shop/${of}`, endpoints });
