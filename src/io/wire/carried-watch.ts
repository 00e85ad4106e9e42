// Sees who still sends to draining IPs, at a bounded cost: packet sockets of their own, open only while there is a
// drain, whose filter drops in the kernel what is of no interest and whoever has just been seen; a small buffer, a
// look every 50 ms at a bounded number of packets. Under load that is a sample, and rare senders are not hidden
// behind busy ones, since the busy ones are filtered once they are seen.
import { type Family, familyOf, type Ip } from '../../machines/frames.ts';
import {
  AF_PACKET,
  attachFilter,
  bind,
  close,
  SO_RCVBUF,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_SOCKET,
  SystemError,
  setsockopt,
  socket,
} from '../native/libc.ts';
import { CARRIED_OCTETS, carriedFilter, type SeenClient } from '../packets/carried-filter.ts';
import { type CarriedPacket, readCarriedPacket } from '../packets/carried-packet.ts';
import { int32, linkLayerAddress, receiveFrame } from './packet-socket.ts';

const LOOK_EVERY_MS = 50;
/** Packets of one socket at one look. */
const PACKETS_PER_LOOK = 64;
/** About as many packets as are read at one look (the kernel doubles it for its own needs). */
const BUFFER_BYTES = 32_768;
/** Whoever was seen is not looked for again for this long. */
const SEEN_MS = 200;
/** Filtered at once; each costs the kernel five instructions a packet. Those beyond are seen again and again. */
const MAX_SEEN = 128;

const PROTOCOL: Readonly<Record<Family, number>> = { ipv4: 0x0800, ipv6: 0x86dd };

interface Watched {
  readonly name: string;
  readonly index: number;
  readonly family: Family;
  readonly fd: number;
  readonly ips: readonly Ip[];
  /** `mac ip` → who, and until when it need not be seen again. */
  readonly seen: Map<string, SeenClient & { readonly until: number }>;
}

export interface CarriedWatch {
  /** Watches for exactly these IPs, by interface name and index. Returns what could not be opened, in words. */
  match(
    wanted: ReadonlyMap<string, { readonly index: number; readonly ips: readonly Ip[] }>,
  ): readonly string[];
  /** Reads what has come; to be called at `nextAt` or later. */
  look(at: number, onPacket: (name: string, packet: CarriedPacket) => void): void;
  /** When to look next; null: nothing is watched. */
  nextAt(): number | null;
  close(): void;
}

const openCarriedSocket = (index: number, family: Family, ips: readonly Ip[]): number => {
  const fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  try {
    attachFilter(fd, carriedFilter(family, ips, []));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, int32(BUFFER_BYTES));
    // Bound to one protocol it never meets what this host sends.
    bind(fd, linkLayerAddress(index, PROTOCOL[family]));
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
};

export const createCarriedWatch = (): CarriedWatch => {
  let watched: Watched[] = [];
  let lookAt = 0;
  const bytes = new Uint8Array(CARRIED_OCTETS);

  const closeAll = (): void => {
    for (const { fd } of watched) close(fd);
    watched = [];
  };

  const open = (name: string, index: number, family: Family, ips: readonly Ip[]): string | null => {
    try {
      const fd = openCarriedSocket(index, family, ips);
      watched.push({ name, index, family, fd, ips, seen: new Map() });
      return null;
    } catch (error) {
      const reason = error instanceof SystemError ? error.code : String(error);
      return `${name}: clients that still send to draining IPs are not seen (${reason})`;
    }
  };

  const refilter = ({ fd, family, ips, seen }: Watched): void =>
    attachFilter(fd, carriedFilter(family, ips, [...seen.values()]));

  const lookAtOne = (
    one: Watched,
    at: number,
    onPacket: (name: string, packet: CarriedPacket) => void,
  ): void => {
    let isChanged = false;
    for (const [key, { until }] of one.seen) {
      if (at < until) continue;
      one.seen.delete(key);
      isChanged = true;
    }
    const known = new Set(one.ips);
    for (let count = 0; count < PACKETS_PER_LOOK; count += 1) {
      const length = receiveFrame(one.fd, bytes);
      if (length <= 0) break;
      const packet = readCarriedPacket(bytes, Math.min(length, bytes.length));
      if (packet === null || !known.has(packet.destination)) continue;
      const { mac, destination: ip } = packet;
      const key = `${mac} ${ip}`;
      if (one.seen.has(key)) continue;
      onPacket(one.name, packet);
      if (one.seen.size >= MAX_SEEN) continue;
      one.seen.set(key, { mac, ip, until: at + SEEN_MS });
      isChanged = true;
    }
    if (isChanged) refilter(one);
  };

  return {
    match: (wanted) => {
      closeAll();
      const failures: string[] = [];
      for (const [name, { index, ips }] of wanted) {
        for (const family of ['ipv4', 'ipv6'] as const) {
          const mine = ips.filter((ip) => familyOf(ip) === family);
          const failure = mine.length === 0 ? null : open(name, index, family, mine);
          if (failure !== null) failures.push(failure);
        }
      }
      return failures;
    },
    look: (at, onPacket) => {
      lookAt = at + LOOK_EVERY_MS;
      for (const one of watched) lookAtOne(one, at, onPacket);
    },
    nextAt: () => (watched.length === 0 ? null : lookAt),
    close: closeAll,
  };
};
