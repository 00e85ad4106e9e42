// V1Service → ServiceFact.
import { z } from 'zod';
import type { ServiceFact } from '../../../machines/cluster/cluster-facts.ts';
import { readServiceIp } from '../../config/service-address.ts';
import { quote } from '../../config/wrong.ts';
import { MOVE_TO, RESERVATION, readAddresses, readIntent, saidFirst } from './annotations.ts';
import { list, metadata, optional, type Reading, readObject } from './reading.ts';

const schema = z.object({
  metadata: metadata.extend({ namespace: z.string(), uid: z.string(), resourceVersion: z.string() }),
  spec: z.object({
    type: optional(z.string()),
    loadBalancerClass: optional(z.string()),
    loadBalancerIP: optional(z.string()),
    ipFamilies: list(z.enum(['IPv4', 'IPv6'])),
    ipFamilyPolicy: optional(z.enum(['SingleStack', 'PreferDualStack', 'RequireDualStack'])),
    externalTrafficPolicy: optional(z.enum(['Cluster', 'Local'])),
    ports: list(z.object({ port: z.int(), protocol: optional(z.string()) })),
    selector: optional(z.record(z.string(), z.string())),
  }),
  status: optional(
    z.object({ loadBalancer: optional(z.object({ ingress: list(z.object({ ip: optional(z.string()) })) })) }),
  ),
});
type Service = z.output<typeof schema>;
type Note = (line: string) => void;

const ingressIps = ({ status }: Service, note: Note): string[] =>
  (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => {
    if (ip === null) return [];
    const read = readServiceIp(ip);
    if ('value' in read) return [read.value];
    note(`status.loadBalancer.ingress: ${read.wrong}; it is not announced`);
    return [];
  });

const sortedText = (selector: Readonly<Record<string, string>> | null): string =>
  Object.entries(selector ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join();

/** Every Service is read, of whatever type; callers drop those with neither address, intent nor our type. */
export const readService = (raw: unknown): Reading<ServiceFact> =>
  readObject('Service', schema, raw, (object, note) => {
    const { metadata: meta, spec } = object;
    const { annotations } = meta;
    const field = { key: 'spec.loadBalancerIP', text: spec.loadBalancerIP ?? '' };
    const wanted = saidFirst(annotations, 'loadBalancerIPs', note, field);
    const addresses = wanted === null ? { ips: [] } : readAddresses(wanted);
    const intent = annotations[RESERVATION];
    const read = intent === undefined ? null : readIntent(intent);
    if (intent !== undefined && read === null)
      note(`${RESERVATION} ${quote(intent)} was not written by Holdfast; it is written anew`);
    return {
      namespace: meta.namespace,
      name: meta.name,
      uid: meta.uid,
      resourceVersion: meta.resourceVersion,
      created: meta.creationTimestamp ?? '',
      isDeleting: meta.deletionTimestamp !== null,
      isLoadBalancer: spec.type === 'LoadBalancer',
      loadBalancerClass: spec.loadBalancerClass,
      labels: meta.labels,
      families: spec.ipFamilies.length === 0 ? ['IPv4'] : spec.ipFamilies,
      familyPolicy: spec.ipFamilyPolicy ?? 'SingleStack',
      externalTrafficPolicy: spec.externalTrafficPolicy ?? 'Cluster',
      ports: spec.ports.map(({ port, protocol }) => `${protocol ?? 'TCP'}/${port}`).sort(),
      selectorKey: sortedText(spec.selector),
      requestedIps: 'ips' in addresses ? addresses.ips : [],
      requestedPool: saidFirst(annotations, 'address-pool', note)?.text ?? null,
      requestFault: 'fault' in addresses ? addresses.fault : null,
      sharingKey: saidFirst(annotations, 'allow-shared-ip', note)?.text ?? null,
      ingressIps: ingressIps(object, note),
      intent: read,
      moveTo: annotations[MOVE_TO]?.trim() || null,
    };
  });
