// A host that uses the service IPs: it resolves them by ARP and NDP, believes its neighbour cache, and sends
// packets there. Some kinds are buggy in ways seen in the field.
import { multicastMac, solicitedNodeAddress } from '../../src/machines/addresses.ts';
import {
  type AdvertisementFrame,
  type ArpFrame,
  BROADCAST_MAC,
  familyOf,
  type Ip,
  type Mac,
  type SolicitationFrame,
  ZERO_MAC,
} from '../../src/machines/frames.ts';
import type { EventQueue } from './event-queue.ts';
import { createNeighborCache, type NeighborCache } from './neighbor-cache.ts';
import type { Random } from './random.ts';
import { isGroup, type SimFrame } from './sim-frames.ts';

/** How a client treats news about an address. */
export type ClientKind =
  | 'linux'
  /** Ignores gratuitous ARP and unsolicited advertisements (drop_gratuitous_arp and its like). */
  | 'ignores-gratuitous'
  /** Believes only what answers its own question. */
  | 'ignores-unsolicited'
  /** Obeys updates but never asks again by itself. */
  | 'never-ages'
  /** Remembers a handful of neighbours only, and asks for each of the others again and again. */
  | 'tiny-cache';

export interface ClientSetup {
  readonly name: string;
  readonly kind: ClientKind;
  readonly mac: Mac;
  readonly ipv4: Ip;
  readonly ipv6: Ip;
  readonly queue: EventQueue;
  readonly random: Random;
  readonly send: (frame: SimFrame) => void;
}

export interface Client {
  readonly name: string;
  readonly mac: Mac;
  readonly kind: ClientKind;
  readonly cache: NeighborCache;
  /** Sends one packet to the IP, after resolving it if need be. */
  use(ip: Ip): void;
  receive(frame: SimFrame): void;
}

/** Of a small embedded stack. */
const TINY_ENTRIES = 4;
/** arp_process: a different MAC within this time of the last change is not believed, except from a gratuitous frame. */
export const LOCKTIME_MS = 1_000;

export const createClient = (setup: ClientSetup): Client => {
  const { kind, mac, queue, send } = setup;
  /** IPs with a packet that waits for resolution. */
  const waiting = new Map<Ip, number>();

  const transmit = (ip: Ip, to: Mac, sentAt: number): void =>
    send({
      kind: 'data',
      ethernetSource: mac,
      ethernetDestination: to,
      client: setup.name,
      source: familyOf(ip) === 'ipv4' ? setup.ipv4 : setup.ipv6,
      ip,
      sentAt,
    });

  const solicitIpv4 = (ip: Ip, to: Mac | null): void =>
    send({
      kind: 'arp',
      ethernetSource: mac,
      ethernetDestination: to ?? BROADCAST_MAC,
      operation: 'request',
      sha: mac,
      spa: setup.ipv4,
      tha: ZERO_MAC,
      tpa: ip,
    });

  const solicitIpv6 = (ip: Ip, to: Mac | null): void => {
    const group = solicitedNodeAddress(ip);
    send({
      kind: 'ns',
      ethernetSource: mac,
      ethernetDestination: to ?? multicastMac(group),
      source: setup.ipv6,
      // A NUD probe goes to the target itself.
      destination: to === null ? group : ip,
      target: ip,
      sourceLinkLayerAddress: mac,
    });
  };

  const cache = createNeighborCache({
    queue,
    random: setup.random,
    neverAges: kind === 'never-ages',
    maxEntries: kind === 'tiny-cache' ? TINY_ENTRIES : Number.POSITIVE_INFINITY,
    solicit: (ip, to) => (familyOf(ip) === 'ipv4' ? solicitIpv4 : solicitIpv6)(ip, to),
    onResolved: (ip) => {
      const sentAt = waiting.get(ip);
      const to = cache.get(ip)?.mac;
      if (sentAt === undefined || to === undefined || to === null) return;
      waiting.delete(ip);
      transmit(ip, to, sentAt);
    },
  });

  const isAsking = (ip: Ip): boolean => {
    const state = cache.get(ip)?.state;
    return state === 'incomplete' || state === 'probe';
  };

  /** Rules out what this kind of client does not believe. */
  const believes = (ip: Ip, isGratuitous: boolean, isAnswer: boolean): boolean => {
    if (kind === 'ignores-unsolicited') return isAnswer && isAsking(ip);
    return !(kind === 'ignores-gratuitous' && isGratuitous);
  };

  const hearArp = (arp: ArpFrame): void => {
    if (arp.operation === 'request' && arp.tpa === setup.ipv4) {
      // neigh_event_ns: no locktime, creates an entry; facts.md, the directed request.
      if (believes(arp.spa, false, false)) {
        cache.update(arp.spa, { mac: arp.sha, state: 'stale', override: true, isWeak: false, creates: true });
      }
      const reply = { operation: 'reply', sha: mac, spa: setup.ipv4, tha: arp.sha, tpa: arp.spa } as const;
      send({ kind: 'arp', ethernetSource: mac, ethernetDestination: arp.sha, ...reply });
      return;
    }
    const entry = cache.get(arp.spa);
    if (entry === undefined) return;
    // arp_is_garp: a reply is gratuitous only when its THA equals its SHA.
    const sameAddress = arp.spa === arp.tpa;
    const isGratuitous = sameAddress && (arp.operation === 'request' || arp.tha === arp.sha);
    const isAnswer = arp.operation === 'reply' && arp.ethernetDestination === mac;
    if (!believes(arp.spa, sameAddress, isAnswer)) return;
    const override = isGratuitous || queue.now() > entry.updatedAt + LOCKTIME_MS;
    const state = isAnswer ? 'reachable' : 'stale';
    cache.update(arp.spa, { mac: arp.sha, state, override, isWeak: false, creates: false });
  };

  const hearSolicitation = (ns: SolicitationFrame): void => {
    if (ns.target !== setup.ipv6 || ns.sourceLinkLayerAddress === null) return;
    const { source, sourceLinkLayerAddress: address } = ns;
    if (believes(source, false, false)) {
      cache.update(source, { mac: address, state: 'stale', override: true, isWeak: true, creates: true });
    }
    send({
      kind: 'na',
      ethernetSource: mac,
      ethernetDestination: address,
      source: setup.ipv6,
      destination: source,
      target: setup.ipv6,
      router: false,
      solicited: true,
      override: true,
      targetLinkLayerAddress: mac,
    });
  };

  const hearAdvertisement = (na: AdvertisementFrame): void => {
    const { target, targetLinkLayerAddress: address, solicited, override } = na;
    if (address === null || cache.get(target)?.state === 'failed') return;
    if (!believes(target, !solicited, solicited)) return;
    const state = solicited ? 'reachable' : 'stale';
    cache.update(target, { mac: address, state, override, isWeak: true, creates: false });
  };

  return {
    name: setup.name,
    mac,
    kind,
    cache,
    use: (ip) => {
      const to = cache.use(ip);
      if (to === null) waiting.set(ip, queue.now());
      else transmit(ip, to, queue.now());
    },
    receive: (frame) => {
      const { ethernetDestination } = frame;
      if (ethernetDestination !== mac && !isGroup(ethernetDestination)) return;
      if (frame.kind === 'arp') hearArp(frame);
      else if (frame.kind === 'ns') hearSolicitation(frame);
      else if (frame.kind === 'na') hearAdvertisement(frame);
    },
  };
};
