// What is worth an Event on a Service: an address that it got, and what is wrong, each said once for as long as it
// is so. Decisions are levels, made again and again; Events must not be.
import type { Decision, TroubleReason } from './allocator.ts';
import type { ServiceKey } from './cluster-facts.ts';

export interface AllocationNews {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: TroubleReason | 'AddressAssigned';
  readonly message: string;
}

interface Said {
  readonly ips: string;
  readonly troubles: ReadonlySet<string>;
}

export interface AllocationReporter {
  /** What is new since the last call. A Service seen for the first time has what it has: no news. */
  take(decisions: ReadonlyMap<ServiceKey, Decision>): readonly AllocationNews[];
}

const assignment = ({ ips, pools }: Decision): string =>
  ips.map((ip, index) => `${ip} of ${pools[index] ?? 'no pool'}`).join(', ');

/** Remembers as much as there are Services. A new allocator says what is wrong once more. */
export const createAllocationReporter = (): AllocationReporter => {
  let said = new Map<string, Said>();
  return {
    take: (decisions) => {
      const news: AllocationNews[] = [];
      const now = new Map<string, Said>();
      for (const decision of decisions.values()) {
        const { namespace, name, uid, ingressIps } = decision.service;
        const before = said.get(uid);
        const ips = ingressIps.join();
        if (before !== undefined && before.ips !== ips && ips !== '' && ips === decision.ips.join()) {
          const message = assignment(decision);
          news.push({ namespace, name, uid, type: 'Normal', reason: 'AddressAssigned', message });
        }
        const troubles = new Set<string>();
        for (const { reason, message } of decision.troubles) {
          const text = `${reason} ${message}`;
          if (!before?.troubles.has(text) && !troubles.has(text))
            news.push({ namespace, name, uid, type: 'Warning', reason, message });
          troubles.add(text);
        }
        now.set(uid, { ips, troubles });
      }
      said = now;
      return news;
    },
  };
};
