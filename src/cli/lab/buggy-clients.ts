// Clients that do not follow as the RFCs have it, out of real kernels: nftables keeps the news from the kernel's
// neighbour cache (netdev ingress: a capture still shows the frame), or sysctls keep the cache from asking again.
import { isIPv6 } from 'node:net';
import type { Host } from './host.ts';

/**
 * `ignores-gratuitous`: gratuitous ARP (sender IP = target IP, request and reply) and unsolicited NAs change nothing.
 * `ignores-unsolicited`: nothing changes anything but the answer to a question of its own, asked 2 s ago at most;
 * what it ignores it does not answer either.
 * `answers-unlearned`: the same, but it answers a directed request without having learned from it.
 * `never-ages`: it learns from everything, and never asks again on its own account.
 */
export type ClientBug = 'ignores-gratuitous' | 'ignores-unsolicited' | 'answers-unlearned' | 'never-ages';

export const CLIENT_BUGS: readonly ClientBug[] = [
  'ignores-gratuitous',
  'ignores-unsolicited',
  'answers-unlearned',
  'never-ages',
];

export interface BuggyClient {
  readonly bug: ClientBug;
  /** Frames kept from its cache so far; 0 for `never-ages`. */
  withheld(): Promise<number>;
  /** A healthy client again. A second call does nothing. */
  cure(): Promise<void>;
}

const TABLE = 'holdfast-bug';
/** The kernel repeats a question every second: an answer to it comes within two. */
const ASKED_S = 2;
/** Questions remembered. */
const MAX_ASKED = 1_024;
/** 2^16 - 1 service IPs of a family get an alias each. */
const MAX_ALIASES = 0xffff;
/** Longer than any lab lives. */
const DAY_S = 86_400;

const COUNTED = 'counter name withheld';
/** RFC 4861 §4.4: the flags follow the checksum; 0x40 is Solicited. The target address follows them. */
const UNSOLICITED = 'icmpv6 type nd-neighbor-advert @th,32,8 & 0x40 == 0';
const ND_TARGET = '@th,64,128';

const GRATUITOUS = [
  `arp operation { request, reply } arp saddr ip . arp daddr ip @gratuitous ${COUNTED} drop`,
  `${UNSOLICITED} ${COUNTED} drop`,
];

const UNASKED = [
  `arp operation reply arp saddr ip @services4 arp saddr ip != @asked4 ${COUNTED} drop`,
  `icmpv6 type nd-neighbor-advert ${ND_TARGET} != @asked6 ${COUNTED} drop`,
];

const REMEMBER_QUESTIONS = [
  'arp operation request update @asked4 { arp daddr ip }',
  `icmpv6 type nd-neighbor-solicit update @asked6 { ${ND_TARGET} }`,
];

const IGNORE_REQUESTS = [
  `arp operation request arp saddr ip @services4 ${COUNTED} drop`,
  `icmpv6 type nd-neighbor-solicit ip6 saddr @services6 ${COUNTED} drop`,
];

/** The kernel learns the way to an alias instead, answers that, and nobody outside sees the alias. */
const ALIAS_REQUESTS = [
  `arp operation request arp saddr ip @services4 ${COUNTED} arp saddr ip set arp saddr ip map @alias4`,
  `icmpv6 type nd-neighbor-solicit ip6 saddr @services6 ${COUNTED} ip6 saddr set ip6 saddr map @alias6`,
];
const UNALIAS_ANSWERS = [
  'arp operation reply arp daddr ip set arp daddr ip map @service4',
  'icmpv6 type nd-neighbor-advert ip6 daddr set ip6 daddr map @service6',
];

const declared = (head: string, elements: readonly string[]): string =>
  `${head};${elements.length === 0 ? '' : ` elements = { ${elements.join(', ')} };`} }`;

/** Addresses that no lab uses (RFC 2544 benchmarking; documentation), one for each service IP. */
const aliasOf = (ip: string, index: number): string =>
  isIPv6(ip)
    ? `2001:db8:bad::${(index + 1).toString(16)}`
    : `198.18.${(index + 1) >> 8}.${(index + 1) & 0xff}`;

const sets = (serviceIPs: readonly string[]): readonly string[] => {
  const four = serviceIPs.filter((ip) => !isIPv6(ip));
  const six = serviceIPs.filter((ip) => isIPv6(ip));
  const pairs = (ips: readonly string[], isBack: boolean): string[] =>
    ips.map((ip, index) => (isBack ? `${aliasOf(ip, index)} : ${ip}` : `${ip} : ${aliasOf(ip, index)}`));
  const asked = `flags dynamic,timeout; timeout ${ASKED_S}s; size ${MAX_ASKED}`;
  return [
    declared('set services4 { type ipv4_addr', four),
    declared('set services6 { type ipv6_addr', six),
    declared(
      'set gratuitous { type ipv4_addr . ipv4_addr',
      four.map((ip) => `${ip} . ${ip}`),
    ),
    declared('map alias4 { type ipv4_addr : ipv4_addr', pairs(four, false)),
    declared('map alias6 { type ipv6_addr : ipv6_addr', pairs(six, false)),
    declared('map service4 { type ipv4_addr : ipv4_addr', pairs(four, true)),
    declared('map service6 { type ipv6_addr : ipv6_addr', pairs(six, true)),
    `set asked4 { type ipv4_addr; ${asked}; }`,
    `set asked6 { typeof ${ND_TARGET}; ${asked}; }`,
  ];
};

interface Rules {
  readonly in: readonly string[];
  readonly out: readonly string[];
}

const RULES: Readonly<Record<Exclude<ClientBug, 'never-ages'>, Rules>> = {
  'ignores-gratuitous': { in: GRATUITOUS, out: [] },
  'ignores-unsolicited': { in: [...GRATUITOUS, ...IGNORE_REQUESTS, ...UNASKED], out: REMEMBER_QUESTIONS },
  'answers-unlearned': {
    in: [...GRATUITOUS, ...ALIAS_REQUESTS, ...UNASKED],
    out: [...REMEMBER_QUESTIONS, ...UNALIAS_ANSWERS],
  },
};

const chain = (hook: 'ingress' | 'egress', rules: readonly string[]): string =>
  `chain ${hook} { type filter hook ${hook} device "eth0" priority 0; policy accept;\n${rules.join('\n')}\n}`;

const bugTable = (bug: Exclude<ClientBug, 'never-ages'>, serviceIPs: readonly string[]): string => {
  if (serviceIPs.length > MAX_ALIASES)
    throw new Error(`${serviceIPs.length} service IPs: ${MAX_ALIASES} at most`);
  const rules = RULES[bug];
  const parts = [...sets(serviceIPs), chain('ingress', rules.in), chain('egress', rules.out)];
  return `table netdev ${TABLE} {\ncounter withheld { }\n${parts.join('\n')}\n}\n`;
};

const withheldBy = async (client: Host): Promise<number> => {
  const listing = await client.exec('nft', ['-j', 'list', 'counter', 'netdev', TABLE, 'withheld']);
  return Number(/"packets": (\d+)/.exec(listing)?.[1] ?? 0);
};

/** Confirmed: reachable for a day. Changed or unconfirmed: used as it is, and first asked about after a day. */
const AGEING = ['base_reachable_time_ms', 'delay_first_probe_time'] as const;
const NEVER: Readonly<Record<(typeof AGEING)[number], number>> = {
  base_reachable_time_ms: DAY_S * 1_000,
  delay_first_probe_time: DAY_S,
};

const ageingPaths = (): readonly string[] =>
  ['ipv4', 'ipv6'].flatMap((family) => AGEING.map((key) => `/proc/sys/net/${family}/neigh/eth0/${key}`));

const stopAgeing = async (client: Host): Promise<() => Promise<void>> => {
  const paths = ageingPaths();
  const before = (await client.exec('cat', paths)).trim().split('\n');
  const write = async (values: readonly string[]): Promise<void> => {
    const lines = paths.map((path, index) => `echo ${values[index]} >${path}`);
    await client.exec('sh', ['-ec', lines.join('\n')]);
  };
  await write([...AGEING, ...AGEING].map((key) => String(NEVER[key])));
  return () => write(before);
};

/**
 * Turns a client of the lab into one with `bug` where `serviceIPs` are concerned. Needs `nft`, except for
 * `never-ages`. One bug a client.
 */
export const giveBug = async (
  client: Host,
  bug: ClientBug,
  serviceIPs: readonly string[],
): Promise<BuggyClient> => {
  if (bug === 'never-ages') {
    const cure = await stopAgeing(client);
    return { bug, withheld: () => Promise.resolve(0), cure };
  }
  await client.exec('nft', ['-f', '-'], { input: bugTable(bug, serviceIPs) });
  let isCured = false;
  return {
    bug,
    withheld: () => withheldBy(client),
    cure: async () => {
      if (isCured) return;
      isCured = true;
      await client.exec('nft', ['delete', 'table', 'netdev', TABLE]);
    },
  };
};
