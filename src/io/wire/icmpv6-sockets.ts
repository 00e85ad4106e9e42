// The ICMPv6 that the kernel must take part in, through raw-socket on the main thread: membership of
// solicited-node groups (so that MLD reports go out and NIC filters open) and unsolicited advertisements, whose
// checksum the kernel fills. These sockets receive nothing: reading is the wire thread's work.
import raw, { type Socket } from 'raw-socket';
import { solicitedNodeAddress } from '../../machines/addresses.ts';
import { ALL_NODES_IPV6, type Ip, type Mac } from '../../machines/frames.ts';
import { unsolicitedAdvertisement } from '../../machines/neighbor-frames.ts';
import { ipToBytes } from '../packets/address.ts';
import { encodeNeighborMessage } from '../packets/icmpv6.ts';

const IPPROTO_IPV6 = 41;
const IPV6_UNICAST_HOPS = 16;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_JOIN_GROUP = 20;
const IPV6_LEAVE_GROUP = 21;
const IPPROTO_ICMPV6 = 58;
const ICMP6_FILTER = 1;
const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;

/** RFC 4861 §4.3: "Hop Limit 255", which the receiver checks. */
const HOP_LIMIT = 255;
/**
 * Groups on one socket. The kernel charges each to `net.core.optmem_max`; 20480 octets, the older default, hold
 * a few hundred (facts.md), so joins are spread over sockets.
 */
const GROUPS_PER_SOCKET = 200;
/**
 * Senders for each interface. raw-socket sends one message of a socket in a turn of the event loop, and when
 * thousands of addresses are taken such a turn may last 50 ms.
 */
const SENDERS = 16;

const int32 = (value: number): Buffer => Buffer.from(new Int32Array([value]).buffer);

const openSocket = (): Socket => {
  const socket = raw.createSocket({ protocol: raw.Protocol.ICMPv6, addressFamily: raw.AddressFamily.IPv6 });
  // Every echo request to this host would wake the main thread otherwise: block all 256 types (RFC 3542 §3.2).
  socket.setOption(IPPROTO_ICMPV6, ICMP6_FILTER, Buffer.alloc(32, 0xff), 32);
  return socket;
};

/** `struct ipv6_mreq`: the group, and the interface's index. */
const membership = (group: Ip, index: number): Buffer =>
  Buffer.concat([ipToBytes(group), Buffer.from(new Uint32Array([index]).buffer)]);

class NotWantedError extends Error {}

interface Membership {
  readonly socket: GroupSocket;
  readonly index: number;
  /** Service IPs whose low 24 bits are the same share a group. */
  count: number;
}

interface GroupSocket {
  readonly socket: Socket;
  groups: number;
}

export interface Icmpv6Counters {
  groups: number;
  sent: number;
  sendErrors: Record<string, number>;
}

export interface Icmpv6Sockets {
  /** Joins the solicited-node group of `ip`. Throws the system's error, with nothing joined. */
  join(ip: Ip, interfaceName: string, index: number): void;
  leave(ip: Ip, interfaceName: string): void;
  /** Sends an unsolicited advertisement unless `isWanted` says no when its turn to leave has come. */
  advertise(ip: Ip, interfaceName: string, mac: Mac, isWanted: () => boolean): void;
  readonly counters: Readonly<Icmpv6Counters>;
  close(): void;
}

export const openIcmpv6Sockets = (): Icmpv6Sockets => {
  const senders = new Map<string, (Socket | undefined)[]>();
  let turn = 0;
  const groupSockets: GroupSocket[] = [];
  const memberships = new Map<string, Membership>();
  const counters: Icmpv6Counters = { groups: 0, sent: 0, sendErrors: {} };

  const keyOf = (group: Ip, name: string): string => `${name} ${group}`;

  const roomySocket = (): GroupSocket => {
    const roomy = groupSockets.find(({ groups }) => groups < GROUPS_PER_SOCKET);
    if (roomy !== undefined) return roomy;
    const opened = { socket: openSocket(), groups: 0 };
    // A raw socket polls for messages although its filter lets none through.
    opened.socket.pauseRecv();
    groupSockets.push(opened);
    return opened;
  };

  const joinGroup = (group: Ip, name: string, index: number, count: number): void => {
    const socket = roomySocket();
    socket.socket.setOption(IPPROTO_IPV6, IPV6_JOIN_GROUP, membership(group, index), 20);
    socket.groups += 1;
    counters.groups += 1;
    memberships.set(keyOf(group, name), { socket, index, count });
  };

  const dropGroup = (group: Ip, name: string, { socket, index }: Membership): void => {
    memberships.delete(keyOf(group, name));
    socket.groups -= 1;
    counters.groups -= 1;
    try {
      socket.socket.setOption(IPPROTO_IPV6, IPV6_LEAVE_GROUP, membership(group, index), 20);
    } catch {
      // The interface is gone, and the membership with it.
    }
  };

  const openSender = (name: string): Socket => {
    const socket = openSocket();
    socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${name}\0`), name.length + 1);
    socket.setOption(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, int32(HOP_LIMIT), 4);
    socket.setOption(IPPROTO_IPV6, IPV6_UNICAST_HOPS, int32(HOP_LIMIT), 4);
    socket.pauseRecv();
    return socket;
  };

  /** Senders are bound to one incarnation of their interface: after a failure all of them are opened anew. */
  const discardSenders = (name: string, failed: Socket): void => {
    const sockets = senders.get(name) ?? [];
    if (!sockets.includes(failed)) return;
    senders.delete(name);
    for (const socket of sockets) socket?.close();
  };

  /** They take turns. Two messages of one address may so change places: they say the same. */
  const nextSender = (name: string): Socket => {
    const sockets = senders.get(name) ?? [];
    turn = (turn + 1) % SENDERS;
    let socket = sockets[turn];
    if (socket === undefined) {
      const opened = openSender(name);
      opened.on('error', () => discardSenders(name, opened));
      socket = opened;
      sockets[turn] = socket;
      senders.set(name, sockets);
    }
    return socket;
  };

  const countError = (error: Error): void => {
    counters.sendErrors[error.message] = (counters.sendErrors[error.message] ?? 0) + 1;
  };

  return {
    join: (ip, name, index) => {
      const group = solicitedNodeAddress(ip);
      const joined = memberships.get(keyOf(group, name));
      if (joined === undefined) joinGroup(group, name, index, 1);
      else joined.count += 1;
    },
    leave: (ip, name) => {
      const group = solicitedNodeAddress(ip);
      const joined = memberships.get(keyOf(group, name));
      if (joined === undefined) return;
      joined.count -= 1;
      if (joined.count === 0) dropGroup(group, name, joined);
    },
    advertise: (ip, name, mac, isWanted) => {
      let socket: Socket;
      try {
        socket = nextSender(name);
      } catch (error) {
        return countError(error as Error);
      }
      const message = Buffer.from(encodeNeighborMessage(unsolicitedAdvertisement(ip, mac)));
      const check = (): void => {
        if (!isWanted()) throw new NotWantedError('not wanted any more');
      };
      socket.send(message, 0, message.length, `${ALL_NODES_IPV6}%${name}`, check, (error) => {
        if (error === null) {
          counters.sent += 1;
          return;
        }
        countError(error);
        if (!(error instanceof NotWantedError)) discardSenders(name, socket);
      });
    },
    counters,
    close: () => {
      for (const socket of [...senders.values()].flat()) socket?.close();
      for (const { socket } of groupSockets) socket.close();
    },
  };
};
