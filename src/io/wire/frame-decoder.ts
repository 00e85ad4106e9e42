// What a packet socket read, made a frame: ARP and Neighbor Discovery, and hellos by either transport. What can be seen
// of it that no decision needs is noted on the way (observations.ts). Of the wire thread, and of `doctor --wire`.
import type { DroppedFrame } from '../../machines/frames.ts';
import type { HelloFrame } from '../../machines/hello.ts';
import type { WireFrame } from '../../machines/wire-facts.ts';
import { readU16 } from '../packets/big-endian.ts';
import { ETHERTYPE_HELLO, ETHERTYPE_IPV4 } from '../packets/ethernet.ts';
import { decodeFrame } from '../packets/frame.ts';
import { helloCodec } from '../packets/hello-codec.ts';
import type { HelloTransport } from '../packets/hello-udp.ts';
import { createObservations, type Observed } from './observations.ts';
import type { HelloSecrets } from './wire-protocol.ts';

/** Longer than any frame that is parsed; what is longer is cut by the kernel and still counted right. */
const RECEIVE_BYTES = 2_048;
/** Somebody with the key may say hellos under ever new births; nobody reads so many lines. */
const MAX_SAID = 64;
const ETHERTYPE_OFFSET = 12;

export interface FrameDecoder {
  /** Where the next frame is to be read to. */
  readonly bytes: Uint8Array;
  /** The frame of `length` octets that lies in `bytes`. Never throws. */
  decode(length: number): WireFrame | DroppedFrame;
  /** Notes what `decode` has just given, as read on an interface at `at`. */
  note(at: number, interfaceName: string, frame: WireFrame | DroppedFrame): void;
  /** Writes a hello as it is to leave; returns its length. */
  writeHello(hello: HelloFrame, bytes: Uint8Array): number;
  setSecrets(secrets: HelloSecrets): void;
  /** How hellos leave. */
  transport(): HelloTransport;
  /** Nodes heard whose hellos come the other way. */
  otherTransport(at: number): readonly string[];
  observed(): Observed;
}

/** `warn` gets one line for each node that says its hellos the other way. */
export const createFrameDecoder = (initial: HelloSecrets, warn: (line: string) => void): FrameDecoder => {
  const bytes = new Uint8Array(RECEIVE_BYTES);
  const observations = createObservations();
  /** Births of which it was said. */
  const said = new Set<string>();
  let codec = helloCodec(initial);
  let transport = initial.transport ?? 'ethernet';

  /** The kernel has taken a priority tag out; its filter lets no IPv4 in but hellos. */
  const etherType = (): number => readU16(bytes, ETHERTYPE_OFFSET);

  const warnOf = ({ node, instance }: HelloFrame, theirs: HelloTransport): void => {
    if (theirs === transport || said.has(instance) || said.size >= MAX_SAID) return;
    said.add(instance);
    const why = 'where one of the two does not pass, one of the nodes is deaf';
    warn(
      `${node} says its hellos over ${theirs}, this node over ${transport}: ${why}; heartbeat.transport is to be the same everywhere`,
    );
  };

  return {
    bytes,
    decode: (length) => {
      const type = etherType();
      const end = Math.min(length, RECEIVE_BYTES);
      return type === ETHERTYPE_HELLO || type === ETHERTYPE_IPV4
        ? codec.read(bytes, end)
        : decodeFrame(bytes, end);
    },
    note: (at, name, frame) => {
      if (frame.kind === 'dropped') return observations.refused(at, name, frame.reason, bytes);
      const by = etherType() === ETHERTYPE_IPV4 ? 'udp' : 'ethernet';
      observations.frame(at, name, frame, by);
      if (frame.kind === 'hello') warnOf(frame, by);
    },
    writeHello: (hello, target) => codec.write(hello, target),
    setSecrets: (secrets) => {
      codec = helloCodec(secrets);
      transport = secrets.transport ?? 'ethernet';
    },
    transport: () => transport,
    otherTransport: (at) => observations.otherTransport(at, transport).map(({ node }) => node),
    observed: observations.observed,
  };
};
