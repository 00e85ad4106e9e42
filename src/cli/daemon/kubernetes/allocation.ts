// The allocator's loop, on the one daemon that holds its Lease: plan the next writes, make them, wait until the mirrors
// show them, plan again. What to write is decided in src/machines/cluster (reservations.ts); nothing is kept here that
// a crash could lose.
import type { Logger } from 'pino';
import type { ClusterClient } from '../../../io/kubernetes/cluster-client.ts';
import { eventWrite } from '../../../io/kubernetes/kube-event.ts';
import { formatIntent, RESERVATION } from '../../../io/kubernetes/objects/annotations.ts';
import { readService } from '../../../io/kubernetes/objects/service.ts';
import { SERVICE_IPS, SERVICES } from '../../../io/kubernetes/resource.ts';
import { readObject, type Write, type Writer } from '../../../io/kubernetes/writer.ts';
import { type AllocationNews, createAllocationReporter } from '../../../machines/cluster/allocation-news.ts';
import type { AllocatorFacts } from '../../../machines/cluster/allocator.ts';
import type { Reservation } from '../../../machines/cluster/cluster-facts.ts';
import type { PoolUsage } from '../../../machines/cluster/free-addresses.ts';
import { isGivenUp, planReservations, type Step } from '../../../machines/cluster/reservations.ts';
import { eventAbout } from './move-events.ts';

/** Changes come in flocks. */
const GATHER_MS = 30;
/** A mirror that does not show a write by then has missed it, or the write was one of two that say the same. */
const SHOWN_WITHIN_MS = 3_000;

export interface AllocationParts {
  readonly client: ClusterClient;
  readonly writer: Writer;
  /** For Events, which may wait. */
  readonly events: Writer;
  readonly node: string;
  readonly log: Logger;
  /** Null while the picture is not whole, or another node allocates. */
  readonly facts: () => AllocatorFacts | null;
  readonly wallNow: () => number;
}

export interface Allocation {
  look(): void;
  usage(): readonly PoolUsage[];
  /** What users asked for and do not have, a line each. */
  findings(): readonly string[];
  close(): void;
}

/** The object that a step writes, and the version that it writes over; null: it makes it. */
const writtenBy = (step: Step): { readonly key: string; readonly version: string | null } => {
  if ('service' in step) {
    const { namespace, name, resourceVersion } = step.service;
    return { key: `service ${namespace}/${name}`, version: resourceVersion };
  }
  return { key: `serviceip ${step.ip}`, version: step.resourceVersion };
};

const servicePatch = ({ service }: Extract<Step, { service: unknown }>, patch: object): Write => ({
  verb: 'patch',
  resource: SERVICES,
  namespace: service.namespace,
  name: service.name,
  patch: { metadata: { resourceVersion: service.resourceVersion }, ...patch },
});

const annotate = (step: Extract<Step, { service: unknown }>, text: string | null): Write =>
  servicePatch(step, {
    metadata: {
      resourceVersion: step.service.resourceVersion,
      annotations: { [RESERVATION]: text },
    },
  });

const servicesWrite = (
  { ip, name, resourceVersion }: Extract<Step, { ip: string }>,
  services: readonly Reservation[],
): Write =>
  resourceVersion === null
    ? { verb: 'create', resource: SERVICE_IPS, object: { metadata: { name }, spec: { ip, services } } }
    : {
        verb: 'patch',
        resource: SERVICE_IPS,
        name,
        patch: { metadata: { resourceVersion }, spec: { ip, services } },
      };

export const createAllocation = (parts: AllocationParts): Allocation => {
  const { client, writer, events, node, log, facts, wallNow } = parts;
  /** Objects written, until the mirror has another version of them. */
  const unseen = new Map<string, { readonly version: string | null; readonly until: number }>();
  const reporter = createAllocationReporter();
  let findings: readonly string[] = [];
  let usage: readonly PoolUsage[] = [];
  let timer: NodeJS.Timeout | null = null;
  let isBusy = false;
  let isClosed = false;

  const look = (delayMs = GATHER_MS): void => {
    if (!isClosed) timer ??= setTimeout(() => void turn(), delayMs);
  };

  /** Nobody bears the address by the API server's own word: taken back, then. */
  const releaseWrite = async (step: Extract<Step, { type: 'release' }>): Promise<Write | null> => {
    for (const each of step.leaving) {
      const found = await readObject(client, SERVICES, each.name, each.namespace);
      if (!found.ok && found.failure.kind !== 'missing') return null;
      const read = found.ok ? readService(found.value) : null;
      if (read !== null && 'wrong' in read) return null;
      if (!isGivenUp(read === null ? null : read.value, each, step.ip)) return null;
    }
    if (step.staying.length > 0) return servicesWrite(step, step.staying);
    return { verb: 'delete', resource: SERVICE_IPS, name: step.name, resourceVersion: step.resourceVersion };
  };

  const writeOf = async (step: Step): Promise<Write | null> => {
    switch (step.type) {
      case 'intend':
        return annotate(step, formatIntent(step.ips, step.service.resourceVersion));
      case 'forget':
        return annotate(step, null);
      case 'publish': {
        const ingress = step.ips.map((ip) => ({ ip, ipMode: 'VIP' }));
        return {
          ...servicePatch(step, { status: { loadBalancer: { ingress } } }),
          subresource: 'status',
        } as Write;
      }
      case 'reserve':
        return servicesWrite(step, step.services);
      case 'release':
        return await releaseWrite(step);
    }
  };

  const perform = async (step: Step): Promise<void> => {
    const write = await writeOf(step);
    if (write === null) return;
    const { key, version } = writtenBy(step);

    const outcome = await writer.write(`allocate ${key}`, () => write);
    if (outcome.ok) {
      unseen.set(key, { version, until: performance.now() + SHOWN_WITHIN_MS });
      return;
    }
    const { kind, text } = outcome.failure;
    // Somebody else wrote first: the mirrors bring what, and with it the next plan.
    if (kind === 'conflict' || kind === 'exists' || kind === 'missing') return;
    if (kind === 'forbidden' || kind === 'failed') log.warn({ code: 'allocate' }, `${key}: ${text}`);
    look(1_000);
  };

  const forgetSeen = (current: AllocatorFacts): void => {
    const versions = new Map<string, string>();
    for (const { namespace, name, resourceVersion } of current.services)
      versions.set(`service ${namespace}/${name}`, resourceVersion);
    for (const { ip, resourceVersion } of current.serviceIps)
      versions.set(`serviceip ${ip}`, resourceVersion);
    const now = performance.now();
    for (const [key, { version, until }] of unseen)
      if ((versions.get(key) ?? null) !== version || now >= until) unseen.delete(key);
  };

  const say = (news: AllocationNews): void => {
    const { namespace, name, uid, type, reason, message } = news;
    if (type === 'Warning') log.warn({ code: 'allocate' }, `${namespace}/${name}: ${message}`);
    const event = { about: eventAbout(news), type, reason, message, node } as const;
    void events.write(`event ${uid} ${reason} ${message}`, () => eventWrite({ ...event, at: wallNow() }));
  };

  const turn = async (): Promise<void> => {
    timer = null;
    const current = isBusy ? null : facts();
    if (current === null || isClosed) return;
    forgetSeen(current);
    // Planned on what was before a write, its answer would be the same write again.
    if (unseen.size > 0) return look();
    const plan = planReservations(current);
    usage = plan.usage;
    for (const news of reporter.take(plan.decisions)) say(news);
    findings = [...plan.decisions.values()].flatMap(({ service: { namespace, name }, troubles }) =>
      troubles.map(({ message }) => `${namespace}/${name}: ${message}`),
    );
    if (plan.steps.length === 0) return;
    isBusy = true;
    await Promise.all(plan.steps.map(perform));
    isBusy = false;
    look();
  };

  return {
    look: () => look(),
    usage: () => usage,
    findings: () => findings,
    close: () => {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
};
