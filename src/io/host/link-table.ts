// What rtnetlink messages add up to: the interfaces that exist, their state and prefixes, as whole facts. Pure.
// Notifications and dumps arrive through one queue; a dump may have been read just before the notification that
// precedes it in the queue, so whatever a notification touched since the dump began, the dump has no say in.

import type { Ip, Mac } from '../../machines/frames.ts';
import {
  type AddressMessage,
  ARPHRD_ETHER,
  IFF_LOOPBACK,
  IFF_LOWER_UP,
  IFF_UP,
  type LinkMessage,
} from './netlink-messages.ts';

interface InterfacePrefix {
  /** This host's own address in the prefix; link-local ones included (`isLinkLocal` tells). */
  readonly ip: Ip;
  readonly length: number;
}

/** One Ethernet interface as it is now, by name. Of a gone one only name and index mean anything. */
export interface InterfaceFact {
  readonly name: string;
  readonly index: number;
  readonly mac: Mac;
  /** Administratively up, and with carrier. */
  readonly up: boolean;
  readonly gone: boolean;
  /** Sorted by address. */
  readonly prefixes: readonly InterfacePrefix[];
}

interface Link {
  readonly index: number;
  name: string;
  mac: Mac;
  up: boolean;
  /** The dump, by number, that saw it last, or during which it was notified. */
  seen: number;
  readonly prefixes: Map<string, InterfacePrefix & { seen: number }>;
}

/** Linux itself stops at a few thousand devices; a node of 500 pods has 500. Beyond this, new ones are ignored. */
const MAX_LINKS = 8192;
/** Addresses of one interface, service IPs that somebody else put there included. */
const MAX_PREFIXES = 16_384;
/** Notifications remembered during one dump. With more the dump is worth nothing, and another is needed. */
const MAX_TOUCHED = 65_536;

interface LinkTable {
  /** A dump has been asked for: until `endDump`, what comes is weighed against notifications. */
  readonly beginDump: () => void;
  /** The dump is over; if it is whole, what it did not show is gone. False: drowned in notifications, ask again. */
  readonly endDump: (whole: boolean) => boolean;
  /** `dumped`: the message is part of a dump, else a notification. */
  readonly link: (message: LinkMessage, dumped: boolean) => void;
  readonly address: (message: AddressMessage, dumped: boolean) => void;
  /** What differs from the facts that were taken last. Nothing while a dump is under way. */
  readonly takeChanges: () => InterfaceFact[];
  /** The facts as taken last, those of gone interfaces excluded. */
  readonly list: () => InterfaceFact[];
}

const samePrefixes = (a: readonly InterfacePrefix[], b: readonly InterfacePrefix[]): boolean =>
  a.length === b.length && a.every((one, at) => one.ip === b[at]?.ip && one.length === b[at]?.length);

const same = (a: InterfaceFact, b: InterfaceFact): boolean =>
  a.index === b.index && a.mac === b.mac && a.up === b.up && samePrefixes(a.prefixes, b.prefixes);

const byAddress = (a: InterfacePrefix, b: InterfacePrefix): number =>
  a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.length - b.length;

const factOf = (link: Link): InterfaceFact => ({
  name: link.name,
  index: link.index,
  mac: link.mac,
  up: link.up,
  gone: false,
  prefixes: [...link.prefixes.values()].map(({ ip, length }) => ({ ip, length })).sort(byAddress),
});

/** An empty table; feed it a dump of links and then of addresses. */
export const createLinkTable = (): LinkTable => {
  const links = new Map<number, Link>();
  const taken = new Map<string, InterfaceFact>();
  /** Names whose fact may differ from the one taken. */
  const dirty = new Set<string>();
  /** `index` or `index ip/length` of what notifications changed while a dump is under way. */
  const touched = new Set<string>();
  let dump = 0;
  let dumping = false;

  const touch = (key: string): void => {
    if (dumping && touched.size < MAX_TOUCHED) touched.add(key);
  };

  const forget = (link: Link): void => {
    links.delete(link.index);
    dirty.add(link.name);
  };

  const link: LinkTable['link'] = (message, dumped) => {
    // A port that leaves a bridge is a "deleted" link of family AF_BRIDGE; the interface is still there.
    if (message.family !== 0) return;
    if (dumped && touched.has(`${message.index}`)) return;
    if (!dumped) touch(`${message.index}`);
    const known = links.get(message.index);
    const ethernet = message.hardwareType === ARPHRD_ETHER && (message.flags & IFF_LOOPBACK) === 0;
    if (message.change === 'deleted' || !ethernet || message.mac === null || message.name === '') {
      if (known !== undefined) forget(known);
      return;
    }
    const up = (message.flags & IFF_UP) !== 0 && (message.flags & IFF_LOWER_UP) !== 0;
    dirty.add(message.name);
    if (known === undefined) {
      if (links.size >= MAX_LINKS) return;
      const { index, name, mac } = message;
      links.set(index, { index, name, mac, up, seen: dump, prefixes: new Map() });
      return;
    }
    dirty.add(known.name);
    Object.assign(known, { name: message.name, mac: message.mac, up, seen: dump });
  };

  const address: LinkTable['address'] = (message, dumped) => {
    const owner = links.get(message.index);
    if (owner === undefined) return;
    const key = `${message.ip}/${message.prefixLength}`;
    if (dumped && touched.has(`${message.index} ${key}`)) return;
    if (!dumped) touch(`${message.index} ${key}`);
    const known = owner.prefixes.get(key);
    if (message.change === 'deleted') owner.prefixes.delete(key);
    else if (known !== undefined) known.seen = dump;
    else if (owner.prefixes.size < MAX_PREFIXES) {
      owner.prefixes.set(key, { ip: message.ip, length: message.prefixLength, seen: dump });
    }
    dirty.add(owner.name);
  };

  const beginDump = (): void => {
    dump += 1;
    dumping = true;
    touched.clear();
  };

  const endDump = (whole: boolean): boolean => {
    dumping = false;
    if (touched.size >= MAX_TOUCHED) return false;
    touched.clear();
    if (!whole) return true;
    for (const known of links.values()) {
      if (known.seen !== dump) forget(known);
      for (const [key, prefix] of known.prefixes) {
        if (prefix.seen === dump) continue;
        known.prefixes.delete(key);
        dirty.add(known.name);
      }
    }
    return true;
  };

  /** The present facts of those of the names that exist. */
  const present = (names: ReadonlySet<string>): Map<string, InterfaceFact> => {
    const facts = new Map<string, InterfaceFact>();
    for (const known of links.values()) if (names.has(known.name)) facts.set(known.name, factOf(known));
    return facts;
  };

  const takeChanges = (): InterfaceFact[] => {
    if (dumping || dirty.size === 0) return [];
    const facts = present(dirty);
    const changes: InterfaceFact[] = [];
    for (const name of dirty) {
      const before = taken.get(name);
      const now = facts.get(name);
      if (now !== undefined) {
        if (before !== undefined && same(before, now)) continue;
        taken.set(name, now);
        changes.push(now);
      } else if (before !== undefined) {
        taken.delete(name);
        changes.push({ ...before, up: false, gone: true, prefixes: [] });
      }
    }
    dirty.clear();
    // Gone ones first, so that who goes by index or MAC sees a rename in the right order.
    return changes.sort((a, b) => Number(b.gone) - Number(a.gone));
  };

  return { beginDump, endDump, link, address, takeChanges, list: () => [...taken.values()] };
};
