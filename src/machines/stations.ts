// Which stations a node's journal saw use service IPs beside Holdfast, and whose MACs are whose: what a timeline of shadow
// mode is made of. Read from inputs alone. Part of the chronicle.
import type { NodeName } from './claims.ts';
import type { CoreCheckpoint } from './core.ts';
import type { Ip, Mac } from './frames.ts';
import type { Input, InterfaceFact } from './inputs.ts';

/**
 * A station that is no peer used a service IP: the program beside which this one runs in shadow mode, or a rival. What
 * such a program says on this very host is not heard here; that it put the address on an interface tells.
 */
export interface Sighting {
  readonly at: number;
  readonly ip: Ip;
  readonly mac: Mac;
  readonly ref: string;
}

export interface Stations {
  /** The node ran in shadow mode: its transitions are what it would have done. */
  readonly isShadow: boolean;
  readonly sightings: readonly Sighting[];
  /** Whose MACs are whose: its own, and those of peers. */
  readonly macs: ReadonlyMap<Mac, NodeName>;
}

/** The newest are kept; more than a person would ever look through. */
const MAX_SIGHTINGS = 100_000;
/** A segment's nodes many times over. */
const MAX_MACS = 4_096;

export const createStations = (node: NodeName) => {
  const sightings: Sighting[] = [];
  const macs = new Map<Mac, NodeName>();
  /** Service IPs, to tell them from other addresses of this host; those that it has now, by interface. */
  const services = new Set<Ip>();
  const ownAddresses = new Map<string, ReadonlySet<Ip>>();
  let isShadow = false;

  const see = (sighting: Sighting): void => {
    sightings.push(sighting);
    // Half of the oldest go at once, so that keeping within the bound costs nothing on average.
    if (sightings.length > MAX_SIGHTINGS) sightings.splice(0, MAX_SIGHTINGS / 2);
  };

  const nameMac = (mac: Mac, owner: NodeName): void => {
    if (macs.size < MAX_MACS) macs.set(mac, owner);
  };

  const lookAt = (ref: string, at: number, { name, mac, prefixes }: InterfaceFact): void => {
    nameMac(mac, node);
    const before = ownAddresses.get(name);
    const now = new Set(prefixes.map(({ ip }) => ip).filter((ip) => services.has(ip)));
    ownAddresses.set(name, now);
    for (const ip of now) if (isShadow && !before?.has(ip)) see({ at, ip, mac, ref });
  };

  return {
    begin: (ref: string, { at, config, services: known, interfaces }: CoreCheckpoint): void => {
      isShadow = config?.shadow === true;
      for (const { ip } of known) services.add(ip);
      for (const fact of interfaces) lookAt(ref, at, fact);
    },
    step: (ref: string, at: number, input: Input): void => {
      if (input.type === 'config.loaded') {
        isShadow = input.config.shadow === true;
        for (const { ip } of input.config.serviceIPs) services.add(ip);
      } else if (input.type === 'services.changed') for (const { ip } of input.changed) services.add(ip);
      else if (input.type === 'interface.changed') lookAt(ref, at, input.interface);
      else if (input.type === 'peer.heard') nameMac(input.peer.mac, input.peer.node);
      else if (input.type === 'rival.heard') see({ at, ip: input.ip, mac: input.mac, ref });
    },
    end: (): Stations => ({ isShadow, sightings, macs }),
  };
};
