// The frames Holdfast reads and writes, as plain data. Bytes live in src/io/packets; everything that decides
// (wire step, simulator) works on these, so that no decision depends on how a frame was parsed.

/** A MAC address, lower case with colons: `02:00:00:00:00:01`. */
export type Mac = string;

/** An IPv4 or IPv6 address in canonical text (RFC 5952 for IPv6, so `fd99::100`, never `FD99:0::100`). */
export type Ip = string;

export type Family = 'ipv4' | 'ipv6';

/** The family of a canonical address. */
export const familyOf = (ip: Ip): Family => (ip.includes(':') ? 'ipv6' : 'ipv4');

export const BROADCAST_MAC: Mac = 'ff:ff:ff:ff:ff:ff';
export const ZERO_MAC: Mac = '00:00:00:00:00:00';
export const UNSPECIFIED_IPV4: Ip = '0.0.0.0';
export const UNSPECIFIED_IPV6: Ip = '::';
export const ALL_NODES_IPV6: Ip = 'ff02::1';

/** An Ethernet/IPv4 ARP packet (RFC 826), with the names RFC 5227 gives its fields. */
export interface ArpFrame {
  readonly kind: 'arp';
  readonly ethernetSource: Mac;
  readonly ethernetDestination: Mac;
  readonly operation: 'request' | 'reply';
  readonly sha: Mac;
  readonly spa: Ip;
  readonly tha: Mac;
  readonly tpa: Ip;
}

/** A Neighbor Solicitation (RFC 4861 §4.3), already validated as §7.1.1 demands. */
export interface SolicitationFrame {
  readonly kind: 'ns';
  readonly ethernetSource: Mac;
  readonly ethernetDestination: Mac;
  readonly source: Ip;
  readonly destination: Ip;
  readonly target: Ip;
  /** The Source Link-Layer Address option, absent in a DAD probe (source `::`). */
  readonly sourceLinkLayerAddress: Mac | null;
}

/** A Neighbor Advertisement (RFC 4861 §4.4), already validated as §7.1.2 demands. */
export interface AdvertisementFrame {
  readonly kind: 'na';
  readonly ethernetSource: Mac;
  readonly ethernetDestination: Mac;
  readonly source: Ip;
  readonly destination: Ip;
  readonly target: Ip;
  readonly router: boolean;
  readonly solicited: boolean;
  readonly override: boolean;
  /** The Target Link-Layer Address option. */
  readonly targetLinkLayerAddress: Mac | null;
}

export type NeighborFrame = ArpFrame | SolicitationFrame | AdvertisementFrame;

/** Why a frame was not used: counted in `holdfast_frames_dropped_total{reason}`, never thrown. */
export type DropReason =
  | 'truncated'
  | 'ethertype'
  | 'arp-hardware'
  | 'arp-protocol'
  | 'arp-length'
  | 'arp-operation'
  | 'ip-version'
  | 'ip-next-header'
  | 'ip-length'
  | 'icmp-type'
  | 'icmp-code'
  | 'hop-limit'
  | 'checksum'
  | 'option-length'
  | 'target-multicast'
  | 'dad-destination'
  | 'dad-source-link-layer'
  | 'solicited-multicast'
  | 'vlan-tagged'
  | 'hello-truncated'
  | 'hello-malformed'
  | 'hello-version'
  | 'hello-group'
  | 'hello-signature';

export interface DroppedFrame {
  readonly kind: 'dropped';
  readonly reason: DropReason;
}
