// What doctor knows of this host's network, read once: links, addresses, and which service IP lives where, by the
// same placement that the core makes.
import type { Config } from '../../io/config/config.ts';
import { toCoreConfig } from '../../io/config/config.ts';
import { createLinkTable } from '../../io/host/link-table.ts';
import {
  type AddressMessage,
  ARPHRD_ETHER,
  IFF_LOOPBACK,
  IFF_LOWER_UP,
  IFF_UP,
  type LinkMessage,
} from '../../io/host/netlink-messages.ts';
import { openNetlinkSocket } from '../../io/host/netlink-socket.ts';
import { isLinkLocal } from '../../io/packets/address.ts';
import type { ServiceIpConfig } from '../../machines/config.ts';
import type { Ip } from '../../machines/frames.ts';
import { placeService } from '../../machines/interfaces.ts';

export interface LinkView {
  readonly name: string;
  readonly index: number;
  readonly isEthernet: boolean;
  /** Administratively. */
  readonly isUp: boolean;
  readonly hasCarrier: boolean;
  readonly mac: string | null;
  /** Octets of payload that a frame may have. */
  readonly mtu: number | null;
  readonly addresses: readonly AddressMessage[];
}

export interface HostView {
  readonly config: Config;
  readonly links: readonly LinkView[];
  /** What this node may hold. */
  readonly services: readonly ServiceIpConfig[];
  /** Interfaces that carry a service IP, or should; without service IPs each one with an address of its own. */
  readonly used: readonly LinkView[];
  /** Names in the configuration, at the top or of a service IP. */
  readonly named: ReadonlySet<string>;
  /** Service IPs that have no interface, by the reason. */
  readonly homeless: ReadonlyMap<string, readonly Ip[]>;
}

const readLinks = (): { links: LinkMessage[]; addresses: AddressMessage[] } => {
  const socket = openNetlinkSocket();
  try {
    return {
      links: socket.dump('links').filter((message) => message.kind === 'link'),
      addresses: socket.dump('addresses').filter((message) => message.kind === 'address'),
    };
  } finally {
    socket.close();
  }
};

const hasOwnAddress = ({ isEthernet, addresses }: LinkView): boolean =>
  isEthernet && addresses.some(({ ip }) => !isLinkLocal(ip));

/** Reads links and addresses. Throws SystemError when netlink is refused. */
export const viewHost = (config: Config): HostView => {
  const { links, addresses } = readLinks();
  const views = links.map(
    ({ name, index, hardwareType, flags, mac, mtu }): LinkView => ({
      name,
      index,
      isEthernet: hardwareType === ARPHRD_ETHER && (flags & IFF_LOOPBACK) === 0,
      isUp: (flags & IFF_UP) !== 0,
      hasCarrier: (flags & IFF_LOWER_UP) !== 0,
      mac,
      mtu,
      addresses: addresses.filter((address) => address.index === index),
    }),
  );
  const table = createLinkTable();
  for (const message of [...links, ...addresses]) {
    if (message.kind === 'link') table.link(message, false);
    else table.address(message, false);
  }
  const facts = new Map(table.takeChanges().map((fact) => [fact.name, fact]));
  const core = toCoreConfig(config);
  const services = config.serviceIPs.filter(({ nodes }) => nodes === null || nodes.includes(config.node));
  const usedNames = new Set<string>();
  const homeless = new Map<string, Ip[]>();
  for (const service of services) {
    const { on, obstacle } = placeService(service, core, facts);
    if (on !== null) usedNames.add(on.name);
    else if (obstacle !== null) homeless.set(obstacle, [...(homeless.get(obstacle) ?? []), service.ip]);
  }
  const named = new Set([
    ...(config.interfaces ?? []),
    ...services.flatMap(({ interfaces }) => interfaces ?? []),
  ]);
  // What an IP without an interface may have lost it by: a link that is down or without IPv6 has no IPv6 prefix.
  const isSuspect = (link: LinkView): boolean =>
    link.isEthernet && (named.has(link.name) || !link.isUp || (link.hasCarrier && hasOwnAddress(link)));
  const isUsed = (link: LinkView): boolean => {
    if (services.length === 0) return hasOwnAddress(link);
    return usedNames.has(link.name) || (homeless.size > 0 && isSuspect(link));
  };
  return { config, links: views, services, used: views.filter(isUsed), named, homeless };
};
