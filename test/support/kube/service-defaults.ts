// The defaults that a real API server gives a Service and that Holdfast reads: type, traffic policy, families of a
// dual-stack cluster whose first family is IPv4. Cluster IPs and node ports are not given out.
import type { KubeObject } from './objects.ts';

type Spec = Record<string, unknown> & { type?: string; ipFamilyPolicy?: string; ipFamilies?: string[] };

/** The Service with what its spec leaves out; anything that has no spec stays as it is. */
export const defaulted = (service: KubeObject): KubeObject => {
  const given = service.spec as Spec | undefined;
  if (given === undefined || given.type === 'ExternalName') return service;
  const { ipFamilyPolicy = 'SingleStack', ipFamilies = [] } = given;
  const first = ipFamilies[0] ?? 'IPv4';
  const second = first === 'IPv4' ? 'IPv6' : 'IPv4';
  const families = ipFamilyPolicy === 'SingleStack' ? [first] : [first, second];
  const balanced = given.type === 'LoadBalancer' || given.type === 'NodePort';
  const spec: Spec = {
    type: 'ClusterIP',
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
    ...(balanced ? { externalTrafficPolicy: 'Cluster' } : {}),
    ...(given.type === 'LoadBalancer' ? { allocateLoadBalancerNodePorts: true } : {}),
    ...given,
    ipFamilyPolicy,
    ipFamilies: families,
  };
  return { ...service, spec };
};
