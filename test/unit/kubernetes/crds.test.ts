import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { readAddressPool } from '../../../src/io/kubernetes/objects/pool.ts';
import { readServiceIpObject } from '../../../src/io/kubernetes/objects/service-ip.ts';
import { ipFromBytes } from '../../../src/io/packets/address.ts';
import { serviceIpName } from '../../../src/machines/cluster/service-ip-name.ts';
import { readCrd, refusals, ruleBounds, type Schema } from '../../support/crd-admission.ts';

const crds = join(import.meta.dirname, '../../../deploy/crds');
const poolCrd = readCrd(join(crds, 'addresspools.yaml'));
const ipCrd = readCrd(join(crds, 'serviceips.yaml'));
const schemaOf = (crd: typeof poolCrd): Schema => crd.spec.versions[0]!.schema.openAPIV3Schema;
const POOL = schemaOf(poolCrd);
const IP = schemaOf(ipCrd);

const pool = (spec: object) => ({
  apiVersion: 'holdfast.dev/v1alpha1',
  kind: 'AddressPool',
  metadata: { name: 'p' },
  spec,
});
const of = (...addresses: string[]) => pool({ addresses });
const announced = (announce: object) => pool({ addresses: ['10.0.0.0/24'], announce });
const allocated = (serviceAllocation: object) => pool({ addresses: ['10.0.0.0/24'], serviceAllocation });
const selector = (term: object) => allocated({ serviceSelectors: [{ matchExpressions: [term] }] });

const GOOD_RANGES = [
  '10.0.0.0/24',
  '10.0.0.1-10.0.0.1',
  '10.0.0.9-10.0.0.10',
  '9.255.255.255-10.0.0.0',
  '10.0.0.250-10.0.1.5',
  '192.168.1.1/32',
  'fd00::/64',
  'FD00::/64',
  '2001:db8:1:2:3:4:5:6/128',
  '2001:db8:1:2:3:4:5::/112',
  'fd00::1-fd00::f',
  'fd00::-fd00::5',
  'fd00::9-fd00::A',
  'fd00::ff-fd00::100',
  'fd00::1-fd00::1:0',
  '::1:0:0:1-::1:0:0:2',
];
for (const text of GOOD_RANGES) {
  test(`the pool ${text} is admitted, and can be read`, () => {
    assert.deepEqual(refusals(POOL, of(text)), []);
    const reading = readAddressPool(of(text));
    assert.ok('value' in reading, 'wrong' in reading ? reading.wrong : '');
  });
}

const FORM = 'write a CIDR such as 10.0.0.0/24 or fd00::/64, or a range such as 10.0.0.1-10.0.0.9';
const ORDER = 'the range ends before it begins';
const FAMILY = 'a range must begin and end in one family';
const BAD_RANGES: readonly (readonly [string, string])[] = [
  ['', FORM],
  ['10.0.0.1', FORM],
  ['10.0.0.0/33', FORM],
  ['10.0.0/24', FORM],
  ['10.0.0.256/24', FORM],
  ['010.0.0.0/24', FORM],
  ['10.0.0.1-', FORM],
  ['-10.0.0.1', FORM],
  ['10.0.0.1-10.0.0.2-10.0.0.3', FORM],
  ['10.0.0.1-10.0.0.2/32', FORM],
  ['fd00::/129', FORM],
  ['fd00::1', FORM],
  ['fd00:::1/64', FORM],
  ['fd00::1::/64', FORM],
  ['fd0g::/64', FORM],
  ['web/24', FORM],
  ['10.0.0.9-10.0.0.1', ORDER],
  ['10.0.1.1-10.0.0.9', ORDER],
  ['11.0.0.0-10.255.255.255', ORDER],
  ['10.1.0.0-10.0.255.255', ORDER],
  ['fd00::f-fd00::1', ORDER],
  ['fd00::100-fd00::ff', ORDER],
  ['fd00::B-fd00::a', ORDER],
  ['fd00::5-fd00::', ORDER],
  ['10.0.0.1-fd00::1', FAMILY],
  ['fd00::1-10.0.0.1', FAMILY],
];
for (const [text, message] of BAD_RANGES) {
  test(`the pool ${JSON.stringify(text)} is refused: ${message}`, () => {
    const found = refusals(POOL, of('10.9.0.0/24', text));
    assert.ok(found.includes(`.spec.addresses[1]: ${message}`), found.join('\n'));
    assert.ok('wrong' in readAddressPool(of(text)));
  });
}

const GOOD_POOLS = [
  allocated({ priority: 0, namespaces: ['a'], namespaceSelectors: [{ matchLabels: { a: 'b' } }] }),
  selector({ key: 'a', operator: 'In', values: ['b'] }),
  selector({ key: 'a', operator: 'Exists' }),
  selector({ key: 'a', operator: 'DoesNotExist', values: [] }),
  announced({
    nodeSelectors: [{}],
    preferredNodes: [{ matchLabels: { rack: '1' } }],
    interfaces: ['eth0.5'],
    drain: { window: '2m', quiet: '10s', style: 'patient' },
  }),
  pool({ addresses: ['10.0.0.0/24'], autoAssign: false, avoidBuggyIPs: true, unknownToThisVersion: 1 }),
];
for (const object of GOOD_POOLS) {
  test(`${JSON.stringify(object.spec)} is admitted, and can be read`, () => {
    assert.deepEqual(refusals(POOL, object), []);
    assert.ok('value' in readAddressPool(object));
  });
}

// object, where and why
const BAD_POOLS: readonly (readonly [object, string])[] = [
  [pool({}), '.spec: needs addresses'],
  [of(), '.spec.addresses: too few'],
  [{ metadata: { name: 'p' } }, ': needs spec'],
  [allocated({ priority: -1 }), '.spec.serviceAllocation.priority: the priority must not be negative'],
  [
    selector({ key: 'a', operator: 'In' }),
    '.spec.serviceAllocation.serviceSelectors[0].matchExpressions[0]: In and NotIn need values, Exists and DoesNotExist have none',
  ],
  [
    selector({ key: 'a', operator: 'Exists', values: ['b'] }),
    '.spec.serviceAllocation.serviceSelectors[0].matchExpressions[0]: In and NotIn need values, Exists and DoesNotExist have none',
  ],
  [
    selector({ key: 'a', operator: 'Like' }),
    '.spec.serviceAllocation.serviceSelectors[0].matchExpressions[0].operator: not one of the values',
  ],
  [
    announced({ interfaces: ['eth 0'] }),
    '.spec.announce.interfaces[0]: write an interface name such as eth0',
  ],
  [announced({ interfaces: ['a-name-that-is-too-long'] }), '.spec.announce.interfaces[0]: too long'],
  [announced({ drain: { window: '90' } }), '.spec.announce.drain.window: write a duration such as 2m'],
  [announced({ drain: { style: 'slow' } }), '.spec.announce.drain.style: not one of the values'],
  [pool({ addresses: ['10.0.0.0/24'], autoAssign: 'yes' }), '.spec.autoAssign: is string, not boolean'],
];
for (const [object, refusal] of BAD_POOLS) {
  test(`${JSON.stringify(object)} is refused: ${refusal}`, () =>
    assert.deepEqual(refusals(POOL, object), [refusal]));
}

const serviceIp = (ip: string, name = serviceIpName(ip)) => ({
  metadata: { name, resourceVersion: '1' },
  spec: { ip, services: [] },
});
const octet = fc.oneof(fc.constant(0), fc.nat(255));
const ips = fc
  .oneof(fc.array(octet, { minLength: 4, maxLength: 4 }), fc.array(octet, { minLength: 16, maxLength: 16 }))
  .map((octets) => ipFromBytes(Uint8Array.from(octets)))
  .filter((ip) => !(ip.includes(':') && ip.includes('.')));

test('a ServiceIP of any canonical address is admitted under the name that the daemon gives it, and under no other', () => {
  fc.assert(
    fc.property(ips, ips, (ip, other) => {
      assert.deepEqual(refusals(IP, serviceIp(ip)), []);
      if (other !== ip)
        assert.match(
          refusals(IP, serviceIp(ip, serviceIpName(other)))[0] ?? '',
          /^: the name must be the address/,
        );
    }),
    { numRuns: 500 },
  );
});

for (const ip of [
  '10.0.0.256',
  '010.0.0.1',
  '10.0.0',
  'FD00::1',
  'fd00::01',
  'fd00',
  'web',
  '',
  'fd00::1%eth0',
  '10.0.0.0/24',
]) {
  test(`a ServiceIP of ${JSON.stringify(ip)} is refused`, () => {
    const name = ip.replaceAll(':', '-');
    assert.deepEqual(refusals(IP, serviceIp(ip, name)), [
      '.spec.ip: write one address in lower case without leading zeros',
    ]);
  });
}

test('the address of a ServiceIP cannot be changed, the rest can', () => {
  const before = serviceIp('10.0.0.1');
  const entry = { namespace: 'shop', name: 'web', uid: 'u', token: '1' };
  const after = { ...before, spec: { ...before.spec, services: [entry] } };
  assert.deepEqual(refusals(IP, after, before), []);
  const moved = { ...before, spec: { ip: '10.0.0.2', services: [] } };
  assert.ok(refusals(IP, moved, before).includes('.spec.ip: the address of a ServiceIP cannot be changed'));
});

test('a ServiceIP’s status holds what the holder writes, and no more than that', () => {
  const status = {
    holder: 'n1',
    epoch: 2 ** 48 - 1,
    weak: false,
    state: 'leader',
    since: '2026-11-20T12:00:00.000Z',
    cause: 'holder-dead',
    reason: 'n2 silent for 204 ms',
    interface: 'eth0',
    mac: '02:00:00:00:00:01',
    clients: 2,
    draining: ['n2'],
  };
  const object = { ...serviceIp('fd00::1'), status };
  assert.deepEqual(refusals(IP, object), []);
  const reading = readServiceIpObject(object);
  assert.deepEqual('value' in reading && reading.value.held, {
    holder: 'n1',
    epoch: 2 ** 48 - 1,
    weak: false,
    state: 'leader',
  });
  assert.deepEqual(refusals(IP, { ...object, status: { ...status, epoch: -1 } }), [
    '.status.epoch: too small',
  ]);
  assert.deepEqual(refusals(IP, { ...object, status: { ...status, state: 'master' } }), [
    '.status.state: not one of the values',
  ]);
  assert.deepEqual(Object.keys(status).sort(), Object.keys(IP.properties?.status?.properties ?? {}).sort());
});

for (const crd of [poolCrd, ipCrd]) {
  const { group, names, scope, versions } = crd.spec;
  test(`${names.plural} is cluster-scoped, stored as v1alpha1, and its columns name fields that exist`, () => {
    assert.equal(crd.metadata.name, `${names.plural}.${group}`);
    assert.deepEqual([scope, versions.length, versions[0]?.name], ['Cluster', 1, 'v1alpha1']);
    assert.deepEqual([versions[0]?.served, versions[0]?.storage], [true, true]);
    for (const { jsonPath } of versions[0]?.additionalPrinterColumns ?? []) {
      let schema: Schema | undefined = schemaOf(crd);
      if (jsonPath.startsWith('.metadata.')) continue;
      for (const key of jsonPath.slice(1).split('.')) {
        schema = schema?.properties?.[key.replace('[*]', '')];
        if (key.endsWith('[*]')) schema = schema?.items;
        assert.ok(schema, `${jsonPath} names no field`);
      }
    }
  });

  // The API server refuses a CRD whose rules' cost it cannot bound: every string and list around a rule needs a
  // length, and `split` gives strings of unknown length (apiserver/pkg/cel/library/cost.go).
  test(`every rule of ${names.plural} is bounded, and uses nothing that Kubernetes 1.29 lacks`, () => {
    const rules = ruleBounds(schemaOf(crd));
    assert.ok(rules.length >= 3);
    for (const [rule, times] of rules) {
      assert.ok(times !== null && times <= 4_096, `${rule}: ${times}`);
      assert.doesNotMatch(rule, /split|\bip\(|isIP|cidr\(|isCIDR|join|map\(|all\(|exists/);
    }
  });
}

test('only ServiceIPs have a status that is written apart', () => {
  assert.deepEqual(
    [ipCrd.spec.versions[0]?.subresources?.status, poolCrd.spec.versions[0]?.subresources],
    [{}, undefined],
  );
});
