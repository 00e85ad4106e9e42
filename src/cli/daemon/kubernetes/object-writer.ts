// ServiceIP objects: what they say goes to the core where another node is named, and what this node holds is written
// into them, by compare-and-swap, when it differs: at moves, and after an absence of the API server. Level-based.
import type { Logger } from 'pino';
import type { ClusterClient } from '../../../io/kubernetes/cluster-client.ts';
import type { Failure } from '../../../io/kubernetes/outcome.ts';
import { SERVICE_IPS } from '../../../io/kubernetes/resource.ts';
import type { Write, Writer } from '../../../io/kubernetes/writer.ts';
import type { HeldFact, ServiceIpFact } from '../../../machines/cluster/cluster-facts.ts';
import { ipOfServiceIpName, serviceIpName } from '../../../machines/cluster/service-ip-name.ts';
import type { Core } from '../../../machines/core.ts';
import type { Effect } from '../../../machines/effects.ts';
import type { Ip } from '../../../machines/frames.ts';
import type { Input } from '../../../machines/inputs.ts';
import type { ObjectClaim } from '../../../machines/unheard.ts';
import type { ServiceView } from '../../../machines/view.ts';

/** What objects say is gathered for a moment: a list of 10,000 is one input. */
const GATHER_MS = 5;
/** A write that failed otherwise than by conflict or absence is tried again after this. */
const AGAIN_MS = 1_000;
/**
 * What another node wrote is judged by the core before it is written over: that takes a turn, and the journal up to
 * 20 ms. Without this both write over each other until one of them happens to be told first.
 */
export const JUDGED_MS = 50;
/** A reservation that has not become a taking by then is given back: others wait for it. */
export const RESERVED_MS = 2_000;
/** The schema's limit (deploy/crds/serviceips.yaml). */
const MAX_REASON = 512;
/** The object may not have been written yet, or by another one meanwhile. */
const TELL_CLIENTS = 3;

export interface ObjectWriterParts {
  readonly client: ClusterClient;
  readonly writer: Writer;
  /** False: nothing is written. */
  readonly announce: boolean;
  readonly core: Core;
  readonly node: string;
  readonly tell: (input: Input) => void;
  readonly log: Logger;
}

export interface ObjectWriter {
  /** A ServiceIP object as the API server has it; null: there is none. */
  serviceIp(key: string, fact: ServiceIpFact | null, isNews: boolean): void;
  /** This node's part in these IPs, or its claim, changed. */
  changed(effects: readonly Extract<Effect, { type: 'record' | 'answer.start' }>[]): void;
  reserve(effect: Extract<Effect, { type: 'reserve' }>): void;
  /** How many clients of an IP were known when this node took it. */
  settled(ip: Ip, known: number): void;
  facts(): readonly ServiceIpFact[];
  close(): void;
}

type Status = Readonly<Record<string, unknown>>;

const patchOf = (ip: Ip, resourceVersion: string, status: Status): Write => ({
  verb: 'patch',
  resource: SERVICE_IPS,
  name: serviceIpName(ip),
  subresource: 'status',
  patch: { metadata: { resourceVersion }, status },
});

/**
 * What the IP's object is to say now, by what the core says of it and what the object said last; null: what it says is
 * right, or it is for another node to write. `isReserved`: this node reserved it a moment ago, and may be about to take
 * it. The simulator's nodes ask it too.
 */
export const wantedStatus = (
  node: string,
  view: ServiceView | null,
  held: HeldFact | null,
  isReserved: boolean,
): Readonly<Record<string, unknown>> | null => {
  const from = held?.holder != null && held.holder !== node ? [held.holder] : [];
  if (view?.state === 'leader') {
    const { epoch, weak, since, cause, reason, interface: name, mac } = view;
    const isSaid = held?.holder === node && held.epoch === epoch && held.weak === weak;
    if (isSaid && held.state === 'leader') return null;
    return {
      ...{ holder: node, state: 'leader', epoch, weak, cause, reason: reason.slice(0, MAX_REASON) },
      // How many clients knew the way is told when they have been asked (`settled`).
      ...{ since: new Date(since).toISOString(), interface: name, mac, clients: null },
      // Only a planned move leaves somebody who carries clients on.
      draining: cause === 'planned' ? from : [],
    };
  }
  if (held === null || held.holder !== node) return null;
  // A reservation is given back if nothing comes of it, whoever else may seem to hold the IP: they wait for it.
  const isReservation = held.state === 'candidate';
  const isTaking = isReserved || view?.state === 'candidate';
  if (isReservation ? isTaking : view !== null && view.holder !== null) return null;
  const why = view === null ? 'it is no service IP any more' : view.reason;
  return { holder: '', state: 'unowned', reason: why.slice(0, MAX_REASON), draining: [] };
};

export const createObjectWriter = (parts: ObjectWriterParts): ObjectWriter => {
  const { client, writer, announce, core, node, tell, log } = parts;
  const known = new Map<Ip, ServiceIpFact>();
  /** IPs whose object named another node, or nobody, when the core was told of it last. */
  const toldOfOthers = new Set<Ip>();
  /** IPs whose object does not say what is true, as far as this node knows. */
  const owed = new Set<Ip>();
  /** IPs that this node reserved a moment ago, each with the end of its newest such moment. */
  const reserved = new Map<Ip, NodeJS.Timeout>();
  const gathered = { old: new Map<Ip, ObjectClaim>(), news: new Map<Ip, ObjectClaim>() };
  /** IPs whose object says what the core has not judged yet. */
  const unjudged = new Set<Ip>();
  const timers = new Set<NodeJS.Timeout>();
  let timer: NodeJS.Timeout | null = null;
  let again: NodeJS.Timeout | null = null;
  let lastComplaint = '';

  const later = (ms: number, run: () => void): NodeJS.Timeout => {
    const moment = setTimeout(() => {
      timers.delete(moment);
      run();
    }, ms);
    timers.add(moment);
    return moment;
  };

  const flush = (): void => {
    timer = null;
    for (const [claims, isNews] of [
      [gathered.old, false],
      [gathered.news, true],
    ] as const) {
      if (claims.size === 0) continue;
      tell({ type: 'objects.seen', objects: [...claims.values()], isNews });
      const told = [...claims.keys()];
      later(JUDGED_MS, () => {
        for (const ip of told) {
          unjudged.delete(ip);
          publish(ip);
        }
      });
      claims.clear();
    }
  };

  /** Returns whether the core was told, and so has to judge. */
  const tellCore = (ip: Ip, held: ServiceIpFact['held'], isNews: boolean): boolean => {
    const { holder = null, epoch = 0, weak = false } = held ?? {};
    if (held !== null && holder !== node) toldOfOthers.add(ip);
    // What this node wrote itself, or nobody, is news only where the core would go on believing in another one.
    else if (!toldOfOthers.delete(ip)) return false;
    gathered[isNews ? 'news' : 'old'].set(ip, { ip, holder, epoch, weak });
    unjudged.add(ip);
    timer ??= setTimeout(flush, GATHER_MS);
    return true;
  };

  const make = (ip: Ip): Write | null => {
    const object = known.get(ip);
    if (!announce) return null;
    const status = wantedStatus(node, core.service(ip), object?.held ?? null, reserved.has(ip));
    // Without an object there is nothing to write into; the allocator makes it, and that is news.
    return object === undefined || status === null ? null : patchOf(ip, object.resourceVersion, status);
  };

  const complain = ({ kind, text }: Failure): void => {
    if (kind === 'unreachable' || text === lastComplaint) return;
    lastComplaint = text;
    log.warn({ code: 'service-ip-object' }, `ServiceIP objects: ${text}`);
  };

  const publish = (ip: Ip): void => {
    if (make(ip) === null) {
      owed.delete(ip);
      return;
    }
    owed.add(ip);
    void writer
      .write(`serviceip ${ip}`, () => make(ip))
      .then((outcome) => {
        if (outcome.ok) return void owed.delete(ip);
        const { kind } = outcome.failure;
        // The watch brings the newer version, or its end, and with that the next attempt.
        if (kind === 'conflict' || kind === 'missing') return;
        complain(outcome.failure);
        if (kind !== 'unreachable') again ??= setTimeout(publishOwed, AGAIN_MS);
      });
  };

  const publishOwed = (): void => {
    again = null;
    for (const ip of [...owed]) publish(ip);
  };
  const stopListening = client.reachability.onBack(publishOwed);

  /** Behind the write of the move, which may be on its way; after some attempts the number is not worth more. */
  const tellClients = (ip: Ip, clients: number, attempts: number): void => {
    const make = (): Write | null => {
      const object = known.get(ip);
      const isMine = object?.held?.holder === node && object.held.epoch === core.service(ip)?.epoch;
      return object !== undefined && isMine ? patchOf(ip, object.resourceVersion, { clients }) : null;
    };
    void writer.write(`clients ${ip}`, make).then((outcome) => {
      if (outcome.ok && outcome.value !== null) return;
      if (attempts > 1) later(AGAIN_MS, () => tellClients(ip, clients, attempts - 1));
    });
  };

  const reserve = async ({ ip, epoch, weak }: Extract<Effect, { type: 'reserve' }>): Promise<void> => {
    const answer = (won: boolean): void => tell({ type: 'reserve.answered', ip, epoch, won });
    const object = known.get(ip);
    // What the core has not seen yet it must not write over; it asks again.
    if (object === undefined || unjudged.has(ip) || !announce) return answer(false);
    const moment = later(RESERVED_MS, () => {
      if (reserved.get(ip) === moment) reserved.delete(ip);
      publish(ip);
    });
    reserved.set(ip, moment);
    const status = { holder: node, state: 'candidate', epoch, weak, reason: 'reserved before it is taken' };
    const outcome = await writer.write(`reserve ${ip}`, () => patchOf(ip, object.resourceVersion, status));
    // Lost is half of all races, and nothing to complain of.
    if (!outcome.ok && outcome.failure.kind !== 'conflict') complain(outcome.failure);
    answer(outcome.ok && outcome.value !== null);
  };

  return {
    serviceIp: (key, fact, isNews) => {
      const ip = fact?.ip ?? ipOfServiceIpName(key);
      if (ip === null) return;
      if (fact === null) known.delete(ip);
      else known.set(ip, fact);
      // Once it has judged that, it is written if it still differs (`flush`).
      if (tellCore(ip, fact?.held ?? null, isNews)) return;
      publish(ip);
    },
    changed: (effects) => {
      for (const { ip } of effects) publish(ip);
    },
    reserve: (effect) => void reserve(effect),
    settled: (ip, clients) => {
      // None is what an object without the number says: most IPs need no second write.
      if (announce && clients > 0) tellClients(ip, clients, TELL_CLIENTS);
    },
    facts: () => [...known.values()],
    close: () => {
      stopListening();
      timers.forEach(clearTimeout);
      if (timer !== null) clearTimeout(timer);
      if (again !== null) clearTimeout(again);
    },
  };
};
