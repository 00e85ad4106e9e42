// The Prometheus metrics of contract.md. Levels are read when scraped, from a snapshot the daemon provides;
// only durations are observed as they happen.
import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { Effect } from '../../machines/effects.ts';
import type { PeerState } from '../../machines/peers.ts';
import type { ServiceIpState } from '../../machines/service-ip.ts';

/** What a daemon in Kubernetes mode adds. */
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

/** What a scrape reads. Counts are totals since the start of the process. */
export interface MetricsSnapshot {
  readonly serviceIPs: readonly { readonly ip: string; readonly state: ServiceIpState }[];
  readonly answers: Readonly<Record<string, { readonly arp: number; readonly ndp: number }>>;
  readonly announcements: { readonly arp: number; readonly ndp: number };
  readonly framesDropped: Readonly<Record<string, number>>;
  readonly sendErrors: Readonly<Record<string, number>>;
  readonly rivals: Readonly<Record<string, number>>;
  readonly peers: readonly PeerState[];
  readonly journalLate: number;
  readonly journalBytes: number;
  readonly journalLost: number;
  readonly journalFailing: boolean;
  readonly staleClients: Readonly<Record<string, number>>;
  /** Null with `cluster: file`. */
  readonly cluster: ClusterLevels | null;
}

export interface Metrics {
  /** A transition happened; `milliseconds` is how long the IP was in the state before. */
  transition(record: Extract<Effect, { type: 'record' }>, milliseconds: number): void;
  step(milliseconds: number): void;
  /** Durations that the wire thread measured, milliseconds. */
  measured(durations: {
    readonly converged: readonly number[];
    readonly left: readonly number[];
    readonly helloLateness: readonly number[];
  }): void;
  /** The exposition text. */
  render(snapshot: MetricsSnapshot): Promise<string>;
  readonly contentType: string;
}

const PEER_STATES: readonly PeerState[] = ['alive', 'late', 'vouched', 'dead', 'unproven'];

export const createMetrics = (): Metrics => {
  const registry = new Registry();
  const registers = [registry];
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge({ name: `holdfast_${name}`, help, labelNames, registers });
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: `holdfast_${name}`, help, labelNames, registers });

  const states = gauge('service_ip_state', '1 for the state a service IP is in, unless unowned', [
    'ip',
    'state',
  ]);
  const transitions = counter('transitions_total', 'Changes of state of service IPs', ['from', 'to']);
  const takeover = new Histogram({
    name: 'holdfast_takeover_seconds',
    help: 'From the decision to take a service IP to answering for it',
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers,
  });
  const stepSeconds = new Histogram({
    name: 'holdfast_step_seconds',
    help: 'Time the core takes for one input',
    buckets: [0.00001, 0.000025, 0.0001, 0.00025, 0.001, 0.0025, 0.01, 0.025, 0.1, 1],
    registers,
  });
  const answers = counter('answers_total', 'ARP and NDP answers sent', ['interface', 'protocol']);
  const announcements = counter('announcements_total', 'Gratuitous ARP and unsolicited NA frames sent', [
    'protocol',
  ]);
  const dropped = counter('frames_dropped_total', 'Frames that were malformed or not allowed', ['reason']);
  const sendErrors = counter('send_errors_total', 'Frames the kernel did not take', ['reason']);
  const rivals = counter('rivals_total', 'Frames in which a foreign host used a service IP', ['ip']);
  const peers = gauge('peers', 'Peers by state', ['state']);
  const convergence = new Histogram({
    name: 'holdfast_client_convergence_seconds',
    help: 'From the announcement of a service IP to a client showing that it follows',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const staleSeconds = new Histogram({
    name: 'holdfast_stale_client_seconds',
    help: 'How long after a move away from this node a client still sent to it',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
    registers,
  });
  const stale = gauge('stale_clients', 'Clients that still send to an IP that drains here', ['ip']);
  const lateness = new Histogram({
    name: 'holdfast_hello_lateness_seconds',
    help: 'How much later than due the wire thread woke to send a hello or judge silence',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
    registers,
  });
  const latenessMax = gauge('hello_lateness_max_seconds', 'The largest hello lateness since the start');
  let worstLateness = 0;
  const journalLate = counter(
    'journal_late_batches_total',
    'Effects that left before their input was recorded',
  );
  const journalBytes = counter('journal_bytes_total', 'Bytes written to the journal');
  const journalLost = counter('journal_lost_inputs_total', 'Inputs that could not be written to the journal');
  const journalFailing = gauge('journal_failing', '1 while the journal cannot be written');

  const broken = gauge('kubernetes_sources_broken', 'Collections of the API server whose copy grows old');
  const poolSize = gauge('pool_addresses', 'Addresses of a pool; from the node that allocates', [
    'pool',
    'family',
  ]);
  const poolUsed = gauge('pool_addresses_used', 'Of these, those that a Service has or is to have', [
    'pool',
    'family',
  ]);
  const troubled = gauge('services_in_trouble', 'Services that asked for an address and do not have it');

  const setCluster = ({ brokenSources, allocation }: ClusterLevels): void => {
    broken.set(brokenSources);
    poolSize.reset();
    poolUsed.reset();
    troubled.set(allocation?.troubled ?? 0);
    for (const { pool, family, size, used } of allocation?.pools ?? []) {
      poolSize.set({ pool, family }, size);
      poolUsed.set({ pool, family }, used);
    }
  };

  /** Counters kept elsewhere are set, not counted again. */
  const set = <L extends string>(metric: Counter<L>, labels: Record<L, string>, value: number): void => {
    if (value > 0) metric.labels(labels as Parameters<typeof metric.labels>[0]).inc(value);
  };

  return {
    contentType: registry.contentType,
    transition: (record, milliseconds) => {
      transitions.inc({ from: record.from, to: record.to });
      if (record.to === 'leader' && record.from === 'candidate') takeover.observe(milliseconds / 1000);
    },
    step: (milliseconds) => stepSeconds.observe(milliseconds / 1000),
    measured: ({ converged, left, helloLateness }) => {
      for (const ms of converged) convergence.observe(ms / 1000);
      for (const ms of left) staleSeconds.observe(ms / 1000);
      for (const ms of helloLateness) {
        lateness.observe(ms / 1000);
        worstLateness = Math.max(worstLateness, ms / 1000);
      }
      latenessMax.set(worstLateness);
    },
    render: async (snapshot) => {
      peers.reset();
      for (const state of PEER_STATES) peers.set({ state }, 0);
      for (const state of snapshot.peers) peers.inc({ state });
      stale.reset();
      for (const [ip, count] of Object.entries(snapshot.staleClients)) stale.set({ ip }, count);
      states.reset();
      for (const { ip, state } of snapshot.serviceIPs) if (state !== 'unowned') states.set({ ip, state }, 1);
      for (const metric of [
        answers,
        announcements,
        dropped,
        sendErrors,
        rivals,
        journalBytes,
        journalLost,
        journalLate,
      ]) {
        metric.reset();
      }
      for (const [name, { arp, ndp }] of Object.entries(snapshot.answers)) {
        set(answers, { interface: name, protocol: 'arp' }, arp);
        set(answers, { interface: name, protocol: 'ndp' }, ndp);
      }
      set(announcements, { protocol: 'arp' }, snapshot.announcements.arp);
      set(announcements, { protocol: 'ndp' }, snapshot.announcements.ndp);
      for (const [reason, value] of Object.entries(snapshot.framesDropped)) set(dropped, { reason }, value);
      for (const [reason, value] of Object.entries(snapshot.sendErrors)) set(sendErrors, { reason }, value);
      for (const [ip, value] of Object.entries(snapshot.rivals)) set(rivals, { ip }, value);
      journalBytes.inc(snapshot.journalBytes);
      journalLost.inc(snapshot.journalLost);
      journalLate.inc(snapshot.journalLate);
      journalFailing.set(snapshot.journalFailing ? 1 : 0);
      if (snapshot.cluster !== null) setCluster(snapshot.cluster);
      return await registry.metrics();
    },
  };
};
