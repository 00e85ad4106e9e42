// Who uses which service IP, learned on every node from the requests that everybody hears, so that whoever
// becomes the owner can ask each client by directed request and see that it learned (facts.md: no peer of ours
// does this). Pure; bounded per IP and in all.
import type { Ip, Mac } from './frames.ts';
import { createTimers } from './timers.ts';

export interface Client {
  readonly ip: Ip;
  readonly mac: Mac;
}

/** Clients remembered for one IP; the one not heard of for longest goes. A router counts as one. */
export const MAX_CLIENTS_PER_IP = 64;
/** Over all IPs: what a spoofer can make a node remember, some 15 MB. */
export const MAX_CLIENTS = 65_536;
/**
 * When those that have not answered are asked, milliseconds after the announcement. The first comes right
 * behind the burst; the later ones outlast the 1 s locktime of old kernels and a client's short sleep.
 */
export const ASK_AT_MS: readonly number[] = [5, 100, 400, 1_200, 3_000];
/** How long the last question may stay unanswered before the client counts as gone. */
export const LAST_ANSWER_MS = 1_000;

/** A client that followed late, or not at all: for people. */
export interface SlowClient {
  readonly ip: Ip;
  readonly client: Ip;
  readonly mac: Mac;
  /** When the IP was announced here. */
  readonly movedAt: number;
  /** When it confirmed after that, milliseconds; null: it never did. */
  readonly afterMs: number | null;
}

/** Remembered; the oldest goes. Who has more of them has one cause. */
const MAX_SLOW = 256;
/** A client that takes longer has missed the announcement and the first questions. */
const SLOW_MS = 1_000;

/** How the clients of one IP took a move. */
export interface Convergence {
  readonly ip: Ip;
  readonly known: number;
  readonly confirmed: number;
  /** From the announcement to the last confirmation; null when nobody confirmed. */
  readonly afterMs: number | null;
}

export interface Clients {
  /** Notes that `client` asked for `ip`. `isAnswered`: this node owns it and answers, so the client knows. */
  learn(ip: Ip, client: Client, at: number, isAnswered: boolean): void;
  /** This node announces `ip` from now: all its clients are to be asked. */
  ask(ip: Ip, at: number): void;
  stop(ip: Ip): void;
  stopAll(): void;
  /** The client has shown that it learned; returns how long that took, or null when it was not being asked. */
  confirm(ip: Ip, client: Ip, at: number): number | null;
  /** Whom to ask now, and which moves are over. */
  takeDue(at: number): {
    readonly questions: readonly { readonly ip: Ip; readonly client: Client }[];
    readonly settled: readonly Convergence[];
  };
  nextDeadline(): number | null;
  isKnown(ip: Ip): boolean;
  of(ip: Ip): readonly Client[];
  /** Who was slow in the last move of each IP. */
  slow(): readonly SlowClient[];
  counts(): Readonly<Record<Ip, { readonly clients: number; readonly clientsConfirmed: number }>>;
}

interface Known {
  mac: Mac;
  heardAt: number;
  isConfirmed: boolean;
}

interface Asking {
  readonly since: number;
  attempt: number;
  lastConfirmedAt: number | null;
}

const oldestOf = (clients: ReadonlyMap<Ip, Known>): Ip | null => {
  let oldest: Ip | null = null;
  let heardAt = Number.POSITIVE_INFINITY;
  for (const [ip, known] of clients) {
    if (known.heardAt >= heardAt) continue;
    oldest = ip;
    heardAt = known.heardAt;
  }
  return oldest;
};

export const createClients = (): Clients => {
  const byIp = new Map<Ip, Map<Ip, Known>>();
  const asking = new Map<Ip, Asking>();
  const timers = createTimers<Ip>();
  const slow = new Map<string, SlowClient>();
  let total = 0;

  const note = (late: SlowClient): void => {
    slow.set(`${late.ip} ${late.client}`, late);
    if (slow.size > MAX_SLOW) slow.delete(slow.keys().next().value as string);
  };

  const insert = (ip: Ip, client: Client, known: Known): void => {
    let clients = byIp.get(ip);
    if (clients === undefined) {
      if (total >= MAX_CLIENTS) return;
      clients = new Map();
      byIp.set(ip, clients);
    }
    if (clients.size >= MAX_CLIENTS_PER_IP || total >= MAX_CLIENTS) {
      const oldest = oldestOf(clients);
      if (oldest === null) return;
      clients.delete(oldest);
      total -= 1;
    }
    clients.set(client.ip, known);
    total += 1;
  };

  const stop = (ip: Ip): void => {
    asking.delete(ip);
    timers.cancel(ip);
  };

  /** The questions are over: who never answered is gone, and the outcome is known. */
  const settle = (ip: Ip, { since, lastConfirmedAt }: Asking): Convergence => {
    stop(ip);
    const clients = byIp.get(ip) ?? new Map<Ip, Known>();
    const known = clients.size;
    for (const [client, { isConfirmed, mac }] of clients) {
      if (isConfirmed) continue;
      note({ ip, client, mac, movedAt: since, afterMs: null });
      clients.delete(client);
      total -= 1;
    }
    const afterMs = lastConfirmedAt === null ? null : lastConfirmedAt - since;
    return { ip, known, confirmed: clients.size, afterMs };
  };

  const unconfirmed = (ip: Ip): Client[] => {
    const clients = byIp.get(ip);
    if (clients === undefined) return [];
    return [...clients]
      .filter(([, { isConfirmed }]) => !isConfirmed)
      .map(([client, { mac }]) => ({ ip: client, mac }));
  };

  return {
    learn: (ip, client, at, isAnswered) => {
      const known = byIp.get(ip)?.get(client.ip);
      if (known === undefined) {
        insert(ip, client, { mac: client.mac, heardAt: at, isConfirmed: isAnswered });
        return;
      }
      known.mac = client.mac;
      known.heardAt = at;
    },
    ask: (ip, at) => {
      stop(ip);
      const clients = byIp.get(ip);
      if (clients === undefined || clients.size === 0) return;
      for (const [client, known] of clients) {
        known.isConfirmed = false;
        slow.delete(`${ip} ${client}`);
      }
      asking.set(ip, { since: at, attempt: 0, lastConfirmedAt: null });
      timers.set(ip, at + (ASK_AT_MS[0] as number), ip);
    },
    stop,
    stopAll: () => {
      for (const ip of [...asking.keys()]) stop(ip);
    },
    confirm: (ip, client, at) => {
      const known = byIp.get(ip)?.get(client);
      if (known === undefined || known.isConfirmed) return null;
      known.isConfirmed = true;
      const move = asking.get(ip);
      if (move === undefined) return null;
      move.lastConfirmedAt = at;
      const afterMs = at - move.since;
      if (afterMs >= SLOW_MS) note({ ip, client, mac: known.mac, movedAt: move.since, afterMs });
      return afterMs;
    },
    takeDue: (at) => {
      const questions: { ip: Ip; client: Client }[] = [];
      const settled: Convergence[] = [];
      for (let timer = timers.takeDue(at); timer !== null; timer = timers.takeDue(at)) {
        const ip = timer.payload;
        const move = asking.get(ip);
        if (move === undefined) continue;
        const open = unconfirmed(ip);
        if (open.length === 0 || move.attempt >= ASK_AT_MS.length) {
          settled.push(settle(ip, move));
          continue;
        }
        for (const client of open) questions.push({ ip, client });
        move.attempt += 1;
        const next = ASK_AT_MS[move.attempt];
        const last = (ASK_AT_MS.at(-1) as number) + LAST_ANSWER_MS;
        timers.set(ip, move.since + (next ?? last), ip);
      }
      return { questions, settled };
    },
    nextDeadline: () => timers.next(),
    of: (ip) => [...(byIp.get(ip) ?? [])].map(([client, { mac }]) => ({ ip: client, mac })),
    isKnown: (ip) => (byIp.get(ip)?.size ?? 0) > 0,
    slow: () => [...slow.values()],
    counts: () => {
      const counts: Record<Ip, { clients: number; clientsConfirmed: number }> = {};
      for (const [ip, clients] of byIp) {
        let clientsConfirmed = 0;
        for (const { isConfirmed } of clients.values()) if (isConfirmed) clientsConfirmed += 1;
        counts[ip] = { clients: clients.size, clientsConfirmed };
      }
      return counts;
    },
  };
};
