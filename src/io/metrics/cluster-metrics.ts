// The metrics of a daemon in Kubernetes mode: the API server's collections, and address pools on the node that
// allocates.
import { Gauge, type Registry } from '@prometheus-io/client';

export interface ClusterLevels {
  /** Collections of the API whose copy here grows old. */
  readonly brokenSources: number;
  /** Null on nodes that do not allocate. */
  readonly allocation: {
    readonly pools: readonly {
      readonly pool: string;
      readonly family: string;
      readonly size: number;
      readonly used: number;
    }[];
    /** Services that asked for something that they do not have. */
    readonly troubled: number;
  } | null;
}

/** Registers them; what it gives sets them. */
export const createClusterMetrics = (registry: Registry): ((levels: ClusterLevels) => void) => {
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge({ name: `holdfast_${name}`, help, labelNames, registers: [registry] });
  const broken = gauge('kubernetes_sources_broken', 'Collections of the API server whose copy grows old');
  const size = gauge('pool_addresses', 'Addresses of a pool; from the node that allocates', [
    'pool',
    'family',
  ]);
  const used = gauge('pool_addresses_used', 'Of these, those that a Service has or is to have', [
    'pool',
    'family',
  ]);
  const troubled = gauge('services_in_trouble', 'Services that asked for an address and do not have it');
  return ({ brokenSources, allocation }) => {
    broken.set(brokenSources);
    size.reset();
    used.reset();
    troubled.set(allocation?.troubled ?? 0);
    for (const { pool, family, ...count } of allocation?.pools ?? []) {
      size.set({ pool, family }, count.size);
      used.set({ pool, family }, count.used);
    }
  };
};
