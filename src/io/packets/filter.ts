// The kernel filter of every packet socket: a classic BPF program (Linux Documentation/networking/filter.rst) as
// plain data. It decides before a frame costs a wake-up, so that other traffic of the node never reaches the
// wire thread; the codecs check everything again.

import assert from 'node:assert/strict';
import { ETHERTYPE_ARP, ETHERTYPE_HELLO, ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from './ethernet.ts';
import { PROTOCOL_UDP, UDP_GROUP, UDP_PORT } from './hello-udp.ts';
import { ADVERTISEMENT, SOLICITATION } from './icmpv6.ts';

/** `struct sock_filter` of linux/filter.h: jt and jf count instructions to skip, k is unsigned. */
export interface FilterInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

// linux/bpf_common.h
export const LOAD_WORD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const LOAD_HALF = 0x28; // BPF_LD | BPF_H | BPF_ABS
const LOAD_BYTE = 0x30; // BPF_LD | BPF_B | BPF_ABS
export const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
export const JUMP = 0x05; // BPF_JMP | BPF_JA
export const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
export const RETURN = 0x06; // BPF_RET | BPF_K

// linux/filter.h: loads from SKF_AD_OFF on read what the kernel knows about the frame.
const ANCILLARY = 0xfffff000; // SKF_AD_OFF, -0x1000
export const PACKET_TYPE = ANCILLARY + 4; // SKF_AD_PKTTYPE
export const VLAN_TAG = ANCILLARY + 44; // SKF_AD_VLAN_TAG
const VLAN_TAG_PRESENT = ANCILLARY + 48; // SKF_AD_VLAN_TAG_PRESENT
const PACKET_OUTGOING = 4; // linux/if_packet.h

const ETHERTYPE_OFFSET = 12;
const NEXT_HEADER_OFFSET = 14 + 6;
const ICMP_TYPE_OFFSET = 14 + 40;
const NEXT_HEADER_ICMPV6 = 58;
const IPV4_FRAGMENT_OFFSET = 14 + 6;
const IPV4_PROTOCOL_OFFSET = 14 + 9;
const IPV4_DESTINATION_OFFSET = 14 + 16;
/** Behind an IPv4 header without options: hellos have none, and the codec refuses others. */
const UDP_PORT_OFFSET = 14 + 20 + 2;
const FRAGMENT = 0x1fff;
/** How many octets of an accepted frame are kept: more than any frame has. */
const WHOLE_FRAME = 0x40000;

interface Line {
  readonly label?: string;
  readonly code: number;
  readonly k: number;
  /** Labels to go to; without one, on to the next line. */
  readonly yes?: string;
  readonly no?: string;
}

const assemble = (lines: readonly Line[]): readonly FilterInstruction[] =>
  lines.map(({ code, k, yes, no }, index) => {
    const skip = (label: string | undefined): number =>
      label === undefined ? 0 : lines.findIndex((line) => line.label === label) - index - 1;
    return { code, jt: skip(yes), jf: skip(no), k };
  });

/**
 * Accepts ARP, ICMPv6 types 135 and 136 directly after the IPv6 header, `helloEtherType` and hellos in UDP; refuses this
 * host's own outgoing frames (a packet socket hears them) and frames of a VLAN. The kernel takes the tag out
 * of a frame before a packet socket sees it, so offsets are those of an untagged frame; a tag left inside (a
 * second one) is another ethertype and refused. A load beyond the frame's end ends the program with 0: refused.
 */
export const frameFilter = (helloEtherType: number = ETHERTYPE_HELLO): readonly FilterInstruction[] => {
  assert(helloEtherType >= 0x0600 && helloEtherType <= 0xffff, `not an ethertype: ${helloEtherType}`);
  return assemble([
    { code: LOAD_WORD, k: PACKET_TYPE },
    { code: JUMP_EQUAL, k: PACKET_OUTGOING, yes: 'refuse' },
    { code: LOAD_WORD, k: VLAN_TAG_PRESENT },
    { code: JUMP_EQUAL, k: 0, yes: 'ethertype' },
    { code: LOAD_WORD, k: VLAN_TAG },
    // The tag is PCP (3 bits), DEI (1), VID (12); a VID of 0 is a priority tag, no VLAN.
    { code: AND, k: 0x0fff },
    { code: JUMP_EQUAL, k: 0, no: 'refuse' },
    { label: 'ethertype', code: LOAD_HALF, k: ETHERTYPE_OFFSET },
    { code: JUMP_EQUAL, k: ETHERTYPE_ARP, yes: 'accept' },
    { code: JUMP_EQUAL, k: helloEtherType, yes: 'accept' },
    { code: JUMP_EQUAL, k: ETHERTYPE_IPV4, no: 'ipv6' },
    { code: LOAD_BYTE, k: IPV4_PROTOCOL_OFFSET },
    { code: JUMP_EQUAL, k: PROTOCOL_UDP, no: 'refuse' },
    { code: LOAD_WORD, k: IPV4_DESTINATION_OFFSET },
    { code: JUMP_EQUAL, k: UDP_GROUP, no: 'refuse' },
    { code: LOAD_HALF, k: IPV4_FRAGMENT_OFFSET },
    { code: AND, k: FRAGMENT },
    { code: JUMP_EQUAL, k: 0, no: 'refuse' },
    { code: LOAD_HALF, k: UDP_PORT_OFFSET },
    { code: JUMP_EQUAL, k: UDP_PORT, yes: 'accept', no: 'refuse' },
    { label: 'ipv6', code: JUMP_EQUAL, k: ETHERTYPE_IPV6, no: 'refuse' },
    { code: LOAD_BYTE, k: NEXT_HEADER_OFFSET },
    { code: JUMP_EQUAL, k: NEXT_HEADER_ICMPV6, no: 'refuse' },
    { code: LOAD_BYTE, k: ICMP_TYPE_OFFSET },
    { code: JUMP_EQUAL, k: SOLICITATION, yes: 'accept' },
    { code: JUMP_EQUAL, k: ADVERTISEMENT, no: 'refuse' },
    { label: 'accept', code: RETURN, k: WHOLE_FRAME },
    { label: 'refuse', code: RETURN, k: 0 },
  ]);
};

const INSTRUCTION = 8;

/** The program as an array of `struct sock_filter`, 8 octets each, in the byte order of this machine. */
export const packFilter = (program: readonly FilterInstruction[]): Uint8Array => {
  // Typed arrays are in native order, which is the order of the struct.
  const halves = new Uint16Array((program.length * INSTRUCTION) / 2);
  const words = new Uint32Array(halves.buffer);
  const bytes = new Uint8Array(halves.buffer);
  program.forEach(({ code, jt, jf, k }, index) => {
    halves[4 * index] = code;
    bytes[INSTRUCTION * index + 2] = jt;
    bytes[INSTRUCTION * index + 3] = jf;
    words[2 * index + 1] = k;
  });
  return bytes;
};
