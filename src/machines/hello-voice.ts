// What this node says in its hellos on one interface: when the next is due, which changes ride on it, which
// slice of the table comes next. Part of the wire step; pure.
import { addressKey, FIRST_KEY, LAST_KEY } from './address-key.ts';
import type { NodeName } from './claims.ts';
import type { Ip } from './frames.ts';
import {
  claimOctets,
  HELLO_ROOM,
  type SaidChange,
  type SaidClaim,
  SLICE_OCTETS,
  type Slice,
} from './hello.ts';

/** A change is said in this many successive hellos, so that two may be lost. */
export const CHANGE_REPEATS = 3;
/** Hellos that changes cause leave at least this far apart. */
export const MIN_SPACING_MS = 2;
/** Kept IPs said again at once: two hellos full. */
const MAX_RESTATED = 100;
/** Octets kept for slices when changes abound, so that the table goes on rotating. */
const SLICE_SHARE = 300;

const NO_CHANGES: readonly SaidChange[] = [];

export interface HelloVoice {
  /** The table has (or no longer has) this claim; also said when nothing but the successor is new. */
  setClaim(claim: SaidClaim, successor?: NodeName | null, kept?: boolean): void;
  dropClaim(ip: Ip): void;
  /** Keeps the clients of a dropped claim no longer, and says so. */
  endKeep(ip: Ip): void;
  /** Says again what is kept: peers may be new. */
  restateKept(): void;
  /** Says a held claim again, at once. */
  restate(ip: Ip): void;
  /** Something else that a hello carries has changed: send one soon. */
  hurry(): void;
  /** Says the whole table as fast as hellos may follow each other: a peer appeared. */
  tellAll(): void;
  /** Forgets the table. */
  clear(): void;
  heldCount(): number;
  /** When the next hello is due. */
  dueAt(intervalMs: number): number;
  /** The parts of the hello that leaves at `at`, given the octets that its other parts take. */
  compose(
    at: number,
    otherOctets: number,
  ): { readonly changes: readonly SaidChange[]; readonly slices: readonly Slice[] };
}

interface Entry {
  readonly claim: SaidClaim;
  readonly key: string;
  readonly successor: NodeName | null;
  readonly kept: boolean;
}

interface Pending {
  readonly change: SaidChange;
  left: number;
}

export const createHelloVoice = (): HelloVoice => {
  const table = new Map<Ip, Entry>();
  /** The table's claims in key order; null when it must be sorted anew. */
  let sorted: { readonly claim: SaidClaim; readonly key: string }[] | null = null;
  /** Slices of that order as they were cut, by where they begin, and the room that they were cut for. */
  const cut = new Map<string, readonly [Slice]>();
  let cutFor = 0;
  /** Claims dropped whose clients are kept. */
  const keeping = new Map<Ip, SaidClaim>();
  const pending = new Map<Ip, Pending>();
  let lastAt = Number.NEGATIVE_INFINITY;
  let isHurried = false;
  /** Where the next slice begins. */
  let cursor = FIRST_KEY;
  /** The rotation is to run on without waiting until the cursor has come round this often. */
  let roundsToTell = 0;

  const say = (change: SaidChange): void => {
    pending.delete(change.ip);
    pending.set(change.ip, { change, left: CHANGE_REPEATS });
  };

  const inOrder = (): { readonly claim: SaidClaim; readonly key: string }[] => {
    if (sorted === null) {
      sorted = [...table.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
      cut.clear();
    }
    return sorted;
  };

  const takeChanges = (room: number): SaidChange[] => {
    const changes: SaidChange[] = [];
    const again: Pending[] = [];
    let left = room;
    for (const [ip, entry] of pending) {
      const octets = claimOctets(ip) + 1 + (entry.change.successor?.length ?? 0);
      if (octets > left) break;
      left -= octets;
      changes.push(entry.change);
      entry.left -= 1;
      pending.delete(ip);
      if (entry.left > 0) again.push(entry);
    }
    // What is to be said again goes behind what was not said yet, and into a later hello.
    for (const entry of again) pending.set(entry.change.ip, entry);
    return changes;
  };

  /** The first claim at or behind the cursor, by binary search. */
  const firstFrom = (claims: readonly { readonly key: string }[], key: string): number => {
    let low = 0;
    let high = claims.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((claims[middle] as { key: string }).key < key) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  const cutSlice = (from: string, room: number): Slice => {
    const claims = inOrder();
    const said: SaidClaim[] = [];
    let left = room - SLICE_OCTETS;
    let to = LAST_KEY;
    for (let index = firstFrom(claims, from); index < claims.length; index += 1) {
      const { claim, key } = claims[index] as { claim: SaidClaim; key: string };
      left -= claimOctets(claim.ip);
      if (left < 0) {
        to = key;
        break;
      }
      said.push(claim);
    }
    return { from, to, claims: said };
  };

  /** The same table in the same room is the same slice: hellos repeat it far more often than it changes. */
  const takeSlices = (room: number): readonly [Slice] => {
    inOrder();
    if (room !== cutFor) cut.clear();
    cutFor = room;
    const from = cursor;
    const slices = cut.get(from) ?? ([cutSlice(from, room)] as const);
    cut.set(from, slices);
    const [{ to }] = slices;
    cursor = to === LAST_KEY ? FIRST_KEY : to;
    if (cursor === FIRST_KEY && roundsToTell > 0) roundsToTell -= 1;
    return slices;
  };

  return {
    setClaim: (claim, successor = null, kept = false) => {
      table.set(claim.ip, { claim, key: addressKey(claim.ip), successor, kept });
      keeping.delete(claim.ip);
      sorted = null;
      say({ ...claim, held: true, successor, kept });
    },
    dropClaim: (ip) => {
      const entry = table.get(ip);
      if (entry === undefined) return;
      table.delete(ip);
      sorted = null;
      if (entry.kept) keeping.set(ip, entry.claim);
      say({ ...entry.claim, held: false, successor: null, kept: entry.kept });
    },
    endKeep: (ip) => {
      const claim = keeping.get(ip);
      if (claim === undefined) return;
      keeping.delete(ip);
      say({ ...claim, held: false, successor: null, kept: false });
    },
    restateKept: () => {
      let left = MAX_RESTATED;
      for (const [ip, claim] of keeping) {
        if (left === 0) return;
        left -= 1;
        // To the end of the queue: the next time it is the turn of others.
        keeping.delete(ip);
        keeping.set(ip, claim);
        if (!pending.has(ip)) say({ ...claim, held: false, successor: null, kept: true });
      }
    },
    restate: (ip) => {
      const entry = table.get(ip);
      if (entry !== undefined && !pending.has(ip))
        say({ ...entry.claim, held: true, successor: entry.successor, kept: entry.kept });
    },
    hurry: () => {
      isHurried = true;
    },
    tellAll: () => {
      // The round under way began before the peer could hear; one whole round more reaches everything.
      roundsToTell = cursor === FIRST_KEY ? 1 : 2;
      isHurried = true;
    },
    clear: () => {
      table.clear();
      pending.clear();
      keeping.clear();
      sorted = null;
      cursor = FIRST_KEY;
      roundsToTell = 0;
    },
    heldCount: () => table.size,
    dueAt: (intervalMs) => {
      const isUrgent = isHurried || roundsToTell > 0 || pending.size > 0;
      return lastAt + (isUrgent ? MIN_SPACING_MS : intervalMs);
    },
    compose: (at, otherOctets) => {
      lastAt = at;
      isHurried = false;
      const room = HELLO_ROOM - otherOctets;
      const changes = pending.size === 0 ? NO_CHANGES : takeChanges(room - SLICE_SHARE);
      const used = changes.reduce(
        (sum, { ip, successor }) => sum + claimOctets(ip) + 1 + (successor?.length ?? 0),
        0,
      );
      return { changes, slices: takeSlices(room - used) };
    },
  };
};
