// The clients that a draining node still carries: who sends here although another node owns the IP, whom to ask on
// behalf of the new owner, and when. In a prompt drain a client is asked as soon as it is seen. In a patient one it
// is left alone until it has no open connection here and has been quiet, since a move would break what is open.
// Part of the wire step; pure. Bounded per IP; a router counts as one client, known by its MAC.
import type { Client } from './clients.ts';
import type { Ip, Mac } from './frames.ts';
import { createTimers } from './timers.ts';
import { createTokenBucket } from './token-bucket.ts';

export interface Carrying {
  readonly interface: string;
  readonly patient: boolean;
  readonly quietMs: number;
}

/** Clients of one IP that are followed singly; those beyond are carried too, and not asked. */
const MAX_CARRIED = 256;
/** Source addresses remembered of one client: of a router they are those of the hosts behind it. */
const MAX_SOURCES = 64;
/** The wait after each question to a client that goes on sending here. */
const ASK_AGAIN_MS: readonly number[] = [200, 300, 500, 1_000, 2_000, 5_000];
/** Nobody is heard who holds the IP: so long until that is looked at again. */
const UNHELD_MS = 200;
/** Then no more until the drain ends: whom this many questions did not move no question moves. */
const MAX_QUESTIONS = 16;
/** A patient drain cannot see whether the client follows before it sends again: it asks this often in any case. */
const SURE_QUESTIONS = 3;
/** A client that has not sent here for this long has moved, or has nothing to say; shorter where quiet is short. */
const STALE_MS = 1_000;
const staleMs = ({ quietMs }: Carrying): number => Math.min(STALE_MS, quietMs / 2);
/** How often the core hears that clients are still carried: often enough that quiet is not over in between. */
const newsMs = ({ quietMs }: Carrying): number => quietMs / 4;
/** Questions a second over all IPs, and how many back to back. */
const QUESTIONS_PER_SECOND = 1_000;
const QUESTIONS_BURST = 50;

interface Carried {
  readonly mac: Mac;
  /** An address of the client on the segment, to which a question can be addressed; null: none is known. */
  address: Ip | null;
  readonly sources: Set<Ip>;
  lastAt: number;
  /** It has sent here since the drain began; false: known as a client before, and silent until now. */
  isSeen: boolean;
  questions: number;
  /** When it may be asked next. */
  askAt: number;
  /** Last asked; it is asked again only if it has sent since, or for SURE_QUESTIONS. */
  askedAt: number | null;
}

interface Drain extends Carrying {
  readonly ip: Ip;
  readonly since: number;
  readonly clients: Map<Mac, Carried>;
  /** Remote addresses of connections open here by the last list or the one before; null while unknown. */
  remotes: ReadonlySet<Ip> | null;
  /** Those of the last list: an absence is believed the second time (io/host/open-connections.ts). */
  listed: readonly Ip[];
  /** By the last list: one of them is of nobody who was seen. */
  hasStrangers: boolean;
  toldAt: number;
  told: number;
}

export interface Question {
  readonly ip: Ip;
  readonly interface: string;
  readonly client: { readonly mac: Mac; readonly ip: Ip | null };
}

/** What became of the clients of one drain. */
export interface Carriage {
  readonly ip: Ip;
  /** How many sent here after the IP had moved. */
  readonly clients: number;
  /** How long after the move the last of them did, milliseconds. */
  readonly lastMs: number;
  /** For each of them, the same: for a histogram. */
  readonly tookMs: readonly number[];
}

export interface Carrier {
  start(ip: Ip, at: number, carrying: Carrying, known: readonly Client[]): void;
  /** Ends it. In a patient drain whoever is left is asked now: `questions`. */
  stop(ip: Ip, at: number): { readonly questions: readonly Question[]; readonly outcome: Carriage | null };
  stopAll(): void;
  /** A packet for `ip` came in from there. `isOnLink`: its source is on the segment, so it is the client itself. */
  seen(ip: Ip, at: number, from: { readonly mac: Mac; readonly source: Ip }, isOnLink: boolean): void;
  /** The client asked this node's MAC for the IP. True when it is to be answered: a patient drain keeps it. */
  isKept(ip: Ip, at: number, client: Client): boolean;
  /** The remote addresses of all open connections to these IPs; of an IP that is missing nobody can tell. */
  connected(at: number, remotes: ReadonlyMap<Ip, readonly Ip[]>): void;
  /** `isHeld`: somebody is heard who holds the IP there, so that a question can name whom to follow. */
  takeDue(
    at: number,
    isHeld: (ip: Ip, interfaceName: string) => boolean,
  ): {
    readonly questions: readonly Question[];
    readonly news: readonly { readonly ip: Ip; readonly stale: number }[];
  };
  nextDeadline(): number | null;
  /** IPs being drained, by interface: what a packet filter has to look for. */
  watched(): ReadonlyMap<string, readonly Ip[]>;
  /** Grows whenever `watched()` changes. */
  version(): number;
  /** Is any of the drains a patient one? */
  hasPatient(): boolean;
  /** Clients that still send here or are kept by a connection. */
  counts(at: number): Readonly<Record<Ip, number>>;
}

const isConnected = (drain: Drain, client: Carried): boolean => {
  const { remotes, patient } = drain;
  if (!patient) return false;
  if (remotes === null) return true;
  for (const source of client.sources) if (remotes.has(source)) return true;
  const isForwarding = client.address === null || client.sources.size > 1;
  return isForwarding && drain.hasStrangers;
};

/** Is there a connection whose other end no client is known to be, or to forward for? Any that forwards may. */
const hasStrangers = ({ clients }: Drain, remotes: ReadonlySet<Ip>): boolean => {
  const known = new Set<Ip>();
  for (const { sources } of clients.values()) for (const source of sources) known.add(source);
  for (const remote of remotes) if (!known.has(remote)) return true;
  return false;
};

/** Sends here, or would be broken off by a move. */
const isStale = (drain: Drain, client: Carried, at: number): boolean =>
  (client.isSeen && at < client.lastAt + staleMs(drain)) || isConnected(drain, client);

const isDueToMove = (drain: Drain, client: Carried, at: number): boolean =>
  !drain.patient || (!isConnected(drain, client) && at >= client.lastAt + drain.quietMs);

const wantsQuestion = (drain: Drain, client: Carried): boolean => {
  if (client.questions >= MAX_QUESTIONS) return false;
  if (client.askedAt === null) return drain.patient || client.isSeen;
  return client.lastAt > client.askedAt || (drain.patient && client.questions < SURE_QUESTIONS);
};

export const createCarrier = (): Carrier => {
  const drains = new Map<Ip, Drain>();
  const timers = createTimers<Ip>();
  const bucket = createTokenBucket(QUESTIONS_PER_SECOND, QUESTIONS_BURST);
  let version = 0;

  const meet = (drain: Drain, mac: Mac, at: number): Carried | null => {
    const known = drain.clients.get(mac);
    if (known !== undefined) return known;
    if (drain.clients.size >= MAX_CARRIED) return null;
    const client: Carried = {
      mac,
      address: null,
      sources: new Set(),
      lastAt: at,
      isSeen: false,
      questions: 0,
      askAt: at,
      askedAt: null,
    };
    drain.clients.set(mac, client);
    return client;
  };

  const addSource = (client: Carried, source: Ip): void => {
    if (client.sources.size < MAX_SOURCES) client.sources.add(source);
  };

  /** When the drain has something to do, as far as it is known now. */
  const schedule = (drain: Drain, at: number): void => {
    let next = Number.POSITIVE_INFINITY;
    for (const client of drain.clients.values()) {
      if (isStale(drain, client, at)) next = Math.min(next, drain.toldAt + newsMs(drain));
      if (!wantsQuestion(drain, client)) continue;
      if (isConnected(drain, client)) continue;
      const quietAt = drain.patient ? client.lastAt + drain.quietMs : 0;
      next = Math.min(next, Math.max(client.askAt, quietAt));
    }
    if (drain.told > 0) next = Math.min(next, drain.toldAt + newsMs(drain));
    if (next === Number.POSITIVE_INFINITY) timers.cancel(drain.ip);
    else timers.set(drain.ip, Math.max(next, at), drain.ip);
  };

  const question = (drain: Drain, client: Carried, at: number): Question => {
    const wait = ASK_AGAIN_MS[Math.min(client.questions, ASK_AGAIN_MS.length - 1)] as number;
    client.questions += 1;
    client.askedAt = at;
    client.askAt = at + wait;
    return {
      ip: drain.ip,
      interface: drain.interface,
      client: { mac: client.mac, ip: client.address },
    };
  };

  const staleCount = (drain: Drain, at: number): number => {
    let count = 0;
    for (const client of drain.clients.values()) if (isStale(drain, client, at)) count += 1;
    return count;
  };

  const outcomeOf = ({ ip, since, clients }: Drain): Carriage | null => {
    const tookMs = [...clients.values()].filter(({ isSeen }) => isSeen).map(({ lastAt }) => lastAt - since);
    return tookMs.length === 0 ? null : { ip, clients: tookMs.length, lastMs: Math.max(...tookMs), tookMs };
  };

  const end = (ip: Ip): void => {
    if (!drains.delete(ip)) return;
    timers.cancel(ip);
    version += 1;
  };

  return {
    start: (ip, at, carrying, known) => {
      // A patient drain that goes on as a prompt one still knows whom it carried.
      const before = drains.get(ip);
      const drain: Drain = {
        ...carrying,
        ip,
        since: before?.since ?? at,
        clients: before?.clients ?? new Map(),
        remotes: null,
        listed: [],
        hasStrangers: false,
        toldAt: at,
        told: 0,
      };
      drains.set(ip, drain);
      version += 1;
      for (const { ip: address, mac } of known) {
        const client = meet(drain, mac, at);
        if (client === null) break;
        client.address = address;
        addSource(client, address);
      }
      schedule(drain, at);
    },
    stop: (ip, at) => {
      const drain = drains.get(ip);
      if (drain === undefined) return { questions: [], outcome: null };
      end(ip);
      const left = drain.patient ? [...drain.clients.values()].filter(({ askedAt }) => askedAt === null) : [];
      return { questions: left.map((client) => question(drain, client, at)), outcome: outcomeOf(drain) };
    },
    stopAll: () => {
      for (const ip of [...drains.keys()]) end(ip);
    },
    seen: (ip, at, { mac, source }, isOnLink) => {
      const drain = drains.get(ip);
      const client = drain === undefined ? null : meet(drain, mac, at);
      if (drain === undefined || client === null) return;
      client.lastAt = at;
      client.isSeen = true;
      if (isOnLink) client.address ??= source;
      addSource(client, source);
      schedule(drain, at);
    },
    isKept: (ip, at, { ip: address, mac }) => {
      const drain = drains.get(ip);
      if (drain === undefined || !drain.patient) return false;
      const client = meet(drain, mac, at);
      if (client === null) return true;
      client.address ??= address;
      addSource(client, address);
      // Once asked to move it is not kept from moving, unless it has come back with a connection.
      const isKept = client.askedAt === null || isConnected(drain, client);
      schedule(drain, at);
      return isKept;
    },
    connected: (at, remotes) => {
      for (const drain of drains.values()) {
        const listed = remotes.get(drain.ip);
        // An IP that is not listed is one of which nobody can tell.
        drain.remotes = listed === undefined ? null : new Set([...drain.listed, ...listed]);
        drain.listed = listed ?? [];
        drain.hasStrangers = drain.remotes !== null && hasStrangers(drain, drain.remotes);
        timers.set(drain.ip, at, drain.ip);
      }
    },
    takeDue: (at, isHeld) => {
      const questions: Question[] = [];
      const news: { ip: Ip; stale: number }[] = [];
      for (let timer = timers.takeDue(at); timer !== null; timer = timers.takeDue(at)) {
        const drain = drains.get(timer.payload);
        if (drain === undefined) continue;
        let isPaced = false;
        for (const client of drain.clients.values()) {
          // A connection holds its client as new: quiet is counted from its end.
          if (isConnected(drain, client)) client.lastAt = at;
          if (at < client.askAt || !wantsQuestion(drain, client) || !isDueToMove(drain, client, at)) continue;
          // None of its questions is spent while there is nobody to name (simulated: seed 622).
          if (!isHeld(drain.ip, drain.interface)) {
            client.askAt = at + UNHELD_MS;
            continue;
          }
          isPaced = !bucket.take(1, at);
          if (isPaced) break;
          questions.push(question(drain, client, at));
        }
        const stale = staleCount(drain, at);
        if (stale !== drain.told || (stale > 0 && at >= drain.toldAt + newsMs(drain))) {
          drain.told = stale;
          drain.toldAt = at;
          news.push({ ip: drain.ip, stale });
        }
        schedule(drain, at);
        if (isPaced) {
          timers.set(drain.ip, bucket.readyAt(1), drain.ip);
          break;
        }
      }
      return { questions, news };
    },
    nextDeadline: () => timers.next(),
    watched: () => {
      const ips = new Map<string, Ip[]>();
      for (const drain of drains.values()) {
        const list = ips.get(drain.interface) ?? [];
        list.push(drain.ip);
        ips.set(drain.interface, list);
      }
      return ips;
    },
    version: () => version,
    hasPatient: () => {
      for (const { patient } of drains.values()) if (patient) return true;
      return false;
    },
    counts: (at) =>
      Object.fromEntries([...drains.values()].map((drain) => [drain.ip, staleCount(drain, at)])),
  };
};
