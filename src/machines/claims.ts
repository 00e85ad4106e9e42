// Claims: who says it owns which service IP, and which of two claims is the better one. The order is total and
// every node computes the same one, so two nodes that hear each other never both think that they won.
import type { Ip } from './frames.ts';

export type NodeName = string;

/** 48 bits on the wire; a claim's epoch is one above the highest that its maker had seen for the IP. */
export const MAX_EPOCH = 2 ** 48 - 1;

export interface Claim {
  readonly ip: Ip;
  readonly node: NodeName;
  readonly epoch: number;
  /** Taken while hearing no peer, or fewer than half of those known: loses to every strong claim. */
  readonly weak: boolean;
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * The rendezvous rank of (ip, node): an unsigned 32-bit number that every node computes alike. FNV-1a over the
 * ASCII of `ip`, a zero byte, the ASCII of `node`, then the murmur3 finaliser, which spreads names that differ
 * in their last letter only. Part of the protocol (docs/protocol.md).
 */
export const rendezvousRank = (ip: Ip, node: NodeName): number => {
  let hash = FNV_OFFSET;
  const mix = (byte: number): void => {
    hash = Math.imul(hash ^ byte, FNV_PRIME);
  };
  for (let index = 0; index < ip.length; index += 1) mix(ip.charCodeAt(index) & 0xff);
  mix(0);
  for (let index = 0; index < node.length; index += 1) mix(node.charCodeAt(index) & 0xff);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return hash >>> 0;
};

/** Orders nodes for one IP, best first. Equal ranks fall to the name, so that the order is total. */
export const compareRank = (ip: Ip, a: NodeName, b: NodeName): number => {
  const difference = rendezvousRank(ip, b) - rendezvousRank(ip, a);
  if (difference !== 0) return difference;
  return a < b ? 1 : a > b ? -1 : 0;
};

/** Negative when `a` is the better claim of the same IP: strong before weak, higher epoch, higher rank. */
export const compareClaims = (a: Claim, b: Claim): number => {
  if (a.weak !== b.weak) return a.weak ? 1 : -1;
  if (a.epoch !== b.epoch) return b.epoch - a.epoch;
  return compareRank(a.ip, a.node, b.node);
};

export const isBetter = (a: Claim, b: Claim): boolean => compareClaims(a, b) < 0;
