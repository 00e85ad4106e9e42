// The whole effective configuration: every key of the file, defaults filled in, addresses canonical, durations in
// milliseconds, sizes in bytes. Also the part of it that decisions depend on, which enters the core as an input.
import type { NodeName } from '../../machines/claims.ts';
import type { CoreConfig, ProbeStyle, ServiceIpConfig } from '../../machines/config.ts';
import type { Listen } from './names.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
type LogLevel = (typeof LOG_LEVELS)[number];

export interface Config {
  readonly node: NodeName;
  /** Interfaces that may be used; null: each one with an on-link prefix that holds a service IP. */
  readonly interfaces: readonly string[] | null;
  readonly serviceIPs: readonly ServiceIpConfig[];
  readonly serve: 'host' | 'none';
  /** False: shadow mode, which decides and records but sends and answers nothing. */
  readonly announce: boolean;
  readonly probe: ProbeStyle;
  readonly announcements: { readonly refreshMs: number };
  /** `keyFile` null: hellos are not signed. */
  readonly heartbeat: {
    readonly intervalMs: number;
    readonly deadAfterMs: number;
    readonly keyFile: string | null;
    /** Nodes of other groups on the segment are ignored. */
    readonly group: string;
    /** `udp`: for networks that lose what is not IP; the same on all nodes. */
    readonly transport: 'ethernet' | 'udp';
    /** In shadow mode hellos leave, for other nodes in shadow mode: they decide together. */
    readonly inShadow: boolean;
  };
  readonly drain: {
    readonly windowMs: number;
    readonly quietMs: number;
    readonly style: 'prompt' | 'patient';
  };
  readonly rebalance: { readonly mode: 'off' | 'gentle'; readonly intervalMs: number };
  /** The wire thread falls silent when the main thread has not checked in for this long. */
  readonly watchdogMs: number;
  readonly journal: { readonly directory: string; readonly maxSizeBytes: number };
  readonly log: { readonly level: LogLevel };
  /** The Unix socket of the operator commands. */
  readonly control: string;
  /** Null: not served. */
  readonly http: Listen | null;
  /** Null: not served. */
  readonly metrics: Listen | null;
  /** Of `http`. `tokenFile` null: nothing can be operated from the page. `hosts`: names it is reached by, beside its addresses. */
  readonly page: { readonly tokenFile: string | null; readonly hosts: readonly string[] | null };
  readonly cluster: 'file' | 'kubernetes';
  /** `kubeconfig` null: the service account of the pod. `namespace` null: the one that this says. */
  readonly kubernetes: {
    readonly kubeconfig: string | null;
    readonly loadBalancerClass: string;
    readonly defaultClass: boolean;
    /** Where the Leases of the daemons are. */
    readonly namespace: string | null;
  };
}

/** The part that decisions depend on; what is left out cannot change a replay. */
export const toCoreConfig = (config: Config): CoreConfig => ({
  node: config.node,
  interfaces: config.interfaces,
  serviceIPs: config.serviceIPs,
  ...(config.cluster === 'kubernetes' ? { cluster: config.cluster } : {}),
  serve: config.serve,
  probe: config.probe,
  ...(config.announce ? {} : { shadow: true as const }),
  heartbeat: { intervalMs: config.heartbeat.intervalMs, deadAfterMs: config.heartbeat.deadAfterMs },
  drain: config.drain,
  rebalance: config.rebalance.mode === 'gentle' ? { intervalMs: config.rebalance.intervalMs } : null,
});
