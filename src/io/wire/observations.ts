// What can be seen on the wire that no decision needs, but a person who asks why a node is not heard: whose hellos come
// how late and by which transport, whose are refused, whose announcements arrive. Passive; the wire thread keeps one
// for its life, and `doctor --wire` one for some seconds where no daemon runs.
import type { DropReason, Ip, Mac } from '../../machines/frames.ts';
import type { HelloFrame, Instance } from '../../machines/hello.ts';
import type { WireFrame } from '../../machines/wire-facts.ts';
import { readEthernetSource } from '../packets/ethernet.ts';
import type { HelloTransport } from '../packets/hello-udp.ts';

/** A birth of a node whose hellos were verified here. Times are logical milliseconds. */
export interface SeenHello {
  readonly interface: string;
  readonly node: string;
  readonly instance: Instance;
  readonly mac: Mac;
  readonly transport: HelloTransport;
  readonly intervalMs: number;
  readonly holdMs: number;
  readonly hears: readonly Instance[];
  readonly heldCount: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /** The longest pause between two of its hellos, in the last one to two minutes. */
  readonly worstGapMs: number;
}

/** A station whose hellos are refused. */
export interface Stranger {
  readonly interface: string;
  readonly mac: Mac;
  readonly reason: DropReason;
  /** How often it was noted: of a flood only some are. */
  readonly count: number;
  readonly lastAt: number;
}

/** A gratuitous ARP frame or an unsolicited advertisement: who announced the IP last. */
export interface SeenAnnouncement {
  readonly interface: string;
  readonly ip: Ip;
  readonly mac: Mac;
  readonly at: number;
}

export interface Observed {
  readonly hellos: readonly SeenHello[];
  readonly strangers: readonly Stranger[];
  readonly announcements: readonly SeenAnnouncement[];
}

export interface Observations {
  frame(at: number, interfaceName: string, frame: WireFrame, transport: HelloTransport): void;
  /** A frame that was refused; only hellos are of interest. */
  refused(at: number, interfaceName: string, reason: DropReason, bytes: Uint8Array): void;
  /** Nodes heard within their hold time whose hellos come by another transport than `own`. */
  otherTransport(at: number, own: HelloTransport): readonly SeenHello[];
  observed(): Observed;
}

/** As many births as hello-ears.ts hears at once. */
const MAX_HELLOS = 512;
/** Stations with refused hellos: enough to see what they have in common. */
const MAX_STRANGERS = 64;
/** More service IPs than a segment is tested with, some 2 MB. */
const MAX_ANNOUNCEMENTS = 16_384;
const WINDOW_MS = 60_000;
/** Refused hellos noted no faster than a node may say them: a flood must cost next to nothing. */
const REFUSED_SPACING_MS = 2;

interface Birth {
  hello: HelloFrame;
  readonly interface: string;
  transport: HelloTransport;
  readonly firstAt: number;
  lastAt: number;
  windowAt: number;
  worstGapMs: number;
  formerGapMs: number;
}

/** Sets, and forgets what has not been set again for longest. */
const keep = <V>(map: Map<string, V>, key: string, value: V, bound: number): void => {
  map.delete(key);
  map.set(key, value);
  if (map.size > bound) map.delete(map.keys().next().value as string);
};

/** The IP that a frame announces unasked, and for whom; null: it announces none. */
const announcedBy = (frame: WireFrame): { readonly ip: Ip; readonly mac: Mac } | null => {
  if (frame.kind === 'arp') return frame.spa === frame.tpa ? { ip: frame.spa, mac: frame.sha } : null;
  if (frame.kind !== 'na' || frame.solicited) return null;
  return { ip: frame.target, mac: frame.targetLinkLayerAddress ?? frame.ethernetSource };
};

export const createObservations = (): Observations => {
  const births = new Map<string, Birth>();
  const strangers = new Map<string, Stranger>();
  const announcements = new Map<string, SeenAnnouncement>();
  let refusedAt = Number.NEGATIVE_INFINITY;

  const hear = (at: number, name: string, hello: HelloFrame, transport: HelloTransport): void => {
    const key = `${name} ${hello.instance}`;
    const birth = births.get(key);
    if (birth === undefined) {
      const gaps = { windowAt: at, worstGapMs: 0, formerGapMs: 0 };
      keep(births, key, { hello, interface: name, transport, firstAt: at, lastAt: at, ...gaps }, MAX_HELLOS);
      return;
    }
    if (at - birth.windowAt >= WINDOW_MS) {
      birth.formerGapMs = at - birth.windowAt < 2 * WINDOW_MS ? birth.worstGapMs : 0;
      birth.worstGapMs = 0;
      birth.windowAt = at;
    }
    birth.worstGapMs = Math.max(birth.worstGapMs, at - birth.lastAt);
    birth.hello = hello;
    birth.transport = transport;
    birth.lastAt = at;
  };

  const seen = (birth: Birth): SeenHello => ({
    interface: birth.interface,
    node: birth.hello.node,
    instance: birth.hello.instance,
    mac: birth.hello.ethernetSource,
    transport: birth.transport,
    intervalMs: birth.hello.intervalMs,
    holdMs: birth.hello.holdMs,
    hears: birth.hello.hears,
    heldCount: birth.hello.heldCount,
    firstAt: birth.firstAt,
    lastAt: birth.lastAt,
    worstGapMs: Math.max(birth.worstGapMs, birth.formerGapMs),
  });

  return {
    frame: (at, name, frame, transport) => {
      if (frame.kind === 'hello') return hear(at, name, frame, transport);
      const announced = announcedBy(frame);
      if (announced === null) return;
      keep(
        announcements,
        `${name} ${announced.ip}`,
        { interface: name, ...announced, at },
        MAX_ANNOUNCEMENTS,
      );
    },
    refused: (at, name, reason, bytes) => {
      if (at < refusedAt + REFUSED_SPACING_MS) return;
      if (!reason.startsWith('hello-') || reason === 'hello-truncated') return;
      refusedAt = at;
      const mac = readEthernetSource(bytes);
      const key = `${name} ${mac} ${reason}`;
      const count = (strangers.get(key)?.count ?? 0) + 1;
      keep(strangers, key, { interface: name, mac, reason, count, lastAt: at }, MAX_STRANGERS);
    },
    otherTransport: (at, own) =>
      [...births.values()]
        .filter(({ transport, lastAt, hello }) => transport !== own && at - lastAt < hello.holdMs)
        .map(seen),
    observed: () => ({
      hellos: [...births.values()].map(seen),
      strangers: [...strangers.values()],
      announcements: [...announcements.values()],
    }),
  };
};
