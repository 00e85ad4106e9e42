// The frames Holdfast sends for a service IP, each built in one place with the RFC line that shapes it.
import { multicastMac, solicitedNodeAddress } from './addresses.ts';
import {
  type AdvertisementFrame,
  ALL_NODES_IPV6,
  type ArpFrame,
  BROADCAST_MAC,
  familyOf,
  type Ip,
  type Mac,
  type NeighborFrame,
  type SolicitationFrame,
  UNSPECIFIED_IPV4,
  UNSPECIFIED_IPV6,
  ZERO_MAC,
} from './frames.ts';

const ALL_NODES_MAC = multicastMac(ALL_NODES_IPV6);

/** The answer to `request` from `mac` (RFC 826: swap the fields, "send the packet to the (new) target"). */
export const arpAnswer = (request: ArpFrame, mac: Mac): ArpFrame => ({
  kind: 'arp',
  ethernetSource: mac,
  ethernetDestination: request.sha,
  operation: 'reply',
  sha: mac,
  spa: request.tpa,
  tha: request.sha,
  tpa: request.spa,
});

/** An ARP Announcement (RFC 5227 §3: a request whose sender and target IP are both the address). */
export const gratuitousRequest = (ip: Ip, mac: Mac): ArpFrame => ({
  kind: 'arp',
  ethernetSource: mac,
  ethernetDestination: BROADCAST_MAC,
  operation: 'request',
  sha: mac,
  spa: ip,
  tha: ZERO_MAC,
  tpa: ip,
});

/** The reply form, for clients that heed only replies. THA = SHA, else Linux ignores it for 1 s (facts.md). */
export const gratuitousReply = (ip: Ip, mac: Mac): ArpFrame => ({
  ...gratuitousRequest(ip, mac),
  operation: 'reply',
  tha: mac,
});

/** An ARP Probe (RFC 5227 §2.1.1: sender IP all zero, "to avoid polluting ARP caches"). */
export const arpProbe = (ip: Ip, mac: Mac): ArpFrame => ({
  ...gratuitousRequest(ip, mac),
  spa: UNSPECIFIED_IPV4,
});

/**
 * The answer to a Neighbor Solicitation. RFC 4861 §7.2.4: a solicitation from the unspecified address is
 * answered to all-nodes with S=0, any other to its source with S=1. O=1: a client that missed the burst must
 * correct itself on our answer.
 */
export const solicitedAdvertisement = (solicitation: SolicitationFrame, mac: Mac): AdvertisementFrame => {
  const isDad = solicitation.source === UNSPECIFIED_IPV6;
  return {
    kind: 'na',
    ethernetSource: mac,
    ethernetDestination: isDad
      ? ALL_NODES_MAC
      : (solicitation.sourceLinkLayerAddress ?? solicitation.ethernetSource),
    source: solicitation.target,
    destination: isDad ? ALL_NODES_IPV6 : solicitation.source,
    target: solicitation.target,
    router: false,
    solicited: !isDad,
    override: true,
    targetLinkLayerAddress: mac,
  };
};

/** An unsolicited advertisement to all nodes: S=0, O=1 for an address that moved (RFC 4861 §7.2.6). */
export const unsolicitedAdvertisement = (ip: Ip, mac: Mac): AdvertisementFrame => ({
  kind: 'na',
  ethernetSource: mac,
  ethernetDestination: ALL_NODES_MAC,
  source: ip,
  destination: ALL_NODES_IPV6,
  target: ip,
  router: false,
  solicited: false,
  override: true,
  targetLinkLayerAddress: mac,
});

/** A Duplicate Address Detection solicitation (RFC 4862 §5.4.2: source unspecified, no link-layer option). */
export const dadSolicitation = (ip: Ip, mac: Mac): SolicitationFrame => {
  const destination = solicitedNodeAddress(ip);
  return {
    kind: 'ns',
    ethernetSource: mac,
    ethernetDestination: multicastMac(destination),
    source: UNSPECIFIED_IPV6,
    destination,
    target: ip,
    sourceLinkLayerAddress: null,
  };
};

/** `who-has CLIENT tell SERVICE-IP`, which the client answers and so proves that it learned (facts.md). */
export const directedRequest = (
  ip: Ip,
  mac: Mac,
  client: { readonly ip: Ip; readonly mac: Mac },
): ArpFrame => ({
  kind: 'arp',
  ethernetSource: mac,
  ethernetDestination: client.mac,
  operation: 'request',
  sha: mac,
  spa: ip,
  tha: ZERO_MAC,
  tpa: client.ip,
});

/** The IPv6 twin: a unicast solicitation from the service IP with its Source Link-Layer Address. */
export const directedSolicitation = (
  ip: Ip,
  mac: Mac,
  client: { readonly ip: Ip; readonly mac: Mac },
): SolicitationFrame => ({
  kind: 'ns',
  ethernetSource: mac,
  ethernetDestination: client.mac,
  source: ip,
  destination: client.ip,
  target: client.ip,
  sourceLinkLayerAddress: mac,
});

/**
 * The same on behalf of another node, from this one: the new owner's MAC stands in the payload only, so that no
 * switch learns that it moved. A client whose address is not known (a router, seen by what it forwards) gets a
 * gratuitous frame to its MAC (RFC 6085 allows a multicast IPv6 destination in a unicast frame).
 */
export const askToFollow = (
  ip: Ip,
  owner: Mac,
  own: Mac,
  client: { readonly ip: Ip | null; readonly mac: Mac },
): NeighborFrame => {
  const isIpv6 = familyOf(ip) === 'ipv6';
  const ethernet = { ethernetSource: own, ethernetDestination: client.mac };
  if (client.ip === null) {
    const frame = isIpv6 ? unsolicitedAdvertisement(ip, owner) : gratuitousRequest(ip, owner);
    return { ...frame, ...ethernet };
  }
  const known = { ip: client.ip, mac: client.mac };
  const frame = isIpv6 ? directedSolicitation(ip, owner, known) : directedRequest(ip, owner, known);
  return { ...frame, ...ethernet };
};
