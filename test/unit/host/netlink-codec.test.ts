import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeMessages, encodeMessage } from '../../../src/io/host/netlink-codec.ts';
import type { AddressMessage, LinkMessage, NetlinkMessage } from '../../../src/io/host/netlink-messages.ts';

/** Rows of hex, one per field. */
const octets = (...rows: readonly string[]): Uint8Array =>
  Uint8Array.from(Buffer.from(rows.join('').replaceAll(' ', ''), 'hex'));

const addressV4: AddressMessage = {
  kind: 'address',
  change: 'new',
  headerFlags: 0x605,
  sequence: 7,
  index: 1,
  ip: '10.99.0.100',
  peer: null,
  prefixLength: 32,
  scope: 254,
  flags: 0,
  protocol: 72,
  preferredSeconds: null,
};
const addressV4Octets = octets(
  '38 00 00 00', // length 56
  '14 00', // RTM_NEWADDR
  '05 06', // REQUEST | ACK | EXCL | CREATE
  '07 00 00 00', // sequence
  '00 00 00 00', // port
  '02', // AF_INET
  '20', // prefix length
  '00', // flags, low octet
  'fe', // RT_SCOPE_HOST
  '01 00 00 00', // index
  '08 00 02 00 0a 63 00 64', // IFA_LOCAL
  '08 00 01 00 0a 63 00 64', // IFA_ADDRESS
  '08 00 08 00 00 00 00 00', // IFA_FLAGS
  '05 00 0b 00 48 00 00 00', // IFA_PROTO and its padding
);

const addressV6: AddressMessage = {
  ...addressV4,
  change: 'deleted',
  headerFlags: 1,
  ip: 'fd99::100',
  prefixLength: 128,
  scope: 0,
  flags: 0x202,
  preferredSeconds: 0,
};
const addressV6Octets = octets(
  '64 00 00 00', // length 100
  '15 00', // RTM_DELADDR
  '01 00', // REQUEST
  '07 00 00 00', // sequence
  '00 00 00 00', // port
  '0a', // AF_INET6
  '80', // prefix length
  '02', // flags, low octet
  '00', // RT_SCOPE_UNIVERSE
  '01 00 00 00', // index
  '14 00 02 00 fd 99 00 00 00 00 00 00 00 00 00 00 00 00 01 00', // IFA_LOCAL
  '14 00 01 00 fd 99 00 00 00 00 00 00 00 00 00 00 00 00 01 00', // IFA_ADDRESS
  '08 00 08 00 02 02 00 00', // IFA_FLAGS: NODAD | NOPREFIXROUTE
  '05 00 0b 00 48 00 00 00', // IFA_PROTO
  '14 00 06 00', // IFA_CACHEINFO
  '00 00 00 00', // preferred: 0 s
  'ff ff ff ff', // valid: forever
  '00 00 00 00 00 00 00 00', // created, updated
);

const link: LinkMessage = {
  kind: 'link',
  change: 'new',
  headerFlags: 2,
  sequence: 3,
  family: 0,
  index: 5,
  hardwareType: 1,
  mtu: 1500,
  flags: 0x11043,
  name: 'eth0',
  mac: '02:00:00:00:00:01',
  operState: 6,
  carrier: true,
};
const linkOctets = octets(
  '50 00 00 00', // length 80
  '10 00', // RTM_NEWLINK
  '02 00', // MULTI
  '03 00 00 00', // sequence
  '00 00 00 00', // port
  '00 00', // AF_UNSPEC, padding
  '01 00', // ARPHRD_ETHER
  '05 00 00 00', // index
  '43 10 01 00', // UP | BROADCAST | RUNNING | MULTICAST | LOWER_UP
  '00 00 00 00', // change mask
  '09 00 03 00 65 74 68 30 00 00 00 00', // IFLA_IFNAME
  '0a 00 01 00 02 00 00 00 00 01 00 00', // IFLA_ADDRESS
  '08 00 04 00 dc 05 00 00', // IFLA_MTU
  '05 00 10 00 06 00 00 00', // IFLA_OPERSTATE
  '05 00 21 00 01 00 00 00', // IFLA_CARRIER
);

const messages: readonly (readonly [string, NetlinkMessage, Uint8Array])[] = [
  ['RTM_NEWADDR of an IPv4 address', addressV4, addressV4Octets],
  ['RTM_DELADDR of an IPv6 address', addressV6, addressV6Octets],
  ['RTM_NEWLINK', link, linkOctets],
  [
    'RTM_GETLINK as a dump',
    { kind: 'dump', of: 'links', headerFlags: 0x301, sequence: 9 },
    octets(
      '28 00 00 00', // length 40
      '12 00', // RTM_GETLINK
      '01 03', // REQUEST | DUMP
      '09 00 00 00', // sequence
      '00 00 00 00', // port
      '00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00', // struct ifinfomsg
      '08 00 1d 00 08 00 00 00', // IFLA_EXT_MASK: SKIP_STATS
    ),
  ],
  [
    'RTM_GETADDR as a dump',
    { kind: 'dump', of: 'addresses', headerFlags: 0x301, sequence: 9 },
    octets(
      '18 00 00 00', // length 24
      '16 00', // RTM_GETADDR
      '01 03', // REQUEST | DUMP
      '09 00 00 00', // sequence
      '00 00 00 00', // port
      '00 00 00 00 00 00 00 00', // struct ifaddrmsg
    ),
  ],
  [
    'NLMSG_ERROR with EPERM',
    { kind: 'error', errno: 1, headerFlags: 0, sequence: 4 },
    octets(
      '24 00 00 00', // length 36
      '02 00', // NLMSG_ERROR
      '00 00', // flags
      '04 00 00 00', // sequence
      '00 00 00 00', // port
      'ff ff ff ff', // -EPERM
      '00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00', // header of what was refused
    ),
  ],
  [
    'NLMSG_DONE',
    { kind: 'done', errno: 0, headerFlags: 2, sequence: 4 },
    octets(
      '14 00 00 00', // length 20
      '03 00', // NLMSG_DONE
      '02 00', // MULTI
      '04 00 00 00', // sequence
      '00 00 00 00', // port
      '00 00 00 00', // result
    ),
  ],
];

/** A copy with other octets from `at` on. */
const altered = (bytes: Uint8Array, at: number, ...values: readonly number[]): Uint8Array => {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
};

const routeQuestion: NetlinkMessage = {
  kind: 'route',
  headerFlags: 1,
  sequence: 9,
  ip: 'fd99::100',
  routeType: 0,
};
const routeQuestionOctets = octets(
  '30 00 00 00', // length 48
  '1a 00', // RTM_GETROUTE
  '01 00', // REQUEST
  '09 00 00 00', // sequence
  '00 00 00 00', // port
  '0a 80 00 00', // AF_INET6, destination length 128, source length 0, TOS 0
  '00 00 00 00', // table, protocol, scope, type
  '00 20 00 00', // RTM_F_FIB_MATCH
  '14 00 01 00', // RTA_DST
  'fd 99 00 00 00 00 00 00 00 00 00 00 00 00 01 00',
);

const reasons = (bytes: Uint8Array): string[] =>
  decodeMessages(bytes).map((message) => (message.kind === 'malformed' ? message.reason : message.kind));

describe('the netlink codec', () => {
  for (const [title, message, bytes] of messages) {
    it(`writes ${title}`, () => assert.deepEqual(encodeMessage(message), bytes));
    it(`reads ${title}`, () => assert.deepEqual(decodeMessages(bytes), [message]));
  }

  it('reads every message of a multipart datagram, and passes over types it does not know', () => {
    const other = altered(linkOctets, 4, 28); // RTM_NEWNEIGH
    const datagram = Buffer.concat([linkOctets, other, addressV4Octets, encodeMessage(messages[6]![1])]);
    assert.deepEqual(reasons(datagram), ['link', 'address', 'done']);
  });

  it('asks for the entry of the routing table, and reads the type of the route from the answer', () => {
    assert.deepEqual(encodeMessage(routeQuestion), routeQuestionOctets);
    const answer = altered(altered(routeQuestionOctets, 4, 24), 16 + 7, 2); // RTM_NEWROUTE, RTN_LOCAL
    assert.deepEqual(decodeMessages(answer), [{ ...routeQuestion, routeType: 2 }]);
    assert.deepEqual(reasons(altered(answer.slice(0, 24), 0, 24)), ['body']);
    assert.deepEqual(reasons(altered(answer, 28, 200)), ['attribute']);
  });

  it('takes IFA_LOCAL for the own address and IFA_ADDRESS for the far end', () => {
    const [message] = decodeMessages(altered(addressV4Octets, 36, 10, 99, 0, 1));
    assert.equal((message as AddressMessage).ip, '10.99.0.100');
    assert.equal((message as AddressMessage).peer, '10.99.0.1');
    assert.deepEqual(decodeMessages(encodeMessage(message as AddressMessage)), [message]);
  });

  it('takes IFA_ADDRESS for the own address where there is no IFA_LOCAL, as with IPv6', () => {
    // The type of the first attribute becomes one that means nothing here.
    const [message] = decodeMessages(altered(addressV6Octets, 26, 3));
    assert.equal((message as AddressMessage).ip, 'fd99::100');
    assert.equal((message as AddressMessage).peer, null);
  });

  it('reads IFA_FLAGS rather than the eight bits of the fixed part', () => {
    const [message] = decodeMessages(altered(addressV6Octets, 18, 0x80));
    assert.equal((message as AddressMessage).flags, 0x202);
  });

  it('knows no MAC where the hardware address has not six octets', () => {
    const [message] = decodeMessages(altered(linkOctets, 44, 9));
    assert.equal((message as LinkMessage).mac, null);
  });

  for (const [title, bytes, expected] of [
    ['a datagram shorter than a header', linkOctets.slice(0, 15), ['header']],
    ['a length below a header', altered(linkOctets, 0, 15), ['header']],
    ['a length beyond the datagram', altered(linkOctets, 0, 81), ['header']],
    ['a length of zero', altered(linkOctets, 0, 0), ['header']],
    ['a link without its fixed part', altered(linkOctets.slice(0, 28), 0, 28), ['body']],
    ['an error without its number', altered(encodeMessage(messages[5]![1]).slice(0, 16), 0, 16), ['body']],
    ['an attribute shorter than its header', altered(linkOctets, 32, 3), ['attribute']],
    ['an attribute beyond the message', altered(linkOctets, 72, 9), ['attribute']],
    ['a prefix longer than the address', altered(addressV4Octets, 17, 33), ['address']],
    ['an IPv4 address of three octets', altered(addressV4Octets, 24, 7), ['address']],
    ['an address message without an address', altered(addressV4Octets.slice(0, 24), 0, 24), ['address']],
    ['a name without its NUL', altered(linkOctets, 40, 0x31), ['name']],
    ['an empty name', altered(linkOctets, 36, 0), ['name']],
    ['a name that is not UTF-8', altered(linkOctets, 36, 0xff), ['name']],
  ] as const) {
    it(`calls ${title} malformed`, () => assert.deepEqual(reasons(bytes), expected));
  }

  it('reads on behind a message with malformed content', () => {
    const datagram = Buffer.concat([altered(addressV4Octets, 17, 33), linkOctets]);
    assert.deepEqual(reasons(datagram), ['address', 'link']);
  });

  it('never throws, and what parses encodes and parses the same', () => {
    const base = Buffer.concat(messages.map(([, , bytes]) => bytes));
    const mutations = fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 8 });
    const datagrams = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(mutations, fc.nat(base.length)).map(([changes, length]) => {
        const copy = Uint8Array.from(base);
        for (const [at, value] of changes) copy[at] = value;
        return copy.subarray(0, Math.max(length, 16));
      }),
    );
    fc.assert(
      fc.property(datagrams, (bytes) => {
        for (const message of decodeMessages(bytes)) {
          if (message.kind !== 'malformed')
            assert.deepEqual(decodeMessages(encodeMessage(message)), [message]);
        }
      }),
      { numRuns: 20_000 },
    );
  });
});
