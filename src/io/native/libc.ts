// The libc calls Holdfast makes, through koffi. The only file that knows the foreign function interface: the
// rest of src/io sees numbers, byte arrays and `SystemError`. Every thread that imports it gets its own binding.
import { readFileSync } from 'node:fs';
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');

/** `socket(2)` and friends: the constants used here, from the Linux headers (the same on x86-64 and arm64). */
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const MSG_DONTWAIT = 0x40;
export const MSG_TRUNC = 0x20;
export const SOL_SOCKET = 1;
export const SO_RCVBUF = 8;
const SO_ATTACH_FILTER = 26;
export const SO_RCVBUFFORCE = 33;
export const POLLIN = 1;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;

export const EINTR = 4;
export const EAGAIN = 11;
export const EEXIST = 17;
export const ENOBUFS = 105;
export const ENETDOWN = 100;

const natives = {
  socket: libc.func('int socket(int domain, int type, int protocol)'),
  close: libc.func('int close(int fd)'),
  bind: libc.func('int bind(int fd, const void *address, uint32_t length)'),
  send: libc.func('intptr_t send(int fd, const void *bytes, size_t length, int flags)'),
  sendto: libc.func(
    'intptr_t sendto(int fd, const void *bytes, size_t length, int flags, const void *address, uint32_t size)',
  ),
  recv: libc.func('intptr_t recv(int fd, void *bytes, size_t length, int flags)'),
  setsockopt: libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
  poll: libc.func('int poll(void *fds, unsigned long count, int timeoutMs)'),
  pipe2: libc.func('int pipe2(void *fds, int flags)'),
  read: libc.func('intptr_t read(int fd, void *bytes, size_t length)'),
  write: libc.func('intptr_t write(int fd, const void *bytes, size_t length)'),
  if_nametoindex: libc.func('unsigned int if_nametoindex(const char *name)'),
  sched_setscheduler: libc.func('int sched_setscheduler(int pid, int policy, const void *param)'),
  mlock2: libc.func('int mlock2(uintptr_t address, size_t length, unsigned int flags)'),
  strerror: libc.func('const char *strerror(int code)'),
};

/** `struct sock_fprog` of linux/filter.h; unnamed, since koffi's type names are global to a process. */
const filterProgram = koffi.struct({ len: 'uint16_t', filter: 'const void *' });
const setFilter = libc.func('setsockopt', 'int', [
  'int',
  'int',
  'int',
  koffi.pointer(filterProgram),
  'uint32_t',
]);

const CODE_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(koffi.os.errno).map(([name, code]) => [code, name]),
);

/** A failed libc call: `call` is its name, `errno` its number, `code` its symbol (`EPERM`). */
export class SystemError extends Error {
  readonly call: string;
  readonly errno: number;
  readonly code: string;

  constructor(call: string, errno: number) {
    super(`${call}: ${natives.strerror(errno)} (${CODE_NAMES[errno] ?? errno})`);
    this.name = 'SystemError';
    this.call = call;
    this.errno = errno;
    this.code = CODE_NAMES[errno] ?? String(errno);
  }
}

const checked = (call: string, result: number): number => {
  if (result < 0) throw new SystemError(call, koffi.errno());
  return result;
};

/** The errno of the last libc call of this thread that failed; meaningful only right after a negative return. */
export const lastErrno = (): number => koffi.errno();

export const socket = (domain: number, type: number, protocol: number): number =>
  checked('socket', natives.socket(domain, type, protocol));

export const close = (fd: number): void => {
  natives.close(fd);
};

export const bind = (fd: number, address: Uint8Array): void => {
  checked('bind', natives.bind(fd, address, address.length));
};

/** Returns the bytes sent, or a negative number with `lastErrno()` set: the hot paths do not throw. */
export const send = (fd: number, bytes: Uint8Array, flags = 0): number =>
  Number(natives.send(fd, bytes, bytes.length, flags));

export const sendto = (fd: number, bytes: Uint8Array, flags: number, address: Uint8Array): number =>
  Number(natives.sendto(fd, bytes, bytes.length, flags, address, address.length));

/** Returns the bytes received (with MSG_TRUNC the true length), or a negative number with `lastErrno()` set. */
export const recv = (fd: number, bytes: Uint8Array, flags: number): number =>
  Number(natives.recv(fd, bytes, bytes.length, flags));

export const setsockopt = (fd: number, level: number, name: number, value: Uint8Array): void => {
  checked('setsockopt', natives.setsockopt(fd, level, name, value, value.length));
};

/** Attaches a classic BPF program (`struct sock_filter` each: code, jt, jf, k). Throws SystemError. */
export const attachFilter = (
  fd: number,
  program: readonly { readonly code: number; readonly jt: number; readonly jf: number; readonly k: number }[],
): void => {
  const filter = new DataView(new ArrayBuffer(8 * program.length));
  for (const [index, { code, jt, jf, k }] of program.entries()) {
    filter.setUint16(8 * index, code, true);
    filter.setUint8(8 * index + 2, jt);
    filter.setUint8(8 * index + 3, jf);
    filter.setUint32(8 * index + 4, k, true);
  }
  const value = { len: program.length, filter: new Uint8Array(filter.buffer) };
  checked('setsockopt', setFilter(fd, SOL_SOCKET, SO_ATTACH_FILTER, value, koffi.sizeof(filterProgram)));
};

/** `struct pollfd` entries in one byte array: int32 fd, int16 events, int16 revents. Returns the ready count. */
export const poll = (fds: Uint8Array, count: number, timeoutMs: number): number =>
  natives.poll(fds, count, timeoutMs);

/** Returns [read end, write end]. */
export const pipe = (flags: number): readonly [number, number] => {
  const fds = new Int32Array(2);
  checked('pipe2', natives.pipe2(fds, flags));
  return [fds[0] as number, fds[1] as number];
};

export const read = (fd: number, bytes: Uint8Array): number => Number(natives.read(fd, bytes, bytes.length));

export const write = (fd: number, bytes: Uint8Array): number =>
  Number(natives.write(fd, bytes, bytes.length));

/** The kernel's index of an interface, or 0 when there is none of that name. */
export const interfaceIndex = (name: string): number => natives.if_nametoindex(name);

const SCHED_RR = 2;

/** Puts the calling thread under SCHED_RR at `priority` (1–99). Throws EPERM without CAP_SYS_NICE or RLIMIT_RTPRIO. */
export const scheduleRealTime = (priority: number): void => {
  checked('sched_setscheduler', natives.sched_setscheduler(0, SCHED_RR, new Int32Array([priority])));
};

const MLOCK_ONFAULT = 1;
/** A mapping of a file's code in /proc/self/maps: from, to, `r-xp`, offset, device, inode, path. */
const CODE_MAPPING = /^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ \d+ +\/.*$/gm;

/**
 * Keeps the program's code in memory once it has run, so that an answer never waits for a disk. Code only, and never
 * mlockall: V8 gives its pages back by madvise(MADV_DONTNEED), which locked memory refuses with EINVAL, upon which V8
 * aborts the process (measured: SIGTRAP at the end of every worker). Throws EPERM/ENOMEM when not permitted.
 */
export const lockCode = (): void => {
  for (const [, from = '', to = ''] of readFileSync('/proc/self/maps', 'utf8').matchAll(CODE_MAPPING)) {
    const start = BigInt(`0x${from}`);
    checked('mlock2', natives.mlock2(start, BigInt(`0x${to}`) - start, MLOCK_ONFAULT));
  }
};
