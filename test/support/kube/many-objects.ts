// Objects of the size that clusters have: Services as an operator's tools leave them, slices with three endpoints.
// For tests and benches of scale.

const ANNOTATIONS = {
  'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ spec: 'x'.repeat(600) }),
  'meta.helm.sh/release-name': 'release',
};

export const manyServices = (count: number): unknown[] =>
  Array.from({ length: count }, (_, i) => ({
    metadata: { name: `web-${i}`, labels: { app: `web-${i}` }, annotations: ANNOTATIONS },
    spec: {
      type: 'LoadBalancer',
      loadBalancerClass: 'holdfast.dev/l2',
      selector: { app: `web-${i}` },
      ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
    },
    status: { loadBalancer: { ingress: [{ ip: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` }] } },
  }));

export const manySlices = (count: number, nodes = 200): unknown[] =>
  Array.from({ length: count }, (_, i) => ({
    metadata: { name: `web-${i}-abcde`, labels: { 'kubernetes.io/service-name': `web-${i}` } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: [0, 1, 2].map((k) => ({
      addresses: [`10.244.${i % 256}.${k + 1}`],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `n${(i * 3 + k) % nodes}`,
      targetRef: { kind: 'Pod', namespace: 'default', name: `web-${i}-${k}`, uid: `${i}-${k}` },
    })),
  }));
