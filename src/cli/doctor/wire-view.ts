// What `doctor --wire` judges: what a running daemon has seen, or, where none runs, what this process hears in some
// seconds of its own. Both are the same shape; without a daemon nobody is "this node".

import type { HelloTransport } from '../../io/packets/hello-udp.ts';
import type { SeenAnnouncement, SeenHello, Stranger } from '../../io/wire/observations.ts';
import type { SlowClient } from '../../machines/clients.ts';
import type { Ip, Mac } from '../../machines/frames.ts';
import { type Instance, instanceOn } from '../../machines/hello.ts';
import type { WireSight } from '../daemon/wire-sight.ts';

/** Who answered a question for a service IP. */
export interface Asked {
  readonly interface: string;
  readonly ip: Ip;
  readonly answers: readonly Mac[];
}

export interface KnownService {
  readonly ip: Ip;
  readonly interface: string | null;
  readonly holder: string | null;
  readonly mac: Mac | null;
  readonly sinceMs: number;
  readonly staleClients: number;
}

export interface WireView {
  /** The clock of all times here. */
  readonly at: number;
  /** Null: no daemon runs here. */
  readonly node: string | null;
  readonly transport: HelloTransport;
  readonly isSigning: boolean;
  readonly refreshMs: number;
  readonly interfaces: readonly {
    readonly name: string;
    /** This node's birth there; null without a daemon. */
    readonly instance: Instance | null;
    readonly mtu: number | null;
  }[];
  readonly hellos: readonly SeenHello[];
  readonly strangers: readonly Stranger[];
  readonly announcements: readonly SeenAnnouncement[];
  readonly services: readonly KnownService[];
  /** Peers that the daemon knows and does not hear. */
  readonly silent: readonly {
    readonly node: string;
    readonly interface: string;
    readonly state: string;
    readonly lastHeardMs: number;
  }[];
  readonly names: ReadonlyMap<Instance, string>;
  readonly slowClients: readonly SlowClient[];
  readonly asked: readonly Asked[];
  /** Of this host's interfaces. */
  readonly ownMacs: ReadonlySet<Mac>;
  /** Hellos longer than the MTU that did not leave. */
  readonly tooLong: number;
}

const SILENT = ['dead', 'vouched'];

/** `mtus`: of this host's interfaces, by name. */
export const viewOfDaemon = (
  sight: WireSight,
  mtus: ReadonlyMap<string, number | null>,
  asked: readonly Asked[],
): Omit<WireView, 'ownMacs'> => ({
  at: sight.at,
  node: sight.node,
  transport: sight.transport,
  isSigning: sight.isSigning,
  refreshMs: sight.refreshMs,
  interfaces: sight.listening.map((name) => ({
    name,
    instance: instanceOn(sight.birth, name),
    mtu: mtus.get(name) ?? null,
  })),
  hellos: sight.hellos,
  strangers: sight.strangers,
  announcements: sight.announcements,
  services: sight.serviceIPs.map(({ ip, interface: on, holder, mac, since, staleClients }) => ({
    ip,
    interface: on,
    holder,
    mac,
    sinceMs: sight.at - Date.parse(since),
    staleClients,
  })),
  silent: sight.peers.filter(({ state }) => SILENT.includes(state)),
  names: new Map([
    ...sight.names,
    ...sight.hellos.map(({ instance, node }): [Instance, string] => [instance, node]),
  ]),
  slowClients: sight.slowClients,
  asked,
  tooLong: sight.sendErrors.EMSGSIZE ?? 0,
});
