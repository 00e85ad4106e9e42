// What this node hears in the hellos of one interface: who is there, proven or not, what each claims, and since
// when somebody is late. Turns the stream of hellos into news for the core. Part of the wire step; pure.
import { addressKey, FIRST_KEY, LAST_KEY } from './address-key.ts';
import type { Prefix } from './addresses.ts';
import { type Claim, isBetter, type NodeName } from './claims.ts';
import type { Ip, Mac } from './frames.ts';
import { isLaterEcho } from './freshness.ts';
import type { HelloFrame, Instance, SaidClaim, Slice, WitnessedClaim } from './hello.ts';
import type { Input, PeerClaim, PeerFact } from './inputs.ts';

/** Instances remembered: some thousand rebirths of some hundred nodes; then the longest silent are forgotten. */
const MAX_INSTANCES = 4_096;
/** Peers heard at once on one segment; those beyond are counted, not heard. */
export const MAX_PEERS = 512;
/** Claims of one peer; those beyond are not taken in. */
export const MAX_PEER_CLAIMS = 65_536;
/** A silent peer is kept this long; its sequence longer. */
const FORGET_AFTER_MS = 600_000;
/** `peer.late` after this many of the peer's intervals. */
const LATE_INTERVALS = 2;

export type HelloVerdict = 'taken' | 'own' | 'replayed' | 'stale' | 'void-instance' | 'too-many-peers';

interface HeldClaim extends SaidClaim {
  readonly successor: NodeName | null;
}

interface Peer {
  readonly node: NodeName;
  readonly instance: Instance;
  mac: Mac;
  sequence: number;
  lastAt: number;
  intervalMs: number;
  holdMs: number;
  isProven: boolean;
  /** The last echo of this node in its hellos: which of two births spoke later. */
  lastEcho: number | null;
  /** Silent for LATE_INTERVALS, and said so. */
  isLate: boolean;
  /** Within its hold time. */
  isHeard: boolean;
  /** What was said of it last, to see whether a hello brings news; null: nothing since it fell silent. */
  said: PeerFact | null;
  readonly claims: Map<Ip, HeldClaim & { readonly key: string }>;
  /**
   * What it held when it fell silent, by key. The core may have kept that, if somebody vouched for the peer: what is
   * not held any more when it is heard again must be said.
   */
  readonly former: Map<Ip, string>;
  /** IPs that it gave, or is to give, to others, and whose clients it keeps. */
  readonly kept: Set<Ip>;
  witnessed: readonly WitnessedClaim[];
  /** The slices that its claims were last brought into line with; null when anything else has touched them since. */
  settled: readonly Slice[] | null;
  /** Ranges of its table heard since it became heard, merged and sorted; null once whole. */
  covered: { from: string; to: string }[] | null;
}

/** Who listens. */
interface Listener {
  readonly node: NodeName;
  readonly instance: Instance;
  /** Did this node say lately what a hello repeats of it? */
  isFresh(at: number, echo: number | undefined): boolean;
}

export interface HelloEars {
  /** Takes one verified hello. Returns what became of it; facts are added to `news`. */
  hear(at: number, hello: HelloFrame, own: Listener, news: Input[]): HelloVerdict;
  /** Says again all that is known of a peer's table: the core had given the peer up already. */
  retell(node: NodeName, news: Input[]): void;
  /** Fires what is due: who is late, who is silent beyond its hold time. */
  runClock(at: number, news: Input[]): void;
  nextDeadline(): number | null;
  /** Instances heard within their hold time: what own hellos list. */
  heard(): readonly Instance[];
  /** The last sequence heard of one of those. */
  lastSequence(instance: Instance): number;
  /** Grows whenever `heard()` changes. */
  heardVersion(): number;
  /** Proven peers within their hold time. */
  provenCount(): number;
  /** When each instance was last heard, logical milliseconds. */
  lastHeard(): Readonly<Record<Instance, number>>;
  isPeerMac(mac: Mac): boolean;
  /** Does this peer keep clients of the IP for now? */
  keeps(instance: Instance, ip: Ip): boolean;
  /** The maker of the best claim that is heard for the IP; null: nobody's is. */
  holderOf(ip: Ip): { readonly instance: Instance; readonly mac: Mac } | null;
  /** Nobody was to be heard for so long: what follows for those who were late before. */
  excuse(byMs: number): readonly Input[];
  forgetAll(): void;
}

const addRange = (ranges: { from: string; to: string }[], added: Slice): { from: string; to: string }[] => {
  const merged: { from: string; to: string }[] = [];
  let { from, to } = added;
  for (const range of ranges) {
    if (range.to < from || range.from > to) {
      merged.push(range);
      continue;
    }
    if (range.from < from) from = range.from;
    if (range.to > to) to = range.to;
  }
  merged.push({ from, to });
  return merged;
};

const isSameList = <T>(a: readonly T[], b: readonly T[], isSame: (a: T, b: T) => boolean): boolean =>
  a === b || (a.length === b.length && a.every((one, index) => isSame(one, b[index] as T)));

const isSameName = (a: string, b: string): boolean => a === b;
const isSamePrefix = (a: Prefix, b: Prefix): boolean => a.ip === b.ip && a.length === b.length;
const isSameWitnessed = (a: WitnessedClaim, b: WitnessedClaim): boolean =>
  a.ip === b.ip && a.epoch === b.epoch && a.weak === b.weak && a.node === b.node && a.instance === b.instance;

/** Does the hello say of its sender what was said before? */
const saysSame = (said: PeerFact, peer: Peer, { flags, subnets, hears }: HelloFrame): boolean =>
  said.mac === peer.mac &&
  said.proven === peer.isProven &&
  said.intervalMs === peer.intervalMs &&
  said.holdMs === peer.holdMs &&
  said.flags.starting === flags.starting &&
  said.flags.ready === flags.ready &&
  said.flags.leaving === flags.leaving &&
  isSameList(said.hears, hears, isSameName) &&
  isSameList(said.subnets, subnets, isSamePrefix);

const isWhole = (ranges: readonly { readonly from: string; readonly to: string }[]): boolean =>
  ranges.some(({ from, to }) => from === FIRST_KEY && to === LAST_KEY);

export const createHelloEars = (interfaceName: string): HelloEars => {
  const peers = new Map<Instance, Peer>();
  /** What `heard()` says, until a peer comes, goes or is proven. */
  let listed: readonly Instance[] | null = null;
  let proven: number | null = null;
  /** The last sequence of every instance, kept beyond its silence, and whether another birth has voided it. */
  const remembered = new Map<Instance, { sequence: number; isVoid: boolean }>();
  let version = 0;

  const factOf = (peer: Peer, hello: HelloFrame): PeerFact => ({
    interface: interfaceName,
    node: peer.node,
    instance: peer.instance,
    mac: peer.mac,
    proven: peer.isProven,
    intervalMs: peer.intervalMs,
    holdMs: peer.holdMs,
    flags: hello.flags,
    subnets: hello.subnets,
    hears: hello.hears,
  });

  const remember = (instance: Instance, sequence: number, isVoid: boolean): void => {
    remembered.delete(instance);
    remembered.set(instance, { sequence, isVoid });
    if (remembered.size > MAX_INSTANCES) remembered.delete(remembered.keys().next().value as Instance);
  };

  const changePeers = (): void => {
    listed = null;
    proven = null;
  };

  const forget = (peer: Peer, isVoid: boolean): void => {
    peers.delete(peer.instance);
    remember(peer.instance, peer.sequence, isVoid);
    version += 1;
    changePeers();
  };

  const silence = (peer: Peer): void => {
    peer.isHeard = false;
    changePeers();
    for (const { ip, key } of peer.claims.values()) peer.former.set(ip, key);
    peer.claims.clear();
    peer.kept.clear();
    peer.covered = [];
    peer.witnessed = [];
    peer.said = null;
    peer.settled = null;
    version += 1;
  };

  /** The claims of `hello` as news: what the peer did not say before, and what it says no longer. */
  const hearClaims = (peer: Peer, hello: HelloFrame, news: Input[]): void => {
    if (hello.changes.length === 0 && hello.slices === peer.settled) return;
    peer.settled = hello.changes.length === 0 ? hello.slices : null;
    const claims: PeerClaim[] = [];
    const released: Ip[] = [];
    const hold = (claim: SaidClaim, successor: NodeName | null): void => {
      const before = peer.claims.get(claim.ip);
      peer.former.delete(claim.ip);
      const { ip, epoch, weak } = claim;
      if (before?.epoch === epoch && before.weak === weak && before.successor === successor) return;
      if (before === undefined && peer.claims.size >= MAX_PEER_CLAIMS) return;
      peer.claims.set(ip, { ip, epoch, weak, successor, key: addressKey(ip) });
      claims.push({ ip, node: peer.node, epoch, weak, successor });
    };
    const release = (ip: Ip): void => {
      const wasFormer = peer.former.delete(ip);
      if (peer.claims.delete(ip) || wasFormer) released.push(ip);
    };
    for (const slice of hello.slices) {
      const listed = new Set<Ip>();
      // A slice repeats what a change of the same hello says more fully (its successor).
      for (const claim of slice.claims) {
        listed.add(claim.ip);
        const before = peer.claims.get(claim.ip);
        hold(claim, before?.epoch === claim.epoch ? before.successor : null);
      }
      for (const { ip, key } of peer.claims.values()) {
        if (key >= slice.from && key < slice.to && !listed.has(ip)) release(ip);
      }
      for (const [ip, key] of peer.former) if (key >= slice.from && key < slice.to) release(ip);
    }
    for (const change of hello.changes) {
      if (!change.kept) peer.kept.delete(change.ip);
      else if (peer.kept.size < MAX_PEER_CLAIMS) peer.kept.add(change.ip);
      if (change.held) hold(change, change.successor);
      else release(change.ip);
    }
    if (claims.length > 0 || released.length > 0) {
      news.push({ type: 'claims.heard', interface: interfaceName, node: peer.node, claims, released });
    }
  };

  const hearTable = (peer: Peer, hello: HelloFrame, news: Input[]): void => {
    hearClaims(peer, hello, news);
    if (!isSameList(hello.witnessed, peer.witnessed, isSameWitnessed)) {
      peer.witnessed = hello.witnessed;
      const claims: readonly WitnessedClaim[] = hello.witnessed;
      news.push({ type: 'claims.witnessed', interface: interfaceName, node: peer.node, claims });
    }
    if (peer.covered === null) return;
    for (const slice of hello.slices) peer.covered = addRange(peer.covered, slice);
    if (!isWhole(peer.covered)) return;
    peer.covered = null;
    news.push({ type: 'peer.whole', interface: interfaceName, node: peer.node, instance: peer.instance });
  };

  /**
   * A voided birth that heard this node later than the one that voided it is the living one: what voided it was
   * played again. (Simulated: seed 50078, a node that was never believed again.)
   */
  const isLaterBirth = (node: NodeName, echo: number | undefined, at: number): boolean => {
    if (echo === undefined) return false;
    for (const other of peers.values()) {
      if (other.node !== node || !other.isProven) continue;
      if (at < other.lastAt + LATE_INTERVALS * other.intervalMs) return false;
      if (other.lastEcho !== null && !isLaterEcho(echo, other.lastEcho)) return false;
    }
    return true;
  };

  /** A proven new instance voids the old one of the same node. */
  const voidOlder = (peer: Peer): void => {
    for (const other of [...peers.values()]) {
      if (other.node === peer.node && other !== peer) forget(other, true);
    }
  };

  /** Another life of its name still speaks on time: two nodes bear one name, and the newcomer is to refuse. */
  const isNameInUse = (peer: Peer, at: number): boolean =>
    [...peers.values()].some(
      (other) =>
        other !== peer &&
        other.node === peer.node &&
        other.isProven &&
        at < other.lastAt + LATE_INTERVALS * other.intervalMs,
    );

  /** Unproven ones, which may be replays of old lives, never keep a real peer out. */
  const makeRoom = (): boolean => {
    const dispensable = [...peers.values()].find(({ isProven, isHeard }) => !isProven || !isHeard);
    if (dispensable !== undefined) forget(dispensable, false);
    return dispensable !== undefined;
  };

  const meet = (hello: HelloFrame): Peer => {
    const peer: Peer = {
      node: hello.node,
      instance: hello.instance,
      mac: hello.ethernetSource,
      sequence: 0,
      lastAt: 0,
      intervalMs: hello.intervalMs,
      holdMs: hello.holdMs,
      isProven: false,
      lastEcho: null,
      isLate: false,
      isHeard: false,
      said: null,
      claims: new Map(),
      former: new Map(),
      kept: new Set(),
      witnessed: [],
      settled: null,
      covered: [],
    };
    peers.set(hello.instance, peer);
    changePeers();
    return peer;
  };

  return {
    hear: (at, hello, own, news) => {
      if (hello.instance === own.instance) return 'own';
      const past = remembered.get(hello.instance);
      const place = hello.hears.indexOf(own.instance);
      const echo = hello.echoes[place];
      const isFresh = place >= 0 && own.isFresh(at, echo);
      if (past?.isVoid && !(isFresh && isLaterBirth(hello.node, echo, at))) return 'void-instance';
      const known = peers.get(hello.instance);
      const lastSequence = known?.sequence ?? past?.sequence ?? 0;
      if (hello.sequence <= lastSequence) return 'replayed';
      if (place >= 0 && !isFresh) return 'stale';
      if (known === undefined && peers.size >= MAX_PEERS && !makeRoom()) return 'too-many-peers';
      const peer = known ?? meet(hello);
      peer.sequence = hello.sequence;
      if (echo !== undefined) peer.lastEcho = echo;
      peer.lastAt = at;
      peer.mac = hello.ethernetSource;
      peer.intervalMs = hello.intervalMs;
      peer.holdMs = hello.holdMs;
      const wasLate = peer.isLate;
      peer.isLate = false;
      if (!peer.isHeard) {
        version += 1;
        changePeers();
      }
      peer.isHeard = true;
      // A frame that lists this birth was made after it: replay protection without clocks or stored state.
      if (!peer.isProven && place >= 0 && !isNameInUse(peer, at)) {
        peer.isProven = true;
        changePeers();
        voidOlder(peer);
      }
      if (wasLate && peer.said !== null) {
        news.push({ type: 'peer.back', interface: interfaceName, node: peer.node, instance: peer.instance });
      }
      if (peer.said === null || !saysSame(peer.said, peer, hello)) {
        peer.said = factOf(peer, hello);
        news.push({ type: 'peer.heard', peer: peer.said });
      }
      if (peer.isProven) hearTable(peer, hello, news);
      return 'taken';
    },
    retell: (node, news) => {
      for (const peer of peers.values()) {
        if (peer.node !== node || !peer.isProven || !peer.isHeard) continue;
        const claims = [...peer.claims.values()].map(({ key: _, ...claim }) => ({ ...claim, node }));
        if (claims.length > 0) {
          news.push({ type: 'claims.heard', interface: interfaceName, node, claims, released: [] });
        }
        if (peer.covered !== null) continue;
        news.push({ type: 'peer.whole', interface: interfaceName, node, instance: peer.instance });
      }
    },
    runClock: (at, news) => {
      for (const peer of peers.values()) {
        const { node, instance } = peer;
        if (!peer.isLate && at >= peer.lastAt + LATE_INTERVALS * peer.intervalMs) {
          peer.isLate = true;
          const { lastAt } = peer;
          news.push({ type: 'peer.late', interface: interfaceName, node, instance, lastHeardAt: lastAt });
        }
        if (!peer.isHeard && at >= peer.lastAt + FORGET_AFTER_MS) forget(peer, false);
        if (!peer.isHeard || at < peer.lastAt + peer.holdMs) continue;
        silence(peer);
        // Unproven ones are nobody's peers: forget them, their sequence is remembered.
        if (!peer.isProven) forget(peer, false);
      }
    },
    nextDeadline: () => {
      let next: number | null = null;
      for (const peer of peers.values()) {
        if (peer.isLate && !peer.isHeard) continue;
        const due = peer.lastAt + (peer.isLate ? peer.holdMs : LATE_INTERVALS * peer.intervalMs);
        if (next === null || due < next) next = due;
      }
      return next;
    },
    heard: () => {
      if (listed !== null) return listed;
      const heard = [...peers.values()].filter(({ isHeard }) => isHeard);
      // Proven ones first: where there is no room for all, replays of old lives must not displace them.
      heard.sort((a, b) => Number(b.isProven) - Number(a.isProven));
      listed = heard.map(({ instance }) => instance);
      return listed;
    },
    lastSequence: (instance) => peers.get(instance)?.sequence ?? 0,
    heardVersion: () => version,
    provenCount: () => {
      proven ??= [...peers.values()].filter(({ isHeard, isProven }) => isHeard && isProven).length;
      return proven;
    },
    lastHeard: () =>
      Object.fromEntries([...peers.values()].map(({ instance, lastAt }) => [instance, lastAt])),
    isPeerMac: (mac) => {
      for (const peer of peers.values()) if (peer.mac === mac) return true;
      return false;
    },
    keeps: (instance, ip) => peers.get(instance)?.kept.has(ip) ?? false,
    holderOf: (ip) => {
      let best: { readonly claim: Claim; readonly mac: Mac; readonly instance: Instance } | null = null;
      for (const { claims, node, mac, instance, isHeard } of peers.values()) {
        const held = claims.get(ip);
        if (held === undefined || !isHeard) continue;
        const claim = { ip, node, epoch: held.epoch, weak: held.weak };
        if (best === null || isBetter(claim, best.claim)) best = { claim, mac, instance };
      }
      return best;
    },
    excuse: (byMs) => {
      const news: Input[] = [];
      for (const peer of peers.values()) {
        if (!peer.isHeard) continue;
        peer.lastAt += byMs;
        const { node, instance, lastAt: lastHeardAt } = peer;
        if (peer.isLate)
          news.push({ type: 'peer.late', interface: interfaceName, node, instance, lastHeardAt });
      }
      return news;
    },
    forgetAll: () => {
      for (const peer of [...peers.values()]) forget(peer, false);
    },
  };
};
