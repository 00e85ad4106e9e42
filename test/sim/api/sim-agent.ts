// Kubernetes' part of one life of a simulated daemon: what cluster.ts, projection.ts and object-writer.ts do between
// the API and the core, in simulated time. What an object is to say is decided by object-writer.ts itself; the rest
// is mirrored here, since promises do not run in simulated time. Without its rate limit and its size limits.
import { JUDGED_MS, RESERVED_MS, wantedStatus } from '../../../src/cli/daemon/kubernetes/object-writer.ts';
import type { HeldFact, ServiceIpFact } from '../../../src/machines/cluster/cluster-facts.ts';
import type { ServiceIpConfig } from '../../../src/machines/config.ts';
import type { Effect } from '../../../src/machines/effects.ts';
import type { Ip } from '../../../src/machines/frames.ts';
import type { ObjectClaim } from '../../../src/machines/unheard.ts';
import type { EventQueue } from '../event-queue.ts';
import type { SimMain } from '../sim-main.ts';
import type { ApiNews, LeaseFact, SimApi } from './sim-api.ts';

export interface SimAgentParts {
  readonly api: SimApi;
  readonly node: string;
  readonly instance: string;
  readonly life: SimMain;
  readonly queue: EventQueue;
  /** What the last life knew; this one adds what it learns. */
  readonly lastKnown: Map<Ip, ServiceIpConfig>;
  /** What the node takes for true of the cluster is otherwise now. */
  readonly onLearned: () => void;
}

export interface SimAgent {
  /** Its part in the IP, or its claim, changed. */
  changed(ip: Ip): void;
  reserve(effect: Extract<Effect, { type: 'reserve' }>): void;
  /** As far as this node knows. */
  excluded(): readonly string[];
  /** Nothing waits to be told to the core or to be written. */
  isSettled(): boolean;
  /** The process ends: gives its Lease up if `isOrderly`. */
  end(isOrderly: boolean): void;
}

/** As in object-writer.ts, projection.ts, node-lease.ts and cluster.ts. */
const GATHER_OBJECTS_MS = 5;
const GATHER_SERVICES_MS = 20;
const RENEW_MS = 10_000;
const RETRY_MS = 5_000;
const REMEMBER_AFTER_MS = 2_000;

export const createSimAgent = (parts: SimAgentParts): SimAgent => {
  const { api, node, instance, life, queue, lastKnown, onLearned } = parts;
  const known = new Map<Ip, ServiceIpFact>();
  /** IPs whose object the core was told of last when it named another node. */
  const toldOf = new Set<Ip>();
  const leases = new Map<string, number>();
  const services = new Map<Ip, string>();
  /** IPs that it reserved a moment ago, with a number for the newest reservation. */
  const reserved = new Map<Ip, number>();
  /** Its object says what the core has not judged yet. */
  const unjudged = new Set<Ip>();
  const owed = new Set<Ip>();
  const flying = new Set<Ip>();
  const waiting = new Set<Ip>();
  const gathered = { old: new Map<Ip, ObjectClaim>(), news: new Map<Ip, ObjectClaim>() };
  const changed = new Map<Ip, ServiceIpConfig | null>();
  let nodes: readonly string[] | null = null;
  let toldNodes = '';
  let believed: readonly string[] = [];
  let areObjectsDue = false;
  let areServicesDue = false;
  let isWhole = false;
  let isEnded = false;
  let renewal = 0;

  const later = (ms: number, run: () => void): void => queue.after(ms, () => life.whenFree(run));

  const flushObjects = (): void => {
    areObjectsDue = false;
    for (const [claims, isNews] of [
      [gathered.old, false],
      [gathered.news, true],
    ] as const) {
      if (claims.size === 0) continue;
      life.tell({ type: 'objects.seen', objects: [...claims.values()], isNews });
      const told = [...claims.keys()];
      later(JUDGED_MS, () => {
        for (const ip of told) {
          unjudged.delete(ip);
          publish(ip);
        }
      });
      claims.clear();
    }
  };

  const hearObject = (fact: ServiceIpFact, isNews: boolean): void => {
    const { ip, held } = fact;
    if (known.get(ip)?.resourceVersion === fact.resourceVersion) return;
    known.set(ip, fact);
    if (held !== null && (held.holder !== node || toldOf.has(ip))) {
      if (held.holder === node) toldOf.delete(ip);
      else toldOf.add(ip);
      gathered[isNews ? 'news' : 'old'].set(ip, { ip, ...held });
      unjudged.add(ip);
      if (!areObjectsDue) later(GATHER_OBJECTS_MS, flushObjects);
      areObjectsDue = true;
    } else publish(ip);
  };

  const hearLease = ({ node: other, holder, version }: LeaseFact): void => {
    if (leases.get(other) === version) return;
    leases.set(other, version);
    if (holder === '' || other === node || life.core.hears(other)) return;
    life.tell({ type: 'lease.renewed', node: other });
  };

  const flushServices = (): void => {
    areServicesDue = false;
    // Who may not hold anything must be known before anybody takes what is new.
    if (nodes !== null && toldNodes !== nodes.join()) {
      toldNodes = nodes.join();
      believed = nodes;
      const reason = 'the Node is not Ready';
      life.tell({ type: 'nodes.excluded', nodes: nodes.map((name) => ({ node: name, reason })) });
    }
    const gone: Ip[] = [];
    const news: ServiceIpConfig[] = [];
    for (const [ip, config] of changed) {
      const text = JSON.stringify(config);
      if (services.get(ip) === text || (config === null && !services.has(ip) && !lastKnown.has(ip))) continue;
      services.set(ip, text);
      if (config === null) {
        gone.push(ip);
        lastKnown.delete(ip);
      } else {
        news.push(config);
        lastKnown.set(ip, config);
      }
    }
    changed.clear();
    if (gone.length + news.length > 0) life.tell({ type: 'services.changed', changed: news, gone });
    onLearned();
  };

  const hear = (news: ApiNews, isNews: boolean): void => {
    if (news.type === 'object') return hearObject(news.fact, isNews);
    if (news.type === 'lease') return hearLease(news.fact);
    if (news.type === 'nodes') nodes = news.excluded;
    else changed.set(news.ip, news.config);
    if (!areServicesDue) later(GATHER_SERVICES_MS, flushServices);
    areServicesDue = true;
  };

  const publish = (ip: Ip): void => {
    const object = known.get(ip);
    const status = wantedStatus(node, life.core.service(ip), object?.held ?? null, reserved.has(ip));
    waiting.delete(ip);
    if (object === undefined || status === null) return void owed.delete(ip);
    owed.add(ip);
    if (flying.has(ip)) return void waiting.add(ip);
    flying.add(ip);
    const { holder, ...rest } = status as unknown as HeldFact;
    api.patch(object, { ...rest, holder: holder || null }, node, (outcome) =>
      life.whenFree(() => {
        flying.delete(ip);
        // After a conflict the watch brings the newer version; a lost server is asked again when it is back.
        if (outcome === 'done') owed.delete(ip);
        if (waiting.has(ip)) publish(ip);
      }),
    );
  };

  const renew = (): void => {
    renewal += 1;
    const mine = renewal;
    api.renew(node, instance, (outcome) =>
      life.whenFree(() => later(outcome === 'done' ? RENEW_MS : RETRY_MS, () => mine === renewal && renew())),
    );
  };

  const stopWatching = api.watch(node, {
    listed: (all) =>
      life.whenFree(() => {
        if (isWhole) renew();
        isWhole = true;
        for (const news of all) hear(news, false);
        for (const ip of [...owed]) publish(ip);
      }),
    changed: (news) => life.whenFree(() => hear(news, true)),
  });
  renew();
  later(REMEMBER_AFTER_MS, () => {
    if (isWhole || lastKnown.size === 0) return;
    life.tell({ type: 'services.changed', changed: [...lastKnown.values()], gone: [] });
  });

  return {
    changed: (ip) => publish(ip),
    reserve: ({ ip, epoch, weak }) => {
      const answer = (won: boolean): void => life.tell({ type: 'reserve.answered', ip, epoch, won });
      const object = known.get(ip);
      if (object === undefined || unjudged.has(ip)) return answer(false);
      const mine = (reserved.get(ip) ?? 0) + 1;
      reserved.set(ip, mine);
      later(RESERVED_MS, () => {
        if (reserved.get(ip) !== mine) return;
        reserved.delete(ip);
        publish(ip);
      });
      const status = { holder: node, state: 'candidate', epoch, weak };
      api.patch(object, status, node, (outcome) => life.whenFree(() => answer(outcome === 'done')));
    },
    excluded: () => believed,
    isSettled: () => !areObjectsDue && !areServicesDue && owed.size === 0,
    end: (isOrderly) => {
      if (isEnded) return;
      isEnded = true;
      renewal += 1;
      stopWatching();
      if (isOrderly) api.renew(node, '', () => {});
    },
  };
};
