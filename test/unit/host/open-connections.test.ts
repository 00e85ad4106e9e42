import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeEntry, encodeEntryRequest } from '../../../src/io/host/conntrack.ts';
import { createRemoteTable, MAX_REMOTES, MAX_REMOTES_PER_IP } from '../../../src/io/host/remote-table.ts';
import { decodeSocket, encodeSocketRequest } from '../../../src/io/host/socket-diag.ts';
import type { Ip } from '../../../src/machines/frames.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const header = { headerFlags: 0x301, sequence: 9 };

/** Rows of hex, one per field. */
const octets = (...rows: readonly string[]): Uint8Array =>
  Uint8Array.from(Buffer.from(rows.join('').replaceAll(' ', ''), 'hex'));

const anything = (_ip: Ip): boolean => true;
const only =
  (...ips: readonly Ip[]) =>
  (ip: Ip): boolean =>
    ips.includes(ip);

/** A message before the first octet of its data; its length does not matter to those who read the data. */
const HEADER_ROW = '00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00';

describe('a question about sockets', () => {
  const identity = [
    '00 00', // source port: any
    '00 00', // destination port: any
    '00'.repeat(16), // source
    '00'.repeat(16), // destination
    '00 00 00 00', // device
    '00 00 00 00 00 00 00 00', // cookie
  ];

  it('asks for TCP in seven states, filtered by local address', () => {
    assert.deepEqual(
      encodeSocketRequest(AF_INET6, ['10.99.0.100', 'fd99::100'], header),
      octets(
        '7c 00 00 00', // length 124
        '14 00', // SOCK_DIAG_BY_FAMILY
        '01 03', // REQUEST | DUMP
        '09 00 00 00', // sequence
        '00 00 00 00', // port
        '0a', // AF_INET6
        '06', // IPPROTO_TCP
        '00', // extensions
        '00', // padding
        '3a 0b 00 00', // ESTABLISHED, SYN_RECV, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING
        ...identity,
        '34 00 01 00', // INET_DIAG_REQ_BYTECODE, 52 octets with this
        '07', // S_COND
        '10', // yes: 16 octets on, the jump
        '14 00', // no: 20 octets on, the next condition
        '02 20 00 00', // AF_INET, prefix of 32 bits
        'ff ff ff ff', // any port
        '0a 63 00 64', // address
        '01', // JMP
        '04', // yes, never
        '20 00', // no: 32 octets on, the end
        '07', // S_COND
        '1c', // yes: 28 octets on, the end
        '20 00', // no: four octets beyond
        '0a 80 00 00', // AF_INET6, prefix of 128 bits
        'ff ff ff ff', // any port
        'fd 99 00 00 00 00 00 00 00 00 00 00 00 00 01 00', // address
      ),
    );
  });

  it('leaves the filter out for more than eight addresses', () => {
    const ips = Array.from({ length: 9 }, (_, index) => `10.99.0.${index}`);
    assert.deepEqual(
      encodeSocketRequest(AF_INET, ips, header),
      octets(
        '48 00 00 00', // length 72
        '14 00 01 03 09 00 00 00 00 00 00 00',
        '02 06 00 00', // AF_INET, IPPROTO_TCP
        '3a 0b 00 00',
        ...identity,
      ),
    );
    assert.ok(encodeSocketRequest(AF_INET, ips.slice(1), header).length > 72);
  });
});

describe('a socket', () => {
  const message = (family: string, source: string, destination: string): Uint8Array =>
    octets(
      HEADER_ROW,
      family,
      '01', // ESTABLISHED
      '00 00', // timer, retransmissions
      '1e 61', // source port
      'c0 01', // destination port
      source,
      destination,
      '00 00 00 00', // device
      '01 00 00 00 00 00 00 00', // cookie
      '00'.repeat(20), // expires, queues, user, inode
    );
  const ipv4 = message('02', `0a630064${'00'.repeat(12)}`, `0a6300c9${'00'.repeat(12)}`);
  const ipv6 = message('0a', 'fd990000000000000000000000000100', 'fd990000000000000000000000000201');
  const mapped = message('0a', '00000000000000000000ffff0a630064', '00000000000000000000ffff0a6300c9');

  it('gives both addresses, IPv4 where they are IPv4-mapped', () => {
    const decode = (bytes: Uint8Array) => decodeSocket(bytes, 0, bytes.length, anything);
    assert.deepEqual(decode(ipv4), { local: '10.99.0.100', remote: '10.99.0.201' });
    assert.deepEqual(decode(mapped), { local: '10.99.0.100', remote: '10.99.0.201' });
    assert.deepEqual(decode(ipv6), { local: 'fd99::100', remote: 'fd99::201' });
  });

  it('is passed over when its local address is not wanted, whatever the remote one is', () => {
    assert.equal(decodeSocket(ipv4, 0, ipv4.length, only('10.99.0.201')), null);
  });

  it('is malformed when short or of another family', () => {
    assert.equal(decodeSocket(ipv4, 0, ipv4.length - 1, anything), 'malformed');
    assert.equal(decodeSocket(ipv4, 0, 4, anything), 'malformed');
    assert.equal(decodeSocket(message('01', '', ''.padEnd(64, '0')), 0, 88, anything), 'malformed');
  });
});

describe('a question about conntrack', () => {
  it('asks for one original destination of IPv4', () => {
    assert.deepEqual(
      encodeEntryRequest(AF_INET, '10.99.0.100', header),
      octets(
        '30 00 00 00', // length 48
        '01 01', // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET
        '01 03', // REQUEST | DUMP
        '09 00 00 00', // sequence
        '00 00 00 00', // port
        '02', // AF_INET
        '00', // NFNETLINK_V0
        '00 00', // resource
        '10 00 01 80', // CTA_TUPLE_ORIG, nested
        '0c 00 01 80', // CTA_TUPLE_IP, nested
        '08 00 02 00 0a 63 00 64', // CTA_IP_V4_DST
        '0c 00 19 80', // CTA_FILTER, nested
        '08 00 01 00 02 00 00 00', // CTA_FILTER_ORIG_FLAGS: CTA_IP_DST
      ),
    );
  });

  it('asks for all of a family, or of both', () => {
    assert.deepEqual(
      encodeEntryRequest(0, null, header),
      octets('14 00 00 00 01 01 01 03 09 00 00 00 00 00 00 00', '00 00 00 00'),
    );
    assert.equal(encodeEntryRequest(AF_INET6, null, header)[16], AF_INET6);
  });
});

describe('an entry of conntrack', () => {
  const SERVICE = '10.99.0.100';
  const CLIENT = '10.99.0.201';
  const tuple = (type: string, protocol: string): string[] => [
    `34 00 ${type} 80`, // CTA_TUPLE_ORIG or CTA_TUPLE_REPLY, nested, 52 octets
    '14 00 01 80', // CTA_TUPLE_IP, nested
    '08 00 01 00 0a 63 00 c9', // CTA_IP_V4_SRC
    '08 00 02 00 0a 63 00 64', // CTA_IP_V4_DST
    '1c 00 02 80', // CTA_TUPLE_PROTO, nested
    `05 00 01 00 ${protocol} 00 00 00`, // CTA_PROTO_NUM
    '06 00 02 00 c0 01 00 00', // CTA_PROTO_SRC_PORT
    '06 00 03 00 1e 61 00 00', // CTA_PROTO_DST_PORT
  ];
  const status = (flags: string): string => `08 00 03 00 00 00 00 ${flags}`;
  const state = (value: string): string =>
    ['10 00 04 80', '0c 00 01 80', `05 00 01 00 ${value} 00 00 00`].join('');
  const entry = (protocol: string, ...rest: readonly string[]): Uint8Array =>
    octets(HEADER_ROW, '02 00 00 00', ...tuple('01', protocol), ...rest);
  const decode = (bytes: Uint8Array, isWanted = anything) => decodeEntry(bytes, 0, bytes.length, isWanted);
  const pair = { serviceIp: SERVICE, client: CLIENT };

  it('counts for TCP by its state', () => {
    for (const open of ['02', '03', '04', '05', '06', '09'])
      assert.deepEqual(decode(entry('06', status('0e'), state(open))), pair, `state ${open}`);
    for (const other of ['00', '01', '07', '08'])
      assert.equal(decode(entry('06', status('0e'), state(other))), null, `state ${other}`);
  });

  it('counts for TCP without a state: a flow table has it', () => {
    assert.deepEqual(decode(entry('06', status('0e'))), pair);
  });

  it('counts for UDP when it was answered', () => {
    assert.deepEqual(decode(entry('11', status('0a'))), pair, 'SEEN_REPLY');
    assert.deepEqual(decode(entry('11', status('0e'))), pair, 'SEEN_REPLY, ASSURED');
    assert.equal(decode(entry('11', status('08'))), null, 'CONFIRMED');
    assert.equal(decode(entry('11')), null);
  });

  it('counts for no other protocol, and only if its original destination is wanted', () => {
    assert.equal(decode(entry('01', status('0e'))), null, 'ICMP');
    assert.equal(decode(entry('84', status('0e'))), null, 'SCTP');
    assert.equal(decode(entry('06', status('0e'), state('03')), only(CLIENT)), null);
  });

  it('is read in IPv6', () => {
    const bytes = octets(
      HEADER_ROW,
      '0a 00 00 00', // AF_INET6
      '3c 00 01 80', // CTA_TUPLE_ORIG, nested
      '2c 00 01 80', // CTA_TUPLE_IP, nested
      '14 00 03 00 fd 99 00 00 00 00 00 00 00 00 00 00 00 00 02 01', // CTA_IP_V6_SRC
      '14 00 04 00 fd 99 00 00 00 00 00 00 00 00 00 00 00 00 01 00', // CTA_IP_V6_DST
      '0c 00 02 80', // CTA_TUPLE_PROTO, nested
      '05 00 01 00 06 00 00 00', // CTA_PROTO_NUM
      state('03'),
    );
    assert.deepEqual(decode(bytes), { serviceIp: 'fd99::100', client: 'fd99::201' });
  });

  it('is malformed without its original direction, and of no interest in another family', () => {
    assert.equal(decode(octets(HEADER_ROW, '02 00 00 00', ...tuple('02', '06'), state('03'))), 'malformed');
    assert.equal(decode(octets(HEADER_ROW, '02 00 00 00')), 'malformed');
    assert.equal(decode(octets(HEADER_ROW, '02 00')), 'malformed');
    assert.equal(decode(octets(HEADER_ROW, '07 00 00 00')), null);
    const short = entry('06', state('03'));
    short[20] = 0x20; // CTA_TUPLE_ORIG ends before CTA_PROTO_NUM does.
    assert.equal(decode(short), 'malformed');
  });

  it('never throws, nor does a socket, whatever the octets', () => {
    const whole = entry('06', status('0e'), state('03'));
    const mutated = fc
      .tuple(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length))
      .map(([at, value, length]) => {
        const bytes = Uint8Array.from(whole);
        bytes[at] = value;
        return bytes.subarray(0, length);
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        decode(bytes);
        decodeSocket(bytes, 0, bytes.length, anything);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('the table of remotes', () => {
  const remote = (index: number): Ip => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;

  it('has each remote once, and every IP that was asked for', () => {
    const table = createRemoteTable(['10.99.0.100', '10.99.0.101', '10.99.0.100']);
    for (const ip of ['10.1.1.1', '10.1.1.2', '10.1.1.1']) table.add('10.99.0.100', ip);
    assert.deepEqual(
      [...table.connections()],
      [
        ['10.99.0.100', ['10.1.1.1', '10.1.1.2']],
        ['10.99.0.101', []],
      ],
    );
    assert.deepEqual(table.ips, ['10.99.0.100', '10.99.0.101']);
    assert.deepEqual([...table.incomplete()], []);
  });

  it('names an IP with more remotes than it lists', () => {
    const table = createRemoteTable(['10.99.0.100', '10.99.0.101']);
    for (let index = 0; index < MAX_REMOTES_PER_IP; index += 1) table.add('10.99.0.100', remote(index));
    table.add('10.99.0.100', remote(0));
    assert.equal(table.incomplete().size, 0);
    table.add('10.99.0.100', remote(MAX_REMOTES_PER_IP));
    assert.deepEqual([...table.incomplete()], ['10.99.0.100']);
    assert.equal(table.connections().get('10.99.0.100')?.length, MAX_REMOTES_PER_IP);
  });

  it('names the IPs whose remotes all the others have left no room for', () => {
    const ips = Array.from(
      { length: MAX_REMOTES / MAX_REMOTES_PER_IP + 1 },
      (_, index) => `10.99.0.${index}`,
    );
    const table = createRemoteTable([...ips, '10.99.1.1']);
    for (const ip of ips)
      for (let index = 0; index < MAX_REMOTES_PER_IP; index += 1) table.add(ip, remote(index));
    assert.deepEqual([...table.incomplete()], [ips.at(-1)]);
    const total = [...table.connections().values()].reduce((sum, remotes) => sum + remotes.length, 0);
    assert.equal(total, MAX_REMOTES);
  });
});
