// What `status --json` prints (contract.md): the core's view and the wire thread's counters, put together.
import type { WireReport } from '../../io/wire/wire-protocol.ts';
import type { PeerState } from '../../machines/peers.ts';
import type { CoreView, ServiceView } from '../../machines/view.ts';

export interface ServiceStatus extends Omit<ServiceView, 'since'> {
  readonly since: string;
  readonly clients: number;
  readonly clientsConfirmed: number;
  /** Clients that still send here although another node owns the IP. */
  readonly staleClients: number;
}

export interface Status {
  readonly node: string;
  readonly ready: boolean;
  readonly drained: boolean;
  readonly version: string;
  readonly interfaces: readonly {
    readonly name: string;
    readonly mac: string;
    readonly up: boolean;
    readonly answered: number;
  }[];
  readonly peers: readonly {
    readonly node: string;
    readonly interface: string;
    readonly state: PeerState;
    readonly lastHeardMs: number;
  }[];
  readonly serviceIPs: readonly ServiceStatus[];
  /** What an operator should look at; empty when all is well. */
  readonly findings: readonly string[];
}

export interface StatusParts {
  readonly view: CoreView;
  readonly report: WireReport;
  readonly version: string;
  readonly ready: boolean;
  /** Logical milliseconds. */
  readonly now: number;
  /** Beside those about single IPs, which are found here. */
  readonly findings: readonly string[];
}

const NO_CLIENTS = { clients: 0, clientsConfirmed: 0 };

/** One service IP as a person sees it. */
export const serviceStatus = (service: ServiceView, report: WireReport): ServiceStatus => ({
  ...service,
  since: new Date(service.since).toISOString(),
  ...(report.clients[service.ip] ?? NO_CLIENTS),
  staleClients: report.staleClients[service.ip] ?? 0,
});

export const buildStatus = ({ view, report, version, ready, now, findings }: StatusParts): Status => {
  const answered = (name: string): number => {
    const counts = report.counters.answers[name];
    return counts === undefined ? 0 : counts.arp + counts.ndp;
  };
  const stuck = view.serviceIPs
    .filter(({ state, holder, cause }) => state === 'unowned' && holder === null && cause !== 'unclaimed')
    .map(({ ip, reason }) => `nobody is known to hold ${ip}; here: ${reason}`);
  const deaf = Object.entries(report.unopened).map(
    ([name, code]) => `${name}: the packet socket cannot be opened (${code}); nothing is answered there`,
  );
  const otherwise = report.otherTransport.map(
    (node) =>
      `${node} says its hellos by another transport: heartbeat.transport is to be the same everywhere`,
  );
  const staying = view.serviceIPs.flatMap(({ ip, stays }) =>
    stays === null ? [] : [`${ip} stays: ${stays}`],
  );
  return {
    node: view.node,
    ready,
    drained: view.drained,
    version,
    interfaces: view.interfaces.map(({ name, mac, up }) => ({ name, mac, up, answered: answered(name) })),
    peers: view.peers.map(({ node, interface: on, state, instance, silentSince }) => {
      const lastHeardAt = silentSince ?? report.lastHeard[instance] ?? now;
      return { node, interface: on, state, lastHeardMs: Math.max(0, Math.round(now - lastHeardAt)) };
    }),
    serviceIPs: view.serviceIPs.map((service) => serviceStatus(service, report)),
    findings: [...findings, ...deaf, ...otherwise, ...staying, ...stuck],
  };
};
