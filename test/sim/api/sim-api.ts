// The simulated API server: ServiceIP objects with resourceVersions, the daemons' Leases, what the Services and Nodes
// ask for, and a line to each node that can break (lists again afterwards) or hold its watch back (stale, then all of
// it in order). It keeps what it is told and judges nothing.
import type { HeldFact, ServiceIpFact } from '../../../src/machines/cluster/cluster-facts.ts';
import type { ServiceIpConfig } from '../../../src/machines/config.ts';
import type { Ip } from '../../../src/machines/frames.ts';
import type { EventQueue } from '../event-queue.ts';
import type { Random } from '../random.ts';

export interface LeaseFact {
  readonly node: string;
  /** Empty: given up on purpose. */
  readonly holder: string;
  readonly version: number;
}

/** What is news to a watch; a `null` config: the Service is gone. */
export type ApiNews =
  | { readonly type: 'object'; readonly fact: ServiceIpFact }
  | { readonly type: 'lease'; readonly fact: LeaseFact }
  | { readonly type: 'service'; readonly ip: Ip; readonly config: ServiceIpConfig | null }
  | { readonly type: 'nodes'; readonly excluded: readonly string[] };

export interface Watcher {
  /** A whole list, at first and after each break. */
  listed(news: readonly ApiNews[]): void;
  changed(news: ApiNews): void;
}

export type Outcome = 'done' | 'conflict' | 'unreachable';

export interface SimApi {
  object(ip: Ip): ServiceIpFact;
  isExcluded(node: string): boolean;
  /** When the node last wrote an object or its Lease; -Infinity: never. */
  signOf(node: string): number;
  /** Neither broken nor held back. */
  isPrompt(node: string): boolean;
  /** Lists and watches until the returned function is called, over every break. */
  watch(node: string, watcher: Watcher): () => void;
  /** Merges `status` into the object if it still has that version; the answer may be lost though it was done. */
  patch(fact: ServiceIpFact, status: Partial<HeldFact>, node: string, done: (outcome: Outcome) => void): void;
  renew(node: string, holder: string, done: (outcome: Outcome) => void): void;
  setUp(node: string, isUp: boolean): void;
  setHeldBack(node: string, isHeldBack: boolean): void;
  setExcluded(node: string, isExcluded: boolean): void;
  setService(ip: Ip, config: ServiceIpConfig | null): void;
}

interface Line {
  isUp: boolean;
  isHeldBack: boolean;
}

interface Watch {
  readonly node: string;
  readonly watcher: Watcher;
  isEnded: boolean;
  /** Grows with each break: what was on its way then does not arrive. */
  connection: number;
  isListed: boolean;
  held: ApiNews[];
  busyUntil: number;
}

/** One way between daemon and server, mostly, and now and then. */
const WAY_MS = { least: 0.5, most: 8, rare: 0.03, worst: 120 };
/** What is away is asked for twice a second, then every two (io/kubernetes/reachability.ts). */
const NOTICED_MS = { least: 125, most: 2_000 };

export interface SimApiParts {
  readonly queue: EventQueue;
  readonly random: Random;
  /** Each has an object, and a Service that asks for nothing special. */
  readonly ips: readonly Ip[];
  readonly onWritten: (fact: ServiceIpFact) => void;
}

export const createSimApi = ({ queue, random, ips, onWritten }: SimApiParts): SimApi => {
  const objects = new Map<Ip, ServiceIpFact>();
  const leases = new Map<string, LeaseFact>();
  const services = new Map<Ip, ServiceIpConfig>();
  const excluded = new Set<string>();
  const lines = new Map<string, Line>();
  const signs = new Map<string, number>();
  const watches: Watch[] = [];
  let version = 0;

  const line = (node: string): Line => {
    const found = lines.get(node) ?? { isUp: true, isHeldBack: false };
    lines.set(node, found);
    return found;
  };
  const wayMs = (): number =>
    random.chance(WAY_MS.rare)
      ? random.between(WAY_MS.most, WAY_MS.worst)
      : random.between(WAY_MS.least, WAY_MS.most);

  const deliver = (watch: Watch, run: () => void): void => {
    const { connection } = watch;
    watch.busyUntil = Math.max(watch.busyUntil + 0.001, queue.now() + wayMs());
    queue.at(watch.busyUntil, () => {
      if (!watch.isEnded && watch.connection === connection && line(watch.node).isUp) run();
    });
  };

  const tell = (news: ApiNews): void => {
    for (const watch of watches) {
      if (watch.isEnded || !watch.isListed) continue;
      if (line(watch.node).isHeldBack) watch.held.push(news);
      else deliver(watch, () => watch.watcher.changed(news));
    }
  };

  const nodesNews = (): ApiNews => ({ type: 'nodes', excluded: [...excluded].sort() });
  const everything = (): ApiNews[] => [
    nodesNews(),
    ...[...objects.values()].map((fact) => ({ type: 'object', fact }) as const),
    ...[...leases.values()].map((fact) => ({ type: 'lease', fact }) as const),
    ...ips.map((ip) => ({ type: 'service', ip, config: services.get(ip) ?? null }) as const),
  ];

  /** Asks for the list; what comes to be after the server made it is watched. */
  const list = (watch: Watch): void => {
    const { connection } = watch;
    queue.after(wayMs(), () => {
      if (watch.isEnded || watch.connection !== connection || !line(watch.node).isUp) return;
      watch.isListed = true;
      const news = everything();
      deliver(watch, () => watch.watcher.listed(news));
    });
  };

  const put = (ip: Ip, held: HeldFact | null): void => {
    version += 1;
    const fact: ServiceIpFact = { ip, resourceVersion: String(version), services: [], held };
    objects.set(ip, fact);
    onWritten(fact);
    tell({ type: 'object', fact });
  };

  /** A request, its deed at the server, and its answer. */
  const ask = (node: string, run: () => Outcome, done: (outcome: Outcome) => void): void => {
    queue.after(wayMs(), () => {
      if (!line(node).isUp) return done('unreachable');
      const outcome = run();
      signs.set(node, queue.now());
      queue.after(wayMs(), () => done(line(node).isUp ? outcome : 'unreachable'));
    });
  };

  for (const ip of ips) {
    services.set(ip, { ip, nodes: null, interfaces: null });
    put(ip, null);
  }

  const object = (ip: Ip): ServiceIpFact => objects.get(ip) as ServiceIpFact;

  return {
    object,
    isExcluded: (node) => excluded.has(node),
    signOf: (node) => signs.get(node) ?? Number.NEGATIVE_INFINITY,
    isPrompt: (node) => line(node).isUp && !line(node).isHeldBack,
    watch: (node, watcher) => {
      const watch: Watch = {
        ...{ node, watcher, isEnded: false, connection: 0, isListed: false },
        ...{ held: [], busyUntil: 0 },
      };
      // The dead are forgotten, so that a run of many lives stays small.
      for (let index = watches.length - 1; index >= 0; index -= 1)
        if (watches[index]?.isEnded === true) watches.splice(index, 1);
      watches.push(watch);
      if (line(node).isUp) list(watch);
      return () => {
        watch.isEnded = true;
      };
    },
    patch: ({ ip, resourceVersion }, status, node, done) =>
      ask(
        node,
        () => {
          const { held, resourceVersion: present } = object(ip);
          if (present !== resourceVersion) return 'conflict';
          const { holder, epoch, weak, state } = {
            ...(held ?? { holder: null, epoch: 0, weak: false, state: null }),
            ...status,
          };
          put(ip, { holder, epoch, weak, state });
          return 'done';
        },
        done,
      ),
    renew: (node, holder, done) =>
      ask(
        node,
        () => {
          version += 1;
          const fact = { node, holder, version };
          leases.set(node, fact);
          tell({ type: 'lease', fact });
          return 'done';
        },
        done,
      ),
    setUp: (node, isUp) => {
      if (line(node).isUp === isUp) return;
      line(node).isUp = isUp;
      for (const watch of watches) {
        if (watch.node !== node || watch.isEnded) continue;
        watch.connection += 1;
        watch.isListed = false;
        watch.held = [];
        const { connection } = watch;
        if (!isUp) continue;
        queue.after(random.between(NOTICED_MS.least, NOTICED_MS.most), () => {
          if (watch.connection === connection) list(watch);
        });
      }
    },
    setHeldBack: (node, isHeldBack) => {
      line(node).isHeldBack = isHeldBack;
      if (isHeldBack) return;
      for (const watch of watches) {
        if (watch.node !== node || watch.isEnded) continue;
        for (const news of watch.held.splice(0)) deliver(watch, () => watch.watcher.changed(news));
      }
    },
    setExcluded: (node, isNow) => {
      if (isNow) excluded.add(node);
      else excluded.delete(node);
      tell(nodesNews());
    },
    setService: (ip, config) => {
      if (config === null) services.delete(ip);
      else services.set(ip, config);
      tell({ type: 'service', ip, config });
    },
  };
};
