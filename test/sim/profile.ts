// Names, addresses and configurations of a simulated cluster: the one place to extend when the daemon's own
// configuration of core and wire step grows.
import type { CoreConfig, ServiceIpConfig } from '../../src/machines/config.ts';
import type { Ip, Mac } from '../../src/machines/frames.ts';
import type { WireConfig } from '../../src/machines/wire-facts.ts';

export interface ClusterProfile {
  readonly ips: readonly Ip[];
  readonly intervalMs: number;
  readonly deadAfterMs: number;
  readonly probe: CoreConfig['probe'];
  readonly drain: CoreConfig['drain'];
  readonly rebalance: CoreConfig['rebalance'];
  readonly refreshMs: number;
  readonly watchdogMs: number;
  /** Service IPs come from an API server, not with the config. */
  readonly isClustered?: boolean;
}

export const DEFAULTS = {
  intervalMs: 50,
  deadAfterMs: 200,
  probe: 'quick',
  drain: { windowMs: 120_000, quietMs: 10_000, style: 'prompt' },
  rebalance: null,
  refreshMs: 60_000,
  watchdogMs: 3_000,
} as const satisfies Omit<ClusterProfile, 'ips'>;

export const nodeName = (index: number): string => `n${index + 1}`;
export const clientName = (index: number, side = 0): string => `${side === 0 ? 'c' : 'd'}${index + 1}`;
/** Segments that a node may be on: VLANs of one trunk, so that its MAC is the same on all. */
export const INTERFACES = ['eth0', 'eth0.2'] as const;

const octet = (value: number): string => value.toString(16).padStart(2, '0');
export const nodeMac = (index: number): Mac => `02:00:00:00:01:${octet(index + 1)}`;
export const clientMac = (index: number, side = 0): Mac =>
  `02:00:00:00:${side === 0 ? '02' : '04'}:${octet(index + 1)}`;
export const FOREIGN_MAC: Mac = '02:00:00:00:03:01';

/** On-link prefixes of the segments: 10.0.0.0/8 and fd99::/64, 11.0.0.0/8 and fd98::/64. */
const NETS = [
  { ipv4: '10', ipv6: 'fd99' },
  { ipv4: '11', ipv6: 'fd98' },
] as const;
const netOf = (side: number) => NETS[side] ?? NETS[0];

export const nodePrefixes = (index: number, side = 0) => [
  { ip: `${netOf(side).ipv4}.255.0.${index + 1}`, length: 8 },
  { ip: `${netOf(side).ipv6}::ff:${(index + 1).toString(16)}`, length: 64 },
];
export const clientAddresses = (index: number, side = 0) => ({
  ipv4: `${netOf(side).ipv4}.254.0.${index + 1}`,
  ipv6: `${netOf(side).ipv6}::fe:${(index + 1).toString(16)}`,
});

/** `count` service IPs, every third one IPv6. */
export const someIps = (count: number, side = 0): Ip[] =>
  Array.from({ length: count }, (_, index) =>
    index % 3 === 2
      ? `${netOf(side).ipv6}::${(index + 1).toString(16)}`
      : `${netOf(side).ipv4}.0.${Math.floor((index + 1) / 250)}.${((index + 1) % 250) + 1}`,
  );

/** What one node's configuration file says otherwise than the profile. */
export interface ConfigChange {
  /** Null: not configured. */
  readonly services: ReadonlyMap<Ip, ServiceIpConfig | null>;
  readonly drainWindowMs: number | null;
}
export const NO_CHANGE: ConfigChange = { services: new Map(), drainWindowMs: null };

const configuredServices = ({ ips }: ClusterProfile, { services }: ConfigChange): ServiceIpConfig[] =>
  ips.flatMap((ip) => {
    const config = services.get(ip);
    return config === null ? [] : [config ?? { ip, nodes: null, interfaces: null }];
  });

export const coreConfig = (
  profile: ClusterProfile,
  node: string,
  change: ConfigChange = NO_CHANGE,
): CoreConfig => ({
  node,
  interfaces: null,
  ...(profile.isClustered === true
    ? { cluster: 'kubernetes', serviceIPs: [] }
    : { serviceIPs: configuredServices(profile, change) }),
  serve: 'host',
  probe: profile.probe,
  heartbeat: { intervalMs: profile.intervalMs, deadAfterMs: profile.deadAfterMs },
  drain: { ...profile.drain, windowMs: change.drainWindowMs ?? profile.drain.windowMs },
  rebalance: profile.rebalance,
});

/** What the daemon gives the wire thread. */
export const wireConfig = (
  profile: ClusterProfile,
  node: string,
  change: ConfigChange = NO_CHANGE,
): WireConfig => ({
  node,
  heartbeat: { intervalMs: profile.intervalMs, deadAfterMs: profile.deadAfterMs },
  announce: true,
  refreshMs: profile.refreshMs,
  watchdogMs: profile.watchdogMs,
  watched: profile.ips.filter((ip) => change.services.get(ip) !== null),
});
