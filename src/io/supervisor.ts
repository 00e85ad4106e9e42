// What systemd is told over its notification socket (sd_notify(3)): that the daemon serves, that it is about to end,
// and, as a watchdog, that its main thread still runs. Without NOTIFY_SOCKET nothing is opened and nothing is said.
import { AF_UNIX, close, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, sendto, socket } from './native/libc.ts';

export interface Supervisor {
  /** The daemon serves: what waits for it may start. From here on the watchdog is fed, if there is one. */
  ready(): void;
  stopping(): void;
}

export interface SupervisorEnvironment {
  /** A path, or `@` and an abstract name. */
  readonly NOTIFY_SOCKET?: string;
  /** Microseconds within which the supervisor wants to hear something. */
  readonly WATCHDOG_USEC?: string;
}

/** unix(7): `sun_path` of struct sockaddr_un. */
const MAX_PATH_BYTES = 107;
/** sd_watchdog_enabled(3) recommends half of the time. */
const SHARE_OF_WATCHDOG = 0.5;

/** struct sockaddr_un: the family (2 bytes), the path; an abstract name begins with a zero and is not terminated. */
const addressOf = (path: string): Uint8Array | null => {
  const bytes = Buffer.from(path.replace(/^@/, '\0'));
  if (bytes.length === 0 || bytes.length > MAX_PATH_BYTES) return null;
  const family = Buffer.alloc(2);
  new Uint16Array(family.buffer, family.byteOffset, 1)[0] = AF_UNIX;
  return Buffer.concat([family, bytes, Buffer.alloc(path.startsWith('@') ? 0 : 1)]);
};

const SILENT: Supervisor = { ready: () => {}, stopping: () => {} };

/** Never throws and never waits: a supervisor that cannot be told is no reason not to serve. */
export const openSupervisor = (environment: SupervisorEnvironment): Supervisor => {
  const address = addressOf(environment.NOTIFY_SOCKET ?? '');
  if (address === null) return SILENT;
  const tell = (text: string): void => {
    try {
      const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      sendto(fd, Buffer.from(text), 0, address);
      close(fd);
    } catch {
      // No descriptor is left: then this is the smallest of its troubles.
    }
  };
  const watchdogMs = Number(environment.WATCHDOG_USEC) / 1000;
  return {
    ready: () => {
      tell('READY=1');
      if (watchdogMs > 0) setInterval(() => tell('WATCHDOG=1'), watchdogMs * SHARE_OF_WATCHDOG).unref();
    },
    stopping: () => tell('STOPPING=1'),
  };
};
