// One AF_PACKET socket on one interface, filtered in the kernel to the frames Holdfast knows (packet(7)).
import {
  AF_PACKET,
  attachFilter,
  bind,
  close,
  EAGAIN,
  EINTR,
  lastErrno,
  MSG_DONTWAIT,
  MSG_TRUNC,
  recv,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_SOCKET,
  send,
  setsockopt,
  socket,
} from '../native/libc.ts';
import { writeMac } from '../packets/address.ts';
import { frameFilter } from '../packets/filter.ts';
import { HELLO_GROUP } from '../packets/hello-codec.ts';
import { UDP_GROUP_MAC } from '../packets/hello-udp.ts';

const ETH_P_ALL = 0x0003;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_MR_MULTICAST = 0;
const PACKET_IGNORE_OUTGOING = 23;
/** Some thousand small frames: what may queue while the thread is kept from running. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

export interface PacketSocket {
  readonly fd: number;
  readonly name: string;
  readonly index: number;
  /** Reads one frame into `bytes`; returns its length, 0 when there is none, or a negative errno. */
  receive(bytes: Uint8Array): number;
  /** Sends `length` octets of `bytes`; returns 0 or a negative errno. */
  send(bytes: Uint8Array): number;
  /** Throws away every frame that is queued. */
  discard(): void;
  close(): void;
}

/** `struct sockaddr_ll` for binding: family, protocol in network order, interface index. */
export const linkLayerAddress = (index: number, protocol: number): Uint8Array => {
  const view = new DataView(new ArrayBuffer(20));
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, protocol, false);
  view.setInt32(4, index, true);
  return new Uint8Array(view.buffer);
};

/** `struct packet_mreq` for a group that hellos go to, so that the NIC's filter lets them in. */
const groupMembership = (index: number, group: string): Uint8Array => {
  const view = new DataView(new ArrayBuffer(16));
  view.setInt32(0, index, true);
  view.setUint16(4, PACKET_MR_MULTICAST, true);
  view.setUint16(6, 6, true);
  const bytes = new Uint8Array(view.buffer);
  writeMac(group, bytes, 8);
  return bytes;
};

export const int32 = (value: number): Uint8Array => new Uint8Array(new Int32Array([value]).buffer);

const enlargeBuffer = (fd: number): void => {
  try {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, int32(RECEIVE_BUFFER_BYTES));
  } catch {
    // Without CAP_NET_ADMIN: up to net.core.rmem_max.
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, int32(RECEIVE_BUFFER_BYTES));
  }
};

/** Reads one frame of `fd` into `bytes`; returns its length, 0 when there is none, or a negative errno. */
export const receiveFrame = (fd: number, bytes: Uint8Array): number => {
  const length = recv(fd, bytes, MSG_DONTWAIT | MSG_TRUNC);
  if (length >= 0) return length;
  const errno = lastErrno();
  return errno === EAGAIN || errno === EINTR ? 0 : -errno;
};

/** Opens and binds the socket; nothing enters it before its filter stands. Throws SystemError (EPERM, ENODEV). */
export const openPacketSocket = (name: string, index: number): PacketSocket => {
  // Protocol 0: no frame is queued until bind names the protocol, when the filter is in place.
  const fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  try {
    attachFilter(fd, frameFilter());
    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, int32(1));
    enlargeBuffer(fd);
    bind(fd, linkLayerAddress(index, ETH_P_ALL));
    for (const group of [HELLO_GROUP, UDP_GROUP_MAC])
      setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, groupMembership(index, group));
  } catch (error) {
    close(fd);
    throw error;
  }
  return {
    fd,
    name,
    index,
    receive: (bytes) => receiveFrame(fd, bytes),
    send: (bytes) => (send(fd, bytes) < 0 ? -lastErrno() : 0),
    discard: () => {
      const bytes = new Uint8Array(1);
      while (recv(fd, bytes, MSG_DONTWAIT | MSG_TRUNC) >= 0);
    },
    close: () => close(fd),
  };
};
