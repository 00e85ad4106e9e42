// The Prometheus metrics of contract.md. Levels are read when scraped, from a snapshot the daemon provides;
// only durations are observed as they happen.
import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { Effect } from '../../machines/effects.ts';
import type { PeerState } from '../../machines/peers.ts';
import type { ServiceIpState } from '../../machines/service-ip.ts';
import { type ClusterLevels, createClusterMetrics } from './cluster-metrics.ts';

export type { ClusterLevels } from './cluster-metrics.ts';

/** What a scrape reads. Counts are totals since the start of the process. */
export interface MetricsSnapshot {
  /** `holder` null: nobody holds it, as far as this node knows. */
  readonly serviceIPs: readonly {
    readonly ip: string;
    readonly state: ServiceIpState;
    readonly holder: string | null;
  }[];
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly ready: boolean;
  readonly drained: boolean;
  /** How many findings `status` has. */
  readonly findings: number;
  /** As configured. */
  readonly deadAfterMs: number;
  readonly answers: Readonly<Record<string, { readonly arp: number; readonly ndp: number }>>;
  readonly announcements: { readonly arp: number; readonly ndp: number };
  readonly framesDropped: Readonly<Record<string, number>>;
  readonly sendErrors: Readonly<Record<string, number>>;
  readonly rivals: Readonly<Record<string, number>>;
  readonly peers: readonly PeerState[];
  /** Nodes heard whose hellos come by another transport than this node's. */
  readonly otherTransport: number;
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
  /** The questions to the clients of an IP that moved here are over. */
  settled(clients: { readonly known: number; readonly confirmed: number }): void;
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

export const createMetrics = (version: string): Metrics => {
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
  const otherTransport = gauge(
    'peers_other_transport',
    'Nodes heard whose hellos come by another transport than heartbeat.transport here',
  );
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

  const setCluster = createClusterMetrics(registry);

  const known = gauge('service_ips', 'Service IPs that this node knows of');
  const unowned = gauge(
    'service_ip_unowned',
    '1 for a service IP that nobody holds, as far as this node knows; absent otherwise',
    ['ip'],
  );
  const takeovers = counter('takeovers_total', 'How often this node became the owner of a service IP', [
    'ip',
  ]);
  const taken = new Map<string, number>();
  const asked = counter('clients_asked_total', 'Known clients that were asked to follow a move to this node');
  const confirmed = counter('clients_confirmed_total', 'Of these, those that showed that they follow');
  const ready = gauge('ready', '1 when this node may take and hold service IPs');
  const drained = gauge('drained', '1 while this node is drained');
  const findings = gauge('findings', 'What an operator should look at: the findings of holdfast status');
  const deadAfter = gauge('dead_after_seconds', 'heartbeat.deadAfter, as configured');
  const started = gauge('start_time_seconds', 'When the daemon started, in seconds since 1970');
  gauge('build_info', '1; the version is a label', ['version']).set({ version }, 1);

  /** Counters kept elsewhere are set, not counted again. */
  const set = <L extends string>(metric: Counter<L>, labels: Record<L, string>, value: number): void => {
    if (value > 0) metric.labels(labels as Parameters<typeof metric.labels>[0]).inc(value);
  };

  return {
    contentType: registry.contentType,
    transition: (record, milliseconds) => {
      transitions.inc({ from: record.from, to: record.to });
      if (record.to === 'leader') taken.set(record.ip, (taken.get(record.ip) ?? 0) + 1);
      if (record.to === 'leader' && record.from === 'candidate') takeover.observe(milliseconds / 1000);
    },
    step: (milliseconds) => stepSeconds.observe(milliseconds / 1000),
    settled: (clients) => {
      asked.inc(clients.known);
      confirmed.inc(clients.confirmed);
    },
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
      otherTransport.set(snapshot.otherTransport);
      stale.reset();
      for (const [ip, count] of Object.entries(snapshot.staleClients)) stale.set({ ip }, count);
      states.reset();
      unowned.reset();
      takeovers.reset();
      known.set(snapshot.serviceIPs.length);
      for (const { ip, state, holder } of snapshot.serviceIPs) {
        if (state !== 'unowned') states.set({ ip, state }, 1);
        if (holder === null) unowned.set({ ip }, 1);
        // An IP that is no service IP any more takes its series with it.
        set(takeovers, { ip }, taken.get(ip) ?? 0);
      }
      started.set(snapshot.startedAt / 1000);
      ready.set(snapshot.ready ? 1 : 0);
      drained.set(snapshot.drained ? 1 : 0);
      findings.set(snapshot.findings);
      deadAfter.set(snapshot.deadAfterMs / 1000);
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
