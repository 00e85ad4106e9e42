import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatMac,
  ipFromBytes,
  ipToBytes,
  isLinkLocal,
  isMulticast,
  parseIp,
  writeIpv4,
  writeIpv6,
  writeMac,
} from '../../../src/io/packets/address.ts';
import { holds, multicastMac, solicitedNodeAddress } from '../../../src/machines/addresses.ts';
import { hex } from '../../support/frames.ts';

// what was written, its one canonical text
const RFC_5952: readonly (readonly [string, string])[] = [
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'], // §1: eight ways to write one address
  ['2001:0db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8::1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8::0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:0db8::1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:0:1::1', '2001:db8::1:0:0:1'],
  ['2001:db8:0000:0:1::1', '2001:db8::1:0:0:1'],
  ['2001:DB8:0:0:1::1', '2001:db8::1:0:0:1'],
  ['2001:0db8::0001', '2001:db8::1'], // §4.1 leading zeros
  ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'], // §4.2.1 as much as possible
  ['2001:db8::0:1', '2001:db8::1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'], // §4.2.2 not one field alone
  ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'], // §4.2.3 the longest run
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'], // §4.2.3 the first of equals
  ['2001:db8::AbCd:0:0:12', '2001:db8::abcd:0:0:12'], // §4.3 lower case
  ['::ffff:192.0.2.1', '::ffff:192.0.2.1'], // §5 well-known IPv4 prefix
  ['::FFFF:c000:0201', '::ffff:192.0.2.1'],
  ['0:0:0:0:0:ffff:0:1', '::ffff:0.0.0.1'],
  ['::ffff:0:192.0.2.1', '::ffff:0:c000:201'], // another prefix, another address
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ['0:0:0:0:0:0:0:0', '::'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['1:0:0:0:0:0:0:0', '1::'],
  ['0:0:1:0:0:0:0:0', '0:0:1::'],
  ['0:1:2:3:4:5:6:0', '0:1:2:3:4:5:6:0'],
  ['1:2:3:4:5:6::', '1:2:3:4:5:6::'],
  ['::3:4:5:6:7:8', '::3:4:5:6:7:8'],
  ['10:200:3000:f:a0:b00:c000:100', '10:200:3000:f:a0:b00:c000:100'],
  ['1:2:3:4:5:6:255.1.0.9', '1:2:3:4:5:6:ff01:9'],
];

for (const [written, canonical] of RFC_5952) {
  test(`RFC 5952: ${written} is ${canonical}`, () => {
    assert.equal(parseIp(written), canonical);
    assert.equal(parseIp(canonical), canonical);
  });
}

const NOT_AN_ADDRESS = [
  ...['', ' ', '10.1.1', '10.1.1.1.1', '010.1.1.1', '10.1.1.01', '10.1.1.256', '10.1.1.1 ', ' 10.1.1.1'],
  ...['10.1.1.-1', '0x0a.1.1.1', '1e1.1.1.1', '10.1.1.1/24', '10..1.1', '10.1.1.', '167837953', '10.1.1.1\n'],
  ...[
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '1:2:3:4:5:6:7::8',
    '12345::',
    ':1::',
    '1::2:',
  ],
  ...[
    'fe80::1%eth0',
    'fe80::1%',
    'fd99::g',
    'fd99::/64',
    '[fd99::1]',
    '::1.2.3',
    '::1.2.3.04',
    '::1.2.3.4:5',
  ],
  ...[
    '1:2:3:4:5:6:7:1.2.3.4',
    '1.2.3.4::',
    '::ffff:256.1.1.1',
    '１0.1.1.1',
    '02:00:00:00:00:01',
    'localhost',
  ],
];

for (const text of NOT_AN_ADDRESS) {
  test(`${JSON.stringify(text)} is no address`, () => assert.equal(parseIp(text), null));
}

test('every IPv4 and IPv6 address comes back from its text, which is canonical and as node:net reads it', () => {
  const octets = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    // Zeros often enough that every gap is met.
    fc
      .array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 })
      .map((all) => Uint8Array.from(all)),
  );
  fc.assert(
    fc.property(octets, (bytes) => {
      const text = ipFromBytes(bytes);
      assert.deepEqual(ipToBytes(text), bytes);
      assert.equal(parseIp(text), text);
      assert.ok(bytes.length === 4 ? isIPv4(text) : isIPv6(text));
      // The URL parser of WHATWG implements RFC 5952 §4 independently, without the mixed form of §5.
      if (!text.includes('.')) assert.equal(new URL(`http://[${text}]`).hostname, `[${text}]`);
    }),
    { numRuns: 5000 },
  );
});

test('the strict reader accepts the texts node:net accepts, zones apart, and no other', () => {
  const accepts = (write: (ip: string, bytes: Uint8Array, at: number) => void, text: string): boolean => {
    try {
      write(text, new Uint8Array(16), 0);
      return true;
    } catch (error) {
      assert.ok(error instanceof RangeError);
      return false;
    }
  };
  const piece = fc.constantFrom(
    ...['0', '1', '01', '255', '256', 'ffff', 'Fd99', '00001', ':', ':', '::', '.', '.', 'g'],
  );
  const texts = fc.oneof(
    fc.array(piece, { maxLength: 17 }).map((all) => all.join('')),
    fc.array(piece, { minLength: 3, maxLength: 9 }).map((all) => all.join(':')),
    fc.array(piece, { minLength: 3, maxLength: 5 }).map((all) => all.join('.')),
    fc.ipV4(),
    fc.ipV6(),
  );
  fc.assert(
    fc.property(texts, (text) => {
      assert.equal(accepts(writeIpv4, text), isIPv4(text), `IPv4 ${text}`);
      assert.equal(accepts(writeIpv6, text), isIPv6(text), `IPv6 ${text}`);
    }),
    { numRuns: 20_000 },
  );
});

test('a reader writes its octets and not one beside them', () => {
  const bytes = new Uint8Array(20).fill(0xee);
  writeIpv6('fd99::1:2', bytes, 2);
  assert.deepEqual(bytes, hex('eeee', 'fd99 0000 0000 0000 0000 0000 0001 0002', 'eeee'));
});

test('a MAC address is six octets in lower case, both ways', () => {
  const bytes = hex('ee', '02 00 9a bc de ff', 'ee');
  assert.equal(formatMac(bytes, 1), '02:00:9a:bc:de:ff');
  const written = new Uint8Array(8).fill(0xee);
  writeMac('02:00:9A:bc:de:ff', written, 1);
  assert.deepEqual(written, bytes);
});

for (const text of [
  '',
  '02:00:00:00:00',
  '02:00:00:00:00:01:',
  '02:00:00:00:00:0g',
  '02-00-00-00-00-01',
  '2:0:0:0:0:1',
]) {
  test(`${JSON.stringify(text)} is refused as a MAC address`, () => {
    assert.throws(() => writeMac(text, new Uint8Array(6), 0), RangeError);
  });
}

test('an address of 5 octets is a programming error', () => {
  assert.throws(() => ipFromBytes(new Uint8Array(5)), RangeError);
});

// address, its solicited-node group, that group's Ethernet address
const GROUPS: readonly (readonly [string, string, string])[] = [
  ['4037::1:800:200e:8c6c', 'ff02::1:ff0e:8c6c', '33:33:ff:0e:8c:6c'], // the example of RFC 4291 §2.7.1
  ['fd99::100', 'ff02::1:ff00:100', '33:33:ff:00:01:00'],
  ['fd99::', 'ff02::1:ff00:0', '33:33:ff:00:00:00'],
];

for (const [ip, groupIp, mac] of GROUPS) {
  test(`${ip} is solicited at ${groupIp}, ${mac}`, () => {
    assert.equal(solicitedNodeAddress(ip), groupIp);
    assert.equal(multicastMac(groupIp), mac);
  });
}

test('all nodes are reached at 33:33:00:00:00:01 (RFC 2464 §7)', () => {
  assert.equal(multicastMac('ff02::1'), '33:33:00:00:00:01');
});

test('multicast is 224.0.0.0/4 and ff00::/8', () => {
  for (const ip of ['224.0.0.0', '239.255.255.255', 'ff00::', 'ff02::1', 'ffff::'])
    assert.ok(isMulticast(ip), ip);
  for (const ip of ['223.255.255.255', '240.0.0.0', 'ff::1', 'ff:1::', 'fe80::1', '::'])
    assert.ok(!isMulticast(ip), ip);
});

test('link-local is 169.254.0.0/16 and fe80::/10', () => {
  for (const ip of ['169.254.0.1', 'fe80::1', 'febf::1']) assert.ok(isLinkLocal(ip), ip);
  for (const ip of ['169.253.0.1', '10.169.254.1', 'fec0::1', 'fe8::1', 'fd99::1'])
    assert.ok(!isLinkLocal(ip), ip);
});

// address, prefix, inside
const PREFIXES: readonly (readonly [string, string, boolean])[] = [
  ['10.99.0.100', '10.99.0.0/24', true],
  ['10.99.0.100', '10.99.0.5/24', true],
  ['10.99.1.100', '10.99.0.0/24', false],
  ['11.99.0.100', '10.99.0.0/24', false],
  ['10.99.1.100', '10.99.0.0/23', true],
  ['10.99.0.127', '10.99.0.0/25', true],
  ['10.99.0.128', '10.99.0.0/25', false],
  ['10.99.0.1', '10.99.0.1/32', true],
  ['10.99.0.2', '10.99.0.1/32', false],
  ['203.0.113.9', '0.0.0.0/0', true],
  ['fd99::100', 'fd99::/64', true],
  ['fd99:0:0:1::', 'fd99::/64', false],
  ['fd99:0:0:1::', 'fd99::/63', true],
  ['fd99::1', 'fd99::1/128', true],
  ['fd99::2', 'fd99::1/128', false],
  ['fd99::1', '::/0', true],
  ['fd99::1', '0.0.0.0/0', false],
  ['10.99.0.1', '::/0', false],
];

for (const [ip, prefix, inside] of PREFIXES) {
  const [network, length] = prefix.split('/') as [string, string];
  test(`${ip} is ${inside ? '' : 'not '}in ${prefix}`, () => {
    assert.equal(holds({ ip: network, length: Number(length) }, ip), inside);
  });
}
