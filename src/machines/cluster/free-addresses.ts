// The lowest free address of a pool, found without listing the pool: a cursor for each range moves past what is
// taken and never back, since within one pass addresses are only ever taken. A /64 costs as much as its use.
import { addressValue } from '../addresses.ts';
import type { NodeName } from '../claims.ts';
import type { Ip } from '../frames.ts';
import { addressText } from './address-text.ts';
import type { Family } from './cluster-facts.ts';
import type { Occupancy } from './occupancy.ts';
import type { Pool, Span } from './pool-book.ts';

/** Why a free address is still not given to whoever asks for any. */
const isUnsuitable = (value: bigint, { family }: Span, pool: Pool): boolean => {
  if (family === 'IPv4') {
    const low = value & 0xffn;
    return pool.fact.avoidBuggyIPs && (low === 0n || low === 0xffn);
  }
  // RFC 4291 §2.6.1: the Subnet-Router anycast address; nodes that forward, as all of Kubernetes do, have it.
  return (value & 0xffff_ffff_ffff_ffffn) === 0n;
};

export interface FreeAddresses {
  /** The lowest address of this family that nobody claims; null when there is none. Does not take it. */
  next(pool: Pool, family: Family): Ip | null;
}

export const createFreeAddresses = (
  occupancy: Occupancy,
  nodeAddresses: ReadonlyMap<Ip, NodeName>,
): FreeAddresses => {
  const cursors = new Map<Span, bigint>();
  const nextIn = (span: Span, pool: Pool): Ip | null => {
    for (let value = cursors.get(span) ?? span.first; value <= span.last; value += 1n) {
      cursors.set(span, value);
      const ip = addressText(value, span.family);
      if (!isUnsuitable(value, span, pool) && !occupancy.isTaken(ip) && !nodeAddresses.has(ip)) return ip;
    }
    cursors.set(span, span.last + 1n);
    return null;
  };
  return {
    next: (pool, family) => {
      for (const span of pool.spans) {
        const ip = span.family === family ? nextIn(span, pool) : null;
        if (ip !== null) return ip;
      }
      return null;
    },
  };
};

/** True when the pool has addresses of this family at all. */
export const hasFamily = (pool: Pool, family: Family): boolean =>
  pool.spans.some((span) => span.family === family);

export interface PoolUsage {
  readonly pool: string;
  readonly family: Family;
  /** How many addresses its ranges hold; as a number, so rounded above 2^53. */
  readonly size: number;
  readonly used: number;
}

/** How full each pool is, for a metric. */
export const poolUsage = (pools: readonly Pool[], occupancy: Occupancy): readonly PoolUsage[] => {
  const taken = [...occupancy.addresses()].map((ip) => ({
    isIpv6: ip.includes(':'),
    value: addressValue(ip),
  }));
  return pools.flatMap((pool) =>
    (['IPv4', 'IPv6'] as const).flatMap((family) => {
      const spans = pool.spans.filter((span) => span.family === family);
      if (spans.length === 0) return [];
      const size = spans.reduce((sum, { first, last }) => sum + Number(last - first + 1n), 0);
      const isIn = ({ isIpv6, value }: (typeof taken)[number]): boolean =>
        isIpv6 === (family === 'IPv6') && spans.some(({ first, last }) => first <= value && value <= last);
      return [{ pool: pool.key, family, size, used: taken.filter(isIn).length }];
    }),
  );
};
