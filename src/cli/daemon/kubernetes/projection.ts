// From the mirrors to the core: which service IPs there are, who may hold them, and what the Nodes' and Services'
// annotations ask for. Differences are gathered for a moment, so that a rollout is one input and not a thousand.

import type { ClassRule } from '../../../machines/cluster/cluster-facts.ts';
import type { ServiceIpView } from '../../../machines/cluster/service-ip-view.ts';
import {
  type ClusterDelta,
  createServiceIps,
  type ServiceIps,
} from '../../../machines/cluster/service-ips.ts';
import type { ServiceIpConfig } from '../../../machines/config.ts';
import type { Ip } from '../../../machines/frames.ts';
import type { Input } from '../../../machines/inputs.ts';

const GATHER_MS = 20;

export interface ProjectionOptions {
  readonly rule: ClassRule;
  readonly node: string;
  readonly tell: (input: Input) => void;
  /** All service IPs, after they changed. */
  readonly onServiceIps: (ips: readonly Ip[]) => void;
  /** What the mirrors said has been taken in, pools included. */
  readonly onLooked: () => void;
  /** Does this node hold it now? */
  readonly isHolder: (ip: Ip) => boolean;
}

export interface Projection {
  readonly serviceIps: ServiceIps;
  /** Something may have changed, and the picture is whole by now. */
  look(): void;
  /** Begins with what was known before, until the cluster can be read. */
  /** Everything has been taken in once. */
  isReady(): boolean;
  remember(known: readonly ServiceIpConfig[]): void;
  close(): void;
}

/** The core's part of a view. */
const configOf = ({
  ip,
  nodes,
  keep,
  preferred,
  interfaces,
  drain,
  services,
}: ServiceIpView): ServiceIpConfig => {
  const { windowMs = null, quietMs = null, style = null } = drain ?? {};
  return {
    ip,
    nodes,
    interfaces,
    ...(keep.length === 0 ? {} : { keep }),
    ...(preferred.length === 0 ? {} : { preferred }),
    ...(drain === null
      ? {}
      : {
          drain: {
            ...(windowMs === null ? {} : { windowMs }),
            ...(quietMs === null ? {} : { quietMs }),
            ...(style === null ? {} : { style }),
          },
        }),
    services,
  };
};

export const createProjection = (options: ProjectionOptions): Projection => {
  const { tell, onServiceIps, isHolder, node } = options;
  const serviceIps = createServiceIps(options.rule);
  const ips = new Set<Ip>();
  /** The node that each IP was asked to move to, as far as that was heeded. */
  const heeded = new Map<Ip, string | null>();
  const excluded = new Map<string, string>();
  const drained = new Map<string, 'configured' | 'prompt' | 'patient'>();
  let isFirst = true;
  let timer: NodeJS.Timeout | null = null;

  /** An annotation moves an IP when it appears; one that was there before this daemon has done its work. */
  const heedMove = ({ ip, moveTo }: ServiceIpView): void => {
    const before = heeded.get(ip) ?? null;
    heeded.set(ip, moveTo);
    if (isFirst || moveTo === null || moveTo === before || moveTo === node || !isHolder(ip)) return;
    tell({ type: 'drain.requested', ips: [ip], to: moveTo });
  };

  const tellServices = ({ changed, gone }: Pick<ClusterDelta, 'changed' | 'gone'>): void => {
    // What was remembered from before and is not there any more.
    const lost = isFirst ? [...ips].filter((ip) => !changed.some((view) => view.ip === ip)) : [];
    for (const { ip } of changed) ips.add(ip);
    for (const ip of [...gone, ...lost]) {
      ips.delete(ip);
      heeded.delete(ip);
    }
    if (changed.length + gone.length + lost.length === 0) return;
    onServiceIps([...ips]);
    tell({ type: 'services.changed', changed: changed.map(configOf), gone: [...gone, ...lost] });
  };

  const tellNodes = (delta: ClusterDelta): void => {
    if (delta.excluded === null && delta.drained === null && !isFirst) return;
    for (const [level, news] of [
      [excluded, delta.excluded],
      [drained, delta.drained],
    ] as const) {
      if (news === null) continue;
      level.clear();
      for (const [name, value] of news) (level as Map<string, string>).set(name, value);
    }
    const names = [...new Set([...excluded.keys(), ...drained.keys()])].sort();
    tell({
      type: 'nodes.excluded',
      nodes: names.map((name) => {
        const style = drained.get(name);
        const reason = excluded.get(name) ?? 'drained by an annotation of the Node';
        return style === undefined || style === 'configured'
          ? { node: name, reason }
          : { node: name, reason, patient: style === 'patient' };
      }),
    });
  };

  const flush = (): void => {
    timer = null;
    const delta = serviceIps.take();
    // Who may not hold anything must be known before anybody takes what is new.
    tellNodes(delta);
    tellServices(delta);
    for (const view of delta.changed) heedMove(view);
    isFirst = false;
    options.onLooked();
  };

  return {
    serviceIps,
    look: () => {
      timer ??= setTimeout(flush, GATHER_MS);
    },
    isReady: () => !isFirst,
    remember: (known) => {
      if (!isFirst || known.length === 0) return;
      for (const { ip } of known) ips.add(ip);
      onServiceIps([...ips]);
      tell({ type: 'services.changed', changed: known, gone: [] });
    },
    close: () => {
      if (timer !== null) clearTimeout(timer);
    },
  };
};
