// A classic BPF interpreter for the instructions that our filter uses, with the kernel's ancillary loads
// (linux/filter.h). It reads the packed struct sock_filter array, as the kernel does, and refuses what the
// kernel's checker would: a jump or load it does not know, a program that runs off its end.

/** What the kernel knows about a frame beside its octets: the tag is out of the frame already. */
export interface FrameFacts {
  /** 0 host, 1 broadcast, 2 multicast, 3 other host, 4 outgoing (linux/if_packet.h). */
  readonly packetType: number;
  readonly vlanTagPresent: boolean;
  /** PCP, DEI and VID. */
  readonly vlanTag: number;
}

const ancillary = (offset: number, facts: FrameFacts): number => {
  if (offset === 4) return facts.packetType;
  if (offset === 44) return facts.vlanTag;
  if (offset === 48) return facts.vlanTagPresent ? 1 : 0;
  throw new Error(`ancillary load ${offset} is not one the filter should use`);
};

const WIDTH: { readonly [code: number]: number } = { 32: 4, 40: 2, 48: 1 };
const ANCILLARY = 0xfffff000;

/** Runs a packed program; returns how many octets of the frame are accepted, 0 for a refusal. */
export const runFilter = (program: Uint8Array, frame: Uint8Array, facts: FrameFacts): number => {
  const little = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
  const view = new DataView(program.buffer, program.byteOffset, program.length);
  const packet = new DataView(frame.buffer, frame.byteOffset, frame.length);
  let accumulator = 0;
  for (let at = 0; at + 8 <= program.length; at += 8) {
    const code = view.getUint16(at, little);
    const k = view.getUint32(at + 4, little);
    const width = WIDTH[code];
    if (width !== undefined) {
      if (k >= ANCILLARY) {
        accumulator = ancillary(k - ANCILLARY, facts);
        continue;
      }
      if (k + width > frame.length) return 0;
      if (width === 4) accumulator = packet.getUint32(k);
      else accumulator = width === 2 ? packet.getUint16(k) : packet.getUint8(k);
    } else if (code === 0x54) {
      accumulator = (accumulator & k) >>> 0;
    } else if (code === 0x05) {
      at += 8 * k;
    } else if (code === 0x15) {
      at += 8 * view.getUint8(accumulator === k ? at + 2 : at + 3);
    } else if (code === 0x06) {
      return k;
    } else {
      throw new Error(`instruction ${at / 8}: unknown code 0x${code.toString(16)}`);
    }
  }
  throw new Error('the program ran off its end');
};
