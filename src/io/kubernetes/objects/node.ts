// V1Node → NodeFact, and V1Namespace → NamespaceFact.
import { z } from 'zod';
import type { NamespaceFact, NodeFact } from '../../../machines/cluster/cluster-facts.ts';
import { quote } from '../../config/wrong.ts';
import { parseIp } from '../../packets/address.ts';
import { DRAIN } from './annotations.ts';
import { list, metadata, optional, type Reading, readObject } from './reading.ts';

const nodeSchema = z.object({
  metadata,
  spec: optional(
    z.object({ unschedulable: optional(z.boolean()), taints: list(z.object({ key: z.string() })) }),
  ),
  status: optional(
    z.object({
      conditions: list(z.object({ type: z.string(), status: z.string() })),
      addresses: list(z.object({ type: z.string(), address: z.string() })),
    }),
  ),
});

const DRAINS: ReadonlyMap<string, NodeFact['drain']> = new Map([
  ['true', 'configured'],
  ['prompt', 'prompt'],
  ['patient', 'patient'],
  ['false', null],
  ['', null],
]);

/** A node without a Ready condition has never reported: it is not Ready. */
export const readNode = (raw: unknown): Reading<NodeFact> =>
  readObject('Node', nodeSchema, raw, ({ metadata: meta, spec, status }, note) => {
    const is = (type: string): boolean =>
      status?.conditions.some((condition) => condition.type === type && condition.status === 'True') ?? false;
    const asked = meta.annotations[DRAIN] ?? '';
    const drain = DRAINS.get(asked.trim());
    if (drain === undefined)
      note(`${DRAIN} ${quote(asked)} is ignored; write true, prompt, patient or false`);
    return {
      name: meta.name,
      labels: meta.labels,
      isReady: is('Ready'),
      isNetworkUnavailable: is('NetworkUnavailable'),
      isOutOfService: spec?.taints.some(({ key }) => key === 'node.kubernetes.io/out-of-service') ?? false,
      isUnschedulable: spec?.unschedulable ?? false,
      addresses: (status?.addresses ?? []).flatMap(({ type, address }) => {
        const ip = type.endsWith('IP') ? parseIp(address) : null;
        return ip === null ? [] : [ip];
      }),
      drain: drain ?? null,
    };
  });

export const readNamespace = (raw: unknown): Reading<NamespaceFact> =>
  readObject('Namespace', z.object({ metadata }), raw, ({ metadata: { name, labels } }) => ({
    name,
    labels,
  }));
