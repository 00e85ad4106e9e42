// What the daemon serves: the control socket's commands, the status API, metrics and health.
import { join } from 'node:path';
import type { Logger } from 'pino';
import { json, type Reply, type Route, type Routes } from '../../io/http/http-server.ts';
import { pageRoutes } from '../../io/http/page-files.ts';
import type { Journal } from '../../io/journal/journal.ts';
import type { ClusterLevels, Metrics } from '../../io/metrics/metrics.ts';
import { parseIp } from '../../io/packets/address.ts';
import type { Icmpv6Sockets } from '../../io/wire/icmpv6-sockets.ts';
import type { Wire } from '../../io/wire/wire.ts';
import type { WireReport } from '../../io/wire/wire-protocol.ts';
import type { Core } from '../../machines/core.ts';
import type { Input } from '../../machines/inputs.ts';
import { VERSION } from '../version.ts';
import { readDrain } from './drain-request.ts';
import type { ExplainDesk } from './explain-desk.ts';
import { journalRoutes } from './journal-routes.ts';
import type { Live } from './live.ts';
import { operateRoutes } from './operate-routes.ts';
import { buildStatus, type Status, serviceStatus } from './status.ts';
import type { WireSight } from './wire-sight.ts';

export interface RouteParts {
  readonly node: string;
  readonly instance: string;
  /** Where the journal is: commands that look back read it themselves. */
  readonly journalDirectory: string;
  readonly core: Core;
  readonly wire: Wire;
  readonly icmpv6: Icmpv6Sockets;
  readonly journal: Journal;
  readonly metrics: Metrics;
  readonly now: () => number;
  readonly tell: (input: Input) => void;
  /** What is wrong with this host or its configuration, in words. */
  readonly findings: () => readonly string[];
  readonly helloConfig: () => { readonly refreshMs: number; readonly isSigning: boolean };
  /** Null with `cluster: file`. */
  readonly clusterLevels: () => ClusterLevels | null;
  /** Logical milliseconds. */
  readonly startedAt: number;
  /** `heartbeat.deadAfter` as it is configured now. */
  readonly deadAfterMs: () => number;
  /** The file with the token for operating over http; null: nobody does. */
  readonly tokenFile: () => string | null;
  readonly log: Pick<Logger, 'info' | 'error'>;
}

const refuse = (problem: string): Reply => ({ status: 400, body: `${problem}\n` });

const isReady = (core: Core): boolean => {
  const { isEligible, stopping } = core.view();
  return isEligible && stopping === null;
};

type StatusSources = Pick<RouteParts, 'core' | 'now' | 'findings'>;

/** What this node knows, with the wire thread's word on clients and counts. */
export const statusWith = ({ core, now, findings }: StatusSources, report: WireReport): Status =>
  buildStatus({
    view: core.view(),
    report,
    version: VERSION,
    ready: isReady(core),
    now: now(),
    findings: findings(),
  });

const status = async (parts: RouteParts): Promise<Reply> =>
  json(statusWith(parts, await parts.wire.report()));

const scrape = async (parts: RouteParts): Promise<Reply> => {
  const { wire, icmpv6, journal, metrics, clusterLevels, startedAt, deadAfterMs } = parts;
  const report = await wire.report();
  const { counters, dropped, sendErrors, staleClients, otherTransport } = report;
  const { serviceIPs, peers, ready, drained, findings } = statusWith(parts, report);
  const body = await metrics.render({
    ...counters,
    serviceIPs,
    startedAt,
    ready,
    drained,
    findings: findings.length,
    deadAfterMs: deadAfterMs(),
    staleClients,
    otherTransport: otherTransport.length,
    peers: peers.map(({ state }) => state),
    framesDropped: { ...dropped, ...counters.hellosRefused },
    sendErrors: { ...sendErrors, ...icmpv6.counters.sendErrors },
    journalBytes: journal.counters.bytes,
    journalLost: journal.counters.lostInputs,
    journalLate: journal.counters.lateBatches,
    journalFailing: journal.failing() !== null,
    cluster: clusterLevels(),
  });
  return { contentType: metrics.contentType, body };
};

const wireSight = async (parts: RouteParts): Promise<WireSight> => {
  const [report, seen] = await Promise.all([parts.wire.report(), parts.wire.observe()]);
  const { serviceIPs, peers } = statusWith(parts, report);
  const names = parts.core.view().peers.map(({ instance, node }) => [instance, node] as const);
  const { refreshMs, isSigning } = parts.helloConfig();
  const { node } = parts;
  return { ...seen, node, refreshMs, isSigning, serviceIPs, peers, names, sendErrors: report.sendErrors };
};

/** For root only, over the control socket. */
export const controlRoutes = (parts: RouteParts): Routes => ({
  'GET /identity': () => {
    const { node, instance, journalDirectory: journal } = parts;
    return json({ node, pid: process.pid, instance, version: VERSION, journal });
  },
  'GET /status': () => status(parts),
  'GET /metrics': () => scrape(parts),
  'GET /wire': async () => json(await wireSight(parts)),
  'POST /drain': (body) => {
    const input = readDrain(body);
    if (typeof input === 'string') return refuse(input);
    parts.tell(input);
    return json({ accepted: true }, 202);
  },
  'POST /undrain': () => {
    parts.tell({ type: 'undrain.requested' });
    return json({ accepted: true }, 202);
  },
});

const EXPLAIN = '/explain';
/** Where scripts/build-page.ts puts the page. */
const PAGE = join(import.meta.dirname, '../../../dist/page');

/** `IP` or `IP/explain`: one service IP with who could take it, or its history in sentences. */
const oneIp =
  (parts: RouteParts, explainDesk: ExplainDesk): Route =>
  async (_body, { rest }) => {
    const isHistory = rest.endsWith(EXPLAIN);
    const text = isHistory ? rest.slice(0, -EXPLAIN.length) : rest;
    const ip = parseIp(text);
    if (ip === null) return refuse(`${text.slice(0, 64)}: an IP address would be right`);
    const service = parts.core.service(ip);
    if (service === null) return { status: 404, body: `${ip} is no service IP here\n` };
    if (isHistory) {
      const told = await explainDesk.explain(ip);
      return 'problem' in told ? { status: 503, body: `${told.problem}\n` } : json(told.report);
    }
    return json({ ...serviceStatus(service, await parts.wire.report()), taking: parts.core.taking(ip) });
  };

/** How many clients this node knows of these IPs, by the wire thread's word. */
const clientsOf =
  ({ wire }: RouteParts) =>
  async (ips: readonly string[]): Promise<number> => {
    const { clients } = await wire.report();
    return ips.reduce((sum, ip) => sum + (clients[ip]?.clients ?? 0), 0);
  };

const operate = (parts: RouteParts): Routes => {
  const { core, tell, tokenFile, log } = parts;
  return operateRoutes({
    core,
    tell,
    tokenFile,
    clientsOf: clientsOf(parts),
    onOperated: (request) => log.info({ code: 'operated', request }, 'asked for over http, with the token'),
    onProblem: (problem) => log.error({ code: 'token-file' }, problem),
  });
};

/** What anyone who reaches `http:` may read, and what takes the token. */
export const httpRoutes = (parts: RouteParts, live: Live, explainDesk: ExplainDesk): Routes => ({
  ...pageRoutes(PAGE),
  ...operate(parts),
  ...journalRoutes(parts.journalDirectory),
  'GET /api/v1/status': () => status(parts),
  'GET /api/v1/events': (_body, { headers }) => live.open([headers['last-event-id']].flat()[0]),
  'GET /api/v1/ips/*': oneIp(parts, explainDesk),
});

export const metricsRoutes = (parts: RouteParts): Routes => ({
  'GET /metrics': () => scrape(parts),
  // Alive: the wire thread answers. Ready: this node may take and hold IPs.
  'GET /healthz': async () => {
    await parts.wire.report();
    return { body: 'ok\n' };
  },
  'GET /readyz': () => (isReady(parts.core) ? { body: 'ready\n' } : { status: 503, body: 'not ready yet\n' }),
});

/** Those that only look: the control socket has them too, for `top` and the lab, also where `http:` is off. */
export const looksOf = (routes: Routes): Routes =>
  Object.fromEntries(Object.entries(routes).filter(([key]) => key.startsWith('GET ')));
