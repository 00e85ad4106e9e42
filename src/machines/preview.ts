// What a drain or an undrain would do now: the request is stepped on a copy of the core, and what has changed there is
// told. The same step that will decide decides here, so the two cannot disagree while nothing else happens.

import type { NodeName } from './claims.ts';
import { type CoreCheckpoint, createCore } from './core.ts';
import type { Ip } from './frames.ts';
import { INTERVALS_PER_SUCCESSOR } from './handover.ts';
import type { Input } from './inputs.ts';

/** What an operator may ask of a node. */
export type OperatorRequest = Extract<Input, { type: 'drain.requested' | 'undrain.requested' }>;

export interface PlannedMove {
  readonly ip: Ip;
  readonly to: NodeName;
  /** Clients stay until their connections end. */
  readonly patient: boolean;
}

export interface Preview {
  readonly node: NodeName;
  /** Whether the node takes nothing more, before and after. */
  readonly drained: { readonly before: boolean; readonly after: boolean };
  /** What leaves this node, in the order of the service IPs. */
  readonly moves: readonly PlannedMove[];
  /** What was asked to leave and stays, and why. */
  readonly stays: readonly { readonly ip: Ip; readonly why: string }[];
  /** What was on its way to another node and is kept now. */
  readonly kept: readonly Ip[];
  /** What was asked for and is not held here; `holder` null: nobody holds it. */
  readonly elsewhere: readonly { readonly ip: Ip; readonly holder: NodeName | null }[];
  /** How long an old owner carries its clients, milliseconds. */
  readonly windowMs: number;
  readonly quietMs: number;
  /** So long a named successor has to claim, milliseconds; with more than fifty nodes it has longer. */
  readonly patienceMs: number;
}

/**
 * `checkpoint` is a copy of the caller's own: stepping changes it. `at`: logical milliseconds. Null before the first
 * configuration, when there is nothing to ask of a node.
 */
export const previewOf = (
  checkpoint: CoreCheckpoint,
  at: number,
  request: OperatorRequest,
): Preview | null => {
  const { config } = checkpoint;
  if (config === null) return null;
  const core = createCore(checkpoint);
  // Timers that are due by now are no consequence of the request.
  core.step(at, { type: 'clock' });
  const before = core.view();
  const effects = core.step(at, request);
  const after = core.view();
  const patient = new Map<Ip, boolean>();
  for (const effect of effects) if (effect.type === 'yield') patient.set(effect.ip, effect.patient);
  const asked = request.type === 'drain.requested' ? request.ips : [];
  const isAsked = (ip: Ip): boolean => asked === null || asked.includes(ip);
  const wasMoving = new Set(
    before.serviceIPs.filter(({ movingTo }) => movingTo !== null).map(({ ip }) => ip),
  );
  const own = after.serviceIPs.filter(({ state }) => state === 'leader');
  return {
    node: after.node,
    drained: { before: before.drained, after: after.drained },
    moves: own.flatMap(({ ip, movingTo }) =>
      movingTo !== null && isAsked(ip) ? [{ ip, to: movingTo, patient: patient.get(ip) ?? false }] : [],
    ),
    stays: own.flatMap(({ ip, stays }) => (stays !== null && isAsked(ip) ? [{ ip, why: stays }] : [])),
    kept: own.flatMap(({ ip, movingTo }) => (movingTo === null && wasMoving.has(ip) ? [ip] : [])),
    elsewhere: (asked ?? []).flatMap((ip) => {
      if (own.some((service) => service.ip === ip)) return [];
      return [{ ip, holder: after.serviceIPs.find((service) => service.ip === ip)?.holder ?? null }];
    }),
    windowMs: config.drain.windowMs,
    quietMs: config.drain.quietMs,
    patienceMs: INTERVALS_PER_SUCCESSOR * config.heartbeat.intervalMs,
  };
};
