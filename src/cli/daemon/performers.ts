// Effects to their performers: each subscribes to the types that are its own. What comes of an effect returns
// as a fact; what fails is said and leaves the rest alone.

import type { Logger } from 'pino';
import type { Observable } from 'rxjs';
import { markDrained } from '../../io/host/drained-mark.ts';
import type { ServeHost } from '../../io/host/serve-host.ts';
import type { Metrics } from '../../io/metrics/metrics.ts';
import type { Icmpv6Sockets } from '../../io/wire/icmpv6-sockets.ts';
import type { Wire } from '../../io/wire/wire.ts';
import type { Advertise } from '../../io/wire/wire-protocol.ts';
import type { Core } from '../../machines/core.ts';
import type { Effect } from '../../machines/effects.ts';
import type { Ip } from '../../machines/frames.ts';
import { WIRE_EFFECTS } from '../../machines/wire-facts.ts';
import { effectsOf } from '../../streams/runtime.ts';
import { queueAddresses } from './address-queue.ts';

export interface Performers {
  readonly core: Core;
  readonly wire: Wire;
  readonly icmpv6: Icmpv6Sockets;
  /** Null where something else accepts the traffic (`serve: none`). */
  readonly host: ServeHost | null;
  /** Shadow mode: no group is joined, since the kernel would report that on the wire. */
  readonly isShadow: boolean;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Where the mark of a drained node is kept. */
  readonly stateDirectory: string;
  readonly leave: (code: number) => void;
}

const createRecorder = ({ core, log, metrics }: Performers) => {
  const enteredAt = new Map<string, number>();
  return (effect: Extract<Effect, { type: 'record' }>): void => {
    const { ip, from, to, epoch, cause, reason } = effect;
    log.info({ ip, from, to, epoch, cause, reason }, `${ip} ${from} -> ${to}: ${reason}`);
    metrics.transition(effect, core.now() - (enteredAt.get(ip) ?? core.now()));
    enteredAt.set(ip, core.now());
  };
};

const joinOrLeave = (
  { icmpv6, log }: Performers,
  { type, ip, interface: name }: Extract<Effect, { type: 'group.join' | 'group.leave' }>,
  indices: ReadonlyMap<string, number>,
): void => {
  try {
    if (type === 'group.leave') return icmpv6.leave(ip, name);
    icmpv6.join(ip, name, indices.get(name) ?? 0);
  } catch (error) {
    log.warn({ ip, interface: name }, `${type} of ${ip} on ${name}: ${(error as Error).message}`);
  }
};

const rememberDrained = ({ stateDirectory, log }: Performers, drained: boolean): void => {
  try {
    markDrained(stateDirectory, drained);
  } catch (error) {
    log.error({ drained }, `this will not be remembered over a restart: ${(error as Error).message}`);
  }
};

/** Subscribes every performer. The order matters where several take part in one turn. */
export const performEffects = (effects$: Observable<readonly Effect[]>, performers: Performers): void => {
  const { wire, host, core, icmpv6, log, leave, isShadow } = performers;
  const record = createRecorder(performers);
  effectsOf(effects$, 'listen').subscribe((effects) => {
    for (const { interfaces } of effects) host?.prepare(interfaces);
  });
  effectsOf(effects$, ...WIRE_EFFECTS).subscribe((effects) => effects.forEach(wire.command));
  const ipsOf = (effects: readonly { readonly ip: Ip }[]): readonly Ip[] => effects.map(({ ip }) => ip);
  if (host !== null) {
    const queue = queueAddresses(host, (wish, ip) => core.wants({ type: `address.${wish}`, ip }));
    effectsOf(effects$, 'address.add').subscribe((effects) => queue('add', ipsOf(effects)));
    effectsOf(effects$, 'address.remove').subscribe((effects) => queue('remove', ipsOf(effects)));
  }
  effectsOf(effects$, 'group.join', 'group.leave').subscribe((effects) => {
    if (isShadow) return;
    // One look for all: a view is as long as the list of service IPs.
    const indices = new Map(core.view().interfaces.map(({ name, index }) => [name, index]));
    for (const effect of effects) joinOrLeave(performers, effect, indices);
  });
  effectsOf(effects$, 'record').subscribe((effects) => effects.forEach(record));
  effectsOf(effects$, 'remember.drained').subscribe((effects) => {
    for (const { drained } of effects) rememberDrained(performers, drained);
  });
  effectsOf(effects$, 'refuse').subscribe(([refusal]) => {
    log.fatal({ code: 'refused' }, refusal?.reason);
    process.stderr.write(`holdfast: node: ${refusal?.reason}\n`);
    leave(2);
  });
  effectsOf(effects$, 'exit').subscribe(() => leave(0));
  const advertise = (items: readonly Advertise[]): void => {
    for (const { ip, interface: name, mac } of items) {
      icmpv6.advertise(ip, name, mac, () => core.wants({ type: 'announce', ip, interface: name }));
    }
  };
  // After the turn: what waited while this thread was busy may be an ex-leader's round, and the news that makes it
  // so is stepped first.
  wire.onAdvertise((items) => setImmediate(advertise, items));
};
