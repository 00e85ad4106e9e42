import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as codec from '../../../src/io/packets/address.ts';
import { holds, isGroupMac, multicastMac, solicitedNodeAddress } from '../../../src/machines/addresses.ts';

// prefix, length, address, whether it is inside
const HOLDS: readonly (readonly [string, number, string, boolean])[] = [
  ['10.99.0.1', 24, '10.99.0.100', true],
  ['10.99.0.1', 24, '10.99.1.100', false],
  ['10.99.0.200', 25, '10.99.0.127', false],
  ['10.99.0.200', 25, '10.99.0.128', true],
  ['10.99.0.1', 32, '10.99.0.1', true],
  ['10.99.0.1', 32, '10.99.0.2', false],
  ['0.0.0.0', 0, '255.255.255.255', true],
  ['fd99::1', 64, 'fd99::ffff:ffff:ffff:ffff', true],
  ['fd99::1', 64, 'fd99:0:0:1::1', false],
  ['fd99::1', 127, 'fd99::', true],
  ['fd99::1', 127, 'fd99::2', false],
  ['::', 0, 'fd99::1', true],
  ['::', 0, '10.99.0.1', false],
  ['0.0.0.0', 0, '::', false],
  ['::1', 128, '::1', true],
];
for (const [ip, length, address, isInside] of HOLDS) {
  test(`${address} is ${isInside ? '' : 'not '}on ${ip}/${length}`, () => {
    assert.equal(holds({ ip, length }, address), isInside);
  });
}

const ipv6 = fc
  .tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat({ max: 16 }), fc.nat({ max: 16 }))
  .map(([bytes, from, length]) => codec.ipFromBytes(bytes.fill(0, from, from + length)));
const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(codec.ipFromBytes);

/** The bits of an address, from the octets that a packet would carry. */
const bitsOf = (ip: string): string =>
  [...codec.ipToBytes(ip)].map((octet) => octet.toString(2).padStart(8, '0')).join('');

test('prefixes of both families are judged as the octets of a packet judge them, bit by bit', () => {
  const check = (a: string, b: string, length: number): void =>
    assert.equal(holds({ ip: a, length }, b), bitsOf(a).slice(0, length) === bitsOf(b).slice(0, length));
  fc.assert(fc.property(ipv4, ipv4, fc.nat({ max: 32 }), check));
  fc.assert(fc.property(ipv6, ipv6, fc.nat({ max: 128 }), check));
});

test('an IPv4-mapped address is judged like any other IPv6 address, not thrown at', () => {
  assert.equal(holds({ ip: '::ffff:10.99.0.1', length: 120 }, '::ffff:10.99.0.100'), true);
  assert.equal(solicitedNodeAddress('::ffff:10.99.0.100'), 'ff02::1:ff63:64');
});

test('a group and its MAC end in the last 24 and 32 bits of what they are the group of', () => {
  fc.assert(
    fc.property(ipv6, (ip) => {
      const group = solicitedNodeAddress(ip);
      assert.equal(bitsOf(group), bitsOf('ff02::1:ff00:0').slice(0, 104) + bitsOf(ip).slice(104));
      const mac = multicastMac(group)
        .split(':')
        .map((octet) => Number.parseInt(octet, 16).toString(2).padStart(8, '0'));
      assert.equal(mac.join(''), `0011001100110011${bitsOf(group).slice(96)}`);
    }),
  );
});

// RFC 4291 §2.7.1: "the IPv6 address 4037::01:800:200E:8C6C is ff02::1:ff0e:8c6c".
test('the solicited-node address of the example in RFC 4291 §2.7.1 is the one given there', () => {
  assert.equal(solicitedNodeAddress('4037::1:800:200e:8c6c'), 'ff02::1:ff0e:8c6c');
  assert.equal(solicitedNodeAddress('fd99::'), 'ff02::1:ff00:0');
  assert.equal(multicastMac('ff02::1:ff0e:8c6c'), '33:33:ff:0e:8c:6c');
  assert.equal(multicastMac('ff02::1'), '33:33:00:00:00:01');
});

test('broadcast and multicast MACs are groups, stations are not', () => {
  for (const mac of ['ff:ff:ff:ff:ff:ff', '33:33:00:00:00:01', '01:00:5e:00:00:01'])
    assert.equal(isGroupMac(mac), true);
  for (const mac of ['02:00:00:00:00:01', '00:00:00:00:00:00', 'fe:00:00:00:00:01'])
    assert.equal(isGroupMac(mac), false);
});
