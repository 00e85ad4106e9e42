// An Event on the Service at each move of its IPs, with the reason: by whoever took the IP, or gave it up without
// anybody to take it. Each has the IP's epoch in its key, so that none is written twice.
import { eventWrite, type KubeEvent } from '../../../io/kubernetes/kube-event.ts';
import type { Writer } from '../../../io/kubernetes/writer.ts';
import type { ServiceFact } from '../../../machines/cluster/cluster-facts.ts';
import type { Core } from '../../../machines/core.ts';
import type { Effect } from '../../../machines/effects.ts';
import type { Ip } from '../../../machines/frames.ts';

export interface MoveEventParts {
  readonly writer: Writer;
  readonly core: Core;
  readonly node: string;
  readonly servicesOf: (ip: Ip) => readonly ServiceFact[];
  /** Milliseconds since 1970. */
  readonly wallNow: () => number;
}

type Moved = Extract<Effect, { type: 'record' }>;

export const eventAbout = ({
  namespace,
  name,
  uid,
}: Pick<ServiceFact, 'namespace' | 'name' | 'uid'>): KubeEvent['about'] => ({
  apiVersion: 'v1',
  kind: 'Service',
  namespace,
  name,
  uid,
});

/** The event of a transition; null: it is nobody's news. */
const eventOf = ({ ip, from, to, epoch, reason }: Moved, node: string, isHeld: boolean) => {
  if (to === 'leader')
    return {
      type: 'Normal',
      reason: 'Moved',
      message: `${node} took ${ip} (epoch ${epoch}): ${reason}`,
    } as const;
  if (from !== 'leader' || to !== 'unowned' || isHeld) return null;
  const message = `${node} gave up ${ip}, and nobody holds it now: ${reason}`;
  return { type: 'Warning', reason: 'Released', message } as const;
};

export const createMoveEvents = ({ writer, core, node, servicesOf, wallNow }: MoveEventParts) => {
  return (effects: readonly Moved[]): void => {
    for (const effect of effects) {
      const { ip, epoch, to } = effect;
      const event = eventOf(effect, node, core.service(ip)?.holder != null);
      if (event === null) continue;
      for (const service of servicesOf(ip)) {
        const at = wallNow();
        const key = `event ${ip} ${epoch} ${to} ${service.uid}`;
        // What could not be written is in the journal and the log; an Event of yesterday helps nobody.
        void writer.write(key, () => eventWrite({ about: eventAbout(service), ...event, node, at }));
      }
    }
  };
};
