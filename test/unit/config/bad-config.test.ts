// Tables of bad input → the exact line that names it. File is c.yaml; `head` stands on line 1.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../src/io/config/load-config.ts';

const HEAD = 'serviceIPs: []\n';

const lines = (text: string, host = 'n1'): string[] => {
  const result = parseConfig(text, 'c.yaml', host);
  return result.ok ? ['accepted'] : result.problems.map((problem) => problem.text);
};

type Row = readonly [input: string, line: string];

const each = (rows: readonly Row[], before: string, prefix: string): void => {
  for (const [input, line] of rows)
    assert.deepEqual(lines(before + input), [`c.yaml:${prefix}${line}`], input);
};

const ONE = 'one address such as 10.99.0.100 or fd99::100';

test('what cannot be a service IP is refused with its kind of mistake', () => {
  const rows: readonly Row[] = [
    ['10.99.0.0/24', `is a range (CIDR), not an address; ${ONE}, one entry each`],
    ['fd99::/64', `is a range (CIDR), not an address; ${ONE}, one entry each`],
    ['10.0.0.1/32', 'is a range (CIDR), not an address; 10.0.0.1, without the prefix length'],
    ['10.99.0.1-10.99.0.9', `is a range, not an address; ${ONE}, one entry each`],
    ['10.99.0.1-9', `is a range, not an address; ${ONE}, one entry each`],
    [
      '010.1.1.1',
      'has leading zeros, which some programs read as octal; 10.1.1.1 or 8.1.1.1, whichever is meant',
    ],
    ['10.1.1.08', 'has leading zeros, which some programs read as octal; 10.1.1.8, whichever is meant'],
    ['fd99::1%eth0', 'has a zone id; the address without the zone; the key "interfaces" names its interface'],
    ['224.0.0.1', `is a multicast group, which nobody owns; ${ONE}`],
    ['ff02::1', `is a multicast group, which nobody owns; ${ONE}`],
    ['0.0.0.0', `is the unspecified address; ${ONE}`],
    ['::', `is the unspecified address; ${ONE}`],
    ['0.1.2.3', `means "this network" and is never a destination; ${ONE}`],
    ['127.1.2.3', `is a loopback address, which never leaves a machine; ${ONE}`],
    ['::1', `is the loopback address, which never leaves a machine; ${ONE}`],
    ['255.255.255.255', `is the broadcast address; ${ONE}`],
    ['250.0.0.1', `is reserved, and hosts refuse it; ${ONE}`],
    ['169.254.7.7', `is link-local, and each link has its own; ${ONE}`],
    ['fe80::7', `is link-local, and each link has its own; ${ONE}`],
    ['::ffff:10.0.0.1', 'is an IPv4 address mapped into IPv6; 10.0.0.1'],
    ['::ffff:a00:1', 'is an IPv4 address mapped into IPv6; 10.0.0.1'],
    ['10.99.0', `is not an IPv4 or IPv6 address; ${ONE}`],
    ['10.0.0.1:80', `is not an IPv4 or IPv6 address; ${ONE}`],
    ['web.example', `is not an IPv4 or IPv6 address; ${ONE}`],
  ];
  for (const [ip, text] of rows) {
    const line = `c.yaml:2: serviceIPs[0].ip: "${ip}" ${text}`;
    assert.deepEqual(lines(`serviceIPs:\n  - ip: "${ip}"\n`), [line]);
  }
});

test('an address given twice is refused with both lines, in whatever spelling', () => {
  const list = ['fd99::100', '10.0.0.1', 'FD99:0::100', '10.0.0.1'].map((ip) => `  - ip: ${ip}\n`).join('');
  assert.deepEqual(lines(`serviceIPs:\n${list}`), [
    'c.yaml:4: serviceIPs[2].ip: FD99:0::100 is already, as fd99::100 on line 2; keep one',
    'c.yaml:5: serviceIPs[3].ip: 10.0.0.1 is already on line 3; keep one',
  ]);
});

test('an unknown key is refused with the nearest known one, or where it belongs, or what is known', () => {
  const rows: readonly Row[] = [
    ['serviceIps: []', ' serviceIps: is not a known key; did you mean serviceIPs?'],
    ['interfaecs: [eth0]', ' interfaecs: is not a known key; did you mean interfaces?'],
    ['heartbeat: {dead_after: 1s}', ' heartbeat.dead_after: is not a known key; did you mean deadAfter?'],
    ['window: 2m', ' window: is not a known key; did you mean drain.window?'],
    ['log: {verbosity: 3}', ' log.verbosity: is not a known key; known here: level'],
    ['drain: {__proto__: 1}', ' drain.__proto__: is not a known key; known here: window, quiet, style'],
  ];
  each(rows, HEAD, '2:');
});

test('durations and sizes without a unit, in an unknown one or out of bounds are refused', () => {
  const rows: readonly Row[] = [
    ['interval: 50', 'interval: 50 has no unit; a whole number with ms, s, m, h, from 5ms to 10s'],
    ['interval: "50"', 'interval: 50 has no unit; a whole number with ms, s, m, h, from 5ms to 10s'],
    ['interval: 50MS', 'interval: "50MS" has the unknown unit "MS"; 50ms, from 5ms to 10s'],
    [
      'interval: 1.5s',
      'interval: "1.5s" is not a duration; a whole number with ms, s, m, h, from 5ms to 10s',
    ],
    [
      'interval: -5ms',
      'interval: "-5ms" is not a duration; a whole number with ms, s, m, h, from 5ms to 10s',
    ],
    ['interval: 4ms', 'interval: 4ms is too short; from 5ms to 10s'],
    ['interval: 11s', 'interval: 11s is too long; from 5ms to 10s'],
    [
      'interval: 60ms, deadAfter: 200ms',
      'deadAfter: 200ms is less than 4 × interval (60ms), and the hold time is max(deadAfter, 4 × interval); at least 240ms',
    ],
  ];
  each(
    rows.map(([input, line]) => [`heartbeat: {${input}}`, line] as const),
    HEAD,
    '2: heartbeat.',
  );
  const sizes: readonly Row[] = [
    ['maxSize: 256', 'maxSize: 256 is a number; a size such as 256MiB'],
    [
      'maxSize: 256MB',
      'maxSize: "256MB" has the unknown unit "MB"; a whole number with KiB, MiB, GiB, from 1MiB to 1024GiB',
    ],
    ['maxSize: 512KiB', 'maxSize: 512KiB is too small; from 1MiB to 1024GiB'],
  ];
  each(
    sizes.map(([input, line]) => [`journal: {${input}}`, line] as const),
    HEAD,
    '2: journal.',
  );
});

test('wrong types and values are refused with what is allowed', () => {
  const rows: readonly Row[] = [
    ['serve: hots', ' serve: "hots" is not known; host? one of host, none'],
    ['probe: 1', ' probe: 1 is a number; one of quick, full, off'],
    ['rebalance: {mode: false}', ' rebalance.mode: false is a boolean; one of off, gentle'],
    ['announce: yes', ' announce: "yes" is text; true or false'],
    ['heartbeat:', ' heartbeat: is empty (null); a mapping such as {interval: 50ms, deadAfter: 200ms}'],
    ['interfaces: eth0', ' interfaces: "eth0" is text; a list such as [eth0]'],
    [
      'interfaces: []',
      ' interfaces: is an empty list, which excludes all; at least one entry, or leave it out',
    ],
    ['interfaces: [eth0, eth0]', ' interfaces[1]: "eth0" is listed twice; keep one'],
    ['cluster: kubernets', ' cluster: "kubernets" is not known; kubernetes? one of file, kubernetes'],
    [
      'watchdog: "\\u202e3s"',
      ' watchdog: "\\u202e3s" is not a duration; a whole number with ms, s, m, h, from 500ms to 1m',
    ],
  ];
  each(rows, HEAD, '2:');
  const list = 'a list such as [{ip: 10.99.0.100}], which may be empty: []';
  assert.deepEqual(lines(''), [`c.yaml:1: serviceIPs: is missing; ${list}`]);
  assert.deepEqual(lines('serviceIPs:\n'), [`c.yaml:1: serviceIPs: is empty (null); ${list}`]);
  assert.deepEqual(lines('- 10.0.0.1\n'), [
    'c.yaml:1: configuration: is a list; a mapping of keys, serviceIPs at least',
  ]);
  assert.deepEqual(lines('serviceIPs:\n  - 10.0.0.1\n'), [
    'c.yaml:2: serviceIPs[0]: "10.0.0.1" is text; a mapping such as {ip: 10.99.0.100}',
  ]);
});

test('names, paths and places to listen are refused by the rule of whoever has the last word', () => {
  const eth = '1 to 15 bytes without "/", ":" or spaces, such as eth0';
  const place = '127.0.0.1:9475, "[::1]:9475", or ":9475" for every address';
  const long = 'a'.repeat(64);
  const rows: readonly Row[] = [
    ['node: Node1', ' node: "Node1" is not a node name; node1'],
    ['node: a_b', ' node: "a_b" is not a node name; lower-case letters, digits, "-" and "." such as n1'],
    [`node: ${long}`, ` node: "${long}" has 64 characters; at most 63`],
    ['node: 12', ' node: 12 is a number; a name such as n1, quoted if it is a number'],
    ['interfaces: [eth0/1]', ` interfaces[0]: "eth0/1" is not an interface name; ${eth}`],
    ['interfaces: [""]', ` interfaces[0]: "" is not an interface name; ${eth}`],
    [
      'interfaces: [abcdefghijklmnop]',
      ' interfaces[0]: "abcdefghijklmnop" is not an interface name: it has 16 bytes; at most 15',
    ],
    [
      'control: run/h.sock',
      ' control: "run/h.sock" is a relative path; an absolute path, which begins with /',
    ],
    [
      'journal: {directory: ./j}',
      ' journal.directory: "./j" is a relative path; an absolute path, which begins with /',
    ],
    ['control: /run/holdfast/', ' control: "/run/holdfast/" is a directory; /run/holdfast/holdfast.sock'],
    [`control: /${'a'.repeat(107)}`, ` control: has 108 bytes; a socket's path has at most 107`],
    ['http: 9475', ' http: 9475 is a number; a text such as 127.0.0.1:9475 or ":9475"'],
    ['metrics: "9476"', ' metrics: "9476" is only a port; ":9476" (quoted)'],
    ['http: "::1:9475"', ' http: "::1:9475" leaves open where the port begins; "[::1]:9475"'],
    ['http: web:80', ` http: "web:80" has the host "web", which is no address; ${place}`],
    ['http: 127.0.0.1', ` http: "127.0.0.1" has no port; ${place}`],
    [
      'page: {hosts: ["http://lb"]}',
      ' page.hosts[0]: "http://lb" is no host name; a name or an address without scheme and port, such as lb.example.org',
    ],
    [
      'page: {tokenFile: token}',
      ' page.tokenFile: "token" is a relative path; an absolute path, which begins with /',
    ],
    ['http: 127.0.0.1:65536', ' http: "127.0.0.1:65536" has the port "65536"; a port from 1 to 65535'],
  ];
  each(rows, HEAD, '2:');
  assert.deepEqual(lines(HEAD, 'bad_host'), [
    'c.yaml:1: node: is missing, and the host name "bad_host" cannot stand in for it; a name such as n1',
  ]);
});

test('what is not one sound YAML document is refused with its line', () => {
  const rows: readonly Row[] = [
    ['serviceIPs: []', '2: serviceIPs: is given twice, first on line 1; keep one'],
    ['drain:\n  quiet: 1s\n  quiet: 2s', '4: drain.quiet: is given twice, first on line 3; keep one'],
    ['\tserve: host', '2: configuration: Tabs are not allowed as indentation; indent with spaces'],
    ['---\nserve: host', '1: configuration: holds a second document from line 2 on; one document a file'],
    ['node: *nobody', '2: node: *nobody has no anchor before it; write &nobody first'],
    ['? [a]\n: 1', '2: configuration: has a key that is not plain text; a name followed by ":"'],
  ];
  for (const [input, line] of rows) assert.equal(lines(HEAD + input)[0], `c.yaml:${line}`);
  assert.match(lines(`${HEAD}node: "n1\n`)[0] ?? '', /^c\.yaml:\d: configuration: Missing closing "quote/);
});

test('all problems are reported at once, by line, and no more than a hundred of them', () => {
  assert.deepEqual(
    lines('serve: hots\nserviceIPs:\n  - ip: 10.0.0.1\n  - ip: 10.0.0.1\nprob: off\n').map((line) =>
      line.slice(0, 9),
    ),
    ['c.yaml:1:', 'c.yaml:4:', 'c.yaml:5:'],
  );
  const many = Array.from({ length: 5000 }, () => '  - ip: 10.0.0.0/24\n').join('');
  const problems = lines(`serviceIPs:\n${many}`);
  assert.equal(problems.length, 101);
  assert.equal(problems[100], 'c.yaml: configuration: has 4900 more problems; mend the 100 above first');
});

test('no text makes more than one line of a problem', () => {
  for (const evil of ['"a\\nb"', '"\\e[2Jx"', '"\\u2028"', `"${'x'.repeat(5000)}"`, '{"a\\nb": 1}']) {
    for (const line of [...lines(`${HEAD}serve: ${evil}`), ...lines(`${HEAD}${evil}: 1`)]) {
      assert.match(line, /^[^\p{Cc}\u2028]{1,400}$/u);
    }
  }
});

test('bombs end in a problem: aliases, depth, size', () => {
  const level = (from: string, to: string) => `${to}: &${to} [${Array(9).fill(`*${from}`).join(', ')}]\n`;
  const names = [...'abcdefghij'];
  const bomb = names.slice(1).map((name, index) => level(names[index] as string, name));
  assert.deepEqual(lines(`a: &a [x]\n${bomb.join('')}`), [
    'c.yaml:1: configuration: has aliases that expand without end; write the values out',
  ]);
  for (const deep of ['['.repeat(100_000), '- '.repeat(100_000), '{a: '.repeat(100_000)]) {
    assert.deepEqual(lines(deep), ['c.yaml:1: configuration: nests deeper than 64 levels; no key does']);
  }
  assert.deepEqual(lines('- a\n'.repeat(1_000_000)), [
    'c.yaml:1: configuration: is too large; at most some 100,000 entries',
  ]);
});
