// An AF_NETLINK socket of the NETLINK_ROUTE family, for callers that ask and wait: requests in, answers out, in
// one synchronous call. The kernel answers while the request is being sent, so waiting is bounded and short.
// Only the kernel can send here: rtnetlink lets no unprivileged process reach another one's socket.

import type { Ip } from '../../machines/frames.ts';
import {
  AF_NETLINK,
  bind,
  close,
  EAGAIN,
  EINTR,
  lastErrno,
  POLLIN,
  poll,
  recv,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SystemError,
  send,
  setsockopt,
  socket,
} from '../native/libc.ts';
import { decodeMessages, encodeMessage } from './netlink-codec.ts';
import {
  type NetlinkMessage,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  RTN_LOCAL,
} from './netlink-messages.ts';

const NETLINK_ROUTE = 0;
const SOL_NETLINK = 270;
/** An error answer without the refused message in it: 128 of them fit any receive buffer. */
const NETLINK_CAP_ACK = 10;
const ETIMEDOUT = 110;

/** Dump datagrams grow up to 32 KiB (af_netlink.c); twice that never truncates. */
export const RECEIVE_SIZE = 65_536;
/** Requests in one send. Each may cost one answer of about 1 kB of receive buffer (default 208 KiB). */
const BATCH = 128;
/** The kernel answers at once unless another process holds the rtnl lock; this long means something is broken. */
const ANSWER_TIMEOUT_MS = 5_000;
/** A dump that was interrupted by a change is taken again; after this many the last one has to do. */
const DUMP_ATTEMPTS = 8;

/** Opens a non-blocking socket of a netlink family (`protocol`), subscribed to `groups`. Throws SystemError. */
export const openProtocolSocket = (protocol: number, groups: number): number => {
  const fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  try {
    const address = new DataView(new ArrayBuffer(12));
    address.setUint16(0, AF_NETLINK, true);
    address.setUint32(8, groups, true);
    bind(fd, new Uint8Array(address.buffer));
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
};

/** Opens a non-blocking rtnetlink socket and subscribes it to `groups` (RTMGRP_… bits). Throws SystemError. */
export const openRouteSocket = (groups: number): number => openProtocolSocket(NETLINK_ROUTE, groups);

/** Sends whole datagrams only. Throws SystemError. */
export const sendAll = (fd: number, bytes: Uint8Array): void => {
  if (send(fd, bytes) < 0) throw new SystemError('send', lastErrno());
};

interface NetlinkSocket {
  /**
   * Sends the requests, many at a time, and returns one errno for each, 0 for done. `make` is given the header
   * to use. Throws SystemError when the socket itself fails, or after 5 s without an answer.
   */
  readonly request: (
    count: number,
    make: (index: number, header: RequestHeader) => NetlinkMessage,
  ) => number[];
  /** Everything there is, now. Throws SystemError. */
  readonly dump: (of: 'links' | 'addresses') => NetlinkMessage[];
  /** Whether this host accepts packets to each address: the kernel's own routing decision. Throws SystemError. */
  readonly areLocal: (ips: readonly Ip[]) => boolean[];
  readonly close: () => void;
}

interface RequestHeader {
  readonly headerFlags: number;
  readonly sequence: number;
}

/** Opens a socket for requests. Throws SystemError. */
export const openNetlinkSocket = (): NetlinkSocket => {
  const fd = openRouteSocket(0);
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, new Uint8Array(new Int32Array([1]).buffer));
  const buffer = new Uint8Array(RECEIVE_SIZE);
  const pollEntry = new Uint8Array(8);
  new DataView(pollEntry.buffer).setInt32(0, fd, true);
  new DataView(pollEntry.buffer).setInt16(4, POLLIN, true);
  let sequence = 0;

  const receive = (): number => {
    for (;;) {
      const length = recv(fd, buffer, 0);
      if (length >= 0) return length;
      const errno = lastErrno();
      if (errno === EINTR) continue;
      if (errno !== EAGAIN) throw new SystemError('recv', errno);
      if (poll(pollEntry, 1, ANSWER_TIMEOUT_MS) === 0) throw new SystemError('recv', ETIMEDOUT);
    }
  };

  /** One send, and the answers until the last request's. Only failures are answered, and the last one. */
  const requestBatch = (first: number, requests: readonly Uint8Array[], errnos: number[]): void => {
    sendAll(fd, Buffer.concat(requests));
    const last = first + requests.length - 1;
    for (;;) {
      for (const message of decodeMessages(buffer, receive())) {
        if (message.kind !== 'error' || message.sequence < first || message.sequence > last) continue;
        errnos[errnos.length - requests.length + message.sequence - first] = message.errno;
        if (message.sequence === last) return;
      }
    }
  };

  const request: NetlinkSocket['request'] = (count, make) => {
    const errnos: number[] = [];
    for (let from = 0; from < count; from += BATCH) {
      const size = Math.min(BATCH, count - from);
      const first = sequence + 1;
      const requests: Uint8Array[] = [];
      for (let index = 0; index < size; index += 1) {
        sequence += 1;
        const headerFlags = NLM_F_REQUEST | (index === size - 1 ? NLM_F_ACK : 0);
        requests.push(encodeMessage(make(from + index, { headerFlags, sequence })));
        errnos.push(0);
      }
      requestBatch(first, requests, errnos);
    }
    return errnos;
  };

  /** Null when something changed meanwhile, so that the kernel may have skipped entries. */
  const dumpOnce = (of: 'links' | 'addresses', last: boolean): NetlinkMessage[] | null => {
    sequence += 1;
    sendAll(fd, encodeMessage({ kind: 'dump', of, headerFlags: NLM_F_REQUEST | NLM_F_DUMP, sequence }));
    const found: NetlinkMessage[] = [];
    let interrupted = false;
    for (;;) {
      for (const message of decodeMessages(buffer, receive())) {
        if (message.kind === 'malformed' || message.sequence !== sequence) continue;
        if ((message.headerFlags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
        if (message.kind === 'error' || message.kind === 'done') {
          if (message.errno !== 0) throw new SystemError('netlink dump', message.errno);
          return interrupted && !last ? null : found;
        }
        found.push(message);
      }
    }
  };

  const dump: NetlinkSocket['dump'] = (of) => {
    for (let attempt = 1; ; attempt += 1) {
      const found = dumpOnce(of, attempt >= DUMP_ATTEMPTS);
      if (found !== null) return found;
    }
  };

  /** One send, one answer a question. An error is an answer too: there is no route at all. */
  const areLocalBatch = (ips: readonly Ip[]): readonly boolean[] => {
    const first = sequence + 1;
    sequence += ips.length;
    const questions = ips.map((ip, index) =>
      encodeMessage({
        kind: 'route',
        ip,
        routeType: 0,
        headerFlags: NLM_F_REQUEST,
        sequence: first + index,
      }),
    );
    sendAll(fd, Buffer.concat(questions));
    const answers = new Map<number, boolean>();
    while (answers.size < ips.length) {
      for (const message of decodeMessages(buffer, receive())) {
        if (message.kind === 'malformed' || message.sequence < first || message.sequence > sequence) continue;
        answers.set(message.sequence, message.kind === 'route' && message.routeType === RTN_LOCAL);
      }
    }
    return ips.map((_, index) => answers.get(first + index) === true);
  };

  const areLocal = (ips: readonly Ip[]): boolean[] => {
    const local: boolean[] = [];
    for (let from = 0; from < ips.length; from += BATCH)
      local.push(...areLocalBatch(ips.slice(from, from + BATCH)));
    return local;
  };

  return { request, dump, areLocal, close: () => close(fd) };
};
