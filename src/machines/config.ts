// The part of the effective configuration that decisions depend on. src/io/config reads, checks and fills it;
// it enters the core as an input, so a replay needs no file.
import type { NodeName } from './claims.ts';
import type { Ip } from './frames.ts';

/** One configured service IP. `null` means any. */
export interface ServiceIpConfig {
  readonly ip: Ip;
  readonly nodes: readonly NodeName[] | null;
  readonly interfaces: readonly string[] | null;
  /** May hold it until a successor has it, though they may not take it any more. */
  readonly keep?: readonly NodeName[];
  /** Take it before all others. */
  readonly preferred?: readonly NodeName[];
  /** Where its drain differs from what `CoreConfig.drain` says. */
  readonly drain?: {
    readonly windowMs?: number;
    readonly quietMs?: number;
    readonly style?: 'prompt' | 'patient';
  };
  /** The Services that it belongs to, `namespace/name`: for people. */
  readonly services?: readonly string[];
}

/** `quick`: 3 probes in about a second. `full`: the timing of RFC 5227 §1.1. `off`: take without asking. */
export type ProbeStyle = 'quick' | 'full' | 'off';

export interface CoreConfig {
  /** `kubernetes`: service IPs come as `services.changed`, not with the config. Absent: `file`. */
  readonly cluster?: 'file' | 'kubernetes';
  readonly node: NodeName;
  /** Interfaces that may be used; null: each one with an on-link prefix that holds a service IP. */
  readonly interfaces: readonly string[] | null;
  readonly serviceIPs: readonly ServiceIpConfig[];
  readonly serve: 'host' | 'none';
  readonly probe: ProbeStyle;
  /** Shadow mode: another program answers, and its use of the addresses is no conflict. Absent: no. */
  readonly shadow?: true;
  readonly heartbeat: { readonly intervalMs: number; readonly deadAfterMs: number };
  readonly drain: {
    readonly windowMs: number;
    readonly quietMs: number;
    readonly style: 'prompt' | 'patient';
  };
  /** Null: healthy IPs stay where they are. */
  readonly rebalance: { readonly intervalMs: number } | null;
}

/** How long a node listens before it may take its first IP: one hold time and one interval (design.md, Start). */
export const startDelayMs = ({ heartbeat }: CoreConfig): number =>
  heartbeat.deadAfterMs + heartbeat.intervalMs;
