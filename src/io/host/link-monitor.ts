// rtnetlink notifications for the wire thread: a non-blocking socket for its poll set, read without ever waiting
// (man 7 netlink, man 7 rtnetlink). What is lost when the socket overflows (ENOBUFS) a new dump makes good.

import {
  attachFilter,
  close,
  EAGAIN,
  EINTR,
  ENOBUFS,
  lastErrno,
  MSG_TRUNC,
  recv,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SOL_SOCKET,
  SystemError,
  setsockopt,
} from '../native/libc.ts';
import type { FilterInstruction } from '../packets/filter.ts';
import { createLinkTable, type InterfaceFact } from './link-table.ts';
import { decodeMessages, encodeMessage } from './netlink-codec.ts';
import {
  type DoneMessage,
  type ErrorMessage,
  type MalformedMessage,
  type NetlinkMessage,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_MULTI,
  NLM_F_REQUEST,
  RTM_DELADDR,
  RTM_NEWADDR,
} from './netlink-messages.ts';
import { openRouteSocket, RECEIVE_SIZE, sendAll } from './netlink-socket.ts';

export type { InterfaceFact } from './link-table.ts';

/** linux/rtnetlink.h */
const RTMGRP_LINK = 0x1;
const RTMGRP_IPV4_IFADDR = 0x10;
const RTMGRP_IPV6_IFADDR = 0x100;

/** About a thousand notifications; what is beyond is lost, and cured by a dump. */
const RECEIVE_BUFFER = 1_048_576;
/** Datagrams taken in one `read`, so that a storm of notifications never keeps the thread from its frames. */
const DATAGRAMS_PER_READ = 64;
/** Dumps in a row that changes interrupted; then the next one counts as it is. */
const MAX_INTERRUPTED = 8;

const LOOPBACK_INDEX = 1;

const LOAD_HALF = 0x28; // BPF_LD | BPF_H | BPF_ABS
const LOAD_WORD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_ANY_BIT = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K

/** The filter loads big-endian what netlink writes little-endian. */
const swap16 = (value: number): number => ((value & 0xff) << 8) | (value >>> 8);

/**
 * Drops notifications about addresses on `lo`: Holdfast itself puts thousands of service IPs there, and each
 * would wake the wire thread. Dump datagrams (NLM_F_MULTI) pass: `lo` may only be the first message of many.
 */
const DROP_LOOPBACK_ADDRESSES: readonly FilterInstruction[] = [
  { code: LOAD_HALF, jt: 0, jf: 0, k: 4 }, // nlmsghdr.type
  { code: JUMP_EQUAL, jt: 1, jf: 0, k: swap16(RTM_NEWADDR) },
  { code: JUMP_EQUAL, jt: 0, jf: 5, k: swap16(RTM_DELADDR) },
  { code: LOAD_HALF, jt: 0, jf: 0, k: 6 }, // nlmsghdr.flags
  { code: JUMP_ANY_BIT, jt: 3, jf: 0, k: swap16(NLM_F_MULTI) },
  { code: LOAD_WORD, jt: 0, jf: 0, k: 20 }, // ifaddrmsg.index
  { code: JUMP_EQUAL, jt: 0, jf: 1, k: (LOOPBACK_INDEX << 24) >>> 0 },
  { code: RETURN, jt: 0, jf: 0, k: 0 },
  { code: RETURN, jt: 0, jf: 0, k: 0xffffffff },
];

export interface LinkMonitor {
  /** For the poll set: readable when there may be news. */
  readonly fd: number;
  /** Asks for everything anew; what differs from what was reported comes out of `read`. Safe at any time. */
  readonly requestDump: () => void;
  /**
   * Takes what is queued (64 datagrams at most: poll says if there is more) and returns whole, conflated facts
   * of the interfaces that differ from what was returned before; never `lo` or what is not Ethernet. Nothing
   * while a dump is incomplete. Throws SystemError if the socket itself fails.
   */
  readonly read: () => InterfaceFact[];
  /** What `read` has reported and what still exists. */
  readonly list: () => InterfaceFact[];
  readonly close: () => void;
}

const enlargeReceiveBuffer = (fd: number): void => {
  const size = new Uint8Array(new Int32Array([RECEIVE_BUFFER]).buffer);
  try {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size);
  } catch {
    // Without CAP_NET_ADMIN: as much as net.core.rmem_max permits.
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, size);
  }
};

/** Opens the socket in this thread's network namespace and asks for the first dump. Throws SystemError. */
export const openLinkMonitor = (): LinkMonitor => {
  const fd = openRouteSocket(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
  const buffer = new Uint8Array(RECEIVE_SIZE);
  const table = createLinkTable();
  /** The request under way: the kernel does one dump at a time per socket. */
  let phase: 'idle' | 'links' | 'addresses' = 'idle';
  /** A dump is owed. It begins when the queue is empty: from an overflow until then, the kernel drops news. */
  let owed = true;
  let interrupted = false;
  let interruptedDumps = 0;
  let sequence = 0;

  const ask = (of: 'links' | 'addresses'): void => {
    phase = of;
    sequence += 1;
    sendAll(fd, encodeMessage({ kind: 'dump', of, headerFlags: NLM_F_REQUEST | NLM_F_DUMP, sequence }));
  };

  const beginDump = (): void => {
    owed = false;
    interrupted = false;
    table.beginDump();
    ask('links');
  };

  const endDump = (): void => {
    phase = 'idle';
    const retry = interrupted && interruptedDumps < MAX_INTERRUPTED;
    interruptedDumps = retry ? interruptedDumps + 1 : 0;
    // What an interrupted dump does not show may be there all the same.
    const whole = table.endDump(!interrupted && !owed);
    if (retry || !whole) owed = true;
  };

  const endPhase = (message: DoneMessage | ErrorMessage): void => {
    // The receive buffer was full when the dump was asked for; it goes on as the buffer empties.
    if (message.kind === 'error' && message.errno === ENOBUFS) return;
    if (message.errno !== 0) throw new SystemError('netlink dump', message.errno);
    if (phase === 'links') ask('addresses');
    else endDump();
  };

  const handle = (message: NetlinkMessage | MalformedMessage): void => {
    if (message.kind === 'malformed' || message.kind === 'dump' || message.kind === 'route') return;
    // A notification may bear anyone's sequence number; only messages of a dump are NLM_F_MULTI.
    const dumped = (message.headerFlags & NLM_F_MULTI) !== 0;
    if (dumped && message.sequence !== sequence) return;
    if (dumped && (message.headerFlags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
    if (message.kind === 'link') table.link(message, dumped);
    else if (message.kind === 'address') {
      if (message.index !== LOOPBACK_INDEX) table.address(message, dumped);
    } else if (phase !== 'idle' && message.sequence === sequence) endPhase(message);
  };

  /** The queue is empty. False when nothing is owed; the kernel answers a dump before `send` returns. */
  const beginOwed = (): boolean => {
    // A dump that has neither ended nor queued anything got lost with an overflow.
    if (phase === 'idle' && !owed) return false;
    beginDump();
    return true;
  };

  const read = (): InterfaceFact[] => {
    for (let datagrams = 0; datagrams < DATAGRAMS_PER_READ; datagrams += 1) {
      const length = recv(fd, buffer, MSG_TRUNC);
      if (length >= 0 && length <= buffer.length) {
        for (const message of decodeMessages(buffer, length)) handle(message);
        continue;
      }
      const errno = length < 0 ? lastErrno() : ENOBUFS;
      if (errno === EAGAIN) {
        if (!beginOwed()) break;
      } else if (errno === ENOBUFS) owed = true;
      else if (errno !== EINTR) throw new SystemError('recv', errno);
    }
    return table.takeChanges();
  };

  const requestDump = (): void => {
    // The first datagram makes the socket readable; a dump that is under way already may have begun too early.
    if (phase === 'idle') beginDump();
    else owed = true;
  };

  try {
    enlargeReceiveBuffer(fd);
    attachFilter(fd, DROP_LOOPBACK_ADDRESSES);
    requestDump();
  } catch (error) {
    close(fd);
    throw error;
  }
  return { fd, requestDump, read, list: table.list, close: () => close(fd) };
};
