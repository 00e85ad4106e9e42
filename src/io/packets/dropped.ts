// One constant per drop reason: a flood of malformed frames must not make garbage on the wire thread, and
// `frame === DROPPED.checksum` is a valid comparison everywhere.

import type { DroppedFrame, DropReason } from '../../machines/frames.ts';

const because = (reason: DropReason): DroppedFrame => Object.freeze({ kind: 'dropped', reason });

/** The one DroppedFrame of each reason; decoders return these and never another. */
export const DROPPED: { readonly [R in DropReason]: DroppedFrame } = Object.freeze({
  truncated: because('truncated'),
  ethertype: because('ethertype'),
  'arp-hardware': because('arp-hardware'),
  'arp-protocol': because('arp-protocol'),
  'arp-length': because('arp-length'),
  'arp-operation': because('arp-operation'),
  'ip-version': because('ip-version'),
  'ip-next-header': because('ip-next-header'),
  'ip-length': because('ip-length'),
  'icmp-type': because('icmp-type'),
  'icmp-code': because('icmp-code'),
  'hop-limit': because('hop-limit'),
  checksum: because('checksum'),
  'option-length': because('option-length'),
  'target-multicast': because('target-multicast'),
  'dad-destination': because('dad-destination'),
  'dad-source-link-layer': because('dad-source-link-layer'),
  'solicited-multicast': because('solicited-multicast'),
  'vlan-tagged': because('vlan-tagged'),
  'hello-truncated': because('hello-truncated'),
  'hello-malformed': because('hello-malformed'),
  'hello-version': because('hello-version'),
  'hello-group': because('hello-group'),
  'hello-signature': because('hello-signature'),
});
