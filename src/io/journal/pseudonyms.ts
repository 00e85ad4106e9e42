// Other names for nodes, addresses and MACs, the same one for the same thing throughout, chosen so that the core
// decides alike: prefixes go on holding what they held, texts sort as before, and each service IP ranks the nodes as
// before (claims.ts). The last is a search: addresses are tried until one has the right order.
import { addressValue, holds, type Prefix } from '../../machines/addresses.ts';
import { compareRank, type NodeName } from '../../machines/claims.ts';
import type { Ip, Mac } from '../../machines/frames.ts';

export interface Names {
  readonly nodes: Iterable<NodeName>;
  readonly serviceIPs: Iterable<Ip>;
  readonly prefixes: Iterable<Prefix>;
}

export interface Pseudonyms {
  node(name: NodeName): NodeName | null;
  ip(ip: Ip): Ip;
  mac(mac: Mac): Mac;
  prefix(prefix: Prefix): Prefix;
  /** Every service IP ranks the nodes as before. */
  readonly keepsRanks: boolean;
}

/** Three digits each, so that texts sort like numbers. */
const V4_HOSTS = 156 * 156;
const V6_HOSTS = 0xf000;
const V4_LENGTH = 16;
const V6_LENGTH = 64;
/** Second octets 100 to 254; the last is for what lies on no prefix. */
const MAX_NETWORKS = 155;

const isV6 = (ip: Ip): boolean => ip.includes(':');
const isLinkLocal = (ip: Ip): boolean => /^fe[89ab]/.test(ip);

/** One network of the redacted world. Hosts from 0: service IPs; others are numbered beside them. */
interface Network {
  readonly prefixes: Prefix[];
  readonly isV6: boolean;
  readonly isLinkLocal: boolean;
  number: number;
  others: number;
}

const serviceIpIn = (network: Network, host: number): Ip =>
  network.isV6
    ? `fd00:0:0:${(0x1000 + network.number).toString(16)}::${(0x1000 + host).toString(16)}`
    : `10.${100 + network.number}.${100 + Math.floor(host / 156)}.${100 + (host % 156)}`;

const otherIpIn = (network: Network): Ip => {
  network.others += 1;
  const { number, others } = network;
  if (network.isLinkLocal) return `fe80::${others.toString(16)}`;
  return network.isV6
    ? `fd00:0:0:${(0x1000 + number).toString(16)}::${others.toString(16)}`
    : `10.${100 + number}.${Math.floor(others / 250)}.${1 + (others % 250)}`;
};

/** Prefixes that overlap become one network. */
const networksOf = (prefixes: Iterable<Prefix>): Network[] => {
  const distinct = new Map<string, Prefix>();
  for (const prefix of prefixes) distinct.set(`${prefix.ip}/${prefix.length}`, prefix);
  const networks: Network[] = [];
  // The widest first: what lies in one belongs to it.
  for (const prefix of [...distinct.values()].sort((a, b) => a.length - b.length)) {
    const known = networks.find((network) => network.prefixes.some((wide) => holds(wide, prefix.ip)));
    if (known !== undefined) known.prefixes.push(prefix);
    else {
      const { ip } = prefix;
      networks.push({
        prefixes: [prefix],
        isV6: isV6(ip),
        isLinkLocal: isLinkLocal(ip),
        number: 0,
        others: 0,
      });
    }
  }
  return networks;
};

const rankOrder = (ip: Ip, nodes: readonly NodeName[]): string =>
  nodes
    .map((name, index) => ({ name, index }))
    .sort((a, b) => compareRank(ip, a.name, b.name))
    .map(({ index }) => index)
    .join();

/** Chooses a name for everything in `names`; what is met later gets one then. Throws when there are too many. */
export const choosePseudonyms = (names: Names): Pseudonyms => {
  const nodes = [...new Set(names.nodes)].sort();
  const digits = String(nodes.length).length;
  const others = nodes.map((_, index) => `node-${String(index + 1).padStart(digits, '0')}`);
  const nodeNames = new Map(nodes.map((name, index) => [name, others[index] as string]));
  const ips = new Map<Ip, Ip>();
  const macs = new Map<Mac, Mac>();
  const stray = (v6: boolean): Network => ({
    prefixes: [],
    isV6: v6,
    isLinkLocal: false,
    number: MAX_NETWORKS - 1,
    others: 0,
  });
  const strays = [stray(false), stray(true)] as const;
  const networks = networksOf(names.prefixes);
  if (networks.length >= MAX_NETWORKS)
    throw new Error(`more than ${MAX_NETWORKS - 1} prefixes cannot be replaced`);
  const networkOf = (ip: Ip): Network =>
    networks.find((network) => network.prefixes.some((prefix) => holds(prefix, ip))) ??
    (isLinkLocal(ip) ? { ...strays[1], isLinkLocal: true } : (strays[isV6(ip) ? 1 : 0] as Network));

  // Networks are numbered in the order of the texts of their service IPs, as far as they have any.
  const services = [...new Set(names.serviceIPs)].sort();
  const members = new Map<Network, Ip[]>();
  for (const ip of services) {
    const network = networkOf(ip);
    members.set(network, [...(members.get(network) ?? []), ip]);
  }
  const numbered = [...members.keys(), ...networks.filter((network) => !members.has(network))];
  let number = 0;
  for (const network of numbered) {
    if (network.prefixes.length === 0) continue;
    network.number = number;
    number += 1;
  }

  let keepsRanks = true;
  for (const [network, list] of members) {
    const room = network.isV6 ? V6_HOSTS : V4_HOSTS;
    if (list.length > room) throw new Error(`more than ${room} addresses of one prefix cannot be replaced`);
    let host = 0;
    for (const [index, ip] of list.entries()) {
      const wanted = rankOrder(ip, nodes);
      // Each may use up its share of the addresses that are left.
      const until = host + Math.floor((room - host) / (list.length - index));
      let chosen = host;
      while (chosen < until && rankOrder(serviceIpIn(network, chosen), others) !== wanted) chosen += 1;
      if (chosen === until) {
        keepsRanks = false;
        chosen = host;
      }
      ips.set(ip, serviceIpIn(network, chosen));
      host = chosen + 1;
    }
  }

  const nameIp = (ip: Ip): Ip => {
    const known = ips.get(ip);
    if (known !== undefined) return known;
    // An own address may be written like the prefix that it is on; its value tells whether it is a network's.
    const named = addressValue(ip) === 0n ? ip : otherIpIn(networkOf(ip));
    ips.set(ip, named);
    return named;
  };
  return {
    node: (name) => nodeNames.get(name) ?? null,
    ip: nameIp,
    mac: (mac) => {
      const index = macs.size + 1;
      const named =
        macs.get(mac) ??
        `02:00:00:00:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}`;
      macs.set(mac, named);
      return named;
    },
    prefix: ({ ip }) => {
      const network = networkOf(ip);
      return { ip: nameIp(ip), length: network.isV6 ? V6_LENGTH : V4_LENGTH };
    },
    keepsRanks,
  };
};
