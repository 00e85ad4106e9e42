// The claim register of a segment: who claims which IP, said by itself or witnessed by another, and of the dead
// only the highest epoch. The holder of an IP is the best claim among nodes that are not dead.
import { type Claim, compareClaims, type NodeName } from './claims.ts';
import type { Ip } from './frames.ts';
import type { Instance, WitnessedClaim } from './hello.ts';
import type { PeerClaim } from './inputs.ts';

/** More than are ever contested at once; those beyond are not kept. */
const MAX_WITNESSED = 4_096;

export interface RegisterCheckpoint {
  readonly claims: readonly PeerClaim[];
  readonly witnessed: readonly WitnessedClaim[];
}

export interface Standing {
  /** May this node's claims stand (proven and not dead)? */
  counts(node: NodeName): boolean;
  /** Is the node heard by this one itself? Then its own words count, not those of witnesses. */
  isHeard(node: NodeName): boolean;
  /** An alive peer lists this instance among those it hears, and this node does not know better: that it is deaf. */
  isVouchedFor(instance: Instance): boolean;
}

export interface Register {
  /** Takes over what a peer said; returns the IPs concerned. */
  hear(node: NodeName, claims: readonly PeerClaim[], released: readonly Ip[]): readonly Ip[];
  /** Takes over what a repeater says of others whom it hears; returns the IPs concerned. */
  witness(claims: readonly WitnessedClaim[], standing: Standing, me: NodeName): readonly Ip[];
  /** The IPs of which somebody repeats a claim, sorted. */
  witnessed(): readonly Ip[];
  /** Forgets what a node claimed; returns the IPs concerned. */
  forget(node: NodeName): readonly Ip[];
  /** The best claim of another node, or null. Witnessed claims bear `successor: null`. */
  best(ip: Ip, standing: Standing, me: NodeName): PeerClaim | null;
  /** The claim that a node itself makes. */
  claimOf(node: NodeName, ip: Ip): PeerClaim | null;
  /** How many IPs a node claims. */
  count(node: NodeName): number;
  /** IPs with at least two claimants among nodes whose claims stand. */
  contested(standing: Standing): readonly Ip[];
  claimedBy(node: NodeName): Iterable<Ip>;
  clear(): readonly Ip[];
  checkpoint(): RegisterCheckpoint;
}

export const createRegister = (from?: RegisterCheckpoint): Register => {
  const byIp = new Map<Ip, Map<NodeName, PeerClaim>>();
  const byNode = new Map<NodeName, Set<Ip>>();
  /**
   * The best claim witnessed for an IP. Kept for as long as somebody hears its maker: a repeater stops repeating
   * once the loser has given way, and the loser must not take again for that (simulated: two nodes that could
   * not hear each other took one IP from each other a hundred times a second).
   */
  const witnessed = new Map<Ip, WitnessedClaim>();
  /** IPs with more than one entry: few, so that looking for rivals costs nothing. */
  const shared = new Set<Ip>();

  const put = (claim: PeerClaim): void => {
    const claims = byIp.get(claim.ip) ?? new Map<NodeName, PeerClaim>();
    byIp.set(claim.ip, claims);
    claims.set(claim.node, claim);
    if (claims.size > 1) shared.add(claim.ip);
    const ips = byNode.get(claim.node) ?? new Set<Ip>();
    byNode.set(claim.node, ips);
    ips.add(claim.ip);
  };

  const drop = (node: NodeName, ip: Ip): void => {
    const claims = byIp.get(ip);
    if (claims === undefined || !claims.delete(node)) return;
    if (claims.size < 2) shared.delete(ip);
    if (claims.size === 0) byIp.delete(ip);
    const ips = byNode.get(node);
    ips?.delete(ip);
    if (ips?.size === 0) byNode.delete(node);
  };

  for (const claim of from?.claims ?? []) put(claim);
  for (const claim of from?.witnessed ?? []) witnessed.set(claim.ip, claim);

  const witnessOf = (ip: Ip, standing: Standing, me: NodeName): PeerClaim | null => {
    const kept = witnessed.get(ip);
    if (kept === undefined || kept.node === me || standing.isHeard(kept.node)) return null;
    if (!standing.isVouchedFor(kept.instance)) return null;
    const { instance: _, ...claim } = kept;
    return { ...claim, successor: null };
  };

  return {
    hear: (node, claims, released) => {
      for (const ip of released) drop(node, ip);
      for (const claim of claims) put(claim);
      return [...released, ...claims.map(({ ip }) => ip)];
    },
    witness: (claims, standing, me) => {
      for (const claim of claims) {
        const kept = witnessed.get(claim.ip);
        // What does not stand any more, as this node's own former claim, must not hide what does (simulated: seed 410370).
        const isNews =
          kept === undefined ||
          kept.node === claim.node ||
          witnessOf(claim.ip, standing, me) === null ||
          compareClaims(claim, kept) < 0;
        if (isNews && (kept !== undefined || witnessed.size < MAX_WITNESSED)) witnessed.set(claim.ip, claim);
      }
      return claims.map(({ ip }) => ip);
    },
    witnessed: () => [...witnessed.keys()].sort(),
    forget: (node) => {
      // Sorted: the order in which they were heard is not in a checkpoint.
      const ips = [...(byNode.get(node) ?? [])].sort();
      for (const ip of ips) drop(node, ip);
      for (const [ip, claim] of witnessed) {
        if (claim.node !== node) continue;
        witnessed.delete(ip);
        ips.push(ip);
      }
      return ips;
    },
    best: (ip, standing, me) => {
      let best: PeerClaim | null = null;
      for (const claim of byIp.get(ip)?.values() ?? []) {
        if (standing.counts(claim.node) && (best === null || compareClaims(claim, best) < 0)) best = claim;
      }
      const repeated = witnessOf(ip, standing, me);
      return repeated !== null && (best === null || compareClaims(repeated, best) < 0) ? repeated : best;
    },
    claimOf: (node, ip) => byIp.get(ip)?.get(node) ?? null,
    count: (node) => byNode.get(node)?.size ?? 0,
    contested: (standing) =>
      [...shared].sort().filter((ip) => {
        const claims: readonly Claim[] = [...(byIp.get(ip)?.values() ?? [])];
        return claims.filter(({ node }) => standing.counts(node)).length > 1;
      }),
    claimedBy: (node) => [...(byNode.get(node) ?? [])].sort(),
    clear: () => {
      const ips = [...byIp.keys(), ...witnessed.keys()];
      byIp.clear();
      byNode.clear();
      witnessed.clear();
      shared.clear();
      return ips;
    },
    checkpoint: () => ({
      claims: [...byIp.values()].flatMap((claims) => [...claims.values()]),
      witnessed: [...witnessed.values()],
    }),
  };
};
