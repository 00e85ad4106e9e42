// What travels on the simulated segment: whatever the wire step sends, and the clients' traffic.
import type { Ip, Mac, NeighborFrame } from '../../src/machines/frames.ts';
import type { HelloFrame } from '../../src/machines/hello.ts';
import type { WireOutput } from '../../src/machines/wire-facts.ts';

/** A hello with the group address that the codec gives it on a real wire. */
export type SimHello = HelloFrame & { readonly ethernetDestination: Mac };
/** What the wire step sends, addressed. */
export type WireFrame = NeighborFrame | SimHello;

/** docs/protocol.md */
const HELLO_GROUP: Mac = '03:48:6f:6c:64:66';

type SentFrame = Extract<WireOutput, { readonly type: 'send' }>['frame'];

export const addressed = (frame: SentFrame): WireFrame =>
  frame.kind === 'hello' ? { ...frame, ethernetDestination: HELLO_GROUP } : frame;

/** One packet of a client to a service IP, sent to the MAC that the client believes in. */
export interface DataFrame {
  readonly kind: 'data';
  readonly ethernetSource: Mac;
  readonly ethernetDestination: Mac;
  readonly client: string;
  /** The client's own address. */
  readonly source: Ip;
  readonly ip: Ip;
  readonly sentAt: number;
}

export type SimFrame = WireFrame | DataFrame;

const ODD = new Set('13579bdf');

/** A group address: the lowest bit of the first octet (IEEE 802). Broadcast counts. */
export const isGroup = (mac: Mac): boolean => ODD.has(mac[1] as string);
