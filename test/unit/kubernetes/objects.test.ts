import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readAddressRange } from '../../../src/io/kubernetes/objects/address-range.ts';
import { readAdvertisement } from '../../../src/io/kubernetes/objects/advertisement.ts';
import { formatIntent, readIntent } from '../../../src/io/kubernetes/objects/annotations.ts';
import { readEndpointSlice } from '../../../src/io/kubernetes/objects/endpoint-slice.ts';
import { readNamespace, readNode } from '../../../src/io/kubernetes/objects/node.ts';
import { readAddressPool, readIpAddressPool } from '../../../src/io/kubernetes/objects/pool.ts';
import type { Reading } from '../../../src/io/kubernetes/objects/reading.ts';
import { readService } from '../../../src/io/kubernetes/objects/service.ts';
import { readServiceIpObject } from '../../../src/io/kubernetes/objects/service-ip.ts';

const value = <T>(reading: Reading<T>): T => {
  assert.ok('value' in reading, 'wrong' in reading ? reading.wrong : '');
  return reading.value;
};
const said = <T>(reading: Reading<T>): readonly string[] =>
  'wrong' in reading ? [reading.wrong] : reading.notes;

const SERVICE = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: {
    name: 'web',
    namespace: 'shop',
    uid: 'u-1',
    resourceVersion: '42',
    creationTimestamp: '2026-11-20T12:00:00Z',
    labels: { app: 'web' },
    managedFields: [{}],
  },
  spec: {
    type: 'LoadBalancer',
    clusterIPs: ['10.96.0.1'],
    ipFamilies: ['IPv4', 'IPv6'],
    ipFamilyPolicy: 'RequireDualStack',
    externalTrafficPolicy: 'Local',
    selector: { tier: 'b', app: 'a' },
    ports: [{ port: 443, protocol: 'TCP', nodePort: 30000 }, { port: 53, protocol: 'UDP' }, { port: 80 }],
  },
  status: {
    loadBalancer: { ingress: [{ ip: '10.0.0.1', ipMode: 'VIP' }, { ip: 'FD00::1' }, { hostname: 'x' }] },
  },
};
const annotated = (annotations: Record<string, string>, spec: object = {}) => ({
  ...SERVICE,
  metadata: { ...SERVICE.metadata, annotations },
  spec: { ...SERVICE.spec, ...spec },
});

test('of a Service what is used is read, and in canonical form', () => {
  assert.deepEqual(value(readService(SERVICE)), {
    namespace: 'shop',
    name: 'web',
    uid: 'u-1',
    resourceVersion: '42',
    created: '2026-11-20T12:00:00Z',
    isDeleting: false,
    isLoadBalancer: true,
    loadBalancerClass: null,
    labels: { app: 'web' },
    families: ['IPv4', 'IPv6'],
    familyPolicy: 'RequireDualStack',
    externalTrafficPolicy: 'Local',
    ports: ['TCP/443', 'TCP/80', 'UDP/53'],
    selectorKey: 'app=a,tier=b',
    requestedIps: [],
    requestedPool: null,
    requestFault: null,
    sharingKey: null,
    ingressIps: ['10.0.0.1', 'fd00::1'],
    intent: null,
    moveTo: null,
  });
});

// annotations, spec, requested, notes
const REQUESTS: readonly (readonly [Record<string, string>, object, readonly string[], readonly string[]])[] =
  [
    [{ 'holdfast.dev/loadBalancerIPs': '10.0.0.9, fd00::9' }, {}, ['10.0.0.9', 'fd00::9'], []],
    [{ 'metallb.io/loadBalancerIPs': '10.0.0.9' }, {}, ['10.0.0.9'], []],
    [{ 'metallb.universe.tf/loadBalancerIPs': '10.0.0.9' }, {}, ['10.0.0.9'], []],
    [{}, { loadBalancerIP: '10.0.0.9' }, ['10.0.0.9'], []],
    [{ 'metallb.io/loadBalancerIPs': '10.0.0.9' }, { loadBalancerIP: '10.0.0.9' }, ['10.0.0.9'], []],
    [
      { 'metallb.io/loadBalancerIPs': '10.0.0.8', 'holdfast.dev/loadBalancerIPs': '10.0.0.9' },
      { loadBalancerIP: '10.0.0.7' },
      ['10.0.0.9'],
      [
        'Service shop/web: metallb.io/loadBalancerIPs "10.0.0.8" is ignored, since holdfast.dev/loadBalancerIPs says "10.0.0.9"',
        'Service shop/web: spec.loadBalancerIP "10.0.0.7" is ignored, since holdfast.dev/loadBalancerIPs says "10.0.0.9"',
      ],
    ],
  ];
for (const [annotations, spec, requested, notes] of REQUESTS) {
  test(`${JSON.stringify({ ...annotations, ...spec })} asks for ${requested.join()}`, () => {
    const reading = readService(annotated(annotations, spec));
    assert.deepEqual([value(reading).requestedIps, said(reading)], [requested, notes]);
  });
}

// what is asked for, why it cannot be
const FAULTS = [
  [
    'banana',
    'metallb.io/loadBalancerIPs: "banana" is not an IPv4 or IPv6 address; write one address such as 10.99.0.100 or fd99::100',
  ],
  [
    '10.0.0.1,10.0.0.2',
    'metallb.io/loadBalancerIPs: 10.0.0.1 and 10.0.0.2 are of one family; write at most one of each',
  ],
  [
    '224.0.0.1',
    'metallb.io/loadBalancerIPs: "224.0.0.1" is a multicast group, which nobody owns; write one address such as 10.99.0.100 or fd99::100',
  ],
] as const;
for (const [text, fault] of FAULTS) {
  test(`a Service that asks for ${text} is still read, with the fault in one line`, () => {
    const fact = value(readService(annotated({ 'metallb.io/loadBalancerIPs': text })));
    assert.deepEqual([fact.requestFault, fact.requestedIps, fact.ingressIps.length], [fault, [], 2]);
  });
}

test('pool, sharing key, move and intent are read from annotations, ours before MetalLB’s', () => {
  const reading = readService(
    annotated({
      'metallb.universe.tf/address-pool': 'old',
      'metallb.io/address-pool': 'blue',
      'holdfast.dev/allow-shared-ip': 'k',
      'holdfast.dev/move-to': 'n2',
      'holdfast.dev/reservation': '10.0.0.1,fd00::1@41',
    }),
  );
  const { requestedPool, sharingKey, moveTo, intent } = value(reading);
  assert.deepEqual([requestedPool, sharingKey, moveTo], ['blue', 'k', 'n2']);
  assert.deepEqual(intent, { ips: ['10.0.0.1', 'fd00::1'], token: '41' });
  assert.deepEqual(said(reading), [
    'Service shop/web: metallb.universe.tf/address-pool "old" is ignored, since metallb.io/address-pool says "blue"',
  ]);
});

test('an intent is read back as it was written, and nothing else is an intent', () => {
  const ips = fc.subarray(['10.0.0.1', 'fd00::1']);
  fc.assert(
    fc.property(ips, fc.stringMatching(/^[0-9a-z@]{1,12}$/), (wanted, token) => {
      assert.deepEqual(readIntent(formatIntent(wanted, token)), { ips: wanted, token });
    }),
  );
  for (const text of ['', '@', '10.0.0.1', '10.0.0.1@', 'x@1', '10.0.0.1,@1'])
    assert.equal(readIntent(text), null);
});

// reader, object, the line
const WRONG: readonly (readonly [string, () => Reading<unknown>, RegExp])[] = [
  ['no object at all', () => readService(null), /^Service without a name: the object: /],
  [
    'no uid',
    () => readService({ metadata: { name: 'a', namespace: 'b' }, spec: {} }),
    /^Service b\/a: metadata\.uid: /,
  ],
  [
    'a port that is text',
    () => readService(annotated({}, { ports: [{ port: '80' }] })),
    /^Service shop\/web: spec\.ports\.0\.port: /,
  ],
  [
    'a pool of nothing',
    () => readAddressPool({ metadata: { name: 'p' }, spec: { addresses: [] } }),
    /^AddressPool p: spec\.addresses: /,
  ],
  [
    'a pool of an older CRD',
    () => readIpAddressPool({ metadata: { name: 'p', namespace: 'm' }, spec: { cidr: [] } }),
    /^IPAddressPool m\/p: spec\.addresses: /,
  ],
  [
    'a pool with a bad range',
    () => readAddressPool({ metadata: { name: 'p' }, spec: { addresses: ['10.0.0.9-10.0.0.1'] } }),
    /^AddressPool p: spec\.addresses: "10\.0\.0\.9-10\.0\.0\.1" ends before it begins; write 10\.0\.0\.1-10\.0\.0\.9$/,
  ],
  [
    'a bad drain',
    () =>
      readAddressPool({
        metadata: { name: 'p' },
        spec: { addresses: ['10.0.0.1/32'], announce: { drain: { window: '9' } } },
      }),
    /^AddressPool p: spec\.announce\.drain\.window: 9 has no unit; write /,
  ],
  [
    'a ServiceIP of another name',
    () => readServiceIpObject({ metadata: { name: 'x', resourceVersion: '1' }, spec: { ip: 'fd00::1' } }),
    /^ServiceIP x: its name must be "fd00--1", since spec\.ip is fd00::1$/,
  ],
  [
    'an unknown operator',
    () =>
      readAdvertisement({
        metadata: { name: 'l' },
        spec: { nodeSelectors: [{ matchExpressions: [{ key: 'a', operator: 'Like' }] }] },
      }),
    /^L2Advertisement l: spec\.nodeSelectors\.0\.matchExpressions\.0\.operator: /,
  ],
];
for (const [what, read, line] of WRONG) {
  test(`${what} is refused in one line`, () => {
    const reading = read();
    assert.ok('wrong' in reading);
    assert.match(reading.wrong, line);
    assert.equal(reading.wrong.includes('\n'), false);
  });
}

test('nothing that an API server could send makes a reader throw', () => {
  const readers = [
    readService,
    readNode,
    readNamespace,
    readEndpointSlice,
    readAddressPool,
    readIpAddressPool,
    readAdvertisement,
    readServiceIpObject,
  ];
  const objects = fc.record({
    metadata: fc.anything(),
    spec: fc.anything(),
    status: fc.anything(),
    endpoints: fc.anything(),
  });
  fc.assert(
    fc.property(fc.oneof(fc.anything(), objects), (raw) => {
      for (const read of readers) {
        const reading = read(raw);
        assert.ok('wrong' in reading || 'value' in reading);
      }
    }),
    { numRuns: 300 },
  );
});

test('a node is what its conditions, taints and labels say', () => {
  const raw = {
    metadata: { name: 'n1', labels: { a: 'b' }, annotations: { 'holdfast.dev/drain': 'patient' } },
    spec: {
      unschedulable: true,
      taints: [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' }],
    },
    status: {
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'NetworkUnavailable', status: 'True' },
      ],
      addresses: [
        { type: 'InternalIP', address: '10.0.0.5' },
        { type: 'ExternalIP', address: 'FD00::5' },
        { type: 'Hostname', address: '10.9.9.9' },
      ],
    },
  };
  assert.deepEqual(value(readNode(raw)), {
    name: 'n1',
    labels: { a: 'b' },
    isReady: true,
    isNetworkUnavailable: true,
    isOutOfService: true,
    isUnschedulable: true,
    addresses: ['10.0.0.5', 'fd00::5'],
    drain: 'patient',
  });
  assert.equal(value(readNode({ metadata: { name: 'n2' } })).isReady, false);
  const odd = readNode({ metadata: { name: 'n3', annotations: { 'holdfast.dev/drain': 'now' } } });
  assert.deepEqual(said(odd), [
    'Node n3: holdfast.dev/drain "now" is ignored; write true, prompt, patient or false',
  ]);
});

test('absent endpoint conditions mean ready, and endpoints without a node are nobody’s', () => {
  const raw = {
    metadata: { name: 'web-x', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
    endpoints: [
      { nodeName: 'n1' },
      { nodeName: 'n2', conditions: { ready: false, serving: true, terminating: true } },
      { nodeName: 'n3', conditions: { ready: false } },
      { addresses: ['10.1.1.1'] },
    ],
  };
  const fact = value(readEndpointSlice(raw));
  assert.deepEqual([fact?.key, fact?.service], ['shop/web-x', 'shop/web']);
  assert.deepEqual(
    fact?.endpoints.map(({ node, isReady, isServing, isTerminating }) => [
      node,
      isReady,
      isServing,
      isTerminating,
    ]),
    [
      ['n1', true, true, false],
      ['n2', false, true, true],
      ['n3', false, false, false],
    ],
  );
  assert.equal(value(readEndpointSlice({ metadata: { name: 'a', namespace: 'b' }, endpoints: null })), null);
});

test('our pools and MetalLB’s are read alike, save for how they are announced', () => {
  const spec = {
    addresses: ['10.0.0.0/30', 'fd00::1 - fd00::9'],
    autoAssign: false,
    avoidBuggyIPs: true,
    serviceAllocation: {
      priority: 7,
      namespaces: ['shop'],
      namespaceSelectors: [{ matchLabels: { a: 'b' } }],
      serviceSelectors: [
        {
          matchExpressions: [
            { key: 'c', operator: 'NotIn', values: ['d'] },
            { key: 'e', operator: 'Exists' },
          ],
        },
      ],
    },
    announce: {
      nodeSelectors: [{ matchLabels: { rack: '1' } }],
      preferredNodes: [{}],
      interfaces: ['eth1'],
      drain: { window: '30s', style: 'patient' },
    },
  };
  const metadata = {
    name: 'blue',
    namespace: 'metallb-system',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: { z: 'y' },
  };
  const theirs = value(readIpAddressPool({ metadata, spec }));
  const both = {
    name: 'blue',
    created: '2026-01-01T00:00:00Z',
    labels: { z: 'y' },
    ranges: [
      { first: '10.0.0.0', last: '10.0.0.3', text: '10.0.0.0/30' },
      { first: 'fd00::1', last: 'fd00::9', text: 'fd00::1 - fd00::9' },
    ],
    autoAssign: false,
    avoidBuggyIPs: true,
    priority: 7,
    namespaces: ['shop'],
    namespaceSelectors: [[{ key: 'a', operator: 'In', values: ['b'] }]],
    serviceSelectors: [
      [
        { key: 'c', operator: 'NotIn', values: ['d'] },
        { key: 'e', operator: 'Exists' },
      ],
    ],
  };
  const silent = { nodeSelectors: [], preferredNodes: [], interfaces: null, drain: null };
  assert.deepEqual(theirs, { kind: 'IPAddressPool', ...both, ...silent });
  assert.deepEqual(value(readAddressPool({ metadata, spec })), {
    kind: 'AddressPool',
    ...both,
    nodeSelectors: [[{ key: 'rack', operator: 'In', values: ['1'] }]],
    preferredNodes: [[]],
    interfaces: ['eth1'],
    drain: { windowMs: 30_000, quietMs: null, style: 'patient' },
  });
  const bare = value(readAddressPool({ metadata: { name: 'p' }, spec: { addresses: ['10.0.0.1/32'] } }));
  assert.deepEqual(
    [bare.autoAssign, bare.avoidBuggyIPs, bare.priority, bare.interfaces],
    [true, false, 0, null],
  );
});

test('an L2Advertisement without a spec selects everything, everywhere', () => {
  const nothing = { pools: [], poolSelectors: [], nodeSelectors: [], interfaces: null };
  assert.deepEqual(value(readAdvertisement({ metadata: { name: 'l2' } })), { name: 'l2', ...nothing });
});

test('a ServiceIP says for whom it is reserved, and who held it', () => {
  const entry = { namespace: 'shop', name: 'web', uid: 'u', token: '4' };
  const metadata = { name: 'fd00--1', resourceVersion: '9' };
  const raw = {
    metadata,
    spec: { ip: 'fd00::1', services: [entry] },
    status: { holder: 'n1', epoch: 3, weak: true },
  };
  assert.deepEqual(value(readServiceIpObject(raw)), {
    ip: 'fd00::1',
    resourceVersion: '9',
    services: [entry],
    held: { holder: 'n1', epoch: 3, weak: true, state: null },
  });
  assert.equal(value(readServiceIpObject({ metadata, spec: { ip: 'fd00::1' } })).held, null);
});

test('a namespace is its name and labels', () => {
  const raw = { metadata: { name: 'shop', labels: { tier: 'front' } } };
  assert.deepEqual(value(readNamespace(raw)), { name: 'shop', labels: { tier: 'front' } });
});

// text, first, last
const RANGES = [
  ['10.0.0.0/24', '10.0.0.0', '10.0.0.255'],
  ['10.0.0.77/24', '10.0.0.0', '10.0.0.255'],
  ['10.0.0.1/32', '10.0.0.1', '10.0.0.1'],
  ['10.0.0.1-10.0.0.1', '10.0.0.1', '10.0.0.1'],
  [' 10.0.0.1 - 10.0.1.9 ', '10.0.0.1', '10.0.1.9'],
  ['FD00::/64', 'fd00::', 'fd00::ffff:ffff:ffff:ffff'],
  ['fd00::1-fd00::a', 'fd00::1', 'fd00::a'],
] as const;
for (const [text, first, last] of RANGES) {
  test(`${text} is ${first} to ${last}`, () => {
    assert.deepEqual(readAddressRange(text), { value: { first, last, text: text.trim() } });
  });
}
for (const text of [
  '',
  '10.0.0.1',
  '10.0.0.0/33',
  '10.0.0.0/',
  '10.0.0.0/-1',
  '10.0.0.9-10.0.0.1',
  '10.0.0.1-fd00::1',
  '10.0.0.1-',
  '010.0.0.0/24',
  '0.0.0.0/0',
  '224.0.0.0/8',
  'ff02::/16',
  '127.0.0.1-127.0.0.2',
  '10.0.0.1-10.0.0.2-10.0.0.3',
  '::/0',
]) {
  test(`${JSON.stringify(text)} is no range of service IPs`, () =>
    assert.ok('wrong' in readAddressRange(text)));
}
