// The page with everything behind it that the daemon has (routes, streams, rows, a real core) except the wire: what
// a test does to the core is what the page is told.
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Subject } from 'rxjs';
import { createExplainDesk } from '../../src/cli/daemon/explain-desk.ts';
import { createLive } from '../../src/cli/daemon/live.ts';
import { httpRoutes, type RouteParts, statusWith } from '../../src/cli/daemon/routes.ts';
import { startHttpServer } from '../../src/io/http/http-server.ts';
import type { WireReport } from '../../src/io/wire/wire-protocol.ts';
import type { Effect } from '../../src/machines/effects.ts';
import type { Input } from '../../src/machines/inputs.ts';
import { type Node, START } from './core.ts';

const REPORT = {
  counters: { answers: {} },
  unopened: {},
  lastHeard: {},
  clients: {},
  staleClients: {},
  otherTransport: [],
} as unknown as WireReport;

export interface PageServer {
  readonly url: string;
  readonly port: number;
  /** What the daemon's log was told. */
  readonly logged: readonly unknown[][];
  /** `ms` since the node's START. */
  at(ms: number, input?: Input): void;
  close(): Promise<void>;
}

/** Serves `node`'s page; `port` 0: any. `journal`: what the history is told from. */
export const servePage = async (
  node: Node,
  {
    port = 0,
    journal = '/nonexistent',
    instance = 'aa',
    tokenFile = null as string | null,
    hosts = [] as readonly string[],
  } = {},
): Promise<PageServer> => {
  const effects$ = new Subject<readonly Effect[]>();
  // A node of a test lives at START; what the page shows as "since" is of that day.
  const now = (): number => START + 1_000;
  const report = (): Promise<WireReport> => Promise.resolve(REPORT);
  const findings = (): readonly string[] => [];
  const { core } = node;
  const live = createLive({
    instance,
    core,
    report,
    statusOf: (of) => statusWith({ core, now, findings }, of),
    now,
    effects$,
    isOperable: () => tokenFile !== null,
  });
  const desk = createExplainDesk(journal);
  const logged: unknown[][] = [];
  const log = {
    info: (...said: unknown[]) => logged.push(said),
    error: (...said: unknown[]) => logged.push(said),
  };
  const at: PageServer['at'] = (ms, input) => {
    effects$.next(node.at(ms, input));
    if (input !== undefined) live.onInput(input);
  };
  const parts = {
    core,
    now,
    findings,
    wire: { report },
    journalDirectory: journal,
    tokenFile: () => tokenFile,
    log,
    tell: (input: Input) => at(core.now() - START, input),
  } as unknown as RouteParts;
  const server: Server = await startHttpServer({ port, host: '127.0.0.1' }, httpRoutes(parts, live, desk), {
    hosts: () => hosts,
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${bound}/`,
    port: bound,
    logged,
    at,
    close: () =>
      new Promise((resolve) => {
        live.close();
        desk.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
