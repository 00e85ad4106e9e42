// Which nodes may hold no service IP at all, and why, in words that `status` and `explain` print. This is one map
// for the whole cluster and not a list at each IP: a node whose readiness flaps changes one entry.
import type { NodeFact } from './cluster-facts.ts';

// https://kubernetes.io/docs/reference/labels-annotations-taints/
const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';

/** Completes "n1 takes nothing: …"; null for a node that may. Cordoned nodes may: their pods still serve. */
export const exclusionOf = (node: NodeFact): string | null => {
  if (!node.isReady) return 'Kubernetes says that the node is not Ready';
  if (Object.hasOwn(node.labels, EXCLUDE_LABEL)) return `the node bears the label ${EXCLUDE_LABEL}`;
  if (node.isNetworkUnavailable) return 'the node reports NetworkUnavailable';
  if (node.isOutOfService) return 'the node bears the taint node.kubernetes.io/out-of-service';
  return null;
};
