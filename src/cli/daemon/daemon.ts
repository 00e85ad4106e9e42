// The daemon put together: sources into the runtime, effects to their performers, and the ways out. Everything
// here is wiring; decisions are in src/machines, the loop in src/streams, the world in src/io.
import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { asapScheduler, Subject } from 'rxjs';
import { clockOrigin, createClock } from '../../io/clock.ts';
import { type Config, toCoreConfig } from '../../io/config/config.ts';
import { watchConfig } from '../../io/config/config-source.ts';
import { formatListen } from '../../io/config/names.ts';
import { startControlSocket } from '../../io/control/control-socket.ts';
import { isMarkedDrained } from '../../io/host/drained-mark.ts';
import { createOpenConnections } from '../../io/host/open-connections.ts';
import { openServeHost } from '../../io/host/serve-host.ts';
import type { Gate } from '../../io/http/gate.ts';
import { type Routes, startHttpServer } from '../../io/http/http-server.ts';
import { tokenProblem } from '../../io/http/operator-token.ts';
import { openJournal } from '../../io/journal/journal.ts';
import { readKeys } from '../../io/keys.ts';
import type { ClusterClient } from '../../io/kubernetes/cluster-client.ts';
import { createMetrics } from '../../io/metrics/metrics.ts';
import { openSupervisor } from '../../io/supervisor.ts';
import { openIcmpv6Sockets } from '../../io/wire/icmpv6-sockets.ts';
import { startWire } from '../../io/wire/wire.ts';
import type { HelloSecrets } from '../../io/wire/wire-protocol.ts';
import { createCore } from '../../machines/core.ts';
import type { Ip } from '../../machines/frames.ts';
import type { Input } from '../../machines/inputs.ts';
import type { WireConfig } from '../../machines/wire-facts.ts';
import type { Fact } from '../../streams/facts.ts';
import { createRuntime } from '../../streams/runtime.ts';
import { fromListener } from '../../streams/sources.ts';
import { VERSION } from '../version.ts';
import { pollConnections } from './connection-poll.ts';
import { createExplainDesk } from './explain-desk.ts';
import { watchKeys } from './key-watch.ts';
import { startCluster } from './kubernetes/cluster.ts';
import { lastKnownServices } from './kubernetes/last-known.ts';
import { createLive } from './live.ts';
import { createLog } from './log.ts';
import { performEffects } from './performers.ts';
import { controlRoutes, httpRoutes, looksOf, metricsRoutes, type RouteParts, statusWith } from './routes.ts';
import { shadowHost } from './shadow-host.ts';

/** How long the API server has to hear that this node goes. */
const GOODBYE_MS = 1_000;

/**
 * What only a start can change: sockets are open, addresses stand, the journal and the claims bear this name. Out of
 * shadow mode it goes by a start's listening and probing, into it by a stop's handing over.
 */
const FIXED_KEYS = [
  'node',
  'serve',
  'announce',
  'journal',
  'control',
  'http',
  'metrics',
  'cluster',
  'kubernetes',
] as const;

const wireConfigOf = (config: Config, clusterIps: readonly Ip[]): WireConfig => ({
  node: config.node,
  announce: config.announce,
  shadowHellos: config.heartbeat.inShadow,
  refreshMs: config.announcements.refreshMs,
  watchdogMs: config.watchdogMs,
  heartbeat: { intervalMs: config.heartbeat.intervalMs, deadAfterMs: config.heartbeat.deadAfterMs },
  watched: [...config.serviceIPs.map(({ ip }) => ip), ...clusterIps],
});

/** The keys that hellos are signed with; a key file that cannot be read now keeps those known before. */
const createSecrets = (log: Logger): ((config: Config) => HelloSecrets) => {
  let known: readonly Uint8Array[] = [];
  return ({ heartbeat: { keyFile, group: name, transport }, announce }) => {
    // A group of their own, whose name nobody can configure: who answers must never give way to who does not.
    const group = announce ? name : `${name} in shadow`;
    if (keyFile === null) {
      known = [];
      log.warn(
        { code: 'no-key' },
        'heartbeat.keyFile is not set: anyone on the segment can take a service IP',
      );
      return { keys: known, group, transport };
    }
    const read = readKeys(keyFile);
    if (read.ok) known = read.keys;
    else log.error({ code: 'key-file' }, `${read.problem}; the keys known before stay`);
    return { keys: known, group, transport };
  };
};

/** `loaded` with what cannot change while running as it was; says which keys wait for a restart. */
const keepFixed = (running: Config, loaded: Config, log: Logger): Config => {
  const kept = FIXED_KEYS.filter((key) => !isDeepStrictEqual(running[key], loaded[key]));
  if (kept.length > 0) log.warn({ kept }, `${kept.join(', ')}: changed in the file; that takes a restart`);
  return { ...loaded, ...Object.fromEntries(FIXED_KEYS.map((key) => [key, running[key]])) };
};

/**
 * Runs the daemon until it is told to stop; the promise resolves with the exit code when everything is released.
 * Rejects with SocketTakenError or a system error when it cannot start; nothing has been announced then.
 */
export const runDaemon = async (
  initial: Config,
  file: string,
  client: ClusterClient | null,
): Promise<number> => {
  let config = initial;
  /** The service IPs that Services have; none without a cluster. */
  let clusterIps: readonly Ip[] = [];
  const { log, flush } = createLog(config.node, config.log.level);
  const origin = clockOrigin();
  const now = createClock(origin);
  const instance = randomBytes(8).toString('hex');
  const core = createCore();
  const metrics = createMetrics(VERSION);
  const secretsOf = createSecrets(log);
  const facts$ = new Subject<Fact>();
  const tell = (input: Input): void => facts$.next({ input });

  // The control socket is what two daemons on one host would fight over, so it comes first.
  const routes: Record<string, Routes[string]> = {};
  const servers: Server[] = [await startControlSocket(config.control, routes)];

  const { directory, maxSizeBytes: maxBytes } = config.journal;
  const journal = openJournal(
    {
      directory,
      maxBytes,
      node: config.node,
      instance,
      version: VERSION,
      now,
      onGap: ({ reason, inputs, isOver }) => {
        if (isOver)
          log.warn({ inputs }, `the journal is written again; ${inputs} inputs are missing from it`);
        else log.error({ reason }, `the journal cannot be written (${reason}); service goes on without it`);
      },
    },
    core.checkpoint(),
  );

  let finish: (code: number) => void = () => {};
  const finished = new Promise<number>((resolve) => {
    finish = resolve;
  });
  let isLeaving = false;
  /** Every orderly way out: the wire first, then what this host serves, then the record. */
  const leave = (code: number): void => {
    if (isLeaving) return;
    isLeaving = true;
    runtime.stop();
    wire.stop();
    host?.close();
    icmpv6.close();
    configSource.close();
    keyWatch.close();
    live.close();
    explainDesk.close();
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
    // A server that is away must not keep the process: the Leases then run out.
    const goodbye = Promise.race([cluster?.close(), sleep(GOODBYE_MS, undefined, { ref: false })]);
    journal.close(() => {
      void goodbye.finally(() => {
        log.info({ code }, 'stopped');
        flush();
        finish(code);
      });
    });
  };

  const explainDesk = createExplainDesk(directory);
  const wire = startWire({
    origin,
    now,
    config: wireConfigOf(config, clusterIps),
    instance,
    hello: secretsOf(config),
    onNotice: ({ level, code, message }) => log[level]({ code }, message),
    onDeath: (reason) => {
      log.fatal({ reason }, reason);
      leave(1);
    },
  });
  wire.onMeasured(metrics.measured);
  const icmpv6 = openIcmpv6Sockets();
  const stateDirectory = dirname(config.control);
  const realHost = config.serve === 'host' ? openServeHost({ stateDirectory, onFact: tell }) : null;
  const host = realHost === null || config.announce ? realHost : shadowHost(realHost, tell);

  const configureWire = (): void =>
    wire.command({ type: 'configure', config: wireConfigOf(config, clusterIps) });
  const configSource = watchConfig(
    file,
    {
      onLoaded: (loaded) => {
        log.info({ serviceIPs: loaded.serviceIPs.length }, 'configuration loaded');
        config = keepFixed(config, loaded, log);
        log.level = config.log.level;
        configureWire();
        wire.setSecrets(secretsOf(config));
        tell({ type: 'config.loaded', config: toCoreConfig(config) });
      },
      onRejected: (problems) => {
        for (const { text } of problems)
          log.error({ code: 'config-rejected' }, `${text}; the last good one stays`);
      },
    },
    initial,
  );

  const keyWatch = watchKeys(
    () => config.heartbeat.keyFile,
    () => {
      log.info({ code: 'key-file' }, 'the key file changed: reading it again');
      wire.setSecrets(secretsOf(config));
    },
  );

  const runtime = createRuntime({
    core,
    journal,
    now,
    turns: asapScheduler,
    deliver: wire.deliver,
    sources: { wire: fromListener(wire.onFact), daemon: facts$ },
    onStep: ({ input }, milliseconds) => {
      metrics.step(milliseconds);
      if (input.type === 'clients.settled') metrics.settled(input);
      live.onInput(input);
    },
  });
  const live = createLive({
    instance,
    core,
    report: wire.report,
    statusOf: (report) => statusWith({ core, now, findings }, report),
    now,
    effects$: runtime.effects$,
    isOperable: () => config.page.tokenFile !== null,
  });
  performEffects(runtime.effects$, {
    core,
    wire,
    icmpv6,
    host,
    isShadow: !config.announce,
    metrics,
    log,
    stateDirectory: directory,
    leave,
  });

  const connections = createOpenConnections(config.serve);
  const connectionPoll = pollConnections(runtime.effects$, connections, wire.command, log);

  const cluster =
    client === null
      ? null
      : startCluster({
          client,
          rule: config.kubernetes,
          namespace: config.kubernetes.namespace,
          node: config.node,
          instance,
          announce: config.announce,
          core,
          effects$: runtime.effects$,
          tell,
          now,
          log,
          onServiceIps: (ips) => {
            clusterIps = ips;
            configureWire();
          },
          onSettled: (listener) =>
            wire.onFact(({ input }) => {
              if (input.type === 'clients.settled') listener(input.ip, input.known);
            }),
          lastKnown: () => lastKnownServices(directory, config.node),
        });

  const findings = (): readonly string[] => {
    const failing = journal.failing();
    return [
      ...(config.announce ? [] : ['shadow mode (announce: false): decides and records, answers nothing']),
      ...(config.heartbeat.keyFile === null
        ? ['hellos are not signed: anyone on the segment can take an IP']
        : []),
      ...(failing === null ? [] : [`the journal cannot be written: ${failing}`]),
      ...(host?.findings() ?? []),
      ...connectionPoll.findings(),
      ...(cluster?.findings() ?? []),
    ];
  };
  const parts: RouteParts = {
    node: config.node,
    instance,
    journalDirectory: directory,
    core,
    wire,
    icmpv6,
    journal,
    metrics,
    now,
    tell,
    findings,
    helloConfig: () => ({
      refreshMs: config.announcements.refreshMs,
      isSigning: config.heartbeat.keyFile !== null,
    }),
    clusterLevels: () => cluster?.levels() ?? null,
    startedAt: now(),
    deadAfterMs: () => config.heartbeat.deadAfterMs,
    tokenFile: () => config.page.tokenFile,
    log,
  };
  Object.assign(routes, looksOf(httpRoutes(parts, live, explainDesk)), controlRoutes(parts));
  const serve = async (
    listen: Config['http'],
    what: string,
    served: Routes,
    gate: Gate | null,
  ): Promise<void> => {
    if (listen === null) return;
    try {
      servers.push(await startHttpServer({ port: listen.port, host: listen.host ?? '::' }, served, gate));
    } catch (error) {
      // Pages and metrics are not worth a service that does not start.
      const { code, message } = error as NodeJS.ErrnoException;
      log.error({ code: what }, `${what}: cannot listen on ${formatListen(listen)}: ${code ?? message}`);
    }
  };
  await serve(config.http, 'http', httpRoutes(parts, live, explainDesk), {
    hosts: () => config.page.hosts ?? [],
  });
  // Whoever scrapes comes by any name, and reads numbers.
  await serve(config.metrics, 'metrics', metricsRoutes(parts), null);

  void tokenProblem(config.page.tokenFile).then((problem) => {
    if (problem !== null) log.error({ code: 'token-file' }, problem);
  });

  const supervisor = openSupervisor(process.env);
  let isStopping = false;
  const stop = (signal: string): void => {
    if (isStopping) process.exit(1);
    isStopping = true;
    supervisor.stopping();
    tell({ type: 'stop.requested', reason: `this node is being stopped (${signal})` });
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  process.on('SIGHUP', () => {
    log.info('SIGHUP: reading the configuration again');
    wire.setSecrets(secretsOf(config));
    void configSource.reload();
  });
  process.on('uncaughtException', (error) => {
    // The wire first: nothing that follows may keep a daemon answering that has lost its head.
    wire.stop();
    log.fatal({ stack: error.stack }, `a fault in this program: ${error.message}`);
    try {
      host?.close();
    } finally {
      flush();
      process.exit(70);
    }
  });

  log.info({ instance, serviceIPs: config.serviceIPs.length }, `holdfast ${VERSION} starts`);
  runtime.start();
  tell({ type: 'node.started', instance, version: VERSION, drained: isMarkedDrained(directory) });
  tell({ type: 'config.loaded', config: toCoreConfig(config) });
  supervisor.ready();
  return await finished;
};
