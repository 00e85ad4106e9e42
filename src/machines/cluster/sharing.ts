// Which Services may have one address together. The rules are those that MetalLB documents for allow-shared-ip:
// the same key, no port twice, and either all with externalTrafficPolicy Cluster or all Local with the same pods,
// since with Local one node must be right for all of them.
import type { ServiceFact } from './cluster-facts.ts';

const backend = ({ externalTrafficPolicy, selectorKey }: ServiceFact): string =>
  externalTrafficPolicy === 'Local' ? `Local ${selectorKey}` : 'Cluster';

/** Why two different Services cannot share an address; null when they can. Completes "A cannot share with B: …". */
export const sharingObstacle = (a: ServiceFact, b: ServiceFact): string | null => {
  if (a.sharingKey === null || b.sharingKey === null) return 'both need a sharing key';
  if (a.sharingKey !== b.sharingKey) return 'their sharing keys differ';
  const port = a.ports.find((each) => b.ports.includes(each));
  if (port !== undefined) return `both use ${port}`;
  if (backend(a) !== backend(b))
    return 'externalTrafficPolicy must be Cluster in both, or Local in both with one selector';
  return null;
};

export const canShare = (a: ServiceFact, b: ServiceFact): boolean => sharingObstacle(a, b) === null;
