// Whenever a node gives way to another's claim, that claim is the better one by an independent computation
// (docs/protocol.md, Claims: strong before weak, higher epoch, higher rank, the name that sorts last); and no
// owner holds on for longer than its hold time + 2 intervals against a better claim of a peer that hears it. Who
// hears a worse claim says its own again at once, and announces again once that one is given up (Give way). Excepted by their cause: one-way, a new birth,
// foreign use, a lost link, a stop, and the end of a drain. What is judged is what hellos said on the wire.
import type { Effect } from '../../../src/machines/effects.ts';
import type { Ip } from '../../../src/machines/frames.ts';
import type { SimHello, WireFrame } from '../sim-frames.ts';
import type { CreateChecker } from './checker.ts';

interface Heard {
  readonly maker: string;
  readonly epoch: number;
  readonly weak: boolean;
  since: number;
  last: number;
  /** Said no longer. */
  isOver: boolean;
  /** Only ever played again, so that the hearer may have refused it. */
  isDoubtful: boolean;
}

/** A main thread that was busy draws its conclusions this much later: several hangs in a row (faults.ts). */
const MEMORY_MS = 30_000;
const LOOK_EVERY_MS = 50;
/** A patient drain that waited for somebody to take over lasts longer than its window. */
const KEPT_FOR_MS = 10_000;
/** Beyond the hold time (docs/protocol.md, Fresh). */
const FRESH_INTERVALS = 2;
/** Versions of an object that a late watch may still be about. */
const MAX_OBJECTS = 32;
/** The wire thread's wake-up at its latest, twice. */
const LATENESS_MS = 20;

/** Announcements are paced: 10 frames a millisecond (announcer.ts); appearing and giving up cause two rounds. */
const announcedWithinMs = (ips: number): number => 100 + 0.6 * ips;

/** docs/protocol.md, Rendezvous rank; written anew here on purpose, with 64-bit products. */
const rankOf = (ip: Ip, node: string): number => {
  const mask = 0xffff_ffffn;
  let hash = 0x811c9dc5n;
  for (const octet of Buffer.from(`${ip}\0${node}`, 'ascii')) {
    hash = ((hash ^ BigInt(octet)) * 0x01000193n) & mask;
  }
  hash = ((hash ^ (hash >> 16n)) * 0x85ebca6bn) & mask;
  hash = ((hash ^ (hash >> 13n)) * 0xc2b2ae35n) & mask;
  return Number(hash ^ (hash >> 16n));
};

const ranks = new Map<string, number>();
const knownRank = (ip: Ip, node: string): number => {
  const key = `${ip} ${node}`;
  const rank = ranks.get(key) ?? rankOf(ip, node);
  ranks.set(key, rank);
  return rank;
};

/** What was heard last of an instance. */
interface Voice {
  readonly node: string;
  sequence: number;
  at: number;
  hears: readonly string[];
  /** Since when it lists the hearer; null: it does not. */
  listedSince: number | null;
}

/** A maker says the same again and again: what that is, which claims it keeps up, and when it was said last. */
interface Repeated {
  readonly slices: SimHello['slices'];
  readonly claims: readonly Heard[];
  at: number;
}

interface Said {
  readonly maker: string;
  readonly epoch: number;
  readonly weak: boolean;
}

/** Is `a` the better claim for `ip`? */
const beats = (ip: Ip, a: Said, b: Said): boolean => {
  if (a.weak !== b.weak) return b.weak;
  if (a.epoch !== b.epoch) return a.epoch > b.epoch;
  const [rankA, rankB] = [knownRank(ip, a.maker), knownRank(ip, b.maker)];
  return rankA === rankB ? a.maker > b.maker : rankA > rankB;
};

export const claimOrder: CreateChecker = ({ world, answerers, intervalMs, holdMs, report }) => {
  /** `hearer` → IP → what was heard of it, newest last. */
  const heard = new Map<string, Map<Ip, Heard[]>>();
  /** `hearer` → instance → when a hello of it was heard last, and whom it listed. */
  const voices = new Map<string, Map<string, Voice>>();
  /** `hearer` → maker → what it repeats; taken over into `last` by `catchUp`, when somebody asks. */
  const repeated = new Map<string, Map<string, Repeated>>();
  /** What each node claims, by its own last `answer.start`. */
  const own = new Map<string, Said>();
  /** When each instance said which sequence. */
  const saidAt = new Map<string, number[]>();
  /** When the operator last asked for a patient drain. */
  let patientAt = Number.NEGATIVE_INFINITY;
  const instances = new Map<string, string>();
  const announcedAt = new Map<string, number>();
  /** `node ip` → until when the node is to say its claim again. */
  const owed = new Map<string, number>();

  /** What the object of each IP said, newest last. */
  const objects = new Map<Ip, Said[]>();

  const claimsOf = (hearer: string, ip: Ip): Heard[] => {
    const table = heard.get(hearer) ?? new Map<Ip, Heard[]>();
    heard.set(hearer, table);
    const list = table.get(ip) ?? [];
    table.set(ip, list);
    return list;
  };

  const catchUp = ({ claims, at }: Repeated): void => {
    for (const claim of claims) claim.last = Math.max(claim.last, at);
  };
  const catchUpAll = (hearer: string): void => {
    for (const one of repeated.get(hearer)?.values() ?? []) catchUp(one);
  };

  const hearClaim = (hearer: string, ip: Ip, { maker, epoch, weak }: Said, isReplayed: boolean): boolean => {
    const now = world.queue.now();
    const list = claimsOf(hearer, ip);
    const known = list.findLast((claim) => claim.maker === maker && !claim.isOver);
    if (known?.epoch === epoch && known.weak === weak) {
      known.last = now;
      known.isDoubtful &&= isReplayed;
      return false;
    }
    if (known !== undefined) known.isOver = true;
    list.push({ maker, epoch, weak, since: now, last: now, isOver: false, isDoubtful: isReplayed });
    while ((list[0]?.isOver ?? false) && now - (list[0] as Heard).last > MEMORY_MS) list.shift();
    return true;
  };

  /** The rival may have drawn clients: once it has given up, its better announces. */
  const oweAnnouncement = (hearer: string, ip: Ip, ended: Heard): void => {
    const now = world.queue.now();
    const mine = own.get(`${hearer} ${ip}`);
    const answeredSince = answerers.of(ip).get(hearer) ?? now;
    const isWell = (): boolean =>
      world.health.fitSince(hearer) !== null && world.node(hearer).isAnswering(ip);
    if (ended.isDoubtful) return;
    if (mine === undefined || answeredSince >= ended.since || !isWell() || !beats(ip, mine, ended)) return;
    const voice = [...(voices.get(hearer)?.values() ?? [])].findLast(({ node }) => node === ended.maker);
    if (voice === undefined || !voice.hears.includes(instances.get(hearer) ?? '')) return;
    if (claimsOf(hearer, ip).some((claim) => !claim.isOver)) return;
    // A former owner keeps its clients (patient drain): the one that gave up asks those whom it had drawn.
    if (now - patientAt <= world.profile.drain.windowMs + KEPT_FOR_MS) return;
    // A large table shows the end by a slice that does not list it, some hellos before this change says it.
    world.queue.after(announcedWithinMs(world.profile.ips.length), () => {
      if (!isWell() || world.health.changedAt() >= now) return;
      if ((announcedAt.get(`${hearer} ${ip}`) ?? Number.NEGATIVE_INFINITY) >= now - 2 * intervalMs) return;
      report(ip, `${ended.maker} gave it up, and ${hearer} did not announce it again`);
    });
  };

  const hearEnd = (hearer: string, ip: Ip, maker: string): void => {
    for (const claim of claimsOf(hearer, ip)) {
      if (claim.maker !== maker || claim.isOver) continue;
      // One that was not heard within the hold time was forgotten with its maker, who then appears anew.
      const wasHeard = world.queue.now() - claim.last <= holdMs;
      claim.isOver = true;
      claim.last = world.queue.now();
      if (wasHeard) oweAnnouncement(hearer, ip, claim);
    }
  };

  /** A worse claim, new to a node that is well and answers: it owes its own at once. */
  const oweRestatement = (hearer: string, ip: Ip, claim: Said, hello: SimHello): void => {
    const mine = own.get(`${hearer} ${ip}`);
    const key = `${hearer} ${ip}`;
    const now = world.queue.now();
    if (hello.ethernetSource !== world.node(hello.node).mac) return;
    if (mine === undefined || owed.has(key) || !hello.hears.includes(instances.get(hearer) ?? '')) return;
    const answeredSince = answerers.of(ip).get(hearer);
    // Its own claim may be on its way still when it has just begun.
    if (answeredSince === undefined || now - answeredSince < holdMs) return;
    if (world.health.fitSince(hearer) === null || !beats(ip, mine, claim)) return;
    owed.set(key, now + LATENESS_MS);
    world.queue.after(LATENESS_MS, () => {
      if (!owed.delete(key)) return;
      const isStill = world.node(hearer).isAnswering(ip) && world.health.fitSince(hearer) !== null;
      if (isStill && world.health.changedAt() < now) {
        report(ip, `${hearer} heard the worse claim of ${claim.maker} and did not say its own again`);
      }
    });
  };

  /** False: heard before. */
  const hearVoice = (hearer: string, { instance, sequence, hears, node }: SimHello): boolean => {
    const table = voices.get(hearer) ?? new Map<string, Voice>();
    voices.set(hearer, table);
    const now = world.queue.now();
    const listedSince = hears.includes(instances.get(hearer) ?? '') ? now : null;
    const known = table.get(instance);
    if (known === undefined) {
      table.set(instance, { sequence, at: now, hears, node, listedSince });
      return true;
    }
    if (sequence <= known.sequence) return false;
    known.sequence = sequence;
    known.at = now;
    known.hears = hears;
    known.listedSince = listedSince === null ? null : (known.listedSince ?? listedSince);
    return true;
  };

  const hearHello = (hearer: string, hello: SimHello): void => {
    const maker = hello.node;
    if (maker === hearer) return;
    if (!hearVoice(hearer, hello)) return;
    const isReplayed = hello.ethernetSource !== world.node(maker).mac;
    const isPlain = !isReplayed && hello.changes.length === 0 && hello.witnessed.length === 0;
    const repeats = repeated.get(hearer) ?? new Map<string, Repeated>();
    repeated.set(hearer, repeats);
    const before = repeats.get(maker);
    if (before !== undefined && isPlain && before.slices === hello.slices) {
      before.at = world.queue.now();
      return;
    }
    if (before !== undefined) catchUp(before);
    repeats.delete(maker);
    const listed = new Set<Ip>();
    const take = (ip: Ip, epoch: number, weak: boolean): void => {
      listed.add(ip);
      const claim = { maker, epoch, weak };
      if (hearClaim(hearer, ip, claim, isReplayed)) oweRestatement(hearer, ip, claim, hello);
    };
    for (const { claims } of hello.slices) for (const { ip, epoch, weak } of claims) take(ip, epoch, weak);
    for (const { ip, epoch, weak, held } of hello.changes) if (held) take(ip, epoch, weak);
    for (const { ip, held } of hello.changes) if (!held) hearEnd(hearer, ip, maker);
    // A small table is whole in every hello: what is not listed is not held.
    const isWhole = hello.slices.length === 1 && hello.heldCount === hello.slices[0]?.claims.length;
    if (isWhole)
      for (const ip of heard.get(hearer)?.keys() ?? []) if (!listed.has(ip)) hearEnd(hearer, ip, maker);
    if (isPlain) {
      const kept = [...listed].map((ip) => claimsOf(hearer, ip).findLast((one) => one.maker === maker));
      const claims = kept.filter((one) => one !== undefined);
      repeats.set(maker, { slices: hello.slices, claims, at: world.queue.now() });
    }
    for (const { ip, node, epoch, weak } of hello.witnessed) {
      if (node === hearer) continue;
      const known = claimsOf(hearer, ip);
      known.push({
        maker: node,
        epoch,
        weak,
        since: world.queue.now(),
        last: world.queue.now(),
        isOver: true,
        isDoubtful: true,
      });
    }
  };

  const judgeGivingWay = (node: string, effect: Extract<Effect, { type: 'record' }>): void => {
    const { ip, from, cause, epoch } = effect;
    if (from !== 'leader' || (cause !== 'outbid' && cause !== 'planned')) return;
    const mine = own.get(`${node} ${ip}`) ?? { maker: node, epoch, weak: false };
    catchUpAll(node);
    const now = world.queue.now();
    const rivals = claimsOf(node, ip).filter(({ last, isOver }) => !isOver || now - last <= MEMORY_MS);
    if (rivals.some((rival) => beats(ip, rival, mine))) return;
    // In Kubernetes an object speaks for a holder that is not heard.
    if (objects.get(ip)?.some((said) => said.maker !== node && beats(ip, said, mine)) === true) return;
    const said = rivals.map((rival) => `${rival.maker} epoch ${rival.epoch}${rival.weak ? ' weak' : ''}`);
    report(
      ip,
      `${node} (epoch ${mine.epoch}${mine.weak ? ' weak' : ''}) gave way, and heard no better claim: ` +
        (said.join(', ') || 'none at all'),
    );
  };

  const judgeHoldingOn = (node: string, ip: Ip): void => {
    const mine = own.get(`${node} ${ip}`);
    const instance = instances.get(node);
    const now = world.queue.now();
    const fitSince = world.health.fitSince(node);
    if (mine === undefined || instance === undefined || fitSince === null) return;
    catchUpAll(node);
    for (const claim of heard.get(node)?.get(ip) ?? []) {
      const since = Math.max(claim.since, fitSince, answerers.of(ip).get(node) ?? now);
      if (claim.isOver || now - since <= holdMs + 2 * intervalMs || now - claim.last > holdMs) continue;
      if (!beats(ip, claim, mine)) continue;
      const voice = [...(voices.get(node)?.values() ?? [])].findLast((one) => one.node === claim.maker);
      if (voice === undefined || !voice.hears.includes(instance) || now - voice.at > 2 * intervalMs) continue;
      // The claims of a peer that hears nobody do not stand: from when it lists this one they do.
      if (voice.listedSince === null || now - voice.listedSince <= 2 * intervalMs) continue;
      report(
        ip,
        `${node} holds on against the better claim of ${claim.maker}, heard since ${(now - since).toFixed(0)} ms`,
      );
      return;
    }
  };

  const lookAll = (): void => {
    for (const ip of world.profile.ips) {
      const names = answerers.of(ip);
      if (names.size > 1) for (const name of names.keys()) judgeHoldingOn(name, ip);
    }
    world.queue.after(LOOK_EVERY_MS, lookAll);
  };
  world.queue.after(LOOK_EVERY_MS, lookAll);

  /** It repeats what the listener said long ago: held back, or its sender has not emptied its queue yet. */
  const isStale = (node: string, hello: SimHello): boolean => {
    const listener = instances.get(node) ?? '';
    const echo = hello.echoes[hello.hears.indexOf(listener)];
    const at = echo === undefined ? undefined : saidAt.get(listener)?.[echo];
    return at !== undefined && world.queue.now() - at > holdMs + FRESH_INTERVALS * intervalMs;
  };

  /** What was played again long after is no reason for anything; what was held back for a moment is only late. */
  const hear = (node: string, frame: WireFrame): void => {
    if (frame.kind !== 'hello' || isStale(node, frame)) return;
    const present = instances.get(frame.node) ?? '';
    // An older birth may be believed until the present one has been proven here, which takes until the older is late.
    const provenSince = voices.get(node)?.get(present)?.listedSince ?? null;
    const isVoid = provenSince !== null && world.queue.now() - provenSince > 2 * intervalMs;
    const isReplayed = frame.ethernetSource !== world.node(frame.node).mac;
    const isBelieved = isReplayed && !isVoid;
    if (frame.instance === present || isBelieved) hearHello(node, frame);
  };

  return {
    claim: 'who gives way has heard a better claim, and who hears one gives way',
    onTold: (_node, input) => {
      if (input.type === 'drain.requested' && input.patient === true) patientAt = world.queue.now();
    },
    onSent: (node, frame: WireFrame) => {
      if (frame.kind === 'arp' && frame.spa === frame.tpa) {
        announcedAt.set(`${node} ${frame.spa}`, world.queue.now());
      } else if (frame.kind === 'na' && !frame.solicited) {
        announcedAt.set(`${node} ${frame.target}`, world.queue.now());
      }
      if (frame.kind !== 'hello') return;
      instances.set(node, frame.instance);
      const said = saidAt.get(frame.instance) ?? [];
      saidAt.set(frame.instance, said);
      said[frame.sequence] = world.queue.now();
      for (const { ip, held } of frame.changes) if (held) owed.delete(`${node} ${ip}`);
    },
    onObject: ({ ip, held }) => {
      if (held === null || held.holder === null) return;
      const { holder: maker, epoch, weak } = held;
      objects.set(ip, [...(objects.get(ip) ?? []).slice(-MAX_OBJECTS), { maker, epoch, weak }]);
    },
    onHeard: hear,
    onQueued: hear,
    onEffects: (node, effects) => {
      for (const effect of effects) {
        if (effect.type === 'record') judgeGivingWay(node, effect);
        if (effect.type !== 'answer.start') continue;
        own.set(`${node} ${effect.ip}`, { maker: node, epoch: effect.epoch, weak: effect.weak });
      }
    },
  };
};
