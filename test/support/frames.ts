// Frames for tests: bytes written one row per field, and a generator that one seed repeats.

import { encodeFrame } from '../../src/io/packets/frame.ts';
import type { AdvertisementFrame, ArpFrame, SolicitationFrame } from '../../src/machines/frames.ts';

/** Bytes from rows of hex digits; spaces are for the reader, `'x'` the field's name is a comment beside it. */
export const hex = (...rows: readonly string[]): Uint8Array => {
  const digits = rows.join('').replaceAll(' ', '');
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`not hex octets: ${digits}`);
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) =>
    Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16),
  );
};

/** A copy of `bytes` with `patch` laid over it at `at`; it grows if the patch reaches beyond the end. */
export const patched = (bytes: Uint8Array, at: number, patch: Uint8Array): Uint8Array => {
  const copy = new Uint8Array(Math.max(bytes.length, at + patch.length));
  copy.set(bytes);
  copy.set(patch, at);
  return copy;
};

/** mulberry32: uniform 32-bit numbers, the same for the same seed. */
export const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
};

export const ARP_REQUEST: ArpFrame = {
  kind: 'arp',
  ethernetSource: '02:00:00:00:00:0a',
  ethernetDestination: 'ff:ff:ff:ff:ff:ff',
  operation: 'request',
  sha: '02:00:00:00:00:0a',
  spa: '10.99.0.10',
  tha: '00:00:00:00:00:00',
  tpa: '10.99.0.11',
};

export const ARP_REPLY: ArpFrame = {
  kind: 'arp',
  ethernetSource: '02:00:00:00:00:0b',
  ethernetDestination: '02:00:00:00:00:0a',
  operation: 'reply',
  sha: '02:00:00:00:00:0b',
  spa: '10.99.0.11',
  tha: '02:00:00:00:00:0a',
  tpa: '10.99.0.10',
};

export const SOLICITATION: SolicitationFrame = {
  kind: 'ns',
  ethernetSource: '02:00:00:00:00:0a',
  ethernetDestination: '33:33:ff:00:00:11',
  source: 'fd99::10',
  destination: 'ff02::1:ff00:11',
  target: 'fd99::11',
  sourceLinkLayerAddress: '02:00:00:00:00:0a',
};

export const DAD_PROBE: SolicitationFrame = {
  kind: 'ns',
  ethernetSource: '02:00:00:00:00:0b',
  ethernetDestination: '33:33:ff:00:00:11',
  source: '::',
  destination: 'ff02::1:ff00:11',
  target: 'fd99::11',
  sourceLinkLayerAddress: null,
};

export const ADVERTISEMENT: AdvertisementFrame = {
  kind: 'na',
  ethernetSource: '02:00:00:00:00:0b',
  ethernetDestination: '02:00:00:00:00:0a',
  source: 'fd99::11',
  destination: 'fd99::10',
  target: 'fd99::11',
  router: false,
  solicited: true,
  override: true,
  targetLinkLayerAddress: '02:00:00:00:00:0b',
};

const SAMPLES = [ARP_REQUEST, ARP_REPLY, SOLICITATION, DAD_PROBE, ADVERTISEMENT];

/** One encoded frame of each kind, to mutate. */
export const sampleFrames = (): readonly Uint8Array[] => SAMPLES.map((frame) => encodeFrame(frame));
