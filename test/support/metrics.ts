// A daemon's metrics without the daemon: what a healthy node says at a scrape, for tests that change one thing of it.
import { createMetrics, type Metrics, type MetricsSnapshot } from '../../src/io/metrics/metrics.ts';
import { START } from './core.ts';

export const IPS = ['10.99.0.100', 'fd99::100'] as const;

/** n1 holds both IPs. */
export const healthySnapshot = (node: string): MetricsSnapshot => ({
  serviceIPs: IPS.map((ip) => ({ ip, state: node === 'n1' ? 'leader' : 'unowned', holder: 'n1' })),
  startedAt: START,
  ready: true,
  drained: false,
  findings: 0,
  deadAfterMs: 200,
  answers: { eth0: { arp: 12, ndp: 3 } },
  announcements: { arp: 6, ndp: 3 },
  framesDropped: {},
  sendErrors: {},
  rivals: {},
  peers: ['alive', 'alive'],
  otherTransport: 0,
  journalLate: 0,
  journalBytes: 4_096,
  journalLost: 0,
  journalFailing: false,
  staleClients: {},
  cluster: {
    brokenSources: 0,
    allocation:
      node === 'n1' ? { pools: [{ pool: 'blue', family: 'ipv4', size: 100, used: 50 }], troubled: 0 } : null,
  },
});

/** A node's metrics; n1 has just taken both IPs and each client followed. */
export const healthyMetrics = (node: string): Metrics => {
  const metrics = createMetrics('0.1.0');
  if (node !== 'n1') return metrics;
  for (const ip of IPS) {
    for (const [from, to] of [
      ['unowned', 'candidate'],
      ['candidate', 'leader'],
    ] as const)
      metrics.transition({ type: 'record', ip, from, to, epoch: 1, cause: 'unclaimed', reason: 'x' }, 10);
    metrics.settled({ known: 2, confirmed: 2 });
  }
  return metrics;
};
