// One Ethernet segment: a switch that learns and ages, with a link to each host. Links delay, lose and double
// frames; ports go down, go deaf with carrier up, and the switch can fall into two halves. Frames on one link
// keep their order, as on a real one.
import type { Mac } from '../../src/machines/frames.ts';
import type { EventQueue } from './event-queue.ts';
import type { Random } from './random.ts';
import { isGroup, type SimFrame } from './sim-frames.ts';

/** The quality of one link, each way. */
export interface Link {
  delayMs: number;
  jitterMs: number;
  /** Probability that a frame is lost, per crossing. */
  loss: number;
  duplication: number;
}

export interface Port {
  readonly name: string;
  readonly link: Link;
  /** Carrier. */
  up: boolean;
  /** The side of a partition. */
  half: number;
  /** Frames from the host are dropped, with carrier up. */
  isMute: boolean;
  /** Frames to the host are dropped, with carrier up. */
  isDeaf: boolean;
}

export interface SegmentOptions {
  readonly queue: EventQueue;
  readonly random: Random;
  readonly ageMs: number;
  /** A frame that would have arrived was lost by chance. */
  readonly onLost?: (from: Port, to: Port, frame: SimFrame) => void;
}

export interface Segment {
  readonly ports: ReadonlyMap<string, Port>;
  /** `takesHellos`: the host has joined their group; its card drops them otherwise. */
  attach(name: string, link: Link, receive: (frame: SimFrame) => void, takesHellos?: boolean): Port;
  send(from: Port, frame: SimFrame): void;
  setCarrier(port: Port, up: boolean): void;
  /** Breaks, or mends, the way from one port to another; the way back stays as it is. */
  setOneWay(from: Port, to: Port, isBroken: boolean): void;
  /** No hello gets anywhere; all else does. */
  setHushed(isHushed: boolean): void;
  isHushed(): boolean;
  /** The ports named are one half, all others the other; an empty list joins them. */
  partition(names: readonly string[]): void;
  /** Do frames from `from` get to `to` at all now (chance aside)? */
  reaches(from: Port, to: Port): boolean;
  learned(mac: Mac): Port | null;
}

interface Attached extends Port {
  readonly receive: (frame: SimFrame) => void;
  readonly takesHellos: boolean;
  /** When the newest frame on the way to the host arrives: later ones do not overtake it. */
  busyUntil: number;
}

/** The least distance between two frames on a link: a microsecond keeps their order. */
const GRAIN_MS = 0.001;

export const createSegment = ({ queue, random, ageMs, onLost }: SegmentOptions): Segment => {
  const ports = new Map<string, Attached>();
  const list: Attached[] = [];
  const table = new Map<Mac, { port: Attached; at: number }>();
  const broken = new Set<string>();
  let isHushed = false;

  const passes = (from: Port, to: Port): boolean =>
    from.up &&
    to.up &&
    from.half === to.half &&
    !from.isMute &&
    !to.isDeaf &&
    (broken.size === 0 || !broken.has(`${from.name}>${to.name}`));

  const learned = (mac: Mac): Attached | null => {
    const entry = table.get(mac);
    if (entry === undefined) return null;
    if (queue.now() - entry.at <= ageMs) return entry.port;
    table.delete(mac);
    return null;
  };

  const learn = (mac: Mac, port: Attached): void => {
    const entry = table.get(mac);
    if (entry === undefined) table.set(mac, { port, at: queue.now() });
    else {
      entry.port = port;
      entry.at = queue.now();
    }
  };

  const arrive = (from: Attached, to: Attached, frame: SimFrame): void => {
    const { link } = to;
    const delay = from.link.delayMs + link.delayMs;
    const jitter = from.link.jitterMs + link.jitterMs;
    const when = queue.now() + delay + (jitter > 0 ? random.next() * jitter : 0);
    to.busyUntil = Math.max(to.busyUntil + GRAIN_MS, when);
    if (frame.kind === 'hello' && !to.takesHellos) return;
    queue.at(to.busyUntil, () => {
      // What was on the way when the port went down is gone.
      if (to.up && !to.isDeaf) to.receive(frame);
    });
  };

  const forward = (from: Attached, to: Attached, frame: SimFrame): void => {
    if (!passes(from, to)) return;
    if (to.link.loss > 0 && random.chance(to.link.loss)) return onLost?.(from, to, frame);
    arrive(from, to, frame);
    if (to.link.duplication > 0 && random.chance(to.link.duplication)) arrive(from, to, frame);
  };

  const send = (port: Port, frame: SimFrame): void => {
    const from = port as Attached;
    if (!from.up || from.isMute || (isHushed && frame.kind === 'hello')) return;
    if (from.link.loss > 0 && random.chance(from.link.loss)) {
      if (onLost !== undefined)
        for (const to of list) if (to !== from && passes(from, to)) onLost(from, to, frame);
      return;
    }
    learn(frame.ethernetSource, from);
    const destination = frame.ethernetDestination;
    const to = isGroup(destination) ? null : learned(destination);
    // Each half floods what it has learned behind the broken trunk: that port's entries are flushed.
    if (to !== null && to.half === from.half) {
      if (to !== from) forward(from, to, frame);
      return;
    }
    for (const other of list) if (other !== from) forward(from, other, frame);
  };

  return {
    ports,
    attach: (name, link, receive, takesHellos = true) => {
      const port: Attached = {
        name,
        link,
        up: true,
        half: 0,
        isMute: false,
        isDeaf: false,
        receive,
        takesHellos,
        busyUntil: 0,
      };
      ports.set(name, port);
      list.push(port);
      return port;
    },
    send,
    setCarrier: (port, up) => {
      port.up = up;
      if (up) return;
      for (const [mac, entry] of table) if (entry.port === port) table.delete(mac);
    },
    setOneWay: (from, to, isBroken) => {
      if (isBroken) broken.add(`${from.name}>${to.name}`);
      else broken.delete(`${from.name}>${to.name}`);
    },
    setHushed: (is) => {
      isHushed = is;
    },
    isHushed: () => isHushed,
    partition: (names) => {
      for (const port of list) port.half = names.includes(port.name) ? 1 : 0;
    },
    reaches: passes,
    learned,
  };
};
