// The part of npm raw-socket 1.8 that Holdfast uses; the package ships no types.
declare module 'raw-socket' {
  import type { EventEmitter } from 'node:events';

  export interface Socket extends EventEmitter {
    /** Throws the system's error text (`Operation not permitted`). */
    setOption(level: number, option: number, value: Buffer, length: number): void;
    /** `before` runs right before the system call; what it throws reaches `after`, and nothing is sent. */
    send(
      buffer: Buffer,
      offset: number,
      length: number,
      address: string,
      before: () => void,
      after: (error: Error | null, bytes: number) => void,
    ): this;
    pauseRecv(): this;
    close(): this;
  }

  const raw: {
    readonly Protocol: { readonly ICMPv6: number };
    readonly AddressFamily: { readonly IPv6: number };
    createSocket(options: { readonly protocol: number; readonly addressFamily: number }): Socket;
  };
  export default raw;
}
