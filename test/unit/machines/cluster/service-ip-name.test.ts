import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipFromBytes } from '../../../../src/io/packets/address.ts';
import { addressValue } from '../../../../src/machines/addresses.ts';
import { addressText } from '../../../../src/machines/cluster/address-text.ts';
import { familyOf } from '../../../../src/machines/cluster/cluster-facts.ts';
import { ipOfServiceIpName, serviceIpName } from '../../../../src/machines/cluster/service-ip-name.ts';

// Octets in {0, anything}, so that runs of zeros are common.
const octet = fc.oneof(fc.constant(0), fc.nat(255));
const ips = fc
  .oneof(fc.array(octet, { minLength: 4, maxLength: 4 }), fc.array(octet, { minLength: 16, maxLength: 16 }))
  .map((octets) => ipFromBytes(Uint8Array.from(octets)))
  .filter((ip) => !(ip.includes(':') && ip.includes('.')));

test('the text of an address’s number is the one that the codec writes', () => {
  fc.assert(
    fc.property(ips, (ip) => assert.equal(addressText(addressValue(ip), familyOf(ip)), ip)),
    { numRuns: 3_000 },
  );
});

test('every address has a name that Kubernetes takes, and the name gives the address back', () => {
  fc.assert(
    fc.property(ips, (ip) => {
      const name = serviceIpName(ip);
      assert.match(name, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
      assert.equal(ipOfServiceIpName(name), ip);
    }),
    { numRuns: 3_000 },
  );
});

test('two addresses have two names', () => {
  fc.assert(
    fc.property(ips, ips, (a, b) => assert.equal(serviceIpName(a) === serviceIpName(b), a === b)),
    { numRuns: 3_000 },
  );
});

// address, name
const NAMES = [
  ['10.99.0.100', '10.99.0.100'],
  ['fd99::100', 'fd99--100'],
  ['fd99::', 'fd99--0'],
  ['::5', '0--5'],
  ['2001:db8:1:2:3:4:5:6', '2001-db8-1-2-3-4-5-6'],
] as const;
for (const [ip, name] of NAMES) test(`${ip} is ${name}`, () => assert.equal(serviceIpName(ip), name));

for (const name of [
  '10.99.0.256',
  '010.1.1.1',
  'fd99--0100',
  'fd99--',
  'fd99-0--0',
  '1-2-3',
  'web',
  '0--0-0',
]) {
  test(`${name} is no address’s name`, () => assert.equal(ipOfServiceIpName(name), null));
}
