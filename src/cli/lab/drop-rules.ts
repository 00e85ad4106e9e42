// Frames the switch loses: a rule in plain words → the nftables text that makes it so. Pure; segment.ts loads it.

/** Which frames to lose. Ports bear the host's name; every part given must match. */
export type DropRule = Readonly<{
  /** Frames that enter the switch from this host. Alone: lost before the switch learns from them. */
  from?: string;
  /** Frames that leave the switch towards this host (a flooded frame still reaches the others). */
  to?: string;
  /** The same with `from` and `to` exchanged: `{from: 'n1', bothWays: true}` makes n1 deaf and dumb. */
  bothWays?: boolean;
  /** EtherType as a number (0x88b5), or a name nft knows. */
  etherType?: number | 'arp' | 'ip' | 'ip6';
  arpOperation?: 'request' | 'reply';
  /** ICMPv6 type by number: 128 echo request, 129 reply, 135 solicitation, 136 advertisement. */
  icmpv6Type?: number;
  /** Further nft matches, as they stand: `ip daddr 10.99.0.1 icmp type echo-request`, `numgen random mod 10 < 2`. */
  match?: string;
}>;

const hex = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`;

const matches = (rule: DropRule): string[] => {
  const words: string[] = [];
  if (rule.etherType !== undefined)
    words.push(`ether type ${typeof rule.etherType === 'number' ? hex(rule.etherType) : rule.etherType}`);
  if (rule.arpOperation !== undefined) words.push(`arp operation ${rule.arpOperation}`);
  if (rule.icmpv6Type !== undefined) words.push(`icmpv6 type ${rule.icmpv6Type}`);
  if (rule.match !== undefined) words.push(rule.match);
  return words;
};

type Direction = Readonly<{ from: string | undefined; to: string | undefined }>;

const directions = (rule: DropRule): Direction[] => {
  const there = { from: rule.from, to: rule.to };
  return rule.bothWays === true ? [there, { from: rule.to, to: rule.from }] : [there];
};

const line = ({ from, to }: Direction, rule: DropRule): string =>
  [
    ...(from === undefined ? [] : [`iifname "${from}"`]),
    ...(to === undefined ? [] : [`oifname "${to}"`]),
    ...matches(rule),
    'counter name lost drop',
  ].join(' ');

/** What comes from a port is lost on the cable (prerouting: before the switch learns); the rest inside the switch. */
const hookOf = ({ from, to }: Direction): 'prerouting' | 'forward' =>
  from !== undefined && to === undefined ? 'prerouting' : 'forward';

/**
 * The nft script of a table named `table` that drops what `rule` says. The counter is an object of its own: it
 * outlives the rules, so that flushing them first and reading it then misses no frame.
 */
export const nftTable = (table: string, rule: DropRule): string => {
  const wanted = directions(rule);
  const chain = (hook: 'prerouting' | 'forward'): string => {
    const lines = wanted
      .filter((direction) => hookOf(direction) === hook)
      .map((direction) => line(direction, rule));
    if (lines.length === 0) return '';
    return `chain ${hook} { type filter hook ${hook} priority 0; policy accept;\n${lines.join('\n')}\n}\n`;
  };
  return `table bridge ${table} {\ncounter lost { }\n${chain('prerouting')}${chain('forward')}}\n`;
};

type Listed = Readonly<{ counter?: { packets: number } }>;

/** Frames dropped so far, from the output of `nft -j list counters`. */
export const droppedFrames = (listing: string): number => {
  const { nftables } = JSON.parse(listing) as { nftables: readonly Listed[] };
  return nftables.reduce((sum, { counter }) => sum + (counter?.packets ?? 0), 0);
};
