// A dump of any netlink family, taken in slices: the kernel makes the next part when the last one is read, so a
// table of any size costs one buffer and never holds the event loop for long (man 7 netlink; af_netlink.c,
// netlink_dump). What can go wrong out there comes back as a code, never as an exception.

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { close, EAGAIN, EINTR, lastErrno, MSG_TRUNC, recv, SystemError } from '../native/libc.ts';
import { errnoOf, u16, u32, walkMessages } from './netlink-bytes.ts';
import {
  type Header,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
} from './netlink-messages.ts';
import { openProtocolSocket, RECEIVE_SIZE, sendAll } from './netlink-socket.ts';

/** Then the event loop has its turn. Frames and hellos are the wire thread's; timers here are 10 ms and more. */
const SLICE_MS = 2;
/** A dump that the kernel calls interrupted is taken again: tables are resized seldom. */
const ATTEMPTS = 3;
/** What was open this long ago says little, and a million entries take less. */
const TIMEOUT_MS = 10_000;
/** Between two looks for an answer that is not there yet; the kernel answers before `send` returns. */
const LOOK_AGAIN_MS = 1;

/**
 * Why there is no answer: the code of an errno (`EPERM`), or `interrupted` (three times over), `malformed` (not the
 * structures of this kernel's headers), `timeout` (10 s), `closed` (`isClosed` became true).
 */
export type DumpFailure = string;

export interface Dump {
  /** Netlink family, NETLINK_… of linux/netlink.h. */
  readonly protocol: number;
  /** The request's octets. */
  readonly encode: (header: Header) => Uint8Array;
  /** Type of the messages that hold the entries; all others are skipped. */
  readonly entryType: number;
  /** One entry from its header to `end`, in a buffer that the next one overwrites; false: malformed. */
  readonly take: (bytes: Uint8Array, at: number, end: number) => boolean;
  /** Asked between slices. */
  readonly isClosed: () => boolean;
}

type Progress = 'more' | 'done' | 'interrupted' | DumpFailure;

const codeOf = (errno: number): string => new SystemError('netlink dump', errno).code;

const createReader = ({ take, entryType }: Dump, sequence: number) => {
  let isInterrupted = false;

  const ending = (bytes: Uint8Array, at: number, end: number): Progress => {
    const errno = errnoOf(bytes, at, end);
    if (errno === null) return 'malformed';
    if (errno !== 0) return codeOf(errno);
    return isInterrupted ? 'interrupted' : 'done';
  };

  /** What one datagram says; `more` until the last. */
  return (bytes: Uint8Array, length: number): Progress => {
    let progress: Progress = 'more';
    const isWhole = walkMessages(bytes, length, (at, end) => {
      if (progress !== 'more' || u32(bytes, at + 8) !== sequence) return;
      const type = u16(bytes, at + 4);
      // linux/netlink.h: "Dump was inconsistent due to sequence change".
      if ((u16(bytes, at + 6) & NLM_F_DUMP_INTR) !== 0) isInterrupted = true;
      if (type === NLMSG_ERROR || type === NLMSG_DONE) progress = ending(bytes, at, end);
      else if (type === entryType && !take(bytes, at, end)) progress = 'malformed';
    });
    return isWhole ? progress : 'malformed';
  };
};

const dumpOnce = async (fd: number, dump: Dump, sequence: number, deadline: number): Promise<Progress> => {
  const buffer = new Uint8Array(RECEIVE_SIZE);
  const read = createReader(dump, sequence);
  sendAll(fd, dump.encode({ headerFlags: NLM_F_REQUEST | NLM_F_DUMP, sequence }));
  for (let sliceEnd = performance.now() + SLICE_MS; ; ) {
    const length = recv(fd, buffer, MSG_TRUNC);
    const errno = length < 0 ? lastErrno() : 0;
    if (errno !== 0 && errno !== EAGAIN && errno !== EINTR) return codeOf(errno);
    if (length > buffer.length) return 'malformed';
    const progress = length < 0 ? 'more' : read(buffer, length);
    if (progress !== 'more') return progress;
    const now = performance.now();
    if (errno !== EAGAIN && now < sliceEnd) continue;
    if (now > deadline) return 'timeout';
    await (errno === EAGAIN ? sleep(LOOK_AGAIN_MS) : nextTurn());
    if (dump.isClosed()) return 'closed';
    sliceEnd = performance.now() + SLICE_MS;
  }
};

/**
 * Takes a dump on a socket of its own; null when it is whole. After `interrupted`, and in the attempts before the
 * last, `take` has seen some entries twice or in vain. A dump is no snapshot: entries come as the walk meets them.
 */
export const takeDump = async (dump: Dump): Promise<DumpFailure | null> => {
  const deadline = performance.now() + TIMEOUT_MS;
  let fd = -1;
  try {
    fd = openProtocolSocket(dump.protocol, 0);
    for (let sequence = 1; ; sequence += 1) {
      const progress = await dumpOnce(fd, dump, sequence, deadline);
      if (progress === 'done') return null;
      if (progress !== 'interrupted' || sequence === ATTEMPTS) return progress;
    }
  } catch (error) {
    if (error instanceof SystemError) return error.code;
    throw error;
  } finally {
    if (fd >= 0) close(fd);
  }
};
