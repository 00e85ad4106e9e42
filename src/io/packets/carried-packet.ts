// Who sent an IP packet to which address: all that is read of the packets that clients send to a draining IP.
import type { Ip, Mac } from '../../machines/frames.ts';
import { formatIpv4, formatIpv6, formatMac } from './address.ts';
import { readU16 } from './big-endian.ts';
import { ETHERTYPE_IPV6 } from './ethernet.ts';

const ETHERTYPE_IPV4 = 0x0800;
const HEADER = 14;

export interface CarriedPacket {
  /** The station that sent the frame. */
  readonly mac: Mac;
  readonly source: Ip;
  readonly destination: Ip;
}

/** Reads the first `length` octets of a frame; null if they hold no whole IPv4 or IPv6 addresses. */
export const readCarriedPacket = (bytes: Uint8Array, length: number): CarriedPacket | null => {
  if (length < HEADER) return null;
  const mac = formatMac(bytes, 6);
  switch (readU16(bytes, 12)) {
    case ETHERTYPE_IPV4:
      if (length < HEADER + 20) return null;
      return {
        mac,
        source: formatIpv4(bytes, HEADER + 12),
        destination: formatIpv4(bytes, HEADER + 16),
      };
    case ETHERTYPE_IPV6:
      if (length < HEADER + 40) return null;
      return { mac, source: formatIpv6(bytes, HEADER + 8), destination: formatIpv6(bytes, HEADER + 24) };
    default:
      return null;
  }
};
