// What the main thread and the wire thread say to each other, and the memory they share.
import type { MessagePort } from 'node:worker_threads';
import type { SlowClient } from '../../machines/clients.ts';
import type { Ip, Mac } from '../../machines/frames.ts';
import type { Instance } from '../../machines/hello.ts';
import type { Input } from '../../machines/inputs.ts';
import type { WireCommand, WireConfig, WireCounters } from '../../machines/wire-facts.ts';
import type { ClockOrigin } from '../clock.ts';
import type { HelloTransport } from '../packets/hello-udp.ts';
import type { Observed } from './observations.ts';

/** Indices into the shared Float64 array. */
export const MAIN_ALIVE_AT = 0;
/** Indices into the shared Int32 array. */
export const QUIT = 0;

export interface WireThreadData {
  readonly origin: ClockOrigin;
  readonly config: WireConfig;
  readonly instance: Instance;
  readonly hello: HelloSecrets;
  /** The main thread writes a byte to wake `poll`. */
  readonly wakeFd: number;
  /** Logical time of the main thread's last sign of life. */
  readonly alive: Float64Array<SharedArrayBuffer>;
  readonly flags: Int32Array<SharedArrayBuffer>;
  readonly port: MessagePort;
}

/** What turns hellos into octets and back. The first key signs, every key verifies; none: unsigned. */
export interface HelloSecrets {
  readonly keys: readonly Uint8Array[];
  readonly group: string;
  /** How hellos are sent; both ways are heard. */
  readonly transport?: HelloTransport;
}

export type ToWire =
  /** `birth`: the instance for which the core decided this; another birth does not obey. */
  | { readonly type: 'command'; readonly command: WireCommand; readonly birth: Instance }
  | { readonly type: 'secrets'; readonly hello: HelloSecrets }
  | { readonly type: 'report'; readonly id: number }
  | { readonly type: 'observe'; readonly id: number };

export interface Advertise {
  readonly interface: string;
  readonly ip: Ip;
  readonly mac: Mac;
}

/** Counters of the thread itself, beside those of the step. */
export interface WireReport {
  readonly counters: WireCounters;
  readonly dropped: Readonly<Record<string, number>>;
  readonly sendErrors: Readonly<Record<string, number>>;
  /** Interfaces without a packet socket, and the error. */
  readonly unopened: Readonly<Record<string, string>>;
  readonly framesRead: number;
  /** Nodes heard whose hellos come by another transport than this node's. */
  readonly otherTransport: readonly string[];
  readonly answering: number;
  readonly lastHeard: Readonly<Record<Instance, number>>;
  /** Clients that still send to an IP that drains here, or are kept by a connection. */
  readonly staleClients: Readonly<Record<Ip, number>>;
  readonly clients: Readonly<Record<Ip, { readonly clients: number; readonly clientsConfirmed: number }>>;
}

/** What `doctor --wire` asks of a daemon's wire thread. */
export interface WireSeen extends Observed {
  /** Logical milliseconds. */
  readonly at: number;
  readonly birth: Instance;
  readonly transport: HelloTransport;
  /** Interfaces with a packet socket. */
  readonly listening: readonly string[];
  readonly slowClients: readonly SlowClient[];
}

export type FromWire =
  | {
      readonly type: 'news';
      readonly facts: readonly { readonly at: number; readonly input: Input }[];
      readonly advertise: readonly Advertise[];
      /** How long clients took to follow, milliseconds. */
      readonly converged: readonly number[];
      /** How long after a move clients still sent here, milliseconds. */
      readonly left: readonly number[];
      /** How late hellos left, milliseconds. */
      readonly helloLateness: readonly number[];
    }
  | { readonly type: 'report'; readonly id: number; readonly report: WireReport }
  | { readonly type: 'observed'; readonly id: number; readonly observed: WireSeen }
  /** Something the operator should know: a right that is missing, a socket that could not be opened. */
  | {
      readonly type: 'notice';
      readonly level: 'info' | 'warn';
      readonly code: string;
      readonly message: string;
    };
